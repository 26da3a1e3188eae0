import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { isServerOf, runState } from '../../cluster-scripts/process-table.js';

describe('process table', () => {
  const children: ChildProcess[] = [];
  const directory = fs.realpathSync(fs.mkdtempSync(join(os.tmpdir(), 'holt-process-')));

  after(() => {
    for (const child of children) child.kill('SIGKILL');
    fs.rmSync(directory, { recursive: true });
  });

  /** Runs for ever, with these arguments. */
  async function sleeper(args: readonly string[], cwd = '/'): Promise<number> {
    const script = 'process.stdout.write("up"); setInterval(() => {}, 60_000)';
    const child = spawn(process.execPath, ['-e', script, '--', ...args], { cwd });
    children.push(child);
    await once(child.stdout!, 'data');
    return child.pid!;
  }

  async function until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it('knows a server of a directory by its arguments', async () => {
    const pid = await sleeper(['server', '--dir', directory]);
    assert.equal(isServerOf(pid, directory), true);
    assert.equal(isServerOf(pid, join(directory, 'other')), false);
  });

  it('takes another program for no server', async () => {
    assert.equal(isServerOf(await sleeper(['--dir', directory]), directory), false);
    assert.equal(isServerOf(process.pid, directory), false);
  });

  // Only /proc tells where a process is.
  if (fs.existsSync('/proc/self/cwd')) {
    it('resolves a relative directory as the process does', async () => {
      const pid = await sleeper(['server', '--dir=.'], directory);
      assert.equal(isServerOf(pid, directory), true);
    });
  }

  it('tells running, paused and gone apart', async () => {
    const pid = await sleeper([]);
    assert.equal(runState(pid), 'running');
    process.kill(pid, 'SIGSTOP');
    await until(() => runState(pid) === 'paused');
    process.kill(pid, 'SIGCONT');
    await until(() => runState(pid) === 'running');
    const child = children.at(-1)!;
    child.kill('SIGKILL');
    await once(child, 'exit');
    assert.equal(runState(pid), 'gone');
  });
});

// The chaos command takes everything along that it made, however it ends.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from './eventually.js';

const mainPath = fileURLToPath(new URL('../chaos/main.js', import.meta.url));
/** For servers to start, on a busy machine. */
const underWayMs = 120_000;
const endMs = 60_000;

describe('npm run chaos', function () {
  this.timeout(underWayMs + 2 * endMs);

  let temporary: string;
  let chaos: ChildProcess;
  let said: string;

  async function start(environment: NodeJS.ProcessEnv = {}): Promise<void> {
    temporary = fs.mkdtempSync(join(os.tmpdir(), 'holt-interop-'));
    said = '';
    chaos = spawn(process.execPath, [mainPath, '--minutes', '5', '--seed', '1'], {
      env: { ...process.env, ...environment, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    chaos.stdout!.on('data', (chunk) => {
      said += chunk;
    });
    await eventually('clients and faults begin', underWayMs, () => said.includes('round 1: '));
    // Or it would be no wonder that nothing is left.
    assert(processes().length >= 4, said);
    assert.equal(fs.readdirSync(temporary).length, 1);
  }

  afterEach(() => {
    chaos.kill('SIGKILL');
    fs.rmSync(temporary, { recursive: true, force: true });
  });

  /** The driver and servers of this run: its directory is among their arguments. */
  function processes(): readonly string[] {
    const pids = fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids.map(commandLine).filter((line) => line.includes(temporary));
  }

  async function assertNothingIsLeft(): Promise<void> {
    await eventually('no process is left', endMs, () => processes().length === 0);
    assert(!fs.readFileSync('/proc/self/mounts', 'utf8').includes(temporary));
    assert.deepEqual(fs.readdirSync(temporary), []);
  }

  async function interrupt(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): Promise<void> {
    chaos.kill(signal);
    const [code] = await once(chaos, 'exit');
    assert.equal(code, 128 + os.constants.signals[signal]);
    assert.match(said, new RegExp(`interrupted by ${signal}`));
    await assertNothingIsLeft();
  }

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    it(`interrupted by ${signal}, leaves nothing behind`, async () => {
      await start();
      await interrupt(signal);
    });
  }

  it('interrupted where there are no namespaces, leaves nothing behind', async () => {
    await start({ PATH: '' });
    assert.match(said, /no namespaces here/);
    await interrupt('SIGTERM');
  });

  it('killed, leaves nothing behind', async () => {
    await start();
    chaos.kill('SIGKILL');
    await assertNothingIsLeft();
  });

  it('killed where there are no namespaces, leaves nothing behind', async () => {
    await start({ PATH: '' });
    chaos.kill('SIGKILL');
    await assertNothingIsLeft();
  });
});

/** Empty when the process is gone. */
function commandLine(pid: string): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
}

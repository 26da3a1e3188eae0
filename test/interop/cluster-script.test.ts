// `cluster-scripts/cluster` as people use it: the real script, real servers, a directory of its own.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isServerOf } from '../../cluster-scripts/process-table.js';
import type { ClusterStatus, ServerStatus } from '../../cluster-scripts/status.js';
import { eventually } from './eventually.js';
import { type ProgramResult, runProgram } from './run-program.js';

const script = fileURLToPath(new URL('../../../cluster-scripts/cluster', import.meta.url));
const example = fileURLToPath(new URL('../../examples/client.js', import.meta.url));

/** For whatever a busy machine takes long to do. */
const deadlineMs = 60_000;

/** Server N of the script is N - 1 times this above the first. */
const basePortStep = 100;

describe('cluster script', function () {
  this.timeout(3 * deadlineMs);

  let directory: string;
  let basePort: number;
  /** Every pid seen as a server's, for the end. */
  const pids = new Set<number>();
  /** Programs that run beside the test. */
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    directory = join(fs.realpathSync(fs.mkdtempSync(join(os.tmpdir(), 'holt-script-'))), 'data');
    basePort = await freeBasePort(3);
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    }
    // Not through the script, which is what is being tested.
    for (const pid of [...pids, ...pidFiles()]) if (isOurs(pid)) process.kill(pid, 'SIGKILL');
    await eventually('the servers have ended', deadlineMs, () => ![...pids].some(isOurs));
    pids.clear();
    fs.rmSync(join(directory, '..'), { recursive: true });
  });

  function cluster(...args: string[]): Promise<ProgramResult> {
    return runProgram(script, [...args, '--dir', directory], { deadlineMs });
  }

  /** Fails unless the exit code is 0. Returns what was printed. */
  async function clusterOk(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cluster(...args);
    assert.equal(code, 0, `cluster ${args.join(' ')}:\n${stdout}${stderr}`);
    return stdout;
  }

  async function assertTrouble(args: string[], code: number, message: RegExp): Promise<void> {
    const result = await cluster(...args);
    assert.match(result.stderr, message);
    assert.doesNotMatch(result.stderr, /\n {4}at /);
    assert.equal(result.code, code);
  }

  async function status(): Promise<ClusterStatus> {
    const found = JSON.parse(await clusterOk('status', '--json')) as ClusterStatus;
    for (const { pid } of found.servers) if (pid !== null) pids.add(pid);
    return found;
  }

  async function serverOf(number: number): Promise<ServerStatus> {
    return (await status()).servers.find(({ server }) => server === number)!;
  }

  function startDetached(servers = 3): Promise<string> {
    return clusterOk('start', '--detach', '--servers', `${servers}`, '--port', `${basePort}`);
  }

  /** In the foreground, with the output in a pipe. Resolves when a leader is announced. */
  async function startInForeground(): Promise<{ child: ChildProcess; output: () => string }> {
    const args = ['start', '--dir', directory, '--port', `${basePort}`];
    const child = spawn(script, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let text = '';
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (bytes: Buffer) => {
        text += bytes.toString();
      });
    }
    await eventually('a leader is announced', deadlineMs, () => {
      assert.equal(child.exitCode, null, text);
      return /server \d leads in term/.test(text);
    });
    return { child, output: () => text };
  }

  function pidFiles(): number[] {
    return [1, 2, 3].flatMap((number) => {
      const path = join(directory, `server-${number}`, 'pid');
      return fs.existsSync(path) ? [Number(fs.readFileSync(path, 'utf8'))] : [];
    });
  }

  function isOurs(pid: number): boolean {
    return [1, 2, 3].some((number) => isServerOf(pid, join(directory, `server-${number}`)));
  }

  function setHello(): Promise<ProgramResult> {
    const args = [example, '--port', `${basePort + 1}`, 'set', 'hello', 'world'];
    return runProgram(process.execPath, args, { deadlineMs });
  }

  it('deploys a cluster that outlives it, and takes it down again', async () => {
    const printed = await startDetached();
    assert.match(printed, /server \d leads in term \d/);
    assert.match(printed, new RegExp(`redis-cli -c -p ${basePort + 1}\n`));

    const { servers, groups, clusterId } = await status();
    assert.match(clusterId, /^[0-9a-f]{32}$/);
    assert.deepEqual(
      servers.map(({ server, state, port, busPort, note }) => [server, state, port, busPort, note]),
      [1, 2, 3].map((number) => {
        const port = basePort + (number - 1) * basePortStep + 1;
        return [number, 'running', port, port + 10_000, null];
      }),
    );
    assert.equal(servers.filter(({ isServing }) => isServing).length, 1);
    assert.equal(servers.find(({ isServing }) => isServing)!.server, groups[0]!.leader);
    for (const server of servers) {
      assert.ok(isServerOf(server.pid!, join(directory, `server-${server.server}`)));
      assert.ok(server.term! >= 1 && server.logBytes! > 0 && server.memoryBytes! > 0);
      assert.ok(server.appliedIndex! <= server.commitIndex!);
    }

    const { code, stdout, stderr } = await setHello();
    assert.equal(stdout, 'OK\n', stderr);
    assert.equal(code, 0);

    assert.match(await clusterOk('start', '--detach'), /servers 1, 2, 3 running already/);
    assert.match(await clusterOk('status'), /^Holt, 3 servers in .*: server \d leads in term \d/);
    assert.match(
      await clusterOk('logs', '2', '--no-follow', '--lines', '500'),
      /"msg":"replica started"/,
    );

    assert.equal(await clusterOk('stop'), 'server 1 stopped\nserver 2 stopped\nserver 3 stopped\n');
    assert.ok(![...pids].some(isOurs));
    for (const server of (await status()).servers) {
      assert.equal(server.state, 'stopped');
      assert.equal(server.note, null);
    }
    assert.match(await clusterOk('stop'), /server 1 was not running/);

    await assertTrouble(['clean'], 2, /give --yes/);
    await clusterOk('clean', '--yes');
    assert.ok(!fs.existsSync(directory));
  });

  it('breaks servers and repairs them', async () => {
    await startDetached();
    const killed = (await status()).groups[0]!.leader!;
    await clusterOk('kill', `${killed}`);
    const dead = await serverOf(killed);
    assert.equal(dead.state, 'stopped');
    assert.match(dead.note!, /its pid file says \d+, which has ended/);
    await assertTrouble(['kill', `${killed}`], 1, /is not running/);
    await eventually('another leads', deadlineMs, async () => {
      const { leader } = (await status()).groups[0]!;
      return leader !== null && leader !== killed;
    });
    assert.equal((await setHello()).stdout, 'OK\n');

    await clusterOk('restart', `${killed}`);
    assert.equal((await serverOf(killed)).state, 'running');

    const follower = (await status()).servers.find(({ isServing }) => !isServing)!;
    await clusterOk('pause', `${follower.server}`);
    assert.equal((await serverOf(follower.server)).state, 'paused');
    await assertTrouble(['clean', '--yes'], 1, /is running .*`cluster stop` first/);
    await clusterOk('resume', `${follower.server}`);
    const resumed = await serverOf(follower.server);
    assert.equal(resumed.state, 'running');
    assert.equal(resumed.pid, follower.pid);

    const hanging = (await status()).groups[0]!.leader!;
    await clusterOk('pause', `${hanging}`);
    const answer = await setHello();
    assert.equal(answer.stdout, 'OK\n', answer.stderr);
    await clusterOk('resume', `${hanging}`);

    const before = await status();
    await clusterOk('restart');
    const after = await status();
    assert.notEqual(after.groups[0]!.leader, null);
    for (const [at, server] of after.servers.entries()) {
      assert.equal(server.state, 'running');
      assert.notEqual(server.pid, before.servers[at]!.pid);
    }

    await clusterOk('pause', '1');
    assert.equal(await clusterOk('stop', '1'), 'server 1 stopped\n');
  });

  it('stops its servers when it is interrupted in the foreground', async () => {
    const { child, output } = await startInForeground();
    await status();
    assert.equal(pids.size, 3);
    await assertTrouble(['start'], 1, /nothing to start: `cluster watch`/);
    // One that was started by somebody else meanwhile belongs to the cluster all the same.
    await clusterOk('restart', '2');
    await status();
    assert.equal(pids.size, 4);
    child.kill('SIGINT');
    await once(child, 'close');
    assert.equal(child.exitCode, 0, output());
    assert.match(output(), /stopped; the data stays/);
    assert.ok(![...pids].some(isOurs));
    assert.deepEqual(pidFiles(), []);
  });

  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    it(`leaves nothing behind after ${signal}`, async () => {
      const { child, output } = await startInForeground();
      await status();
      assert.equal(pids.size, 3);
      child.kill(signal);
      await once(child, 'close');
      assert.equal(child.exitCode, 0, output());
      assert.ok(![...pids].some(isOurs));
    });
  }

  it('leaves nothing behind when nobody reads its output any more', async () => {
    const { child } = await startInForeground();
    const { servers } = await status();
    child.stdout!.destroy();
    // Something to tell: the view prints only changes.
    process.kill(servers[0]!.pid!, 'SIGKILL');
    await once(child, 'exit');
    assert.ok(![...pids].some(isOurs));
  });

  it('prints changes, not indexes, where the output is no terminal', async () => {
    const { child, output } = await startInForeground();
    await status();
    await setHello();
    await clusterOk('kill', '3');
    await eventually('the end of server 3 is told', deadlineMs, () =>
      /server 3 is stopped/.test(output()),
    );
    const lines = output().split('\n');
    assert.equal(lines.filter((line) => line.startsWith('server 1 is running')).length, 1);
    child.kill('SIGINT');
    await once(child, 'close');
  });

  it('says which port is in use, and starts nothing', async () => {
    const holder = net.createServer();
    const port = basePort + basePortStep + 10_001;
    holder.listen(port, '127.0.0.1');
    await once(holder, 'listening');
    try {
      await assertTrouble(
        ['start', '--detach', '--port', `${basePort}`],
        1,
        new RegExp(`port ${port} \\(bus of server 2\\) is in use by`),
      );
    } finally {
      holder.close();
    }
    for (const { state } of (await status()).servers) assert.equal(state, 'stopped');
  });

  it('shows why a server died at its start', async () => {
    await startDetached(1);
    await status();
    await clusterOk('stop');
    fs.rmSync(join(directory, 'server-1', 'group-1'), { recursive: true });
    await assertTrouble(
      ['start', '--detach'],
      1,
      /server 1 ended while it was starting \(exit code 1\); its last lines:\n.* fatal cannot start: /s,
    );
  });

  it('signals no program that only has the number of a server', async () => {
    await startDetached(1);
    await status();
    await clusterOk('kill', '1');
    const stranger = spawn(process.execPath, ['-e', 'setInterval(() => {}, 60_000)']);
    children.push(stranger);
    await once(stranger, 'spawn');
    fs.writeFileSync(join(directory, 'server-1', 'pid'), `${stranger.pid}\n`);
    assert.match((await serverOf(1)).note!, /is another program/);
    for (const command of ['kill', 'pause', 'resume']) {
      await assertTrouble([command, '1'], 1, /server 1 is not running/);
    }
    assert.equal(await clusterOk('stop'), 'server 1 was not running\n');
    assert.equal(stranger.exitCode ?? stranger.signalCode, null);
    await clusterOk('start', '--detach');
    const { state, pid } = await serverOf(1);
    assert.equal(state, 'running');
    assert.notEqual(pid, stranger.pid);
    assert.equal(stranger.exitCode ?? stranger.signalCode, null);
  });

  it('keeps the size and the ports that a cluster was made with', async () => {
    await startDetached(1);
    await status();
    await clusterOk('stop');
    const printed = await clusterOk('start', '--detach', '--servers', '3', '--port', '7000');
    assert.match(printed, /--servers 3 is ignored: the cluster in .* has 1\n/);
    assert.match(
      printed,
      new RegExp(`--port 7000 is ignored: the cluster in .* is on ${basePort}\n`),
    );
    assert.equal((await status()).servers.length, 1);
    await assertTrouble(['pause', '2'], 2, /no server 2 in .*: the servers there are 1/);
  });

  it('grows and shrinks while it runs', async () => {
    await startDetached(1);
    await status();
    assert.match(
      await clusterOk('add'),
      new RegExp(`^server 2 is a voter on port ${basePort + basePortStep + 1}\n$`),
    );
    assert.match(await clusterOk('add', '--learner'), /^server 3 is a learner on port/);
    const grown = await status();
    assert.deepEqual(
      grown.servers.map(({ server, state, membership }) => [server, state, membership]),
      [
        [1, 'running', 'voter'],
        [2, 'running', 'voter'],
        [3, 'running', 'learner'],
      ],
    );
    assert.match(await clusterOk('status'), /^3 {2}running .* learner /m);
    assert.equal((await setHello()).stdout, 'OK\n');

    const printed = await clusterOk('remove', '3');
    assert.match(
      printed,
      /^server 3 is removed from the group\nserver 3 stopped; its directory stays/,
    );
    await clusterOk('restart', '3');
    const removed = await serverOf(3);
    assert.deepEqual([removed.state, removed.membership], ['running', 'none']);
    assert.match(await clusterOk('status'), /^3 {2}running .* no member /m);
    assert.match(
      await clusterOk('remove', '3', '--clean'),
      /^server 3 is no member of the group\nserver 3 stopped; its directory is gone\n$/,
    );
    assert.ok(!fs.existsSync(join(directory, 'server-3')));

    await clusterOk('stop');
    await clusterOk('start', '--detach');
    const again = await status();
    assert.deepEqual(
      again.servers.map(({ membership }) => membership),
      ['voter', 'voter'],
    );
    await assertTrouble(['remove', '9'], 2, /no server 9 in .*: the servers there are 1, 2/);
    await clusterOk('remove', '1');
    await assertTrouble(['remove', '2'], 1, /last voter/);
    await clusterOk('stop');
    await assertTrouble(['add'], 1, /nobody leads/);
  });

  it('tells wrong usage from trouble', async () => {
    await assertTrouble([], 2, /give a command/);
    await assertTrouble(['frobnicate'], 2, /frobnicate/);
    await assertTrouble(['start', '--frobnicate'], 2, /frobnicate/);
    await assertTrouble(['start', '--groups', '2'], 2, /this version has one group/);
    await assertTrouble(['start', '--servers', 'many'], 2, /--servers takes a number/);
    await assertTrouble(['kill'], 2, /which server\?/);
    for (const command of [['status'], ['stop'], ['watch'], ['logs', '1'], ['clean', '--yes']]) {
      await assertTrouble(command, 1, /no cluster in .*: `cluster start` makes one/);
    }
    assert.ok(!fs.existsSync(directory));
  });

  it('the example says so when nobody answers', async () => {
    const { code, stdout, stderr } = await setHello();
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, new RegExp(`^No cluster answers on ports ${basePort + 1}, `));
  });
});

/** A base port whose servers' ports are free, and outside what the kernel lends to clients. */
async function freeBasePort(servers: number): Promise<number> {
  for (;;) {
    const base = randomInt(18_000, 22_500);
    const ports = Array.from({ length: servers }, (_, at) => base + at * basePortStep + 1);
    const isFree = await Promise.all(
      ports.flatMap((port) => [port, port + 10_000]).map((port) => isPortFree(port)),
    );
    if (isFree.every(Boolean)) return base;
  }
}

function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = net.createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

// A backup over the network, a new cluster from it, a way back behind a FLUSHALL, and one survivor
// that becomes a cluster: with real processes.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClusterUnderTest, runHolt, type ServerUnderTest } from './cluster-under-test.js';
import { eventually, pause } from './eventually.js';
import { freeBasePorts } from './free-ports.js';
import { RespConnection } from './resp-connection.js';

const mainPath = fileURLToPath(new URL('../../src/main.js', import.meta.url));
const keyCount = 500;

describe('Backup and restore', () => {
  let cluster: ClusterUnderTest;
  let directory: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-backup-'));
    cluster = await ClusterUnderTest.start();
    const connection = await (await cluster.leader()).connect();
    await Promise.all(
      Array.from({ length: keyCount }, (_, n) => connection.call('SET', `key:${n}`, `value ${n}`)),
    );
    await connection.call('PEXPIREAT', 'key:0', String(Date.now() + 3_600_000));
    connection.close();
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    cluster.dispose();
    fs.rmSync(directory, { recursive: true, force: true });
  });

  async function backupFrom(port: number): Promise<string> {
    const to = join(directory, 'backup');
    const result = await runHolt(['backup', '--connect', `127.0.0.1:${port}`, '--to', to]);
    assert.equal(result.code, 0, result.stderr);
    return to;
  }

  /** Starts a server of one's own. */
  function startServer(serverDirectory: string): void {
    const child = spawn(process.execPath, [mainPath, 'server', '--dir', serverDirectory], {
      stdio: 'ignore',
    });
    children.push(child);
  }

  /** A connection to the one that serves, as soon as one does. */
  function leaderOf(basePorts: readonly number[]): Promise<RespConnection> {
    return eventually('the new cluster serves', 15_000, async () => {
      for (const basePort of basePorts) {
        const opened = await RespConnection.open(basePort + 1);
        const info = String(await opened.call('INFO', 'raft'));
        if (info.includes('raft_serving:1')) return opened;
        opened.close();
      }
      return undefined;
    });
  }

  /** Starts a new cluster with what is restored; a connection to its leader. */
  async function restore(
    from: string,
    basePorts: readonly number[],
    ...more: readonly string[]
  ): Promise<RespConnection> {
    const dir = join(directory, 'restored');
    const servers = basePorts.flatMap((port) => ['--server', `127.0.0.1:${port}`]);
    const result = await runHolt(['restore', '--from', from, '--dir', dir, ...servers, ...more]);
    assert.equal(result.code, 0, result.stderr);
    return startRestored(basePorts);
  }

  function startRestored(basePorts: readonly number[]): Promise<RespConnection> {
    for (const at of basePorts.keys()) startServer(join(directory, 'restored', `server-${at + 1}`));
    return leaderOf(basePorts);
  }

  async function endServers(): Promise<void> {
    for (const child of children.splice(0)) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  }

  it('copies a follower while it serves; a new cluster has every key, expiry and clock', async () => {
    const [follower] = await cluster.followers();
    const leader = await cluster.leader();
    await cluster.converged();
    const backup = await backupFrom(follower!.clientPort);
    assert.deepEqual(fs.readdirSync(backup).sort(), ['data.db', 'manifest.json']);

    const restored = await restore(backup, await freeBasePorts(1));
    assert.equal(await restored.call('DBSIZE'), keyCount);
    for (let n = 0; n < keyCount; n += 1) {
      assert.equal(await restored.call('GET', `key:${n}`), `value ${n}`);
    }
    assert.equal(
      await restored.call('PEXPIRETIME', 'key:0'),
      await leader.call('PEXPIRETIME', 'key:0'),
    );
    assert.equal(await restored.call('SET', 'new', 'write'), 'OK');
    restored.close();
  });

  it('begins three servers alike, which elect a leader and go on after a restart', async () => {
    const backup = await backupFrom((await cluster.leader()).clientPort);
    const basePorts = await freeBasePorts(3);
    const restored = await restore(backup, basePorts);
    assert.equal(await restored.call('DBSIZE'), keyCount);
    assert.equal(await restored.call('SET', 'new', 'write'), 'OK');
    restored.close();
    await endServers();

    const again = await startRestored(basePorts);
    assert.equal(await again.call('DBSIZE'), keyCount + 1);
    for (const basePort of basePorts) {
      await eventually('every server has every key', 15_000, async () => {
        const each = await RespConnection.open(basePort + 1);
        const info = String(await each.call('INFO', 'keyspace'));
        each.close();
        return info.includes(`keys=${keyCount + 1},`);
      });
    }
    again.close();
  });

  it('refuses a backup with a flipped bit, and one onto what exists', async () => {
    const leader = await cluster.leader();
    const backup = await backupFrom(leader.clientPort);
    const again = await runHolt(['backup', '--connect', leader.address, '--to', backup]);
    assert.notEqual(again.code, 0);
    assert.match(again.stderr, /exists/);

    const path = join(backup, 'data.db');
    const bytes = fs.readFileSync(path);
    bytes[bytes.length >> 1]! ^= 1;
    fs.writeFileSync(path, bytes);
    const dir = join(directory, 'restored');
    const refused = await runHolt([
      'restore',
      '--from',
      backup,
      '--dir',
      dir,
      '--server',
      '127.0.0.1:9000',
    ]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /"data\.db" has changed/);
    assert(!fs.existsSync(join(dir, 'server-1', 'identity.json')));
  });

  it('refuses to restore from a running server, and onto a server', async () => {
    const server = cluster.server(1);
    const running = await runHolt([
      'restore',
      '--from',
      server.directory,
      '--dir',
      join(directory, 'x'),
      '--server',
      '127.0.0.1:9000',
    ]);
    assert.notEqual(running.code, 0);
    assert.match(running.stderr, /running/);
    const backup = await backupFrom(server.clientPort);
    const onto = await runHolt([
      'restore',
      '--from',
      backup,
      '--dir',
      cluster.directory,
      '--server',
      '127.0.0.1:9000',
    ]);
    assert.notEqual(onto.code, 0);
    assert.match(onto.stderr, /has a server already/);
  });

  /** What `--until` may be given to go back to now. */
  const moments: Record<string, (leader: ServerUnderTest) => Promise<string>> = {
    'the index of an entry': async (leader) => {
      return (await leader.info('raft')).get('raft_applied_index')!;
    },
    'a time': async () => {
      const now = new Date().toISOString();
      // What follows is not of the same millisecond.
      await pause(20);
      return now;
    },
  };
  for (const [kind, moment] of Object.entries(moments)) {
    it(`goes back behind a FLUSHALL, by ${kind}`, () => goBackTo(moment));
  }

  async function goBackTo(moment: (leader: ServerUnderTest) => Promise<string>): Promise<void> {
    const leader = await cluster.leader();
    await cluster.converged();
    const before = await moment(leader);
    assert.equal(await leader.call('FLUSHALL'), 'OK');
    await cluster.converged();
    const [follower] = await cluster.followers();
    await follower!.stop();

    const restored = await restore(follower!.directory, await freeBasePorts(1), '--until', before);
    assert.equal(await restored.call('DBSIZE'), keyCount);
    restored.close();
    // The source was only read: it goes on as the follower it was.
    await follower!.start();
    assert.equal(await leader.call('SET', 'after', '1'), 'OK');
    await cluster.converged();
  }

  it('makes the one survivor a cluster of its own, once it is confirmed', async () => {
    await cluster.converged();
    for (const server of cluster.servers) await server.stop();
    const survivor = cluster.server(2);
    const unconfirmed = await runHolt(['recover', '--dir', survivor.directory]);
    assert.notEqual(unconfirmed.code, 0);
    assert.match(unconfirmed.stdout, /are lost/);
    for (const { number, address } of cluster.servers) {
      assert.equal(unconfirmed.stdout.includes(address), number !== survivor.number);
    }
    // As when an earlier one ended between its renames.
    const { groupDirectory } = survivor;
    const kept = `${groupDirectory}.before-recovery-2026-01-01T00-00-00-000Z`;
    fs.renameSync(groupDirectory, kept);
    const cutShort = await runHolt(['recover', '--dir', survivor.directory, '--yes']);
    assert.equal(cutShort.code, 1);
    assert.match(cutShort.stderr, /Rename ".*\.before-recovery-2026.*" back to ".*group-1"/);
    fs.renameSync(kept, groupDirectory);
    const result = await runHolt(['recover', '--dir', survivor.directory, '--yes']);
    assert.equal(result.code, 0, result.stderr);
    assert(fs.readdirSync(survivor.directory).some((name) => name.includes('before-recovery')));

    await survivor.start();
    await eventually('it leads', 15_000, async () => {
      return (await survivor.info('raft')).get('raft_serving') === '1';
    });
    assert.equal(await survivor.call('DBSIZE'), keyCount);
    assert.equal(await survivor.call('SET', 'alone', '1'), 'OK');
  });
});

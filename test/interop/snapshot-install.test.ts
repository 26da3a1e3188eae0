// A server is gone for so long that the others cut their logs behind a snapshot. When it comes back it
// gets the snapshot and catches up, while clients go on writing.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually, pause } from './eventually.js';
import { WriteLoad } from './insistent-client.js';

const MiB = 1024 * 1024;

describe('Snapshot installation', () => {
  let cluster: ClusterUnderTest | undefined;
  let load: WriteLoad | undefined;

  afterEach(() => {
    load?.abort();
    cluster?.dispose();
    cluster = undefined;
    load = undefined;
  });

  /** Kills a follower and writes until the others have cut their logs behind what it has. */
  async function leaveOneBehind(): Promise<{ server: ServerUnderTest; load: WriteLoad }> {
    cluster = await ClusterUnderTest.start({
      serverArguments: ['--snapshot-min-log-size', String(MiB)],
    });
    load = new WriteLoad(cluster, { valueBytes: 8 * 1024 });
    await pause(500);
    const [server] = await cluster.followers();
    // It has one of its own, which the one that it is sent takes the place of.
    await eventually('a snapshot is saved', 10_000, async () => {
      return (await server!.call('SAVE')) === 'OK';
    });
    await server!.kill9();
    const leader = await cluster.leader();
    const writtenAtOnce = load.writes.length;
    await eventually('the log is cut behind a snapshot', 60_000, async () => {
      const info = await leader.info('raft');
      const isCut = Number(info.get('raft_log_bytes')) < load!.writes.length * 8 * 1024;
      return load!.writes.length > writtenAtOnce + 2_000 && isCut;
    });
    return { server: server!, load };
  }

  async function installedAt(server: ServerUnderTest): Promise<void> {
    await eventually(`server ${server.number} has installed a snapshot`, 60_000, () =>
      /"msg":"the state is that of the snapshot of index \d+"/.test(server.log),
    );
  }

  /** Everybody has the same, and all that was acknowledged. */
  async function verify(load: WriteLoad): Promise<void> {
    await load.stop();
    await cluster!.converged(60_000);
    const acknowledged = load.writes.filter(({ outcome }) => outcome === 'acknowledged');
    const connection = await (await cluster!.leader()).connect();
    try {
      const found = await connection.pipeline(acknowledged.map(({ key }) => ['STRLEN', key]));
      const missing = acknowledged.filter(({ value }, at) => found[at] !== value.length);
      assert.deepEqual(
        missing.map(({ key }) => key),
        [],
      );
    } finally {
      connection.close();
    }
    for (const server of cluster!.servers) assert.equal(await server.stop(), 0);
    const [first, ...others] = cluster!.servers.map(digestOf);
    for (const other of others) assert.equal(other, first, 'the servers hold different data');
  }

  it('a server that was gone for long catches up under load', async () => {
    const { server, load } = await leaveOneBehind();
    await server.start();
    await installedAt(server);
    const installedAtMs = performance.now();
    await eventually('writes go on', 15_000, () => load.firstAcknowledgedSince(installedAtMs));
    await verify(load);
  });

  it('a leader whose snapshot has rotted on its disk takes another one, and sends that', async () => {
    const { server, load } = await leaveOneBehind();
    // By itself it takes none any more then.
    await load.stop();
    const leader = await cluster!.leader();
    await pause(500);
    await eventually('no snapshot is being taken', 60_000, async () => {
      return (await leader.info('persistence')).get('rdb_bgsave_in_progress') === '0';
    });
    flipByte(join(newestSnapshot(leader), 'data.db'));
    await server.start();
    await installedAt(server);
    assert.match(leader.log, /data\.db has changed on disk/);
    await eventually('its older snapshots are gone', 10_000, () => {
      return snapshotNames(server).length === 1;
    });
    await verify(load);
  });

  it('a server that is killed while it receives, and while it installs, catches up all the same', async () => {
    const { server, load } = await leaveOneBehind();
    for (const stage of ['receiving the snapshot', 'installing the snapshot']) {
      server.launch();
      await eventually(`server ${server.number} is ${stage}`, 60_000, () =>
        server.log.includes(stage),
      );
      await server.kill9();
    }
    await server.start();
    await verify(load);
  });
});

function snapshotNames(server: ServerUnderTest): string[] {
  const names = fs.readdirSync(join(server.groupDirectory, 'snapshots'));
  return names.filter((name) => name.startsWith('snapshot-')).sort();
}

function newestSnapshot(server: ServerUnderTest): string {
  return join(server.groupDirectory, 'snapshots', snapshotNames(server).at(-1)!);
}

function flipByte(path: string): void {
  const bytes = fs.readFileSync(path);
  bytes[bytes.length - 100]! ^= 1;
  fs.writeFileSync(path, bytes);
}

function digestOf(server: ServerUnderTest): string {
  const database = new Database(join(server.groupDirectory, 'live.db'), { readonly: true });
  try {
    const hash = createHash('sha256');
    for (const row of database.prepare('SELECT * FROM keys ORDER BY id').raw().iterate()) {
      for (const value of row as unknown[]) {
        hash.update(value instanceof Buffer ? value : `${typeof value} ${String(value)};`);
      }
    }
    return hash.digest('hex');
  } finally {
    database.close();
  }
}

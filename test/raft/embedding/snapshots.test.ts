// Snapshots as an embedder meets them: taken, begun with, sent, and refused when they are damaged.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../interop/eventually.js';
import { EmbeddedCluster, type EmbeddedReplica, ListMachine } from './embedded-cluster.js';

const deadlineMs = 20_000;
const MiB = 1024 * 1024;

/** A machine that notes what it is asked for. */
class NotingMachine extends ListMachine {
  readonly notes: string[] = [];

  override async readSnapshot(directory: string): Promise<void> {
    await super.readSnapshot(directory);
    this.notes.push(`began with ${this.texts.length}`);
    this.before = (commands) => void this.notes.push(`applied ${commands.length}`);
  }
}

describe('Raft: snapshots', () => {
  let cluster: EmbeddedCluster;
  afterEach(() => cluster.dispose());

  async function openCluster(count: number): Promise<EmbeddedReplica> {
    cluster = await EmbeddedCluster.found(count);
    await cluster.open();
    return cluster.leader();
  }

  function replicate(replica: EmbeddedReplica, text: string): Promise<number> {
    return replica.raft.replicate(Buffer.from(text));
  }

  /** Writes until the log of `replica` begins behind `index`. */
  function cutLog(replica: EmbeddedReplica, index: number): Promise<boolean> {
    const text = 'x'.repeat(100_000);
    return eventually('the log is cut', deadlineMs, async () => {
      await replicate(replica, text);
      return replica.raft.status().baseIndex > index;
    });
  }

  it('are what a replica begins with; the log brings the rest', async () => {
    const leader = await openCluster(1);
    for (const text of ['a', 'b']) await replicate(leader, text);
    const { manifest, path } = await leader.raft.takeSnapshot();
    assert.equal(manifest.index, leader.raft.status().appliedIndex);
    assert.equal(leader.raft.status().snapshots.newest!.path, path);
    assert.deepEqual(manifest.files.map(({ name }) => name).sort(), ['applied.json', 'list.json']);
    await replicate(leader, 'c');
    await leader.stop();
    const machine = new NotingMachine();
    await leader.open({ machine });
    assert.equal(await replicate(await cluster.leader(), 'd'), 4);
    assert.deepEqual(machine.texts, ['a', 'b', 'c', 'd']);
    assert.deepEqual(machine.notes, ['began with 2', 'applied 1', 'applied 1']);
  });

  it('are taken by followers, too, and while commands go on', async () => {
    const leader = await openCluster(3);
    await replicate(leader, 'first');
    await cluster.converged('first');
    const texts = Array.from({ length: 300 }, (_, at) => `text ${at}`);
    const results = texts.map((text) => replicate(leader, text));
    const snapshots = await Promise.all(cluster.replicas.map(({ raft }) => raft.takeSnapshot()));
    await Promise.all(results);
    await cluster.converged('text 299');
    for (const replica of cluster.replicas) await replica.stop();
    await cluster.open();
    await cluster.leader();
    await cluster.converged('text 299');
    assert.deepEqual(cluster.replicas[0]!.machine.texts, ['first', ...texts]);
    for (const { manifest } of snapshots) assert.equal(manifest.membership.voters.length, 3);
  });

  it('are taken when the log has grown, and the log is cut', async () => {
    cluster = await EmbeddedCluster.found(1);
    // Segments begin with 1 MiB: nothing less can be given back.
    await cluster.open({ options: { snapshotMinLogSize: MiB } });
    const leader = await cluster.leader();
    await cutLog(leader, 0);
    const { length } = leader.machine.texts;
    await leader.stop();
    await leader.open();
    assert.equal(await replicate(await cluster.leader(), 'after'), length + 1);
  });

  it('are sent to a replica that was away for long', async () => {
    cluster = await EmbeddedCluster.found(3);
    const options = { snapshotMinLogSize: MiB };
    await cluster.open({ options });
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    const { lastIndex } = follower!.raft.status();
    await follower!.stop();
    await cutLog(leader, lastIndex);
    const machine = new NotingMachine();
    await follower!.open({ options, machine });
    await replicate(await cluster.leader(), 'last');
    await cluster.converged('last');
    assert(machine.notes[0]?.startsWith('began with'), `${machine.notes[0]}`);
  });

  it('that cannot be written are told, and change nothing', async () => {
    const leader = await openCluster(1);
    await replicate(leader, 'a');
    leader.machine.writeSnapshot = () => Promise.reject(new Error('no room'));
    await assert.rejects(leader.raft.takeSnapshot(), /no room/);
    assert(leader.warnings.some((text) => /cannot take a snapshot: no room/.test(text)));
    assert.equal(leader.raft.status().snapshots.newest, undefined);
    assert.equal(await replicate(leader, 'b'), 2);
  });

  it('that are damaged are not begun with', async () => {
    const leader = await openCluster(1);
    for (const text of ['a', 'b']) await replicate(leader, text);
    const { path } = await leader.raft.takeSnapshot();
    await leader.stop();
    fs.appendFileSync(join(path, 'list.json'), ' ');
    const machine = new NotingMachine();
    await leader.open({ machine });
    assert.equal(await replicate(await cluster.leader(), 'c'), 3);
    // The log still has everything: it is cut by whole segments.
    assert.deepEqual(machine.texts, ['a', 'b', 'c']);
    assert.deepEqual(machine.notes, []);
    assert(leader.warnings.some((text) => /list\.json" has \d+ bytes/.test(text)));
  });
});

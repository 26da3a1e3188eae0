// A replica that takes snapshots of its own: when they are due, that the log goes, and that nothing
// acknowledged is lost wherever the power goes between rotation, snapshot and cut.
//
// One replica, so that nobody else has what it loses. Checklist: 31, 32, 42, 61, 66, 67.

import assert from 'node:assert/strict';
import type { RaftOptions } from '../../../raft/options.js';
import type { Snapshot } from '../../../raft/snapshot/index.js';
import { PowerLost } from '../../faults/faulty-files.js';
import { seedsToRun } from '../../faults/seeded-random.js';
import { SimCluster, type SimReplica } from '../../faults/sim-cluster.js';
import { SimWorld } from '../../faults/sim-world.js';

const KiB = 1024;

interface Single {
  readonly cluster: SimCluster;
  readonly replica: SimReplica;
}

function boot(raft: Partial<RaftOptions> = {}, seed = 1): Single {
  const cluster = new SimCluster(new SimWorld(seed), {
    voters: 1,
    maxSegmentFileSize: 64 * KiB,
    raft: { electionTimeoutMilliseconds: 300, heartbeatPeriodMilliseconds: 50, ...raft },
  });
  cluster.boot();
  cluster.untilLeader();
  return { cluster, replica: cluster.replicas[0]! };
}

function load({ cluster }: Single, count: number, byteLength = 3000): void {
  for (let at = 0; at < count; at += 1) {
    const command = cluster.propose(cluster.untilLeader(), byteLength);
    cluster.world.run(5_000, () => command.fate !== 'pending');
    assert.equal(command.fate, 'acknowledged');
  }
}

function take({ cluster, replica }: Single): Snapshot {
  let taken: Snapshot | undefined;
  replica.node.takeSnapshot((error, snapshot) => {
    assert.equal(error, undefined);
    taken = snapshot;
  });
  cluster.world.run(10_000, () => taken !== undefined);
  assert(taken !== undefined, 'No snapshot was taken');
  return taken;
}

function takeError({ cluster, replica }: Single): string {
  let message: string | undefined;
  replica.node.takeSnapshot((error) => {
    message = error?.message ?? 'none';
  });
  cluster.world.run(10_000, () => message !== undefined);
  return message!;
}

function restartAfterPowerCut({ cluster, replica }: Single): void {
  replica.powerCut();
  replica.boot();
  cluster.settle();
  cluster.assertNothingLost();
}

describe('RaftNode: snapshots', () => {
  it('are taken when asked for, and the log is cut', () => {
    const single = boot();
    const { cluster, replica } = single;
    load(single, 60);
    const before = replica.node.status();
    assert.equal(before.baseIndex, 0);
    const snapshot = take(single);
    assert.equal(snapshot.manifest.index, before.appliedIndex);
    assert.equal(snapshot.manifest.membership.voters[0]!.replicaId, replica.id);
    cluster.world.run(100);
    const after = replica.node.status();
    assert(
      after.baseIndex > 30 && after.baseIndex <= snapshot.manifest.index,
      `${after.baseIndex}`,
    );
    assert(after.logBytes < before.logBytes);
    load(single, 10);
    restartAfterPowerCut(single);
    assert(replica.machine.values.length >= 70);
  });

  it('let entries be applied while they are taken', () => {
    const single = boot();
    const { cluster, replica } = single;
    load(single, 20);
    replica.slowPath = 'snapshots';
    replica.slowMs = 200;
    let snapshot: Snapshot | undefined;
    replica.node.takeSnapshot((_error, taken) => {
      snapshot = taken;
    });
    const appliedBefore = replica.machine.appliedIndex;
    load(single, 20);
    assert(replica.node.snapshotStatus.isTaking);
    assert(replica.machine.appliedIndex >= appliedBefore + 20);
    cluster.world.run(10_000, () => snapshot !== undefined);
    assert.equal(snapshot!.manifest.index, appliedBefore);
    restartAfterPowerCut(single);
  });

  it('are joined by a second call while one is taken', () => {
    const single = boot();
    const { cluster, replica } = single;
    load(single, 5);
    const taken: unknown[] = [];
    for (let call = 0; call < 2; call += 1) {
      replica.node.takeSnapshot((_error, snapshot) => taken.push(snapshot));
    }
    cluster.world.run(10_000, () => taken.length === 2);
    assert.equal(taken[0], taken[1]);
    assert.equal(replica.snapshots.all.length, 1);
  });

  it('are taken by themselves as the log grows, and the log stays short', () => {
    const single = boot({ snapshotMinLogSize: 200 * KiB });
    const { cluster, replica } = single;
    let longest = 0;
    for (let round = 0; round < 20; round += 1) {
      load(single, 20);
      longest = Math.max(longest, replica.node.status().logBytes);
    }
    const taken = replica.snapshotEvents.filter(({ kind }) => kind === 'taken');
    assert(taken.length >= 4, `${taken.length} snapshots`);
    assert.equal(replica.snapshots.all.length, 1);
    // The least size, and what whole segments and the time to take one add to it.
    assert(longest <= 600 * KiB, `${longest} bytes of log`);
    cluster.settle();
    restartAfterPowerCut(single);
  });

  it('are taken when the last one is old', () => {
    const single = boot({ snapshotPeriodSeconds: 60 });
    const { cluster, replica } = single;
    load(single, 1);
    cluster.world.run(59_000);
    assert.equal(replica.snapshots.all.length, 0);
    cluster.world.run(2_000);
    assert.equal(replica.snapshots.all.length, 1);
    const events = replica.snapshotEvents.map(({ kind }) => kind);
    assert.deepEqual(events, ['begun', 'taken']);
    // Nothing was applied since.
    cluster.world.run(200_000);
    assert.equal(replica.snapshotEvents.length, 2);
  });

  it('are kept as many as wanted, with the log behind the oldest of them', () => {
    const single = boot({ snapshotsKept: 2 });
    const { cluster, replica } = single;
    const indexes: number[] = [];
    for (let round = 0; round < 4; round += 1) {
      load(single, 40);
      indexes.push(take(single).manifest.index);
      cluster.world.run(100);
    }
    assert.deepEqual(
      replica.snapshots.all.map(({ manifest }) => manifest.index),
      indexes.slice(2),
    );
    const { baseIndex } = replica.node.status();
    assert(baseIndex > indexes[1]! && baseIndex <= indexes[2]!, `${baseIndex} of ${indexes}`);
  });

  it('that are in use keep the log behind them', () => {
    const single = boot();
    const { cluster, replica } = single;
    load(single, 40);
    const used = take(single);
    const release = replica.snapshots.acquire(used);
    load(single, 40);
    take(single);
    cluster.world.run(100);
    assert(replica.node.status().baseIndex <= used.manifest.index);
    release();
    load(single, 40);
    take(single);
    cluster.world.run(100);
    assert(replica.node.status().baseIndex > used.manifest.index);
  });

  it('after every entry do no harm', () => {
    const single = boot({ snapshotMinLogSize: 0 });
    for (let at = 0; at < 40; at += 1) {
      load(single, 1, 100);
      single.cluster.world.run(40);
    }
    const taken = single.replica.snapshotEvents.filter(({ kind }) => kind === 'taken');
    assert(taken.length > 10, `${taken.length} snapshots`);
    restartAfterPowerCut(single);
  });

  it('that fail leave everything as it was, and the next try waits', () => {
    const single = boot({ snapshotMinLogSize: 100 * KiB });
    const { cluster, replica } = single;
    load(single, 5);
    replica.files.fail({ operation: 'sync', path: 'snapshots', nth: 1, code: 'EIO' });
    assert.match(takeError(single), /^Cannot save a snapshot: EIO/);
    assert.match(replica.node.snapshotStatus.lastError!, /EIO/);
    cluster.world.run(100);
    assert.deepEqual(replica.files.list('/holt/group-1/snapshots'), []);
    load(single, 60);
    assert.equal(replica.snapshots.all.length, 0);
    assert.equal(replica.node.status().baseIndex, 0);
    cluster.world.run(61_000);
    assert.equal(replica.snapshots.all.length, 1);
    assert.equal(replica.node.snapshotStatus.lastError, undefined);
    restartAfterPowerCut(single);
  });

  it('are not taken of nothing', () => {
    const cluster = new SimCluster(new SimWorld(1), { voters: 1 });
    cluster.boot();
    const single = { cluster, replica: cluster.replicas[0]! };
    assert.equal(takeError(single), 'Cannot take a snapshot: nothing has been applied yet');
  });

  it('end with the replica, and whoever waits is told', () => {
    const single = boot();
    const { replica } = single;
    load(single, 5);
    replica.slowPath = 'snapshots';
    replica.slowMs = 60_000;
    let message = '';
    replica.node.takeSnapshot((error) => {
      message = error?.message ?? 'none';
    });
    replica.stop();
    assert.equal(message, 'Cannot take a snapshot: this replica is stopping');
    replica.boot();
    single.cluster.settle();
    assert.deepEqual(replica.snapshots.all, []);
  });
});

describe('RaftNode: snapshots of a leader', () => {
  it('leave the log to a follower that is catching up', () => {
    const cluster = new SimCluster(new SimWorld(3), {
      raft: { snapshotMinLogSize: 1024 * KiB },
    });
    cluster.boot();
    const replica = cluster.untilLeader();
    cluster.settle();
    const slow = cluster.replicas.find((other) => other !== replica)!;
    slow.slowPath = '/log';
    slow.slowMs = 600;
    load({ cluster, replica }, 100);
    const slowIndex = slow.storage.journal.lastIndex;
    const snapshot = take({ cluster, replica });
    assert(snapshot.manifest.index > slowIndex + 50, 'The follower is not slow');
    cluster.world.run(100);
    assert(replica.node.status().baseIndex <= slowIndex);
    // Were it cut off, it would never get there: nobody sends snapshots here.
    slow.slowMs = 1;
    cluster.settle();
    cluster.assertNothingLost();
    take({ cluster, replica });
    cluster.world.run(100);
    assert(replica.node.status().baseIndex > slowIndex);
  });
});

describe('RaftNode: a start with snapshots', () => {
  it('takes an older snapshot when the newest is damaged and the log goes on from it', () => {
    const single = boot({ snapshotsKept: 2 });
    const { cluster, replica } = single;
    load(single, 30);
    take(single);
    load(single, 30);
    const { path } = take(single);
    load(single, 5);
    replica.powerCut('none');
    replica.files.flip(`${path}/list.json`, 10);
    replica.boot();
    assert.match(replica.warnings.join(), /list\.json" has changed on the disk/);
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('refuses when no whole snapshot joins the log', () => {
    const single = boot();
    const { replica, cluster } = single;
    load(single, 60);
    const { path } = take(single);
    cluster.world.run(100);
    replica.powerCut('none');
    replica.files.flip(`${path}/list.json`, 10);
    assert.throws(() => replica.boot(), /no whole snapshot joins the two.*must not vote again/s);
  });
});

describe('RaftNode: power cut between rotation, snapshot and cut', () => {
  it('loses nothing that was acknowledged, at whichever operation', function () {
    this.timeout(120_000);
    let operations = 0;
    for (let nth = 1; ; nth += 3) {
      const single = boot({}, nth);
      const { cluster, replica } = single;
      load(single, 25);
      cluster.world.run(50);
      replica.files.cutAt(nth);
      const isOver = runUntilCut(single);
      replica.powerCut();
      replica.boot();
      cluster.settle();
      cluster.assertNothingLost();
      if (isOver) break;
      operations = nth;
    }
    assert(operations > 60, `${operations} operations`);
  });

  it('loses nothing under load with snapshots all the time', function () {
    this.timeout(120_000);
    for (const seed of seedsToRun(15)) {
      const single = boot({ snapshotMinLogSize: 64 * KiB, snapshotsKept: 1 + (seed % 2) }, seed);
      const { cluster, replica } = single;
      for (let round = 0; round < 3; round += 1) {
        replica.files.cutAt(cluster.world.integer(20, 600));
        for (let at = 0; at < 80 && !replica.files.isDead; at += 1) propose(single);
        replica.powerCut();
        replica.boot();
        cluster.settle();
        cluster.assertNothingLost();
      }
    }
  });
});

/** A snapshot and a load beside it. True when both were over before the power went. */
function runUntilCut(single: Single): boolean {
  const { cluster, replica } = single;
  let isTaken = false;
  try {
    replica.node.takeSnapshot((error) => {
      isTaken = error === undefined;
    });
    for (let at = 0; at < 40 && !replica.files.isDead; at += 1) propose(single);
    cluster.world.run(1_000, () => replica.files.isDead);
  } catch (error) {
    // The power went inside a synchronous call.
    if (!(error instanceof PowerLost)) throw error;
  }
  if (replica.files.isDead) return false;
  assert(
    cluster.world.run(10_000, () => isTaken),
    'No snapshot was taken',
  );
  return true;
}

/** A command, when there is a leader to take it, and time for it to be answered. */
function propose({ cluster, replica }: Single): void {
  const { world } = cluster;
  const { leader } = cluster;
  if (leader === undefined) {
    world.run(20, () => replica.files.isDead);
    return;
  }
  const command = cluster.propose(leader, world.integer(0, 4_000));
  world.run(500, () => command.fate !== 'pending' || replica.files.isDead);
}

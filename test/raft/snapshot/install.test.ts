// Three replicas in a simulated world, one of which was gone while the others cut their logs. The world
// checks all along that nothing is applied twice, left out or in another order than elsewhere.
//
// Checklist: 33, 35, 36, 37, 38, 39.

import assert from 'node:assert/strict';
import { seedsToRun } from '../../faults/seeded-random.js';
import {
  type Command,
  SimCluster,
  type SimClusterOptions,
  type SimReplica,
} from '../../faults/sim-cluster.js';
import { SimWorld } from '../../faults/sim-world.js';

function bootCluster(options: SimClusterOptions = {}, seed = 1): SimCluster {
  const cluster = new SimCluster(new SimWorld(seed), options);
  cluster.boot();
  cluster.untilLeader();
  cluster.settle();
  return cluster;
}

function until(cluster: SimCluster, isTrue: () => boolean, what: string): void {
  assert(cluster.world.run(60_000, isTrue), `It never happened: ${what}`);
}

function followersOf(cluster: SimCluster, leader: SimReplica): SimReplica[] {
  return cluster.replicas.filter((replica) => replica !== leader);
}

function propose(cluster: SimCluster, count: number, byteLength = 2_000): Command[] {
  const commands: Command[] = [];
  for (let at = 0; at < count; at += 1) {
    commands.push(cluster.propose(cluster.untilLeader(), byteLength));
    cluster.world.run(3);
  }
  return commands;
}

/** Proposes every few milliseconds until it is told to stop. */
function pump(cluster: SimCluster, byteLength = 500): () => void {
  let isPumping = true;
  const again = (): void => {
    if (!isPumping) return;
    if (cluster.leader !== undefined) cluster.propose(cluster.leader, byteLength);
    cluster.world.after(3, again);
  };
  again();
  return () => {
    isPumping = false;
  };
}

/** Takes a snapshot, behind which the log is cut. */
function cutLog(cluster: SimCluster, replica: SimReplica): void {
  let isTaken = false;
  replica.node.takeSnapshot((error) => {
    assert.equal(error, undefined);
    isTaken = true;
  });
  until(cluster, () => isTaken, 'a snapshot');
}

interface LeftBehind {
  readonly cluster: SimCluster;
  readonly leader: SimReplica;
  /** Killed, and in need of what is compacted away. */
  readonly follower: SimReplica;
}

function leaveOneBehind(options: SimClusterOptions = {}, seed = 1): LeftBehind {
  const cluster = bootCluster(options, seed);
  const [follower] = followersOf(cluster, cluster.untilLeader());
  const { lastIndex } = follower!.storage.journal;
  follower!.kill();
  propose(cluster, 60);
  const leader = cluster.untilLeader();
  cutLog(cluster, leader);
  until(cluster, () => leader.storage.journal.baseIndex > lastIndex + 1, 'the log is cut');
  return { cluster, leader, follower: follower! };
}

function hasInstalled(replica: SimReplica): boolean {
  return replica.infos.some((text) => text.startsWith('the state is that of the snapshot'));
}

/** Holds the reading of snapshots up until it is told to go on. */
function holdState(replica: SimReplica): () => void {
  const { machine } = replica;
  const read = machine.readSnapshot.bind(machine);
  let goOn = (): void => assert.fail('No snapshot is being read');
  machine.readSnapshot = (directory, done) => {
    goOn = () => read(directory, done);
  };
  return () => goOn();
}

describe('Snapshot installation', () => {
  it('brings a follower that was left behind up to date', () => {
    const { cluster, leader, follower } = leaveOneBehind();
    follower.boot();
    until(cluster, () => hasInstalled(follower), 'an installation');
    cluster.settle();
    cluster.assertNothingLost();
    assert(follower.storage.journal.baseIndex >= leader.storage.journal.baseIndex);
    assert.equal(cluster.leader, leader);
    assert.deepEqual(leader.node.status().snapshotTransfers, []);
    assert(!follower.node.isInstalling);
    // And what it has is of use to the next start.
    follower.kill();
    follower.boot();
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('ends although clients go on writing and the leader goes on cutting its log', function () {
    this.timeout(60_000);
    for (const seed of seedsToRun(2)) {
      const { cluster, leader, follower } = leaveOneBehind({ diskMsMax: 5 }, seed);
      const stop = pump(cluster);
      follower.boot();
      for (let cut = 0; cut < 4; cut += 1) {
        cluster.world.run(200);
        cutLog(cluster, leader);
      }
      until(cluster, () => hasInstalled(follower), 'an installation');
      stop();
      cluster.settle();
      cluster.assertNothingLost();
    }
  });

  it('has the follower count again before its state is there', () => {
    const { cluster, leader, follower } = leaveOneBehind();
    follower.boot();
    const goOn = holdState(follower);
    until(cluster, () => follower.node.isInstalling, 'an installation');
    const { appliedIndex } = follower.machine;
    const stop = pump(cluster);
    const { commitIndex } = leader.node.status();
    const matchOf = (): number =>
      leader.node.status().peers.find(({ replicaId }) => replicaId === follower.id)?.matchIndex ??
      0;
    until(cluster, () => matchOf() > commitIndex, 'it acknowledges new entries');
    // It takes the place of the other follower: commits need it.
    for (const other of followersOf(cluster, leader)) if (other !== follower) other.kill();
    const command = cluster.propose(leader, 10);
    until(cluster, () => command.fate !== 'pending', 'a commit');
    assert.equal(command.fate, 'acknowledged');
    assert(follower.node.isInstalling);
    assert.equal(follower.machine.appliedIndex, appliedIndex, 'something was applied meanwhile');
    stop();
    goOn();
    for (const replica of cluster.replicas) if (!replica.isRunning) replica.boot();
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('holds a bounded part of the log in memory while the state is replaced', () => {
    const { cluster, follower } = leaveOneBehind();
    follower.boot();
    const goOn = holdState(follower);
    until(cluster, () => follower.node.isInstalling, 'an installation');
    let kept = 0;
    for (let at = 0; at < 400; at += 1) {
      propose(cluster, 1, 60_000);
      kept = Math.max(kept, follower.pool.taken - follower.pool.given);
    }
    // Each entry keeps a block of 64 KiB at least: 16 MiB of them, and what is under way.
    assert(kept < 256 + 50, `${kept} blocks`);
    goOn();
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('says at once of the commands of a former leader that nobody knows', () => {
    const cluster = bootCluster({ raft: { uncertainAfterMilliseconds: 60_000 } });
    const former = cluster.untilLeader();
    cluster.network.isolate(former.id);
    const commands = [1, 2, 3].map(() => cluster.propose(former, 10));
    until(cluster, () => cluster.leader !== undefined && cluster.leader !== former, 'the next one');
    propose(cluster, 60);
    cutLog(cluster, cluster.untilLeader());
    until(cluster, () => !former.node.isLeader, 'it steps down');
    assert(commands.every(({ fate }) => fate === 'pending'));
    const healedAtMs = cluster.world.nowMs;
    cluster.network.heal();
    until(cluster, () => commands.every(({ fate }) => fate !== 'pending'), 'their fate');
    assert(cluster.world.nowMs < healedAtMs + 20_000);
    assert.deepEqual(
      commands.map(({ fate }) => fate),
      ['unknown', 'unknown', 'unknown'],
    );
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('survives a power cut at any file operation of the follower', function () {
    this.timeout(60_000);
    let operations = 0;
    for (let nth = 1, isOver = false; !isOver; nth += 1) {
      const { cluster, follower } = leaveOneBehind({}, nth);
      follower.boot();
      until(cluster, () => follower.node.status().snapshotTransfers.length > 0, 'a transfer');
      follower.files.cutAt(nth);
      until(cluster, () => follower.files.isDead || hasInstalled(follower), 'the cut, or the end');
      isOver = !follower.files.isDead;
      operations = nth;
      follower.powerCut();
      follower.boot();
      cluster.settle();
      cluster.assertNothingLost();
    }
    assert(operations >= 10, `${operations} operations`);
  });

  it('survives that the process dies at any time of it', () => {
    for (const seed of seedsToRun(10)) {
      const { cluster, follower } = leaveOneBehind({}, seed);
      follower.boot();
      until(cluster, () => follower.node.status().snapshotTransfers.length > 0, 'a transfer');
      cluster.world.run(cluster.world.random() * 60);
      follower.kill();
      follower.boot();
      cluster.settle();
      cluster.assertNothingLost();
    }
  });

  it('begins again when the sender dies, from the next leader', () => {
    for (const seed of seedsToRun(10)) {
      const { cluster, leader, follower } = leaveOneBehind({}, seed);
      follower.boot();
      until(cluster, () => follower.node.status().snapshotTransfers.length > 0, 'a transfer');
      cluster.world.run(cluster.world.random() * 20);
      leader.kill();
      until(cluster, () => cluster.leader !== undefined, 'the next leader');
      propose(cluster, 10);
      leader.boot();
      cluster.settle();
      cluster.assertNothingLost();
    }
  });

  it('waits for the log write that is under way', () => {
    const { cluster, follower } = leaveOneBehind();
    follower.boot();
    until(cluster, () => follower.node.status().snapshotTransfers.length > 0, 'a transfer');
    // The idle frame, or whatever else is written to the log then.
    follower.slowPath = '/log/';
    follower.slowMs = 300;
    until(cluster, () => follower.node.isInstalling, 'an installation');
    follower.slowMs = 1;
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('follows when the log is cut under what is being read for a follower', () => {
    for (const seed of seedsToRun(5)) {
      const cluster = bootCluster({}, seed);
      const [follower] = followersOf(cluster, cluster.untilLeader());
      follower!.kill();
      propose(cluster, 150);
      const leader = cluster.untilLeader();
      leader.slowPath = '/log/';
      leader.slowMs = 10;
      follower!.boot();
      const stop = pump(cluster);
      cluster.world.run(100 + 300 * cluster.world.random());
      cutLog(cluster, leader);
      cluster.world.run(500);
      cutLog(cluster, leader);
      leader.slowMs = 1;
      stop();
      cluster.settle();
      cluster.assertNothingLost();
      assert.equal(leader.fatal, undefined);
    }
  });

  it('loses nothing whatever happens, with snapshots at any time', function () {
    this.timeout(60_000);
    for (const seed of seedsToRun(10)) {
      const cluster = bootCluster({ diskMsMax: 5 }, seed);
      const { world } = cluster;
      for (let step = 0; step < 80; step += 1) {
        const servers = cluster.replicas.filter((r) => r.isRunning && r.node.isServing);
        for (const server of servers) {
          for (let at = 0; at < 5; at += 1) cluster.propose(server, world.integer(10, 8_000));
        }
        const someone = cluster.replicas[world.integer(0, 2)]!;
        if (step % 3 === 1 && someone.isRunning) someone.node.takeSnapshot(() => {});
        world.run(world.random() * 60);
        if (step % 10 === 4) cluster.network.isolate(someone.id);
        if (step % 10 === 5) world.run(2_500);
        if (step % 10 === 8) cluster.network.heal();
        if (step % 8 === 3 && someone.isRunning) {
          if (world.random() < 0.5) someone.kill();
          else someone.powerCut();
        }
        if (step % 8 === 6) {
          for (const replica of cluster.replicas) if (!replica.isRunning) replica.boot();
        }
      }
      cluster.network.heal();
      for (const replica of cluster.replicas) if (!replica.isRunning) replica.boot();
      cluster.settle(120_000);
      cluster.assertNothingLost();
    }
  });
});

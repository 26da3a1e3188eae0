// Reads on followers, and commits that are told of before they are applied, in the simulated world of
// `node.test.ts`.

import assert from 'node:assert/strict';
import { FollowerReads } from '../../../raft/follower-reads.js';
import { seedsToRun } from '../../faults/seeded-random.js';
import {
  type Command,
  SimCluster,
  type SimClusterOptions,
  type SimRead,
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

function followersOf(cluster: SimCluster, leader: SimReplica): SimReplica[] {
  return cluster.replicas.filter((replica) => replica !== leader);
}

function until(cluster: SimCluster, isTrue: () => boolean, what: string): void {
  assert(cluster.world.run(60_000, isTrue), `It never happened: ${what}`);
}

function untilDecided(cluster: SimCluster, reads: readonly SimRead[]): void {
  until(cluster, () => reads.every(({ fate }) => fate !== 'pending'), 'the reads are decided');
}

describe('RaftNode: reads on followers', () => {
  it('see every write that was acknowledged before, under load', () => {
    for (const seed of seedsToRun(10)) {
      const cluster = bootCluster({ diskMsMax: 4 }, seed);
      const leader = cluster.untilLeader();
      const followers = followersOf(cluster, leader);
      const seen: { readonly read: SimRead; readonly mustSee: readonly Command[] }[] = [];
      const commands: Command[] = [];
      for (let step = 0; step < 100; step += 1) {
        commands.push(cluster.propose(leader, 100));
        cluster.world.run(cluster.world.random() * 4);
        // A client may have been told of these, and ask anybody.
        const mustSee = commands.filter(({ committedAt }) => committedAt !== undefined);
        for (const follower of followers) {
          seen.push({ read: cluster.requestRead(follower), mustSee });
        }
      }
      untilDecided(
        cluster,
        seen.map(({ read }) => read),
      );
      for (const { read, mustSee } of seen) {
        assert.equal(read.fate, 'readable');
        for (const { value } of mustSee) assert(read.values.includes(value), `${value} is missing`);
      }
    }
  });

  it('get the clock of the leader', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const [follower] = followersOf(cluster, leader);
    follower!.clock.wallErrorMs = 1_000_000;
    cluster.world.run(1_000);
    const before = leader.node.nowMs();
    const read = cluster.requestRead(follower!);
    untilDecided(cluster, [read]);
    assert(read.clockMs >= before && read.clockMs <= leader.node.nowMs());
  });

  it('have the leader commit one entry for the ticks that they need', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    cluster.world.run(2_000);
    const nowMs = leader.node.nowMs();
    const indexBefore = leader.machine.appliedIndex;
    const [follower] = followersOf(cluster, leader);
    const ticks = [1, 2, 3].map(() => cluster.requestTick(follower!));
    untilDecided(cluster, ticks);
    for (const { fate, clockMs } of ticks) assert.deepEqual([fate, clockMs], ['readable', 0]);
    assert(follower!.machine.lastStamp >= nowMs);
    assert.equal(follower!.machine.appliedIndex, indexBefore + 1);
  });

  it('are given up in time when the leader is not heard', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const reads = followersOf(cluster, leader).map((follower) => cluster.requestRead(follower));
    const begunMs = cluster.world.nowMs;
    cluster.network.isolate(leader.id);
    untilDecided(cluster, reads);
    for (const { fate } of reads) assert.equal(fate, 'redirected');
    // And a tick of 25 ms.
    assert(cluster.world.nowMs - begunMs <= 500 + 25 + 1);
    for (const { node } of followersOf(cluster, leader)) {
      assert.equal(node.servesFollowerReads, false);
    }
  });

  it('are answered by the next leader, and under it, when they may wait so long', () => {
    for (const seed of seedsToRun(10)) {
      const cluster = bootCluster({ raft: { followerReadTimeoutMilliseconds: 60_000 } }, seed);
      const leader = cluster.untilLeader();
      const followers = followersOf(cluster, leader);
      const command = cluster.propose(leader, 10);
      until(cluster, () => command.committedAt !== undefined, 'the write is committed');
      const reads = followers.map((follower) => cluster.requestRead(follower));
      cluster.network.isolate(leader.id);
      untilDecided(cluster, reads);
      for (const read of reads) {
        assert.equal(read.fate, 'readable');
        assert(read.values.includes(command.value));
      }
      assert(followers.some(({ node }) => node.isLeader));
    }
  });

  it('are refused at once by a follower that finds itself far behind', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const [follower] = followersOf(cluster, leader);
    follower!.slowPath = '/log/';
    follower!.slowMs = 5_000;
    for (let at = 0; at < 300; at += 1) {
      cluster.propose(leader, 10);
      cluster.world.run(5);
    }
    const begunMs = cluster.world.nowMs;
    const early = cluster.requestRead(follower!);
    untilDecided(cluster, [early]);
    assert.equal(early.fate, 'redirected');
    assert(cluster.world.nowMs - begunMs < 100);
    assert.equal(follower!.node.servesFollowerReads, false);

    follower!.slowPath = ' ';
    cluster.settle();
    assert.equal(follower!.node.servesFollowerReads, true);
    const read = cluster.requestRead(follower!);
    untilDecided(cluster, [read]);
    assert.equal(read.fate, 'readable');
  });

  it('are dropped when the replica stops before they are answered', () => {
    const cluster = bootCluster({ raft: { followerReadTimeoutMilliseconds: 60_000 } });
    const leader = cluster.untilLeader();
    const [follower] = followersOf(cluster, leader);
    const read = cluster.requestRead(follower!);
    cluster.network.isolate(follower!.id);
    follower!.stop();
    assert.equal(read.fate, 'dropped');
  });
});

describe('RaftNode: what is committed', () => {
  it('is told of before it is applied, also before it is on the own disk', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    leader.slowPath = '/log/';
    leader.slowMs = 400;
    const command = cluster.propose(leader, 10);
    until(cluster, () => command.committedAt !== undefined, 'it is committed');
    assert.equal(command.fate, 'pending');
    assert(leader.node.status().durableIndex < command.committedAt!);
    // Everybody sees it from here on: the followers, and the leader when it has applied it.
    const reads = cluster.replicas.map((replica) => cluster.requestRead(replica));
    untilDecided(cluster, reads);
    for (const { fate, values } of reads) {
      assert.equal(fate, 'readable');
      assert(values.includes(command.value));
    }
  });

  it('stays, whoever is killed then', () => {
    for (const seed of seedsToRun(10)) {
      const cluster = bootCluster({}, seed);
      const leader = cluster.untilLeader();
      const commands = Array.from({ length: 10 }, () => cluster.propose(leader, 10));
      until(cluster, () => commands.at(-1)!.committedAt !== undefined, 'all are committed');
      leader.powerCut('none');
      cluster.untilLeader();
      leader.boot();
      cluster.settle();
      // `assertNothingLost` looks for everything that was told of.
      cluster.assertNothingLost();
    }
  });

  it('is told of to a leader that was deposed, once the next one commits it', () => {
    const cluster = bootCluster({ raft: { uncertainAfterMilliseconds: 60_000 } });
    const leader = cluster.untilLeader();
    const followers = followersOf(cluster, leader);
    const last = leader.node.status().lastIndex;
    const command = cluster.propose(leader, 10);
    until(
      cluster,
      () => followers.every(({ storage }) => storage.journal.lastIndex > last),
      'the entry on both followers',
    );
    cluster.network.isolate(leader.id);
    until(cluster, () => cluster.leader !== undefined && cluster.leader !== leader, 'the next one');
    assert.equal(command.committedAt, undefined);
    cluster.network.heal();
    until(cluster, () => command.fate !== 'pending', 'its fate');
    assert.equal(command.committedAt, last + 1);
    assert.equal(command.fate, 'acknowledged');
  });
});

describe('FollowerReads', () => {
  const never = Number.POSITIVE_INFINITY;

  it('become readable when their question is answered and as much is applied', () => {
    const reads = new FollowerReads();
    reads.add(1, never, 'a');
    reads.add(1, never, 'b');
    reads.add(2, never, 'c');
    assert.deepEqual(reads.takeReadable(100), []);
    reads.onAnswer({ sequence: 1, index: 7, clockMs: 50 });
    assert.equal(reads.hasUnanswered, true);
    assert.deepEqual(reads.takeReadable(6), []);
    const [first, ...others] = reads.takeReadable(7);
    assert.deepEqual([first!.contexts, first!.clockMs, others.length], [['a', 'b'], 50, 0]);
    reads.onAnswer({ sequence: 2, index: 7, clockMs: 60 });
    assert.deepEqual(reads.takeReadable(7)[0]!.contexts, ['c']);
    assert.deepEqual(reads.takeReadable(7), []);
  });

  it('are answered by an answer to a later question, too', () => {
    const reads = new FollowerReads();
    reads.add(1, never, 'a');
    reads.add(3, never, 'b');
    reads.onAnswer({ sequence: 3, index: 7, clockMs: 50 });
    assert.deepEqual(
      reads.takeReadable(7).flatMap(({ contexts }) => contexts),
      ['a', 'b'],
    );
  });

  it('are hopeless when they have waited too long, answered or not', () => {
    const reads = new FollowerReads();
    reads.add(1, 100, 'a');
    reads.add(2, 200, 'b');
    reads.onAnswer({ sequence: 1, index: 7, clockMs: 50 });
    assert.deepEqual(reads.takeHopeless(6, 99), []);
    assert.deepEqual(reads.takeHopeless(6, 100), ['a']);
    assert.deepEqual(reads.takeHopeless(6, 200), ['b']);
    assert.equal(reads.hasUnanswered, false);
    assert.deepEqual(reads.takeReadable(7), []);
  });

  it('are hopeless when the state is far behind, and so are those that would follow', () => {
    const reads = new FollowerReads();
    reads.add(1, never, 'a');
    assert.equal(reads.isLagging(10, 10), false);
    reads.onAnswer({ sequence: 1, index: 1_000, clockMs: 50 });
    assert.deepEqual(reads.takeHopeless(10, 0), ['a']);
    // Of the log here no more is known yet.
    assert.equal(reads.isLagging(10, 10), true);
    assert.equal(reads.isLagging(1_000, 900), false);
    assert.equal(reads.isLagging(2_000, 1_000), true);
  });

  it('can be taken back, all of them', () => {
    const reads = new FollowerReads();
    reads.add(1, never, 'a');
    reads.add(2, never, 'b');
    reads.onAnswer({ sequence: 1, index: 7, clockMs: 50 });
    assert.deepEqual(reads.takeAll(), ['a', 'b']);
    assert.deepEqual(reads.takeAll(), []);
  });
});

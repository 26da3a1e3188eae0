// Three replicas in a simulated world (`test/faults/sim-cluster.ts`, which checks safety all along),
// one story each. Times are simulated: a second costs nothing and is always the same.

import assert from 'node:assert/strict';
import { seedsToRun } from '../../faults/seeded-random.js';
import {
  type Command,
  SimCluster,
  type SimClusterOptions,
  type SimReplica,
} from '../../faults/sim-cluster.js';
import { SimWorld, worldBeginMs } from '../../faults/sim-world.js';

const KiB = 1024;

function bootCluster(options: SimClusterOptions = {}, seed = 1): SimCluster {
  const cluster = new SimCluster(new SimWorld(seed), options);
  cluster.boot();
  // Of the longest election timeout in these stories, 20 to 40 s.
  cluster.untilLeader(60_000);
  cluster.settle();
  return cluster;
}

function followersOf(cluster: SimCluster, leader: SimReplica): SimReplica[] {
  return cluster.replicas.filter((replica) => replica !== leader);
}

function proposeMany(cluster: SimCluster, count: number, byteLength: number): Command[] {
  const commands: Command[] = [];
  for (let at = 0; at < count; at += 1) {
    commands.push(cluster.propose(cluster.untilLeader(), byteLength));
    cluster.world.run(3);
  }
  return commands;
}

function until(cluster: SimCluster, isTrue: () => boolean, what: string): void {
  assert(cluster.world.run(60_000, isTrue), `It never happened: ${what}`);
}

function fates(commands: readonly Command[]): string[] {
  return [...new Set(commands.map(({ fate }) => fate))];
}

describe('RaftNode: commands', () => {
  it('applies a command on every replica and gives its context back where it was proposed', () => {
    const cluster = bootCluster();
    const commands = proposeMany(cluster, 100, 50);
    cluster.settle();
    assert.deepEqual(fates(commands), ['acknowledged']);
    cluster.assertNothingLost();
  });

  it('puts what arrives in one turn into one entry', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const before = leader.node.status().lastIndex;
    for (let at = 0; at < 50; at += 1) cluster.propose(leader, 100);
    // What `settle` proposes comes in the same turn.
    cluster.settle();
    assert.equal(leader.node.status().lastIndex, before + 1);
  });

  it('closes an entry at its limits of bytes and of commands', () => {
    const cluster = bootCluster({ raft: { entryBytesMax: 8 * KiB, entryCommandsMax: 10 } });
    const leader = cluster.untilLeader();
    const before = leader.node.status().lastIndex;
    for (let at = 0; at < 30; at += 1) cluster.propose(leader, 10);
    for (let at = 0; at < 3; at += 1) cluster.propose(leader, 5 * KiB);
    // What `settle` proposes finds room beside the last one.
    cluster.settle();
    assert.equal(leader.node.status().lastIndex, before + 3 + 3);
    cluster.assertNothingLost();
  });

  it('takes a command larger than an entry, an append and a segment (alone)', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const commands = [10, 3 * 1024 * KiB, 10].map((bytes) => cluster.propose(leader, bytes));
    cluster.settle();
    assert.deepEqual(fates(commands), ['acknowledged']);
    cluster.assertNothingLost();
  });

  it('does not wait for the next tick with what arrived during an idle frame', () => {
    const cluster = bootCluster({
      raft: { electionTimeoutMilliseconds: 20_000, heartbeatPeriodMilliseconds: 6_000 },
    });
    const leader = cluster.untilLeader();
    cluster.propose(leader, 10);
    until(cluster, () => leader.storage.journal.endsInEmptyFrame, 'an idle log');
    cluster.propose(leader, 10);
    until(cluster, () => leader.storage.journal.endsInEmptyFrame === false, 'a write');
    const { journal } = leader.storage;
    // Idle again: the empty frame is about to be written, and the command comes while it is.
    until(cluster, () => journal.isWriting && !leader.files.isDead, 'the empty frame under way');
    const command = cluster.propose(leader, 10);
    cluster.world.run(200, () => command.fate !== 'pending');
    assert.equal(command.fate, 'acknowledged');
  });

  it('tells how long each write to the log took', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    until(cluster, () => leader.storage.journal.endsInEmptyFrame, 'an idle log');
    leader.logWriteMs.length = 0;
    leader.slowPath = '/log/';
    leader.slowMs = 70;
    cluster.propose(leader, 10);
    // The entry, and the empty frame behind it.
    until(cluster, () => leader.logWriteMs.length === 2, 'two writes');
    assert.deepEqual(leader.logWriteMs.map(Math.round), [70, 70]);
  });

  it('begins again when the log got ahead of the vote file', () => {
    // A third replica is still writing that it knows the new term when the entries of that term
    // reach it; then the power goes. Scenario 2.
    for (const seed of seedsToRun(20)) {
      const cluster = bootCluster({}, seed);
      const leader = cluster.untilLeader();
      const [next, third] = followersOf(cluster, leader);
      third!.slowPath = '/vote';
      third!.slowMs = 500;
      assert(leader.node.transferLeadership(next!.id));
      until(cluster, () => next!.node.isServing, 'the next leader');
      cluster.world.run(cluster.world.integer(0, 100));
      for (const replica of cluster.replicas) replica.powerCut();
      for (const replica of cluster.replicas) replica.boot();
      cluster.settle();
      cluster.assertNothingLost();
    }
  });
});

describe('RaftNode: a leadership that ends', () => {
  it('answers a command that the next leader commits', () => {
    const cluster = bootCluster({ raft: { uncertainAfterMilliseconds: 60_000 } });
    const leader = cluster.untilLeader();
    const followers = followersOf(cluster, leader);
    const last = leader.node.status().lastIndex;
    const command = cluster.propose(leader, 10);
    const read = cluster.requestRead(leader);
    until(
      cluster,
      () => followers.every(({ storage }) => storage.journal.lastIndex > last),
      'the entry on both followers',
    );
    // Their acknowledgements are lost with the links.
    cluster.network.isolate(leader.id);
    assert.equal(command.fate, 'pending');
    until(cluster, () => !leader.node.isLeader, 'the leader steps down');
    until(cluster, () => cluster.leader !== undefined, 'the next leader');
    assert.equal(command.fate, 'pending');
    assert.notEqual(read.fate, 'pending');
    cluster.network.heal();
    until(cluster, () => command.fate !== 'pending', 'its fate');
    assert.equal(command.fate, 'acknowledged');
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('refuses a command whose place another entry took', () => {
    const cluster = bootCluster({ raft: { uncertainAfterMilliseconds: 60_000 } });
    const leader = cluster.untilLeader();
    cluster.network.isolate(leader.id);
    const command = cluster.propose(leader, 10);
    const read = cluster.requestRead(leader);
    until(cluster, () => cluster.leader !== undefined && cluster.leader !== leader, 'the next one');
    cluster.propose(cluster.leader!, 10);
    until(cluster, () => !leader.node.isLeader, 'the leader steps down');
    assert.equal(read.fate, 'dropped');
    assert.equal(command.fate, 'pending');
    cluster.network.heal();
    until(cluster, () => command.fate !== 'pending', 'its fate');
    assert.equal(command.fate, 'refused');
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('says that nobody knows when it hears neither in time', () => {
    const cluster = bootCluster({ raft: { uncertainAfterMilliseconds: 500 } });
    const leader = cluster.untilLeader();
    cluster.network.isolate(leader.id);
    const command = cluster.propose(leader, 10);
    until(cluster, () => !leader.node.isLeader, 'the leader steps down');
    assert.equal(command.fate, 'pending');
    until(cluster, () => command.fate !== 'pending', 'its fate');
    assert.equal(command.fate, 'unknown');
    cluster.network.heal();
    cluster.settle();
    assert.equal(command.fate, 'unknown');
    cluster.assertNothingLost();
  });

  it('refuses what waits in the open batch', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    // A write that does not end keeps the batch open.
    leader.slowPath = '/log/';
    leader.slowMs = 60_000;
    cluster.propose(leader, 10);
    cluster.world.run(5);
    const gathered = cluster.propose(leader, 10);
    cluster.network.isolate(leader.id);
    until(cluster, () => !leader.node.isLeader, 'the leader steps down');
    assert.equal(gathered.fate, 'refused');
  });

  it('goes on under another leader when the leader is killed', () => {
    for (const seed of seedsToRun(10)) {
      const cluster = bootCluster({}, seed);
      const commands = proposeMany(cluster, 20, 100);
      const leader = cluster.untilLeader();
      for (let at = 0; at < 5; at += 1) {
        commands.push(cluster.propose(leader, 100));
        cluster.world.run(cluster.world.random() * 2);
      }
      leader.kill();
      cluster.untilLeader();
      leader.boot();
      cluster.settle();
      cluster.assertNothingLost();
    }
  });
});

describe('RaftNode: stop', () => {
  it('hands the leadership over and answers everything first', () => {
    for (const seed of seedsToRun(10)) {
      const cluster = bootCluster({}, seed);
      const commands = proposeMany(cluster, 10, 100);
      const leader = cluster.untilLeader();
      for (let at = 0; at < 20; at += 1) commands.push(cluster.propose(leader, 100));
      leader.stop();
      assert.deepEqual(fates(commands), ['acknowledged']);
      // Elected because it was asked to: nobody waits out an election timeout.
      cluster.world.run(100);
      assert(
        followersOf(cluster, leader).some(({ node }) => node.isLeader),
        'Nobody took over',
      );
      leader.boot();
      assert(!leader.warnings.some((text) => text.includes('Dropped frame')));
      cluster.settle();
      cluster.assertNothingLost();
    }
  });

  it('ends although nobody can take over, and answers what it has', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    for (const follower of followersOf(cluster, leader)) follower.kill();
    const command = cluster.propose(leader, 10);
    const read = cluster.requestRead(leader);
    leader.stop();
    assert.equal(command.fate, 'unknown');
    assert.equal(read.fate, 'dropped');
    for (const replica of cluster.replicas) replica.boot();
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('ends although the leader keeps its log busy', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const [follower] = followersOf(cluster, leader);
    follower!.slowPath = '/log/';
    follower!.slowMs = 20;
    let isPumping = true;
    const pump = (): void => {
      if (!isPumping) return;
      cluster.propose(leader, 100);
      cluster.world.after(1, pump);
    };
    pump();
    cluster.world.run(100);
    follower!.stop();
    isPumping = false;
    follower!.boot();
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('leaves a log that ends in an empty frame', () => {
    const cluster = bootCluster();
    const [follower] = followersOf(cluster, cluster.untilLeader());
    follower!.stop();
    follower!.boot();
    assert(follower!.storage.journal.endsInEmptyFrame);
  });
});

describe('RaftNode: catching up', () => {
  it('sends a follower from the files what is not cached any more', () => {
    const cluster = bootCluster();
    const [follower] = followersOf(cluster, cluster.untilLeader());
    follower!.kill();
    proposeMany(cluster, 300, 500);
    const leader = cluster.untilLeader();
    follower!.boot();
    cluster.settle();
    cluster.assertNothingLost();
    assert.equal(cluster.leader, leader);
  });

  it('sends a follower what was in the log before the leader was started', () => {
    const cluster = bootCluster();
    const [first, second] = followersOf(cluster, cluster.untilLeader());
    first!.kill();
    proposeMany(cluster, 100, 5_000);
    const leader = cluster.untilLeader();
    second!.kill();
    leader.kill();
    leader.boot();
    second!.boot();
    cluster.untilLeader();
    first!.boot();
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('keeps entries that go from file and cache in order, while more are proposed', () => {
    for (const seed of seedsToRun(10)) {
      const cluster = bootCluster({ diskMsMax: 5 }, seed);
      const [follower] = followersOf(cluster, cluster.untilLeader());
      follower!.kill();
      proposeMany(cluster, 100, 2_000);
      follower!.boot();
      proposeMany(cluster, 200, 2_000);
      cluster.settle();
      cluster.assertNothingLost();
    }
  });

  it('applies a long log at a start, from the files', () => {
    const cluster = bootCluster();
    proposeMany(cluster, 200, 3_000);
    cluster.settle();
    for (const replica of cluster.replicas) replica.powerCut();
    for (const replica of cluster.replicas) replica.boot();
    cluster.settle();
    cluster.assertNothingLost();
  });

  it('keeps a bounded part of the log in memory for a follower that is slow or gone', () => {
    for (const trouble of ['slow', 'gone'] as const) {
      const cluster = bootCluster();
      const leader = cluster.untilLeader();
      const [follower] = followersOf(cluster, leader);
      if (trouble === 'gone') follower!.kill();
      else {
        follower!.slowPath = '/log/';
        follower!.slowMs = 400;
      }
      let kept = 0;
      for (let at = 0; at < 3_000; at += 1) {
        cluster.propose(leader, 10);
        cluster.world.run(3);
        kept = Math.max(kept, leader.pool.taken - leader.pool.given);
      }
      // Each small entry keeps a block of 8 KiB: 16 MiB of them, and what is under way.
      assert(kept < 2_048 + 200, `${kept} blocks for a follower that is ${trouble}`);
    }
  });
});

describe('RaftNode: a disk that fails', () => {
  it('ends the replica and says nothing any more (scenarios 60, 61)', () => {
    for (const path of ['/log/', '/vote']) {
      for (const code of ['EIO', 'ENOSPC'] as const) {
        const cluster = bootCluster();
        const leader = cluster.untilLeader();
        const [victim] = path === '/log/' ? [leader] : followersOf(cluster, leader);
        victim!.files.fail({ operation: 'write', path, nth: 1, code });
        if (path === '/log/') cluster.propose(leader, 10);
        // A new term has to be written.
        else leader.kill();
        until(cluster, () => victim!.fatal !== undefined, 'the error');
        assert.match(victim!.fatal!.message, new RegExp(`^Cannot write .*${code}`));
        const said = cluster.network.bytesSentBy.get(victim!.id);
        cluster.world.run(5_000);
        assert.equal(cluster.network.bytesSentBy.get(victim!.id), said);
        if (path === '/log/') victim!.kill();
        else if (!leader.isRunning) leader.boot();
        if (path === '/log/') victim!.boot();
        else {
          victim!.kill();
          victim!.boot();
        }
        cluster.settle();
        cluster.assertNothingLost();
      }
    }
  });

  it('ends the replica when its log has changed under it', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const [follower] = followersOf(cluster, leader);
    follower!.kill();
    proposeMany(cluster, 50, 500);
    const { journal } = leader.storage;
    const { segmentNumber, offset } = journal.at(journal.lastIndex - 20);
    const name = String(segmentNumber).padStart(16, '0');
    leader.files.flip(`/holt/group-1/log/${name}.log`, offset);
    follower!.boot();
    until(cluster, () => leader.fatal !== undefined, 'the error');
    assert.match(leader.fatal!.message, /has changed on the disk/);
  });
});

describe('RaftNode: reads', () => {
  it('are confirmed by a majority, and see what was acknowledged before', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    proposeMany(cluster, 5, 10);
    const read = cluster.requestRead(leader);
    assert.equal(read.fate, 'pending');
    until(cluster, () => read.fate !== 'pending', 'an answer');
    assert.equal(read.fate, 'readable');
  });

  it('are never confirmed to a leader that is cut off (scenarios 52, 56)', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    cluster.network.isolate(leader.id);
    const reads = [1, 2, 3].map(() => {
      cluster.world.run(10);
      return cluster.requestRead(leader);
    });
    until(cluster, () => !leader.node.isLeader, 'the leader steps down');
    assert.deepEqual(
      reads.map(({ fate }) => fate),
      ['dropped', 'dropped', 'dropped'],
    );
  });

  it('share one tick that they ask for', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    cluster.world.run(2_000);
    const stampBefore = leader.machine.lastStamp;
    const indexBefore = leader.machine.appliedIndex;
    const nowMs = leader.node.nowMs();
    const ticks = [1, 2, 3].map(() => cluster.requestTick(leader));
    until(cluster, () => ticks.every(({ fate }) => fate !== 'pending'), 'the ticks');
    assert.deepEqual(
      ticks.map(({ fate }) => fate),
      ['readable', 'readable', 'readable'],
    );
    assert.equal(leader.machine.appliedIndex, indexBefore + 1);
    assert(leader.machine.lastStamp >= nowMs && nowMs > stampBefore);
  });

  it('lose their tick with the leadership', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    cluster.network.isolate(leader.id);
    const tick = cluster.requestTick(leader);
    until(cluster, () => tick.fate !== 'pending', 'its fate');
    assert.equal(tick.fate, 'dropped');
    cluster.network.heal();
    cluster.settle();
  });
});

describe('RaftNode: stamps', () => {
  const dayMs = 24 * 60 * 60 * 1000;

  /** The leader is cut off again and again. Returns how far stamps were from the true time. */
  function worstStampError(
    cluster: SimCluster,
    changes: number,
  ): { ahead: number; behind: number } {
    let ahead = 0;
    let behind = 0;
    for (let change = 0; change < changes; change += 1) {
      const leader = cluster.untilLeader();
      proposeMany(cluster, 10, 10);
      const error = leader.machine.lastStamp - (worldBeginMs + cluster.world.nowMs);
      ahead = Math.max(ahead, error);
      behind = Math.max(behind, -error);
      cluster.network.isolate(leader.id);
      until(cluster, () => cluster.leader !== undefined && cluster.leader !== leader, 'a change');
      cluster.network.heal();
      cluster.settle();
    }
    return { ahead, behind };
  }

  it('follow the true time when one clock of three is ahead', () => {
    for (const seed of [1, 2, 3]) {
      const cluster = new SimCluster(new SimWorld(seed));
      cluster.replicas[seed % 3]!.clock.wallErrorMs = dayMs;
      cluster.boot();
      const { ahead, behind } = worstStampError(cluster, 6);
      assert(ahead < 1_000 && behind < 1_000, `${ahead} ahead, ${behind} behind`);
    }
  });

  it('follow the true time when one clock of three falls behind', () => {
    for (const seed of [1, 2, 3]) {
      const cluster = bootCluster({}, seed);
      cluster.replicas[seed % 3]!.clock.wallErrorMs = -dayMs;
      const { ahead, behind } = worstStampError(cluster, 6);
      // An election takes seconds, during which a stamp cannot be told from the last one.
      assert(ahead < 1_000 && behind < 20_000, `${ahead} ahead, ${behind} behind`);
    }
  });

  it('never decrease, whatever the clocks do', () => {
    // `ListMachine` asserts it at every entry of every replica.
    for (const seed of seedsToRun(5)) {
      const cluster = bootCluster({}, seed);
      const { world } = cluster;
      for (let jump = 0; jump < 20; jump += 1) {
        const replica = cluster.replicas[world.integer(0, 2)]!;
        replica.clock.wallErrorMs = world.integer(-dayMs, dayMs);
        proposeMany(cluster, 5, 10);
        if (jump % 5 === 4) {
          const leader = cluster.untilLeader();
          leader.kill();
          cluster.untilLeader();
          leader.boot();
        }
      }
      cluster.settle();
    }
  });
});

describe('RaftNode: buffers', () => {
  it('are not given back while an entry that was truncated is still being written', () => {
    const cluster = bootCluster({ raft: { uncertainAfterMilliseconds: 60_000 } });
    const leader = cluster.untilLeader();
    leader.slowPath = '/log/';
    leader.slowMs = 8_000;
    const command = cluster.propose(leader, 5 * KiB);
    cluster.world.run(0.01);
    assert(leader.storage.journal.isWriting);
    cluster.network.isolate(leader.id);
    until(cluster, () => cluster.leader !== undefined && cluster.leader !== leader, 'the next one');
    cluster.propose(cluster.leader!, 10);
    cluster.network.heal();
    until(cluster, () => leader.node.status().role === 'follower', 'it follows');
    cluster.world.run(1_500);
    assert(leader.storage.journal.isWriting);
    // The files look at the buffer again when the write is over.
    leader.slowMs = 1;
    cluster.settle();
    assert.equal(command.fate, 'refused');
    cluster.assertNothingLost();
  });

  it('are never used after they were given back', () => {
    // Every pool ruins what it gets back, links read late, and partitions leave entries behind that
    // are truncated while they are written. The world checks every byte that is applied.
    for (const seed of seedsToRun(20)) {
      const cluster = bootCluster({ diskMsMax: 8 }, seed);
      const { world } = cluster;
      for (let step = 0; step < 60; step += 1) {
        const servers = cluster.replicas.filter((r) => r.isRunning && r.node.isServing);
        for (const server of servers) cluster.propose(server, world.integer(10, 20 * KiB));
        world.run(world.random() * 30);
        if (step % 12 === 5) cluster.network.isolate(cluster.replicas[world.integer(0, 2)]!.id);
        if (step % 12 === 6) world.run(2_500);
        if (step % 12 === 9) cluster.network.heal();
      }
      cluster.network.heal();
      cluster.settle();
      cluster.assertNothingLost();
      assert(cluster.replicas.every(({ pool }) => pool.given > 0));
    }
  });
});

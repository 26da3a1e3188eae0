import assert from 'node:assert/strict';
import { Lease, leaseMilliseconds } from '../../../raft/lease.js';
import { seedsToRun } from '../../faults/seeded-random.js';
import { SimCluster, type SimRead, type SimReplica } from '../../faults/sim-cluster.js';
import { SimWorld } from '../../faults/sim-world.js';
import { CoreCluster } from '../core/core-cluster.js';

const configuration = { voters: ['a', 'b', 'c'], learners: [] };

describe('leaseMilliseconds', () => {
  it('is less than what the ticks of a follower take', () => {
    // 40 ticks of 25 ms, the first at once, another one early, each a millisecond short.
    assert.equal(leaseMilliseconds(40, 25), 38 * 24 * 0.85);
    assert.equal(leaseMilliseconds(3, 0.5), 0);
    assert.equal(leaseMilliseconds(1, 25), 0);
  });
});

describe('Lease', () => {
  it('is counted from when the heartbeats left, not from when they were answered', () => {
    const lease = new Lease(100);
    assert.equal(lease.isHeld(0, configuration), false);
    lease.onRoundSent(1, 1_000, configuration);
    assert.equal(lease.isHeld(1_050, configuration), false);
    lease.onRoundConfirmed(1);
    assert.equal(lease.isHeld(1_099, configuration), true);
    assert.equal(lease.isHeld(1_100, configuration), false);
  });

  it('is counted from the first time that a round left', () => {
    const lease = new Lease(100);
    lease.onRoundSent(1, 1_000, configuration);
    lease.onRoundSent(1, 1_090, configuration);
    lease.onRoundConfirmed(1);
    assert.equal(lease.isHeld(1_100, configuration), false);
  });

  it('is not given by another round', () => {
    const lease = new Lease(100);
    lease.onRoundSent(1, 1_000, configuration);
    lease.onRoundSent(2, 1_090, configuration);
    lease.onRoundConfirmed(1);
    assert.equal(lease.isHeld(1_095, configuration), false);
    lease.onRoundConfirmed(2);
    assert.equal(lease.isHeld(1_189, configuration), true);
  });

  it('is void in another configuration, until a round of its majority', () => {
    const lease = new Lease(100);
    lease.onRoundSent(1, 1_000, configuration);
    lease.onRoundConfirmed(1);
    const next = { voters: ['a', 'b', 'c', 'd'], learners: [] };
    assert.equal(lease.isHeld(1_010, next), false);
    lease.onRoundSent(1, 1_020, next);
    assert.equal(lease.isHeld(1_020, next), false);
    lease.onRoundSent(2, 1_030, next);
    lease.onRoundConfirmed(2);
    assert.equal(lease.isHeld(1_129, next), true);
  });

  it('ends with the leadership, whose rounds are not those of the next', () => {
    const lease = new Lease(100);
    lease.onRoundSent(5, 1_000, configuration);
    lease.onRoundConfirmed(5);
    lease.end();
    assert.equal(lease.isHeld(1_001, configuration), false);
    lease.onRoundSent(1, 1_010, configuration);
    lease.onRoundConfirmed(5);
    assert.equal(lease.isHeld(1_011, configuration), false);
    lease.onRoundConfirmed(1);
    assert.equal(lease.isHeld(1_109, configuration), true);
  });
});

describe('RaftCore: what a lease needs', () => {
  function ledByOne(): CoreCluster {
    const cluster = new CoreCluster({ voters: ['1', '2', '3'], usesLease: true });
    cluster.elect('1');
    return cluster;
  }

  it('an entry of the own term, committed', () => {
    const cluster = ledByOne();
    assert.equal(cluster.core('1').leaseReadIndex, undefined);
    cluster.settle();
    cluster.propose('1');
    cluster.settle();
    assert.equal(cluster.core('1').leaseReadIndex, 2);
    assert.equal(cluster.core('2').leaseReadIndex, undefined);
  });

  it('that nobody was asked to take over in this term, whatever came of it', () => {
    const cluster = ledByOne();
    cluster.settle();
    cluster.crash('3');
    assert(cluster.transfer('1', '3'));
    assert.equal(cluster.core('1').leaseReadIndex, undefined);
    for (let tick = 0; tick < 12; tick += 1) {
      cluster.tick('1');
      cluster.settle();
    }
    assert.equal(cluster.core('1').role, 'leader');
    assert.equal(cluster.core('1').isTransferring, false);
    assert.equal(cluster.core('1').leaseReadIndex, undefined);
  });

  it('a round with each heartbeat, and no heartbeats besides', () => {
    const cluster = ledByOne();
    cluster.settle();
    const before = cluster.core('1').startedRound;
    for (let period = 0; period < 5; period += 1) {
      cluster.tick('1', 2);
      assert.equal(cluster.messages('1', '2').length, 1);
      cluster.settle();
    }
    assert.equal(cluster.core('1').startedRound, before + 5);
  });

  it('no vote by a follower that learned the new term before it was asked', () => {
    const cluster = ledByOne();
    cluster.settle();
    cluster.tick('1', 2);
    cluster.settle();
    // The term comes without a leader: its last one is forgotten, the lease is not.
    const envelope = { from: '3', to: '2', term: 2 };
    cluster.network.push({ kind: 'heartbeatReply', ...envelope, round: 0 });
    cluster.deliver();
    assert.deepEqual([cluster.core('2').term, cluster.core('2').leaderId], [2, undefined]);
    const vote = { kind: 'vote' as const, ...envelope, lastIndex: 9, lastTerm: 1 };
    cluster.network.push({ ...vote, isTransfer: false });
    cluster.deliver();
    assert.deepEqual(cluster.messages('2', '3'), []);
    cluster.tick('2', 10);
    cluster.network.push({ ...vote, isTransfer: false });
    cluster.deliver();
    assert.equal(cluster.messages('2', '3').length, 1);
  });
});

describe('RaftNode: reads on a lease', () => {
  function bootCluster(seed: number): SimCluster {
    const cluster = new SimCluster(new SimWorld(seed), { raft: { readMode: 'lease' } });
    cluster.boot();
    cluster.untilLeader();
    cluster.settle();
    cluster.world.run(500);
    return cluster;
  }

  /** What becomes of a read, asked now, in this moment. */
  function readNow(cluster: SimCluster, replica: SimReplica): SimRead {
    const read = cluster.requestRead(replica);
    cluster.world.run(0, () => read.fate !== 'pending');
    return read;
  }

  it('are answered without a round', () => {
    const cluster = bootCluster(1);
    assert.equal(readNow(cluster, cluster.untilLeader()).fate, 'readable');
  });

  it('are never answered once another leader could be there, though followers are restarted', () => {
    let answeredAlone = 0;
    for (const seed of seedsToRun(20)) {
      const cluster = bootCluster(seed);
      const old = cluster.untilLeader();
      const [one, other] = cluster.replicas.filter((replica) => replica !== old);
      cluster.network.isolate(old.id);
      if (seed % 2 === 0) {
        // It forgets that it heard from a leader.
        one!.kill();
        one!.boot();
      }
      const isReplaced = (): boolean => [one, other].some((replica) => replica!.node.isLeader);
      for (let step = 0; step < 400 && old.node.isLeader; step += 1) {
        cluster.world.run(10);
        if (!old.node.isLeader) break;
        if (readNow(cluster, old).fate !== 'readable') continue;
        assert(!isReplaced(), 'An old lease outlives an election');
        answeredAlone += 1;
      }
      cluster.network.heal();
      cluster.settle();
      cluster.assertNothingLost();
    }
    assert(answeredAlone > 100, `${answeredAlone} reads on the lease of a leader that was cut off`);
  });

  it('see what was committed before', () => {
    const cluster = bootCluster(3);
    const leader = cluster.untilLeader();
    for (let step = 0; step < 50; step += 1) {
      const command = cluster.propose(leader, 10);
      until(cluster, () => command.committedAt !== undefined);
      const read = cluster.requestRead(leader);
      until(cluster, () => read.fate !== 'pending');
      assert(read.values.includes(command.value));
    }
  });

  function until(cluster: SimCluster, isTrue: () => boolean): void {
    assert(cluster.world.run(10_000, isTrue));
  }
});

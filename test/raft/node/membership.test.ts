// Replicas that come and go in a simulated world, while commands are written. What the core decides
// is tested there; here are the entries, their outcome, the connections and the restarts.

import assert from 'node:assert/strict';
import type { Membership } from '../../../raft/membership.js';
import type { MembershipChange, MembershipChangeResult } from '../../../raft/membership-changes.js';
import { seedsToRun } from '../../faults/seeded-random.js';
import {
  memberOf,
  type PendingChange,
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

function idOf(digit: string): string {
  return memberOf(digit).replicaId;
}

function until(cluster: SimCluster, isTrue: () => boolean, what: string): void {
  assert(cluster.world.run(60_000, isTrue), `It never happened: ${what}`);
}

function resultOf(cluster: SimCluster, pending: PendingChange): string {
  until(cluster, () => pending.result !== undefined, 'an answer to the change');
  return pending.result!.kind === 'done' ? 'done' : pending.result!.code;
}

function add(cluster: SimCluster, digit: string): SimReplica {
  const replica = cluster.addReplica(digit);
  cluster.untilChanged({ kind: 'addLearner', member: memberOf(digit) });
  return replica;
}

function addVoter(cluster: SimCluster, digit: string): SimReplica {
  const replica = add(cluster, digit);
  cluster.untilChanged({ kind: 'promote', replicaId: idOf(digit) });
  return replica;
}

function remove(cluster: SimCluster, digit: string): void {
  cluster.untilChanged({ kind: 'remove', replicaId: idOf(digit) });
}

/** The digits of its members, as in `ab+c`: two voters and a learner. */
function describeMembers({ voters, learners }: Membership): string {
  const digits = (members: Membership['voters']): string =>
    members.map(({ replicaId }) => replicaId[0]).join('');
  return digits(voters) + (learners.length > 0 ? `+${digits(learners)}` : '');
}

/** Has a client write all the time, until what is returned is called. */
function startWriting(cluster: SimCluster): () => void {
  let isWriting = true;
  const write = (): void => {
    if (!isWriting) return;
    const { leader } = cluster;
    if (leader !== undefined) cluster.propose(leader, 100);
    cluster.world.after(20, write);
  };
  write();
  return () => {
    isWriting = false;
  };
}

/** Kills a replica now and then and boots it again, until what is returned is called. */
function startKilling(cluster: SimCluster): () => void {
  let isKilling = true;
  const { world } = cluster;
  const kill = (): void => {
    if (!isKilling) return;
    const victim = cluster.replicas[world.integer(0, cluster.replicas.length - 1)]!;
    if (victim.isRunning) {
      if (world.random() < 0.5) victim.kill();
      else victim.powerCut();
      world.after(world.integer(20, 2_000), () => victim.boot());
    }
    world.after(world.integer(500, 6_000), kill);
  };
  kill();
  return () => {
    isKilling = false;
  };
}

describe('RaftNode: members come and go', () => {
  it('from one to three, to five and back to three, while commands are written', function () {
    this.timeout(120_000);
    for (const seed of seedsToRun(3)) {
      const cluster = bootCluster({ voters: 1 }, seed);
      const stopWriting = startWriting(cluster);
      for (const digit of ['b', 'c', 'd', 'e']) addVoter(cluster, digit);
      assert.equal(describeMembers(cluster.untilLeader().node.membership), 'abcde');
      // The first leader is among those that go.
      for (const digit of ['a', 'b']) remove(cluster, digit);
      stopWriting();
      cluster.settle();
      assert.equal(describeMembers(cluster.untilLeader().node.membership), 'cde');
      cluster.assertNothingLost();
      assert(cluster.commands.filter(({ fate }) => fate === 'acknowledged').length > 30);
    }
  });

  it('and go on coming and going while replicas die', function () {
    this.timeout(120_000);
    for (const seed of seedsToRun(4)) {
      const cluster = bootCluster({ voters: 2 }, seed);
      const stopWriting = startWriting(cluster);
      const stopKilling = startKilling(cluster);
      addVoter(cluster, 'c');
      addVoter(cluster, 'd');
      remove(cluster, 'a');
      addVoter(cluster, 'e');
      remove(cluster, 'b');
      stopKilling();
      stopWriting();
      cluster.world.run(3_000);
      cluster.settle();
      assert.equal(describeMembers(cluster.untilLeader().node.membership), 'cde');
      cluster.assertNothingLost();
    }
  });

  it('a replica whose disk is lost comes back under a new id', () => {
    const cluster = bootCluster();
    const stopWriting = startWriting(cluster);
    cluster.world.run(500);
    const lost = cluster.replicas[2]!;
    lost.kill();
    addVoter(cluster, 'd');
    remove(cluster, 'c');
    stopWriting();
    cluster.settle();
    assert.equal(describeMembers(cluster.untilLeader().node.membership), 'abd');
    cluster.assertNothingLost();
  });
});

describe('RaftNode: what a membership carries', () => {
  it('a new replica knows nobody, and learns from the log who the others are and where', () => {
    const cluster = bootCluster();
    const joining = cluster.addReplica('d');
    assert.deepEqual(joining.memberships, [{ index: 0, voters: [], learners: [] }]);
    cluster.world.run(10_000);
    assert.equal(joining.node.term, 0);
    cluster.untilChanged({ kind: 'addLearner', member: memberOf('d') });
    cluster.settle();
    assert.deepEqual(joining.node.membership, cluster.untilLeader().node.membership);
    assert.deepEqual(joining.node.membership.learners, [memberOf('d')]);
    assert.deepEqual(joining.node.membership.voters, ['a', 'b', 'c'].map(memberOf));
  });

  it('tells every replica once of each membership, the first one at the start', () => {
    const cluster = bootCluster();
    add(cluster, 'd');
    cluster.settle();
    const { membership } = cluster.untilLeader().node;
    for (const replica of cluster.replicas.slice(0, 3)) {
      assert.deepEqual(
        replica.memberships.map(({ index }) => index),
        [0, membership.index],
      );
    }
  });

  it('is found in the log again after a restart', () => {
    const cluster = bootCluster();
    addVoter(cluster, 'd');
    remove(cluster, 'c');
    cluster.settle();
    const { membership } = cluster.untilLeader().node;
    for (const replica of cluster.replicas) replica.powerCut();
    for (const replica of cluster.replicas) replica.boot();
    for (const replica of cluster.replicas) {
      const digit = replica.id[0]!;
      if (digit !== 'c') assert.deepEqual(replica.node.membership, membership);
    }
    cluster.untilLeader();
    cluster.settle();
    cluster.assertNothingLost();
  });
});

describe('RaftNode: the outcome of a change', () => {
  const addD: MembershipChange = { kind: 'addLearner', member: memberOf('d') };

  it('is told once it is committed, with the membership', () => {
    const cluster = bootCluster();
    const pending = cluster.change(addD);
    assert.equal(pending.result, undefined);
    assert.equal(describeMembers(cluster.untilLeader().node.membership), 'abc+d');
    assert.equal(resultOf(cluster, pending), 'done');
    const result = pending.result as MembershipChangeResult | undefined;
    assert(result?.kind === 'done');
    assert.equal(describeMembers(result.membership), 'abc+d');
    assert(result.membership.index <= cluster.untilLeader().node.status().commitIndex);
  });

  const refusals: readonly [string, string, MembershipChange][] = [
    ['adding a member', 'alreadyMember', { kind: 'addLearner', member: memberOf('b') }],
    ['promoting a voter', 'alreadyMember', { kind: 'promote', replicaId: idOf('b') }],
    ['promoting a stranger', 'unknownMember', { kind: 'promote', replicaId: idOf('d') }],
    ['removing a stranger', 'unknownMember', { kind: 'remove', replicaId: idOf('d') }],
    ['what another membership was read for', 'stale', { ...addD, expectedIndex: 1 }],
  ];
  for (const [what, code, change] of refusals) {
    it(`is ${code} for ${what}`, () => {
      const cluster = bootCluster();
      const before = cluster.untilLeader().node.status().lastIndex;
      const { result } = cluster.change(change);
      assert(result?.kind === 'refused');
      assert.equal(result.code, code);
      assert.notEqual(result.text, '');
      assert.equal(cluster.untilLeader().node.status().lastIndex, before);
    });
  }

  it('is lastVoter for the only voter, learners or not', () => {
    const cluster = bootCluster({ voters: 1 });
    add(cluster, 'b');
    const { result } = cluster.change({ kind: 'remove', replicaId: idOf('a') });
    assert(result?.kind === 'refused' && result.code === 'lastVoter');
  });

  it('is notCaughtUp for a learner that is not there', () => {
    const cluster = bootCluster();
    cluster.untilChanged(addD);
    const { result } = cluster.change({ kind: 'promote', replicaId: idOf('d') });
    assert(result?.kind === 'refused' && result.code === 'notCaughtUp');
  });

  it('is notLeader on a follower', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const follower = cluster.replicas.find((replica) => replica !== leader);
    const { result } = cluster.change(addD, follower);
    assert(result?.kind === 'refused' && result.code === 'notLeader');
  });

  it('is busy while another change is under way, and while the leadership is handed over', () => {
    const cluster = bootCluster();
    const first = cluster.change(addD);
    const { result } = cluster.change({ kind: 'addLearner', member: memberOf('e') });
    assert(result?.kind === 'refused' && result.code === 'busy');
    assert.equal(resultOf(cluster, first), 'done');
    const leader = cluster.untilLeader();
    leader.node.transferLeadership();
    const second = cluster.change({ kind: 'addLearner', member: memberOf('e') }, leader);
    assert(second.result?.kind === 'refused' && second.result.code === 'busy');
  });

  it('accepts the membership that it was computed from', () => {
    const cluster = bootCluster();
    const { index } = cluster.untilLeader().node.membership;
    assert.equal(resultOf(cluster, cluster.change({ ...addD, expectedIndex: index })), 'done');
    const again = cluster.change({
      kind: 'addLearner',
      member: memberOf('e'),
      expectedIndex: index,
    });
    assert.equal(resultOf(cluster, again), 'stale');
  });

  it('is lost when the leader is deposed, and the change is taken back', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    cluster.network.isolate(leader.id);
    const pending = cluster.change(addD, leader);
    assert.equal(describeMembers(leader.node.membership), 'abc+d');
    assert.equal(resultOf(cluster, pending), 'lost');
    until(cluster, () => cluster.leader !== undefined && cluster.leader !== leader, 'the next one');
    cluster.network.heal();
    cluster.settle();
    assert.equal(describeMembers(leader.node.membership), 'abc');
    assert.deepEqual(leader.memberships.map(describeMembers), ['abc', 'abc+d', 'abc']);
    cluster.assertNothingLost();
  });

  it('is lost when the leader stops, and refused once it has stopped', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const { node } = leader;
    for (const replica of cluster.replicas) if (replica !== leader) replica.kill();
    const pending = cluster.change(addD, leader);
    leader.stop();
    assert(pending.result?.kind === 'refused' && pending.result.code === 'lost');
    let code = '';
    node.changeMembership(addD, (result) => {
      if (result.kind === 'refused') code = result.code;
    });
    assert.equal(code, 'notLeader');
  });

  it('throws for a member that nobody could reach', () => {
    const { node } = bootCluster().untilLeader();
    const member = { ...memberOf('d'), host: '' };
    const before = node.status().lastIndex;
    assert.throws(() => node.changeMembership({ kind: 'addLearner', member }, () => {}));
    assert.equal(node.status().lastIndex, before);
  });
});

describe('RaftNode: the leader is removed', () => {
  it('hands over first, and the next leader removes it', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const commands = [cluster.propose(leader, 10)];
    const pending = cluster.change({ kind: 'remove', replicaId: leader.id }, leader);
    assert.equal(resultOf(cluster, pending), 'notLeader');
    // Nobody waits out an election timeout.
    assert(cluster.world.run(300, () => cluster.leader !== undefined));
    const next = cluster.untilLeader();
    assert.notEqual(next, leader);
    assert.equal(describeMembers(next.node.membership), 'abc');
    cluster.untilChanged({ kind: 'remove', replicaId: leader.id });
    cluster.settle();
    assert.equal(cluster.members.length, 2);
    assert.deepEqual(
      commands.map(({ fate }) => fate),
      ['acknowledged'],
    );
    cluster.assertNothingLost();
  });

  it('removes itself when nobody takes over, and then hands over', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const followers = cluster.replicas.filter((replica) => replica !== leader);
    // They hear and answer, but none of them gets the last entry in time.
    for (const follower of followers) {
      follower.slowPath = '/log/';
      follower.slowMs = 3_000;
    }
    cluster.propose(leader, 10);
    cluster.world.run(100);
    const pending = cluster.change({ kind: 'remove', replicaId: leader.id }, leader);
    until(cluster, () => leader.node.membership.voters.length === 2, 'its own removal');
    assert(leader.node.isLeader);
    for (const follower of followers) follower.slowMs = 1;
    assert.equal(resultOf(cluster, pending), 'done');
    until(cluster, () => cluster.leader !== undefined && cluster.leader !== leader, 'the next one');
    cluster.settle();
    assert.deepEqual(cluster.members, followers);
    until(cluster, () => !leader.node.isLeader, 'it hears of the next one');
    cluster.assertNothingLost();
  });
});

describe('RaftNode: a removed replica', () => {
  it('hears that it was removed, and is let go', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const removed = cluster.replicas.find((replica) => replica !== leader)!;
    cluster.untilChanged({ kind: 'remove', replicaId: removed.id });
    const { index } = leader.node.membership;
    until(cluster, () => removed.node.status().commitIndex >= index, 'it hears');
    assert.equal(removed.node.membership.index, index);
    cluster.world.run(2_000);
    const { lastIndex } = removed.node.status();
    cluster.settle();
    cluster.world.run(2_000);
    assert.equal(removed.node.status().lastIndex, lastIndex);
  });

  it('does not disturb when it comes back from its old disk (scenarios 11, 48)', () => {
    const cluster = bootCluster();
    const leader = cluster.untilLeader();
    const removed = cluster.replicas.find((replica) => replica !== leader)!;
    removed.kill();
    cluster.untilChanged({ kind: 'remove', replicaId: removed.id });
    const { term } = leader.node;
    removed.boot();
    cluster.world.run(20_000);
    assert(leader.node.isServing);
    assert.deepEqual([leader.node.term, removed.node.term], [term, term]);
    cluster.settle();
    cluster.assertNothingLost();
  });
});

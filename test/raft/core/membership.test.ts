// Chapter 4 of Ongaro's dissertation, rule by rule: each test fails without its rule.
//
// That neighbours overlap, that nobody counts by another configuration than the newest in its log,
// and what a majority is of, `ClusterHistory` checks on the way.

import assert from 'node:assert/strict';
import type { Message, ReplicaId } from '../../../raft/core/index.js';
import { type ClusterOptions, CoreCluster } from './core-cluster.js';

const electionTicks = 10;
const heartbeatTicks = 2;

/** Replica 1 leads, and everybody knows and has what it has. */
function ledByOne(options: ClusterOptions): CoreCluster {
  const cluster = new CoreCluster(options);
  cluster.elect('1');
  cluster.settle();
  heartbeat(cluster, '1');
  return cluster;
}

/** The leader hears from everybody it can reach. */
function heartbeat(cluster: CoreCluster, leader: ReplicaId): void {
  cluster.tick(leader, heartbeatTicks);
  cluster.settle();
}

function deliverTo(cluster: CoreCluster, message: Message): void {
  cluster.network.unshift(message);
  cluster.deliver();
}

function votersOf(cluster: CoreCluster, id: ReplicaId): readonly ReplicaId[] {
  return cluster.core(id).configuration.voters;
}

/** Waits longer than any election timeout, alone. */
function waitAlone(cluster: CoreCluster, id: ReplicaId): void {
  cluster.tick(id, 4 * electionTicks);
}

describe('Dissertation §4.1, when a change is refused', () => {
  it('by a replica that does not lead', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4'] });
    assert.equal(cluster.change('2', 'add', '4'), 'notLeader');
  });

  it('before an entry of the leader’s term is committed', () => {
    const cluster = new CoreCluster({ voters: ['1', '2', '3'], spares: ['4'] });
    cluster.elect('1');
    assert.equal(cluster.change('1', 'add', '4'), 'notReady');
    cluster.settle();
    assert.equal(cluster.change('1', 'add', '4'), 2);
  });

  it('while the one before it is not committed', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4', '5'] });
    assert.equal(cluster.change('1', 'add', '4'), 2);
    assert.equal(cluster.change('1', 'add', '5'), 'busy');
    cluster.settle();
    assert.equal(cluster.change('1', 'add', '5'), 3);
  });

  it('while the one before it, of an earlier leader, is not committed', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4', '5'] });
    cluster.cut('2', '1');
    cluster.cut('3', '1');
    assert.equal(cluster.change('1', 'add', '4'), 2);
    cluster.settle();
    cluster.crash('1');
    cluster.heal();
    cluster.elect('2');
    assert.deepEqual(cluster.core('2').configuration.learners, ['4']);
    assert.equal(cluster.change('2', 'add', '5'), 'notReady');
    cluster.settle();
    assert.equal(cluster.change('2', 'add', '5'), 4);
  });

  it('while the leadership is handed over', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4'] });
    assert(cluster.transfer('1', '2'));
    assert.equal(cluster.change('1', 'add', '4'), 'handingOver');
  });

  it('when it would remove the last voter', () => {
    const cluster = ledByOne({ voters: ['1'], learners: ['2'] });
    assert.equal(cluster.change('1', 'remove', '1'), 'lastVoter');
  });

  it('when the voters that are left could not commit it, having been silent', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.isolate('3');
    for (let round = 0; round < electionTicks; round += 1) heartbeat(cluster, '1');
    assert.equal(cluster.change('1', 'remove', '2'), 'noMajority');
    assert.equal(typeof cluster.change('1', 'remove', '3'), 'number');
    cluster.settle();
    assert.deepEqual(votersOf(cluster, '2'), ['1', '2']);
    assert.equal(cluster.core('1').configurationIndex, cluster.core('1').commitIndex);
  });

  it('when it concerns more than one voter', () => {
    const core = ledByOne({ voters: ['1', '2', '3'] }).core('1');
    const swapped = { voters: ['1', '2', '4'], learners: [] };
    assert.throws(() => core.configurationRefusal(swapped), /More than one voter/);
  });
});

describe('Dissertation §4.2.1, catching up', () => {
  /** A learner that was added when the log had ten entries, and is cut off. */
  function withFarLearner(catchupMargin: number): CoreCluster {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4'], catchupMargin });
    for (let count = 0; count < 8; count += 1) cluster.propose('1');
    cluster.settle();
    cluster.change('1', 'add', '4');
    cluster.settle();
    return cluster;
  }

  it('a learner is promoted once it has what the leader has, but for a margin', () => {
    const cluster = withFarLearner(2);
    cluster.cut('4', '1');
    for (let count = 0; count < 3; count += 1) cluster.propose('1');
    cluster.settle();
    assert.equal(cluster.change('1', 'promote', '4'), 'notCaughtUp');
    cluster.heal();
    cluster.linkLost('1', '4');
    cluster.settle();
    cluster.cut('1', '4');
    for (let count = 0; count < 2; count += 1) cluster.propose('1');
    cluster.settle();
    assert.equal(typeof cluster.change('1', 'promote', '4'), 'number');
  });

  it('a learner that was not heard from lately is not promoted, whatever it had', () => {
    const cluster = withFarLearner(1000);
    cluster.isolate('4');
    for (let round = 0; round < electionTicks; round += 1) heartbeat(cluster, '1');
    assert.equal(cluster.change('1', 'promote', '4'), 'notCaughtUp');
    cluster.heal();
    heartbeat(cluster, '1');
    assert.equal(typeof cluster.change('1', 'promote', '4'), 'number');
  });

  it('a replica that is no learner is not promoted', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4'], catchupMargin: 1000 });
    assert.equal(cluster.change('1', 'promote', '4'), 'notCaughtUp');
  });

  it('a replica that is added gets the whole log', () => {
    const cluster = withFarLearner(0);
    assert.equal(cluster.core('4').lastIndex, cluster.core('1').lastIndex);
    assert.deepEqual(cluster.core('4').configuration.learners, ['4']);
  });
});

describe('Dissertation §4.1, a configuration is in effect when it is appended', () => {
  it('the new voter is needed for its own promotion', () => {
    const cluster = ledByOne({ voters: ['1'], learners: ['2'] });
    cluster.cut('2', '1');
    const index = cluster.change('1', 'promote', '2') as number;
    cluster.settle();
    assert.equal(cluster.core('1').commitIndex, index - 1);
    cluster.heal();
    heartbeat(cluster, '1');
    cluster.linkLost('1', '2');
    cluster.settle();
    assert.equal(cluster.core('1').commitIndex, index);
  });

  it('the removed voter is not needed for its own removal', () => {
    const cluster = ledByOne({ voters: ['1', '2'] });
    cluster.crash('2');
    cluster.propose('1');
    cluster.settle();
    assert.equal(cluster.core('1').commitIndex, 1);
    cluster.change('1', 'remove', '2');
    assert.equal(cluster.core('1').commitIndex, 3);
  });

  it('a read that waited for the removed voter waits no more', () => {
    const cluster = ledByOne({ voters: ['1', '2'] });
    cluster.crash('2');
    cluster.read('1');
    cluster.settle();
    assert.equal(cluster.history.coverage.reads, 0);
    cluster.change('1', 'remove', '2');
    assert.equal(cluster.history.coverage.reads, 1);
  });

  it('it is taken back with its entry, to one of which the entry is compacted away', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4'] });
    cluster.change('1', 'add', '4');
    cluster.settle();
    heartbeat(cluster, '1');
    cluster.compact('1', 2);
    cluster.isolate('1');
    assert.equal(cluster.change('1', 'promote', '4'), 3);
    assert.deepEqual(votersOf(cluster, '1'), ['1', '2', '3', '4']);
    cluster.elect('2');
    cluster.settle();
    cluster.heal();
    heartbeat(cluster, '2');
    assert.deepEqual(votersOf(cluster, '1'), ['1', '2', '3']);
    assert.deepEqual(cluster.core('1').configuration.learners, ['4']);
  });

  it('it is found again at a start, in the log or behind it', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4'] });
    cluster.change('1', 'add', '4');
    cluster.settle();
    heartbeat(cluster, '1');
    cluster.compact('2', 2);
    for (const id of ['2', '3']) {
      cluster.crash(id);
      cluster.restart(id);
      assert.deepEqual(cluster.core(id).configuration.learners, ['4']);
    }
  });

  it('a new leader counts by the change that it found in its log', () => {
    const cluster = ledByOne({ voters: ['1', '2'], learners: ['3'] });
    cluster.cut('2', '1');
    cluster.change('1', 'promote', '3');
    cluster.settle();
    cluster.crash('1');
    cluster.heal();
    // Two of three, where two of two were needed before.
    cluster.elect('2');
    cluster.settle();
    assert.deepEqual(votersOf(cluster, '2'), ['1', '2', '3']);
    assert.equal(cluster.core('2').commitIndex, cluster.core('2').lastIndex);
  });
});

describe('Dissertation §4.2, who campaigns and who votes', () => {
  it('a learner, and a replica that is no member yet, never campaign', () => {
    const cluster = ledByOne({ voters: ['1'], learners: ['2'], spares: ['3'] });
    for (const id of ['2', '3']) {
      waitAlone(cluster, id);
      deliverTo(cluster, { kind: 'timeoutNow', from: '1', to: id, term: 1 });
      assert.deepEqual([cluster.core(id).role, cluster.core(id).term], ['follower', 1]);
    }
  });

  it('a removed replica that knows that it is removed never campaigns', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.change('1', 'remove', '3');
    cluster.settle();
    heartbeat(cluster, '1');
    waitAlone(cluster, '3');
    assert.deepEqual([cluster.core('3').role, cluster.network.length], ['follower', 0]);
  });

  it('a vote is given to whoever asks, listed or not', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.tick('2', electionTicks);
    const envelope = { from: 'x', to: '2', term: 2, lastIndex: 9, lastTerm: 1 };
    deliverTo(cluster, { kind: 'vote', ...envelope, isTransfer: false });
    const [reply] = cluster.messages('2', 'x');
    assert(reply?.kind === 'voteReply' && reply.granted);
  });

  it('a replica that does not know yet that it was promoted votes all the same', () => {
    const cluster = ledByOne({ voters: ['1', '2'], learners: ['3'] });
    cluster.cut('1', '3');
    cluster.change('1', 'promote', '3');
    cluster.settle();
    cluster.crash('1');
    cluster.tick('3', electionTicks);
    cluster.campaign('2');
    cluster.settle();
    assert.equal(cluster.core('2').role, 'leader');
  });

  it('a vote of somebody who is no voter is not counted', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.isolate('2');
    waitAlone(cluster, '2');
    assert.equal(cluster.core('2').role, 'preCandidate');
    const granted = { from: 'x', to: '2', term: 2, granted: true } as const;
    deliverTo(cluster, { kind: 'preVoteReply', ...granted });
    assert.equal(cluster.core('2').role, 'preCandidate');
  });

  it('a replica whose removal is not committed campaigns, and does not count itself', () => {
    const cluster = ledByOne({ voters: ['1', '2'] });
    cluster.cut('2', '1');
    cluster.change('1', 'remove', '2');
    cluster.settle();
    // 1 alone may lead now, but 2 cannot know that 1 has the entry.
    cluster.crash('1');
    waitAlone(cluster, '2');
    assert.equal(cluster.core('2').role, 'preCandidate');
  });
});

describe('Dissertation §4.2.2, the leader is removed', () => {
  it('it is not heard for the quorum check: both others must be', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.isolate('3');
    cluster.change('1', 'remove', '1');
    for (let tick = 0; tick < 2 * electionTicks; tick += 1) {
      cluster.tick('1');
      cluster.settle();
    }
    assert.deepEqual([cluster.core('1').role, cluster.core('1').commitIndex], ['follower', 1]);
  });

  it('its own answer confirms no read', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.isolate('3');
    cluster.change('1', 'remove', '1');
    cluster.read('1');
    cluster.settle();
    assert.equal(cluster.history.coverage.reads, 0);
  });

  it('it leads until its removal is committed, takes proposals, and then hands over', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.change('1', 'remove', '1');
    assert.equal(cluster.propose('1'), 3);
    cluster.settle();
    assert.equal(cluster.leaderId, '2');
    assert.equal(cluster.core('2').commitIndex, 4);
    // Nobody tells it any more; it hears when it speaks.
    heartbeat(cluster, '1');
    assert.equal(cluster.core('1').role, 'follower');
    waitAlone(cluster, '1');
    assert.equal(cluster.core('1').role, 'follower');
  });

  it('a leader whom nobody takes over from steps down after an election timeout', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.change('1', 'remove', '1');
    for (const to of ['2', '3']) cluster.deliverFrom('1', to);
    for (const to of ['2', '3']) cluster.cut('1', to);
    cluster.settle();
    assert(cluster.core('1').isTransferring);
    assert.equal(cluster.propose('1'), undefined);
    cluster.tick('1', electionTicks);
    assert.equal(cluster.core('1').role, 'follower');
  });
});

describe('A removed member', () => {
  it('hears that it was removed, for one election timeout, and then nothing', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.change('1', 'remove', '3');
    assert.deepEqual(cluster.core('1').departing, ['3']);
    cluster.settle();
    cluster.tick('1', heartbeatTicks);
    assert.equal(cluster.messages('1', '3').length, 1);
    cluster.settle();
    assert.equal(cluster.core('3').commitIndex, 2);
    cluster.tick('1', electionTicks);
    cluster.settle();
    assert.deepEqual(cluster.core('1').departing, []);
    cluster.tick('1', heartbeatTicks);
    assert.equal(cluster.messages('1', '3').length, 0);
  });

  it('is not forgotten before its removal is committed', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.setDisk('2', 'manual');
    cluster.change('1', 'remove', '3');
    for (let round = 0; round < electionTicks; round += 1) heartbeat(cluster, '1');
    assert.deepEqual(cluster.core('1').departing, ['3']);
  });

  it('that was refused, because it lost what it had acknowledged, makes room for another', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'], spares: ['4'] });
    for (let count = 0; count < 5; count += 1) cluster.propose('1');
    cluster.settle();
    cluster.crash('3');
    cluster.forget('3', 2);
    cluster.restart('3');
    heartbeat(cluster, '1');
    cluster.linkLost('1', '3');
    cluster.settle();
    assert.deepEqual(cluster.refused, ['3']);
    for (const [change, server] of [
      ['add', '4'],
      ['promote', '4'],
      ['remove', '3'],
    ] as const) {
      assert.equal(typeof cluster.change('1', change, server), 'number');
      cluster.settle();
    }
    assert.deepEqual(votersOf(cluster, '4'), ['1', '2', '4']);
  });

  it('that is added again is believed nothing of what it had before', () => {
    const cluster = ledByOne({ voters: ['1', '2', '3'] });
    cluster.change('1', 'remove', '3');
    cluster.settle();
    cluster.isolate('3');
    cluster.change('1', 'add', '3');
    assert.equal(cluster.core('1').progressOf('3')?.match, 0);
  });
});

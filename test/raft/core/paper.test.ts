// The Raft paper, sentence by sentence: each test is a fact that the paper states.
//
// Sections are those of the extended version of "In Search of an Understandable Consensus
// Algorithm", or of Ongaro's dissertation where it says so. The safety of every step is checked by
// the history of the cluster on the way, so these tests assert what the sentence says and no more.

import assert from 'node:assert/strict';
import type { Message, ReplicaId, RoleKind, Term } from '../../../raft/core/index.js';
import { CoreCluster } from './core-cluster.js';

const electionTicks = 10;
const heartbeatTicks = 2;
const three = ['1', '2', '3'];
const five = ['1', '2', '3', '4', '5'];

function ofKind<Kind extends Message['kind']>(
  messages: readonly Message[],
  kind: Kind,
): Extract<Message, { kind: Kind }>[] {
  return messages.filter((message) => message.kind === kind) as Extract<Message, { kind: Kind }>[];
}

/** Replica 1 leads, and everybody knows and has what it has. */
function ledByOne(voters: readonly ReplicaId[] = three): CoreCluster {
  const cluster = new CoreCluster({ voters });
  cluster.elect('1');
  cluster.settle();
  cluster.tick('1', heartbeatTicks);
  cluster.settle();
  return cluster;
}

/** Replica 1 in `role`, in term 1 or, as a follower, in term 0. */
function withOneAs(role: RoleKind): CoreCluster {
  const cluster = new CoreCluster({ voters: three });
  if (role === 'follower') return cluster;
  cluster.campaign('1');
  if (role === 'preCandidate') return cluster;
  cluster.deliverFrom('1', '2');
  cluster.deliverFrom('2', '1');
  if (role === 'candidate') return cluster;
  cluster.settle();
  return cluster;
}

function deliverTo(cluster: CoreCluster, message: Message): void {
  cluster.network.unshift(message);
  cluster.deliver();
}

describe('Raft §5.1, terms', () => {
  for (const role of ['follower', 'candidate', 'leader'] as const) {
    it(`a ${role} that sees a larger term takes it over and follows`, () => {
      const cluster = withOneAs(role);
      assert.equal(cluster.core('1').role, role);
      deliverTo(cluster, { kind: 'heartbeatReply', from: '2', to: '1', term: 7, round: 0 });
      assert.deepEqual([cluster.core('1').term, cluster.core('1').role], [7, 'follower']);
      assert.equal(cluster.core('1').votedFor, undefined);
    });
  }

  it('a leader that learns a larger term appends nothing more, in either term', () => {
    const cluster = withOneAs('leader');
    const { lastIndex } = cluster.core('1');
    deliverTo(cluster, { kind: 'heartbeatReply', from: '2', to: '1', term: 7, round: 0 });
    assert.equal(cluster.propose('1'), undefined);
    assert.equal(cluster.core('1').lastIndex, lastIndex);
  });

  it('a request of an older term changes nothing and is answered with the newer one', () => {
    const cluster = ledByOne();
    cluster.isolate('1');
    cluster.elect('2');
    cluster.settle();
    cluster.heal();
    cluster.propose('1');
    cluster.deliverFrom('1', '3');
    const [answer] = cluster.messages('3', '1');
    assert.deepEqual([answer?.kind, answer?.term], ['heartbeatReply', 2]);
    assert.equal(cluster.core('3').termAt(2), 2);
    cluster.settle();
    assert.equal(cluster.core('1').role, 'follower');
  });

  it('a vote request of an older term is refused with the newer one', () => {
    const cluster = ledByOne();
    const envelope = { from: '3', to: '2', term: 0, lastIndex: 9, lastTerm: 0 };
    deliverTo(cluster, { kind: 'vote', ...envelope, isTransfer: false });
    assert.deepEqual(cluster.messages('2', '3').at(-1), {
      kind: 'voteReply',
      from: '2',
      to: '3',
      term: 1,
      granted: false,
    });
  });
});

describe('Raft §5.2, leader election', () => {
  it('a replica starts as a follower, in the term that it knew before', () => {
    const cluster = ledByOne();
    assert.equal(cluster.core('1').role, 'leader');
    cluster.crash('1');
    cluster.restart('1');
    assert.deepEqual([cluster.core('1').role, cluster.core('1').term], ['follower', 1]);
    assert.equal(cluster.core('1').votedFor, '1');
    assert.equal(cluster.core('1').leaderId, undefined);
  });

  it('a leader says so to all when it is elected, and then in every heartbeat period', () => {
    const cluster = new CoreCluster({ voters: five });
    cluster.elect('1');
    const others = five.slice(1);
    const heard = () => ofKind(cluster.network, 'heartbeat').map((message) => message.to);
    assert.deepEqual(heard(), others);
    cluster.settle();
    cluster.tick('1', heartbeatTicks - 1);
    assert.deepEqual(heard(), []);
    cluster.tick('1');
    assert.deepEqual(heard(), others);
  });

  it('a follower stays one while it hears from a leader', () => {
    const cluster = ledByOne();
    for (let round = 0; round < 20; round += 1) {
      cluster.tickAll(heartbeatTicks);
      cluster.settle();
    }
    assert.deepEqual(
      three.map((id) => cluster.core(id).role),
      ['leader', 'follower', 'follower'],
    );
    assert.equal(cluster.core('1').term, 1);
  });

  it('a slow leader whose bytes still arrive is not a dead one', () => {
    const cluster = ledByOne();
    for (let tick = 0; tick < 4 * electionTicks; tick += 1) {
      cluster.tick('2');
      cluster.linkAlive('2', '1');
      cluster.linkAlive('2', '3');
    }
    assert.equal(cluster.core('2').role, 'follower');
    // Bytes of anybody else say nothing.
    for (let tick = 0; tick < 2 * electionTicks; tick += 1) {
      cluster.tick('2');
      cluster.linkAlive('2', '3');
    }
    assert.equal(cluster.core('2').role, 'preCandidate');
  });

  it('a candidate begins a new term, votes for itself, and asks all the others at once', () => {
    const cluster = new CoreCluster({ voters: five });
    cluster.campaign('1');
    for (const voter of ['2', '3']) cluster.deliverFrom('1', voter);
    for (const voter of ['2', '3']) cluster.deliverFrom(voter, '1');
    assert.deepEqual([cluster.core('1').role, cluster.core('1').term], ['candidate', 1]);
    assert.equal(cluster.core('1').votedFor, '1');
    const asked = ofKind(cluster.network, 'vote').map((message) => message.to);
    assert.deepEqual(asked, ['2', '3', '4', '5']);
  });

  it('a candidate waits for its own vote to be durable before it asks for others (diss. §3.8)', () => {
    const cluster = new CoreCluster({ voters: three });
    cluster.setDisk('1', 'manual');
    cluster.campaign('1');
    cluster.settle();
    assert.deepEqual([cluster.core('1').role, cluster.network.length], ['candidate', 0]);
    cluster.persistVote('1');
    assert.equal(ofKind(cluster.network, 'vote').length, 2);
  });

  const elections = [
    { size: 1, grants: 0, refusals: 0, role: 'leader' },
    { size: 2, grants: 0, refusals: 0, role: 'candidate' },
    { size: 2, grants: 1, refusals: 0, role: 'leader' },
    { size: 3, grants: 0, refusals: 1, role: 'candidate' },
    { size: 3, grants: 1, refusals: 0, role: 'leader' },
    { size: 3, grants: 0, refusals: 2, role: 'follower' },
    { size: 4, grants: 1, refusals: 1, role: 'candidate' },
    { size: 4, grants: 2, refusals: 0, role: 'leader' },
    { size: 4, grants: 0, refusals: 2, role: 'follower' },
    { size: 5, grants: 1, refusals: 2, role: 'candidate' },
    { size: 5, grants: 2, refusals: 0, role: 'leader' },
    { size: 5, grants: 1, refusals: 3, role: 'follower' },
  ] as const;
  for (const { size, grants, refusals, role } of elections) {
    it(`${grants} votes for and ${refusals} against make a candidate of ${size} a ${role}`, () => {
      const voters = five.slice(0, size);
      const cluster = new CoreCluster({ voters });
      const pre = voters.slice(1, Math.floor(size / 2) + 1);
      cluster.campaign('1');
      for (const voter of pre) cluster.deliverFrom('1', voter);
      for (const voter of pre) cluster.deliverFrom(voter, '1');
      // The refusing ones have voted for somebody else before they are asked.
      const refusing = voters.slice(size - refusals);
      for (const voter of refusing) {
        const other = { from: 'x', to: voter, term: 1, lastIndex: 0, lastTerm: 0 };
        deliverTo(cluster, { kind: 'vote', ...other, isTransfer: false });
      }
      const requests = ofKind(cluster.network, 'vote');
      const granting = voters.slice(1, grants + 1);
      cluster.network.length = 0;
      for (const request of requests) {
        if ([...granting, ...refusing].includes(request.to)) deliverTo(cluster, request);
      }
      while (cluster.network.some((message) => message.kind === 'voteReply')) {
        cluster.deliver(cluster.network.findIndex((message) => message.kind === 'voteReply'));
      }
      assert.equal(cluster.core('1').role, role);
    });
  }

  it('a replica votes once in a term, for whom asks first, and says so again when asked again', () => {
    const cluster = new CoreCluster({ voters: five });
    const request = { kind: 'vote', to: '1', term: 1, lastIndex: 0, lastTerm: 0 } as const;
    const answers: unknown[] = [];
    for (const from of ['2', '3', '2']) {
      deliverTo(cluster, { ...request, from, isTransfer: false });
      answers.push(...ofKind(cluster.network, 'voteReply').map((m) => [m.to, m.granted]));
      cluster.network.length = 0;
    }
    assert.deepEqual(answers, [
      ['2', true],
      ['3', false],
      ['2', true],
    ]);
  });

  it('a replica that knows the leader of a term votes for nobody in it', () => {
    const cluster = new CoreCluster({ voters: three });
    cluster.isolate('3');
    cluster.elect('1');
    cluster.settle();
    cluster.heal();
    cluster.tick('1', heartbeatTicks);
    cluster.settle();
    assert.deepEqual([cluster.core('3').leaderId, cluster.core('3').votedFor], ['1', undefined]);
    const request = { from: '2', to: '3', term: 1, lastIndex: 9, lastTerm: 1 };
    deliverTo(cluster, { kind: 'vote', ...request, isTransfer: true });
    const replies = ofKind(cluster.network, 'voteReply');
    assert.deepEqual(
      replies.map((reply) => reply.granted),
      [false],
    );
  });

  for (const role of ['preCandidate', 'candidate'] as const) {
    it(`a ${role} that hears the leader of its term follows it`, () => {
      const cluster = ledByOne();
      cluster.cut('1', '3');
      cluster.campaign('3');
      if (role === 'candidate') {
        // 3 is a candidate of the term that 2 wins.
        cluster.tick('2', electionTicks);
        cluster.deliverFrom('3', '2');
        cluster.deliverFrom('2', '3');
        cluster.network.length = 0;
        cluster.crash('1');
        cluster.restart('1');
        cluster.campaign('2');
        cluster.deliverFrom('2', '1');
        cluster.deliverFrom('1', '2');
        cluster.deliverFrom('2', '1');
        cluster.deliverFrom('1', '2');
        assert.equal(cluster.core('2').role, 'leader');
      }
      assert.equal(cluster.core('3').role, role);
      const { term } = cluster.core('3');
      cluster.heal();
      cluster.network.length = 0;
      const leader = cluster.leaderId!;
      cluster.tick(leader, heartbeatTicks);
      cluster.deliverFrom(leader, '3');
      assert.deepEqual([cluster.core('3').role, cluster.core('3').term], ['follower', term]);
      assert.equal(cluster.core('3').leaderId, leader);
    });
  }

  it('a candidate that hears a leader of an earlier term goes on, and deposes it', () => {
    const cluster = ledByOne();
    cluster.tick('2', electionTicks);
    cluster.campaign('3');
    cluster.deliverFrom('3', '2');
    cluster.deliverFrom('2', '3');
    assert.deepEqual([cluster.core('3').role, cluster.core('3').term], ['candidate', 2]);
    cluster.network.length = 0;
    cluster.tick('1', heartbeatTicks);
    cluster.deliverFrom('1', '3');
    assert.deepEqual([cluster.core('3').role, cluster.core('3').term], ['candidate', 2]);
    cluster.deliverFrom('3', '1');
    assert.deepEqual([cluster.core('1').role, cluster.core('1').term], ['follower', 2]);
  });

  it('a split vote ends with the election timeout, and the next one is in a new term', () => {
    const cluster = new CoreCluster({ voters: ['1', '2', '3', '4'] });
    for (const id of ['1', '2']) cluster.campaign(id);
    for (const id of ['1', '2']) for (const voter of ['3', '4']) cluster.deliverFrom(id, voter);
    for (const id of ['1', '2']) for (const voter of ['3', '4']) cluster.deliverFrom(voter, id);
    assert.deepEqual([cluster.core('1').role, cluster.core('2').role], ['candidate', 'candidate']);
    for (const [id, voter] of [
      ['1', '3'],
      ['2', '4'],
    ] as const) {
      while (cluster.messages(id, voter).length > 0) cluster.deliverFrom(id, voter);
      cluster.deliverFrom(voter, id);
    }
    cluster.settle();
    assert.equal(cluster.leaderId, undefined);
    for (let tick = 0; tick < 4 * electionTicks; tick += 1) {
      cluster.tickAll();
      cluster.settle();
    }
    assert(cluster.leaderId !== undefined);
    assert(cluster.core(cluster.leaderId).term > 1);
  });

  it('election timeouts are drawn anew each time, from one to two times the shortest', () => {
    const seen = new Set<number>();
    for (let chance = 0; chance < 1; chance += 1 / 64) {
      const cluster = new CoreCluster({ voters: three, random: () => chance });
      for (let wait = 0; wait < 2; wait += 1) {
        const before = cluster.network.length;
        let ticks = 0;
        while (cluster.network.length === before) {
          cluster.tick('1');
          ticks += 1;
        }
        seen.add(ticks);
        assert.equal(ticks, electionTicks + Math.floor(chance * (electionTicks + 1)));
      }
    }
    assert.deepEqual([Math.min(...seen), Math.max(...seen)], [electionTicks, 2 * electionTicks]);
  });
});

describe('Raft §5.3, log replication', () => {
  it('a leader appends a command and sends it to all, with what precedes it', () => {
    const cluster = ledByOne();
    assert.equal(cluster.propose('1', 40), 2);
    const expected = ['2', '3'].map((to) => ({
      kind: 'append',
      from: '1',
      to,
      term: 1,
      prevIndex: 1,
      prevTerm: 1,
      commit: 1,
      entries: [{ term: 1, byteLength: 40 }],
    }));
    assert.deepEqual(cluster.network, expected);
  });

  it('a follower takes no proposal', () => {
    const cluster = ledByOne();
    assert.equal(cluster.propose('2'), undefined);
  });

  const commits = [
    { size: 1, stored: 1, isCommitted: true },
    { size: 2, stored: 1, isCommitted: false },
    { size: 2, stored: 2, isCommitted: true },
    { size: 3, stored: 1, isCommitted: false },
    { size: 3, stored: 2, isCommitted: true },
    { size: 4, stored: 2, isCommitted: false },
    { size: 4, stored: 3, isCommitted: true },
    { size: 5, stored: 2, isCommitted: false },
    { size: 5, stored: 3, isCommitted: true },
  ];
  for (const { size, stored, isCommitted } of commits) {
    it(`an entry on ${stored} of ${size} is ${isCommitted ? '' : 'not '}committed`, () => {
      const voters = five.slice(0, size);
      const cluster = ledByOne(voters);
      for (const id of voters.slice(stored)) cluster.isolate(id);
      const index = cluster.propose('1')!;
      cluster.settle();
      assert.equal(cluster.core('1').commitIndex, isCommitted ? index : index - 1);
    });
  }

  it('the leader counts itself when its own write is durable, and not before (diss. §10.2.1)', () => {
    const cluster = ledByOne();
    cluster.isolate('3');
    cluster.setDisk('1', 'manual');
    cluster.propose('1');
    cluster.settle();
    assert.equal(cluster.core('1').commitIndex, 1);
    cluster.persistLog('1');
    assert.equal(cluster.core('1').commitIndex, 2);
  });

  it('the followers may commit what the leader has not on disk; it applies that later', () => {
    const cluster = ledByOne();
    cluster.setDisk('1', 'manual');
    cluster.propose('1');
    cluster.settle();
    assert.deepEqual([cluster.core('1').commitIndex, cluster.core('1').applicableIndex], [2, 1]);
    cluster.persistLog('1');
    assert.equal(cluster.core('1').applicableIndex, 2);
  });

  it('committing an entry commits all before it, of earlier leaders too', () => {
    const cluster = ledByOne();
    for (const [from, to] of [
      ['2', '1'],
      ['3', '1'],
    ] as const)
      cluster.cut(from, to);
    cluster.propose('1');
    cluster.propose('1');
    cluster.settle();
    assert.equal(cluster.core('1').commitIndex, 1);
    cluster.crash('1');
    cluster.elect('2');
    cluster.settle();
    assert.deepEqual([cluster.core('2').commitIndex, cluster.core('2').termAt(3)], [4, 1]);
    assert.equal(cluster.history.coverage.inheritedCommits, 2);
  });

  it('followers learn what is committed from later messages, with or without entries', () => {
    const cluster = ledByOne();
    cluster.propose('1');
    cluster.settle();
    assert.deepEqual([cluster.core('1').commitIndex, cluster.core('2').commitIndex], [2, 1]);
    cluster.propose('1');
    cluster.settle();
    assert.deepEqual([cluster.core('1').commitIndex, cluster.core('2').commitIndex], [3, 2]);
    cluster.tick('1', heartbeatTicks);
    cluster.settle();
    assert.equal(cluster.core('2').commitIndex, 3);
  });

  it('a heartbeat commits nothing on a follower that does not have it, or may have another', () => {
    // 3 has an entry of its own at index 2, and the leader has not found that out yet.
    const cluster = new CoreCluster({
      voters: three,
      disks: {
        1: { term: 2, log: [1, 1] },
        2: { term: 2, log: [1, 1] },
        3: { term: 2, log: [1, 2] },
      },
    });
    cluster.crash('3');
    cluster.elect('1');
    cluster.settle();
    assert.equal(cluster.core('1').commitIndex, 3);
    cluster.restart('3');
    cluster.tick('1', heartbeatTicks);
    cluster.deliverFrom('1', '3');
    assert.equal(cluster.core('3').commitIndex, 0);
    // Even if it says otherwise.
    const envelope = { from: '1', to: '3', term: cluster.core('1').term };
    deliverTo(cluster, { kind: 'heartbeat', ...envelope, commit: 2, round: 0 });
    assert.equal(cluster.core('3').commitIndex, 0);
    cluster.settle();
    cluster.tick('1', heartbeatTicks);
    cluster.settle();
    assert.deepEqual([cluster.core('3').commitIndex, cluster.core('3').termAt(2)], [3, 1]);
  });

  it('a follower commits and acknowledges no more than a message shows to be the leader’s', () => {
    // 3 has entries of its own at 3 and 4, durable, behind one that it shares.
    const cluster = new CoreCluster({
      voters: three,
      disks: {
        1: { term: 2, log: [1, 1, 1, 1] },
        2: { term: 2, log: [1, 1, 1, 1] },
        3: { term: 2, log: [1, 1, 2, 2] },
      },
    });
    cluster.crash('3');
    cluster.elect('1');
    cluster.settle();
    cluster.restart('3');
    // As an old message that was long under way.
    const envelope = { from: '1', to: '3', term: cluster.core('1').term, commit: 5 };
    const entries = [{ term: 1, byteLength: 10 }];
    deliverTo(cluster, { kind: 'append', ...envelope, prevIndex: 1, prevTerm: 1, entries });
    assert.equal(cluster.core('3').commitIndex, 2);
    const replies = ofKind(cluster.messages('3', '1'), 'appendReply');
    assert.deepEqual(
      replies.map((reply) => reply.index),
      [2],
    );
    assert.equal(cluster.core('3').lastIndex, 4);
  });

  it('a follower acknowledges what it knows to be committed, however little of it is sent', () => {
    const cluster = ledByOne();
    for (let count = 0; count < 3; count += 1) cluster.propose('1');
    cluster.settle();
    cluster.tick('1', heartbeatTicks);
    cluster.settle();
    assert.equal(cluster.core('3').commitIndex, 4);
    cluster.crash('1');
    cluster.elect('2');
    cluster.network.length = 0;
    const envelope = { from: '2', to: '3', term: 2, commit: 0, prevIndex: 1, prevTerm: 1 };
    deliverTo(cluster, { kind: 'append', ...envelope, entries: [{ term: 1, byteLength: 10 }] });
    const [reply] = ofKind(cluster.network, 'appendReply');
    assert.equal(reply?.index, 4);
  });

  it('a follower refuses entries when it lacks the one before them', () => {
    const cluster = ledByOne();
    cluster.propose('1');
    cluster.dropFrom('1', '2');
    cluster.propose('1');
    cluster.deliverFrom('1', '2');
    const [reply] = ofKind(cluster.messages('2', '1'), 'appendReply');
    assert.deepEqual([reply?.rejected, reply?.index, reply?.hintIndex], [true, 2, 1]);
    assert.equal(cluster.core('2').lastIndex, 1);
    cluster.settle();
    assert.equal(cluster.core('2').lastIndex, 3);
  });

  it('entries that contradict the leader’s are removed, and all after them', () => {
    const cluster = ledByOne();
    cluster.isolate('1');
    for (let count = 0; count < 3; count += 1) cluster.propose('1');
    cluster.elect('2');
    cluster.settle();
    assert.equal(cluster.core('1').lastIndex, 4);
    cluster.heal();
    cluster.tick('2', 2 * heartbeatTicks);
    cluster.settle();
    assert.deepEqual([cluster.core('1').lastIndex, cluster.core('1').termAt(2)], [2, 2]);
  });

  it('an append that ends before the log does removes nothing', () => {
    const cluster = ledByOne();
    cluster.propose('1');
    cluster.duplicateFrom('1', '2');
    cluster.propose('1');
    while (cluster.messages('1', '2').length > 0) cluster.deliverFrom('1', '2');
    assert.equal(cluster.core('2').lastIndex, 3);
    assert.equal(cluster.history.coverage.truncations, 0);
  });

  // Figure 7: the logs that a leader of term 8 may meet.
  const figure7: readonly { readonly name: string; readonly log: readonly Term[] }[] = [
    { name: 'a, one entry short', log: [1, 1, 1, 4, 4, 5, 5, 6, 6] },
    { name: 'b, six entries short', log: [1, 1, 1, 4] },
    { name: 'c, one entry more', log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
    { name: 'd, two entries of a later term more', log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
    { name: 'e, short, with other entries', log: [1, 1, 1, 4, 4, 4, 4] },
    { name: 'f, with other entries only', log: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
  ];
  for (const { name, log } of figure7) {
    it(`figure 7: the leader brings the log of follower ${name}, to its own`, () => {
      const leaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
      const cluster = new CoreCluster({
        voters: three,
        disks: {
          1: { term: 7, log: leaderLog },
          2: { term: 7, log: leaderLog },
          3: { term: 7, log: [...log] },
        },
      });
      cluster.elect('1');
      cluster.settle();
      const expected = [...leaderLog, 8];
      assert.deepEqual(
        expected.map((_, at) => cluster.core('3').termAt(at + 1)),
        expected,
      );
      assert.equal(cluster.core('3').lastIndex, expected.length);
    });
  }

  function run(term: Term, length = 1000): Term[] {
    return Array.from({ length }, () => term);
  }

  const reconciliations: readonly { readonly what: string; readonly logs: readonly Term[][] }[] = [
    {
      what: 'the leader’s terms and the follower’s alternate',
      logs: [
        [1, ...run(3), ...run(5), ...run(9)],
        [1, ...run(2), ...run(4), ...run(6)],
      ],
    },
    {
      what: 'the follower’s terms are all later than the leader’s',
      logs: [
        [...run(1, 3001), 9],
        [1, ...run(2), ...run(4), ...run(6)],
      ],
    },
    {
      what: 'the follower’s terms are all earlier than the leader’s',
      logs: [
        [1, ...run(6), ...run(7), ...run(8)],
        [1, ...run(2), ...run(4), ...run(5)],
      ],
    },
  ];
  for (const { what, logs } of reconciliations) {
    it(`a round trip settles a term, not an entry, when ${what}`, () => {
      const [leaderLog, followerLog] = logs as [Term[], Term[]];
      const cluster = new CoreCluster({
        voters: three,
        appendEntriesMax: 100_000,
        appendBytesMax: 1_000_000,
        disks: {
          1: { term: 9, log: leaderLog },
          2: { term: 9, log: leaderLog },
          3: { term: 9, log: followerLog },
        },
      });
      cluster.elect('1');
      let rejections = 0;
      while (cluster.network.length > 0) {
        const [message] = cluster.network;
        if (message?.kind === 'appendReply' && message.rejected) rejections += 1;
        cluster.deliver();
      }
      assert.equal(cluster.core('3').lastIndex, cluster.core('1').lastIndex);
      // Three terms; entry by entry it would be some 3000.
      assert(rejections >= 1 && rejections <= 4, `${rejections} rejections`);
    });
  }

  it('one message carries what its limits allow, and an entry that is larger travels alone', () => {
    const cluster = ledByOne();
    cluster.isolate('3');
    for (const bytes of [50, 50, 1, 500, 1]) cluster.propose('1', bytes);
    cluster.network.length = 0;
    cluster.linkLost('1', '2');
    const sizes: number[][] = [];
    while (cluster.network.length > 0) {
      const [message] = cluster.network;
      if (message?.kind === 'append' && message.to === '2') {
        sizes.push(message.entries.map((entry) => entry.byteLength));
      }
      cluster.deliver();
    }
    assert.deepEqual(sizes, [[50, 50], [1], [500], [1]]);
  });
});

describe('Raft §5.4.1, election restriction', () => {
  const logs: readonly {
    readonly own: Term[];
    readonly asks: Term[];
    readonly granted: boolean;
  }[] = [
    { own: [], asks: [], granted: true },
    { own: [], asks: [1], granted: true },
    { own: [1], asks: [], granted: false },
    { own: [1, 1], asks: [1, 1], granted: true },
    { own: [1, 1], asks: [1, 1, 1], granted: true },
    { own: [1, 1, 1], asks: [1, 1], granted: false },
    { own: [1, 1, 1], asks: [1, 2], granted: true },
    { own: [1, 2], asks: [1, 1, 1], granted: false },
  ];
  for (const { own, asks, granted } of logs) {
    const verdict = granted ? 'votes' : 'does not vote';
    it(`a replica with the terms [${own}] ${verdict} for one with [${asks}]`, () => {
      const cluster = new CoreCluster({
        voters: three,
        disks: { 1: { term: 2, log: own }, 2: { term: 2, log: asks } },
      });
      const last = { lastIndex: asks.length, lastTerm: asks.at(-1) ?? 0 };
      const envelope = { from: '2', to: '1', term: 3, ...last };
      deliverTo(cluster, { kind: 'preVote', ...envelope });
      deliverTo(cluster, { kind: 'vote', ...envelope, isTransfer: false });
      assert.deepEqual(
        ofKind(cluster.network, 'preVoteReply').map((m) => m.granted),
        [granted],
      );
      assert.deepEqual(
        ofKind(cluster.network, 'voteReply').map((m) => m.granted),
        [granted],
      );
    });
  }

  it('a log that is a snapshot alone is compared by the last entry of the snapshot', () => {
    const cluster = ledByOne();
    for (const id of three) cluster.compact(id, 1);
    cluster.crash('1');
    cluster.elect('2');
    cluster.settle();
    assert.equal(cluster.core('2').role, 'leader');
    const envelope = { from: '1', to: '3', term: 3, lastIndex: 0, lastTerm: 0 };
    deliverTo(cluster, { kind: 'vote', ...envelope, isTransfer: true });
    assert.deepEqual(
      ofKind(cluster.network, 'voteReply').map((m) => m.granted),
      [false],
    );
  });

  it('whoever lacks a committed entry is not elected, however long it tries', () => {
    const cluster = ledByOne();
    cluster.isolate('3');
    cluster.propose('1');
    cluster.settle();
    cluster.crash('1');
    cluster.heal();
    for (let attempt = 0; attempt < 5; attempt += 1) {
      cluster.campaign('3');
      cluster.settle();
      assert.notEqual(cluster.core('3').role, 'leader');
    }
  });
});

describe('Raft §5.4.2, entries of earlier terms (figure 8)', () => {
  /** Moment (c): the entry of term 2 is on 1, 2 and 3, a majority. The no-op of term 4 is not. */
  function momentC(): CoreCluster {
    const cluster = new CoreCluster({
      voters: five,
      appendEntriesMax: 1,
      disks: {
        1: { term: 3, log: [1, 2] },
        2: { term: 3, log: [1, 2] },
        3: { term: 3, log: [1] },
        4: { term: 3, log: [1] },
        5: { term: 3, log: [1, 3] },
      },
    });
    cluster.isolate('5');
    cluster.elect('1');
    for (const id of ['2', '3', '4']) cluster.setDisk(id, 'manual');
    cluster.isolate('4');
    cluster.settle();
    // What reached the disk of 3 first is the entry of term 2; the no-op waits behind it.
    cluster.persistLog('3');
    cluster.settle();
    assert.equal(cluster.core('1').term, 4);
    assert.deepEqual(
      ['1', '2', '3'].map((id) => cluster.diskOf(id).log.termAt(2)),
      [2, 2, 2],
    );
    assert.deepEqual(
      ['2', '3'].map((id) => cluster.core('1').progressOf(id)!.match),
      [2, 2],
    );
    return cluster;
  }

  it('an entry of an earlier term is not committed by counting, even on a majority', () => {
    assert.equal(momentC().core('1').commitIndex, 0);
  });

  it('(d) so it may still be overwritten', () => {
    const cluster = momentC();
    cluster.crash('1');
    for (const id of ['2', '3']) {
      cluster.crash(id);
      cluster.restart(id);
      cluster.setDisk(id, 'auto');
    }
    cluster.setDisk('4', 'auto');
    cluster.heal();
    cluster.elect('5');
    cluster.settle();
    assert.deepEqual(
      ['2', '3', '4', '5'].map((id) => cluster.core(id).termAt(2)),
      [3, 3, 3, 3],
    );
    assert.equal(cluster.core('5').commitIndex, 3);
  });

  it('(e) it is committed with an entry of the leader’s own term, and stands for ever', () => {
    const cluster = momentC();
    cluster.persistLog('2');
    cluster.persistLog('3');
    cluster.settle();
    assert.equal(cluster.core('1').commitIndex, 3);
    cluster.crash('1');
    cluster.heal();
    for (const id of ['2', '3', '4']) cluster.setDisk(id, 'auto');
    for (let attempt = 0; attempt < 5; attempt += 1) {
      cluster.tickAll(electionTicks);
      cluster.campaign('5');
      cluster.settle();
      assert.notEqual(cluster.core('5').role, 'leader');
    }
  });
});

describe('Raft §5.5, crashes and repetition', () => {
  it('a follower that was down is brought up to date', () => {
    const cluster = ledByOne();
    cluster.crash('3');
    for (let count = 0; count < 30; count += 1) cluster.propose('1');
    cluster.settle();
    cluster.restart('3');
    for (let round = 0; round < 2 * electionTicks; round += 1) {
      cluster.tick('1');
      cluster.settle();
    }
    assert.equal(cluster.core('3').commitIndex, cluster.core('1').commitIndex);
    assert.equal(cluster.core('3').lastIndex, 31);
  });

  it('every message may arrive twice', () => {
    const cluster = new CoreCluster({ voters: three });
    const deliverTwice = (): void => {
      for (let count = 0; cluster.network.length > 0; count += 1) {
        assert(count < 1000, 'copies beget copies');
        // An answer to a copy is not copied again, or they would never end.
        const isCopied = count < 200;
        if (isCopied) cluster.network.splice(1, 0, cluster.network[0]!);
        cluster.deliver();
        if (isCopied) cluster.deliver();
      }
    };
    cluster.campaign('1');
    deliverTwice();
    for (let count = 0; count < 3; count += 1) cluster.propose('1');
    deliverTwice();
    cluster.tick('1', heartbeatTicks);
    deliverTwice();
    assert.deepEqual(
      three.map((id) => cluster.core(id).commitIndex),
      [4, 4, 4],
    );
    assert.equal(cluster.core('1').term, 1);
  });

  it('a whole cluster that stops at once loses nothing that was committed', () => {
    const cluster = ledByOne();
    for (let count = 0; count < 5; count += 1) cluster.propose('1');
    cluster.settle();
    for (const id of three) cluster.crash(id);
    for (const id of three) cluster.restart(id);
    cluster.elect('2');
    cluster.settle();
    assert.equal(cluster.core('2').commitIndex, 7);
  });
});

describe('Ongaro’s dissertation, what keeps a cluster calm', () => {
  it('§9.6: a pre-vote asks about a term that nobody enters by it', () => {
    const cluster = new CoreCluster({ voters: three });
    cluster.campaign('1');
    assert.deepEqual(
      ofKind(cluster.network, 'preVote').map((m) => m.term),
      [1, 1],
    );
    cluster.deliverFrom('1', '2');
    assert.deepEqual(
      three.map((id) => cluster.core(id).term),
      [0, 0, 0],
    );
    const [granted] = ofKind(cluster.network, 'preVoteReply');
    assert.deepEqual([granted?.granted, granted?.term], [true, 1]);
  });

  it('§9.6: a lone replica never raises its term', () => {
    const cluster = ledByOne();
    cluster.isolate('3');
    cluster.tick('3', 20 * electionTicks);
    assert.equal(cluster.core('3').term, 1);
  });

  it('§9.6: answers to an earlier campaign are not counted', () => {
    const cluster = new CoreCluster({ voters: five });
    cluster.campaign('1');
    deliverTo(cluster, { kind: 'preVoteReply', from: '2', to: '1', term: 1, granted: true });
    for (const from of ['3', '4', '5']) {
      deliverTo(cluster, { kind: 'preVoteReply', from, to: '1', term: 2, granted: true });
    }
    assert.deepEqual([cluster.core('1').role, cluster.core('1').term], ['preCandidate', 0]);
  });

  it('§4.2.3: while a leader is heard, votes and pre-votes of others are ignored', () => {
    const cluster = ledByOne();
    const envelope = { from: '3', term: 5, lastIndex: 9, lastTerm: 1 };
    for (const to of ['1', '2']) {
      deliverTo(cluster, { kind: 'preVote', to, ...envelope });
      deliverTo(cluster, { kind: 'vote', to, ...envelope, isTransfer: false });
    }
    assert.deepEqual(cluster.network, []);
    assert.deepEqual([cluster.core('1').term, cluster.core('2').term], [1, 1]);
    assert.equal(cluster.core('1').role, 'leader');
  });

  it('§4.2.3: after an election timeout of silence a follower answers again', () => {
    const cluster = ledByOne();
    const envelope = { from: '3', to: '2', term: 2, lastIndex: 9, lastTerm: 1 };
    cluster.tick('2', electionTicks - 1);
    deliverTo(cluster, { kind: 'vote', ...envelope, isTransfer: false });
    assert.deepEqual(cluster.network, []);
    cluster.tick('2');
    deliverTo(cluster, { kind: 'vote', ...envelope, isTransfer: false });
    assert.deepEqual(
      ofKind(cluster.network, 'voteReply').map((m) => m.granted),
      [true],
    );
  });

  it('§6.2: a leader without a majority in contact steps down', () => {
    const cluster = ledByOne(five);
    for (const id of ['3', '4', '5']) cluster.crash(id);
    for (let tick = 0; tick < 2 * electionTicks; tick += 1) {
      cluster.tick('1');
      cluster.settle();
    }
    assert.equal(cluster.core('1').role, 'follower');
  });

  it('§6.2: a leader with a bare majority in contact stays', () => {
    const cluster = ledByOne(five);
    for (const id of ['4', '5']) cluster.crash(id);
    for (let tick = 0; tick < 6 * electionTicks; tick += 1) {
      cluster.tick('1');
      cluster.settle();
    }
    assert.equal(cluster.core('1').role, 'leader');
  });

  it('a replica that lost what it had acknowledged is no contact', () => {
    const cluster = ledByOne();
    cluster.propose('1');
    cluster.settle();
    cluster.crash('3');
    cluster.forget('3', 1);
    cluster.restart('3');
    cluster.propose('1');
    cluster.settle();
    assert.deepEqual(cluster.refused, ['3']);
    cluster.crash('2');
    for (let tick = 0; tick < 2 * electionTicks; tick += 1) {
      cluster.tick('1');
      cluster.settle();
    }
    assert.equal(cluster.core('1').role, 'follower');
  });

  it('a higher term with a shorter log, and a lower one with a longer, find a leader', () => {
    const cluster = new CoreCluster({
      voters: three,
      disks: { 1: { term: 5, log: [1, 1] }, 2: { term: 9, log: [1] } },
    });
    cluster.crash('3');
    for (let tick = 0; tick < 8 * electionTicks; tick += 1) {
      cluster.tickAll();
      cluster.settle();
    }
    assert.equal(cluster.leaderId, '1');
    assert.equal(cluster.core('1').term, 10);
  });

  it('a leader that only its followers cannot reach gives way, and does not come back', () => {
    const cluster = ledByOne();
    cluster.cut('2', '1');
    cluster.cut('3', '1');
    for (let tick = 0; tick < 8 * electionTicks; tick += 1) {
      cluster.tickAll();
      cluster.settle();
    }
    const leader = cluster.leaderId!;
    assert.notEqual(leader, '1');
    const { term } = cluster.core(leader);
    for (let tick = 0; tick < 8 * electionTicks; tick += 1) {
      cluster.tickAll();
      cluster.settle();
    }
    assert.equal(cluster.leaderId, leader);
    assert.equal(cluster.core(leader).term, term);
  });

  const topologies: readonly { readonly name: string; readonly links: readonly string[] }[] = [
    { name: 'a star', links: ['12', '13', '14', '15'] },
    { name: 'a star around the one that led last', links: ['51', '52', '53', '54'] },
    { name: 'two triangles that share a replica', links: ['12', '13', '23', '34', '35', '45'] },
    { name: 'a ring', links: ['12', '23', '34', '45', '51'] },
  ];
  for (const { name, links } of topologies) {
    it(`a cluster connected as ${name} elects a leader and keeps it`, () => {
      const cluster = new CoreCluster({ voters: five });
      cluster.elect('5');
      cluster.settle();
      for (const a of five) {
        for (const b of five) {
          if (!links.includes(a + b) && !links.includes(b + a)) cluster.cut(a, b);
        }
      }
      for (let tick = 0; tick < 30 * electionTicks; tick += 1) {
        cluster.tickAll();
        cluster.settle();
      }
      const leader = cluster.leaderId!;
      const { term } = cluster.core(leader);
      const index = cluster.propose(leader)!;
      for (let tick = 0; tick < 10 * electionTicks; tick += 1) {
        cluster.tickAll();
        cluster.settle();
      }
      assert.equal(cluster.leaderId, leader);
      assert.equal(cluster.core(leader).term, term);
      assert(cluster.core(leader).commitIndex >= index);
    });
  }

  it('§3.10: a leader hands over to one that has all its entries, without waiting', () => {
    const cluster = ledByOne();
    assert(cluster.transfer('1', '3'));
    assert(cluster.core('1').isTransferring);
    assert.equal(cluster.propose('1'), undefined);
    cluster.settle();
    assert.deepEqual(
      three.map((id) => cluster.core(id).role),
      ['follower', 'follower', 'leader'],
    );
  });

  it('§3.10: without a target it hands over to the voter that has most', () => {
    const cluster = ledByOne();
    cluster.isolate('2');
    cluster.propose('1');
    cluster.settle();
    cluster.heal();
    assert(cluster.transfer('1'));
    cluster.settle();
    assert.equal(cluster.leaderId, '3');
  });

  it('§3.10: the leadership that nobody takes is taken up again after an election timeout', () => {
    const cluster = ledByOne();
    cluster.crash('3');
    assert(cluster.transfer('1', '3'));
    for (let tick = 0; tick < electionTicks; tick += 1) {
      assert.equal(cluster.propose('1'), undefined);
      cluster.tick('1');
      cluster.settle();
    }
    assert.equal(cluster.propose('1'), 2);
  });

  it('§3.10: only a leader hands over, and only to another voter', () => {
    const cluster = new CoreCluster({ voters: ['1', '2'], learners: ['3'] });
    cluster.elect('1');
    cluster.settle();
    const answers = ['1', '3', 'x'].map((target) => cluster.transfer('1', target));
    assert.deepEqual(answers, [false, false, false]);
    assert.equal(cluster.transfer('2', '1'), false);
  });
});

describe('Ongaro’s dissertation §6.4, reads without the log', () => {
  it('a leader whose majority answers confirms a read at what was committed', () => {
    const cluster = ledByOne();
    assert.equal(cluster.read('1'), 1);
    assert.equal(cluster.history.coverage.reads, 0);
    cluster.settle();
    assert.equal(cluster.history.coverage.reads, 1);
  });

  it('only a leader takes reads', () => {
    assert.equal(ledByOne().read('2'), undefined);
  });

  it('reads wait for the first entry of the leader’s term to be committed', () => {
    const cluster = new CoreCluster({ voters: three });
    cluster.elect('1');
    cluster.read('1');
    cluster.network.length = 0;
    cluster.tick('1', heartbeatTicks);
    for (const id of ['2', '3']) cluster.deliverFrom('1', id);
    for (const id of ['2', '3']) cluster.deliverFrom(id, '1');
    assert.equal(cluster.history.coverage.reads, 0);
    assert.deepEqual(ofKind(cluster.network, 'append').length, 2);
    cluster.settle();
    assert.equal(cluster.history.coverage.reads, 1);
  });

  it('a round that got lost is asked again with the next heartbeat', () => {
    const cluster = ledByOne();
    cluster.read('1');
    cluster.network.length = 0;
    cluster.settle();
    assert.equal(cluster.history.coverage.reads, 0);
    cluster.tick('1', heartbeatTicks);
    cluster.settle();
    assert.equal(cluster.history.coverage.reads, 1);
  });

  it('a minority confirms nothing, however often it answers', () => {
    const cluster = ledByOne(five);
    for (const id of ['3', '4', '5']) cluster.isolate(id);
    cluster.read('1');
    for (let tick = 0; tick < electionTicks - heartbeatTicks - 1; tick += 1) {
      cluster.tick('1');
      cluster.settle();
    }
    assert.equal(cluster.core('1').role, 'leader');
    assert.equal(cluster.history.coverage.reads, 0);
  });
});

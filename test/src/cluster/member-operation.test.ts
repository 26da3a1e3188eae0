// Changes of membership as operators ask for them, on a Raft that is made up: it does at once what it
// is asked, or refuses as the test says.

import assert from 'node:assert/strict';
import type {
  Membership,
  MembershipChange,
  MembershipChangeResult,
  MembershipRefusalCode,
  RaftStatus,
} from '../../../raft/index.js';
import { encodeReply } from '../../../resp/index.js';
import { type Introduction, IntroductionError } from '../../../src/cluster/introduction.js';
import { MemberAdministration } from '../../../src/cluster/member-administration.js';
import {
  type MemberLog,
  MemberOperation,
  type MemberRequest,
  type OperationWorld,
} from '../../../src/cluster/member-operation.js';
import { groupMemberOf, memberOf } from '../../../src/cluster/members.js';
import { Topology } from '../../../src/cluster/topology.js';
import type { GroupMember } from '../../../src/identity.js';

const clusterId = 'c'.repeat(32);

function member(serverNumber: number, letter = 'abcdefgh'[serverNumber - 1]!): GroupMember {
  const clientPort = 7001 + (serverNumber - 1) * 100;
  const replicaId = letter.repeat(40);
  return { replicaId, serverNumber, host: '127.0.0.1', clientPort, busPort: clientPort + 10_000 };
}

const [one, two, three, four] = [1, 2, 3, 4].map((number) => member(number));

/** Server 1 leads servers 2 and 3. */
class FakeRaft implements MemberLog {
  isLeader = true;
  membership: Membership = {
    index: 5,
    voters: [one!, two!, three!].map(memberOf),
    learners: [],
  };
  readonly changes: MembershipChange[] = [];
  /** What becomes of the next changes, before any is made. */
  refusals: MembershipRefusalCode[] = [];
  /** Called before each change. */
  onChange = (): void => {};
  /** Of each learner, as it is asked for. */
  matchIndex = (): number => 0;
  isLinked = true;
  transferTo: (target: string | undefined) => boolean = () => false;

  changeMembership(change: MembershipChange, done: (result: MembershipChangeResult) => void): void {
    this.onChange();
    const code = this.refusals.shift();
    if (code !== undefined) return done({ kind: 'refused', code, text: `it is ${code}` });
    if (change.expectedIndex !== this.membership.index) {
      return done({ kind: 'refused', code: 'stale', text: 'it is stale' });
    }
    this.changes.push(change);
    this.membership = { ...this.#changed(change), index: this.membership.index + 1 };
    done({ kind: 'done', membership: this.membership });
  }

  #changed(change: MembershipChange): Membership {
    const { voters, learners } = this.membership;
    if (change.kind === 'addLearner') {
      return { ...this.membership, learners: [...learners, change.member] };
    }
    const isOther = ({ replicaId }: { replicaId: string }) => replicaId !== change.replicaId;
    const known = learners.find((learner) => !isOther(learner));
    return {
      ...this.membership,
      voters: [
        ...voters.filter(isOther),
        ...(change.kind === 'promote' && known !== undefined ? [known] : []),
      ],
      learners: learners.filter(isOther),
    };
  }

  transferLeadership(target?: string): boolean {
    return this.transferTo(target);
  }

  status(): RaftStatus {
    const { voters, learners } = this.membership;
    const peers = [...voters, ...learners].map(({ replicaId }) => ({
      replicaId,
      isLinked: this.isLinked,
      matchIndex: this.isLeader ? this.matchIndex() : undefined,
      state: 'replicate',
    }));
    return { lastIndex: 100, peers } as Partial<RaftStatus> as RaftStatus;
  }
}

describe('A change of members', () => {
  let raft: FakeRaft;
  let topology: Topology;
  let nowMs: number;
  let newcomer: Introduction;

  beforeEach(() => {
    raft = new FakeRaft();
    topology = new Topology(1, [one!, two!, three!], one!.replicaId);
    topology.onLeadership(one!.replicaId, 3);
    nowMs = 0;
    newcomer = {
      format: 1,
      clusterId,
      group: 1,
      self: four!,
      isMember: false,
      members: [],
    };
  });

  function world(): OperationWorld {
    return {
      log: raft,
      topology,
      clusterId,
      self: one!,
      askIntroduction: async ({ port }) => {
        if (port === newcomer.self.clientPort) return newcomer;
        throw new IntroductionError(`cannot ask the server at 127.0.0.1:${port}: refused`, true);
      },
      monotonicMs: () => nowMs,
      sleep: async (ms) => {
        nowMs += ms;
      },
      electionTimeoutMs: 1000,
      electionHoldMs: 1500,
    };
  }

  /** The reply as RESP2, in one line. */
  async function ask(request: MemberRequest): Promise<string> {
    const reply = await new MemberOperation(request, world()).run();
    return encodeReply(reply, 2).toString().trimEnd().replaceAll('\r\n', ' ');
  }

  const done = ({ replicaId, serverNumber }: GroupMember, role: string): string =>
    `*6 $2 id $40 ${replicaId} $6 server :${serverNumber} $4 role $${role.length} ${role}`;
  const address = { host: '127.0.0.1', port: four!.clientPort };
  const add: MemberRequest = { kind: 'add', address, staysLearner: false };

  function kinds(): string[] {
    return raft.changes.map(({ kind }) => kind);
  }

  function lead(leader: GroupMember | undefined): void {
    raft.isLeader = leader === one;
    topology.onLeadership(leader?.replicaId, 4);
  }

  it('adds a learner and makes a voter of it when it has caught up', async () => {
    const isAdded = (): boolean => raft.membership.learners.length > 0;
    raft.onChange = () => {
      if (isAdded() && nowMs < 400) raft.refusals = ['notCaughtUp'];
    };
    assert.equal(await ask(add), done(four!, 'voter'));
    assert.deepEqual(kinds(), ['addLearner', 'promote']);
    assert.deepEqual(raft.membership.voters.map(groupMemberOf), [one, two, three, four]);
    assert(nowMs >= 400);
  });

  it('leaves a learner a learner when asked to', async () => {
    assert.equal(await ask({ ...add, staysLearner: true }), done(four!, 'learner'));
    assert.deepEqual(kinds(), ['addLearner']);
    assert.equal(await ask({ kind: 'promote', member: '4' }), done(four!, 'voter'));
  });

  it('goes on where an earlier request ended', async () => {
    await ask({ ...add, staysLearner: true });
    assert.equal(await ask(add), done(four!, 'voter'));
    assert.equal(await ask(add), done(four!, 'voter'));
    assert.deepEqual(kinds(), ['addLearner', 'promote']);
  });

  it('names the membership that it was computed from, and computes it anew', async () => {
    raft.onChange = () => {
      // Another operator is faster.
      if (raft.membership.index === 5) raft.membership = { ...raft.membership, index: 6 };
    };
    assert.equal(await ask({ kind: 'remove', member: '3' }), done(three!, 'removed'));
    assert.deepEqual(raft.changes, [
      { kind: 'remove', replicaId: three!.replicaId, expectedIndex: 6 },
    ]);
  });

  it('waits for what is under way, but not for ever', async () => {
    raft.refusals = ['busy', 'notReady', 'busy'];
    assert.equal(await ask({ kind: 'remove', member: '3' }), done(three!, 'removed'));
    raft.onChange = () => {
      raft.refusals = ['busy'];
    };
    assert.equal(await ask({ kind: 'remove', member: '2' }), '-ERR it is busy');
  });

  it('gives up a learner that gets no nearer, and says that it stays one', async () => {
    raft.onChange = () => {
      if (raft.membership.learners.length > 0) raft.refusals = ['notCaughtUp'];
    };
    assert.match(
      await ask(add),
      /^-ERR server 4 lags behind, and has got no nearer for 30 s: it stays a learner\./,
    );
    raft.isLinked = false;
    assert.match(
      await ask({ kind: 'promote', member: '4' }),
      /^-ERR server 4 has not been reached at 127\.0\.0\.1:17301 for 30 s: it stays a learner\./,
    );
    assert.deepEqual(kinds(), ['addLearner']);
  });

  it('is patient with a learner that gets nearer', async () => {
    raft.onChange = () => {
      const isThere = nowMs > 100_000;
      if (raft.membership.learners.length > 0 && !isThere) raft.refusals = ['notCaughtUp'];
    };
    raft.matchIndex = () => Math.floor(nowMs / 20_000);
    assert.equal(await ask(add), done(four!, 'voter'));
  });

  it('replaces a member: first the new one votes, then the old one goes', async () => {
    const replace: MemberRequest = { kind: 'replace', old: '2', address };
    assert.equal(await ask(replace), done(four!, 'voter'));
    assert.deepEqual(kinds(), ['addLearner', 'promote', 'remove']);
    assert.deepEqual(raft.membership.voters.map(groupMemberOf), [one, three, four]);
    assert.match(await ask(replace), /^-NOMEMBER 2 is neither the id of a member nor/);
  });

  it('replaces a server by one of the same number, whose disk was lost', async () => {
    const anew = { ...member(2, 'f'), clientPort: address.port };
    newcomer = { ...newcomer, self: anew };
    assert.match(await ask(add), /^-ERR replica b+ is that of server 2: remove it first, or/);
    assert.equal(await ask({ kind: 'replace', old: '2', address }), done(anew, 'voter'));
    assert.deepEqual(raft.membership.voters.map(groupMemberOf), [one, three, anew]);
  });

  it('refuses a server of another cluster, and one that is not there', async () => {
    newcomer = { ...newcomer, clusterId: 'd'.repeat(32) };
    assert.match(
      await ask(add),
      /^-ERR the server at 127\.0\.0\.1:7301 is of group 1 of cluster d+, this is group 1 of cluster c+$/,
    );
    const nowhere = { ...add, address: { host: '127.0.0.1', port: 1 } };
    assert.equal(await ask(nowhere), '-ERR cannot ask the server at 127.0.0.1:1: refused');
    assert.deepEqual(raft.changes, []);
  });

  it('refuses members that nobody knows, and what Raft refuses', async () => {
    for (const kind of ['promote', 'remove'] as const) {
      assert.match(await ask({ kind, member: '9' }), /^-NOMEMBER 9 is neither the id of a member/);
    }
    raft.refusals = ['lastVoter'];
    assert.equal(await ask({ kind: 'remove', member: '3' }), '-ERR it is lastVoter');
  });

  it('finds members by id, too', async () => {
    const request: MemberRequest = { kind: 'remove', member: three!.replicaId };
    assert.equal(await ask(request), done(three!, 'removed'));
  });

  it('sends those who ask another server to the leader', async () => {
    lead(two);
    assert.equal(await ask(add), '-MOVED 0 127.0.0.1:7101');
    lead(undefined);
    assert.equal(await ask(add), '-CLUSTERDOWN The cluster is down');
  });

  it('that met a change of leaders may be done in part, and says so', async () => {
    raft.onChange = () => {
      if (raft.membership.learners.length === 0) return;
      lead(two);
      raft.refusals = ['notLeader'];
    };
    assert.match(await ask(add), /^-UNCERTAIN The leadership was lost in the midst of the change/);
  });

  it('whose only step was lost may be done, and says so', async () => {
    raft.onChange = () => lead(two);
    raft.refusals = ['lost'];
    assert.match(await ask({ kind: 'remove', member: '3' }), /^-UNCERTAIN /);
  });

  it('hands the leadership over, to anybody or to the one that is named', async () => {
    raft.transferTo = (target) => {
      assert.equal(target, undefined);
      lead(three);
      return true;
    };
    assert.equal(await ask({ kind: 'transferLeader', target: undefined }), done(three!, 'leader'));
    lead(one);
    raft.transferTo = (target) => {
      assert.equal(target, two!.replicaId);
      lead(two);
      return true;
    };
    assert.equal(await ask({ kind: 'transferLeader', target: '2' }), done(two!, 'leader'));
  });

  it('has nothing to hand over to the leader itself', async () => {
    raft.transferTo = () => assert.fail('Nothing may be handed over');
    assert.equal(await ask({ kind: 'transferLeader', target: '1' }), done(one!, 'leader'));
  });

  it('says when the leadership is not taken over', async () => {
    const transfer: MemberRequest = { kind: 'transferLeader', target: undefined };
    assert.match(await ask(transfer), /^-ERR there is nobody to hand the leadership to/);
    raft.transferTo = () => true;
    assert.match(await ask(transfer), /^-ERR the leadership was not taken over in time/);
    raft.transferTo = () => {
      lead(three);
      return true;
    };
    assert.equal(await ask({ kind: 'transferLeader', target: '2' }), '-ERR server 3 leads now');
  });

  it('lists the members, as the leader and as others know them', () => {
    raft.membership = { ...raft.membership, learners: [memberOf(four!)] };
    topology.onMembership([one!, two!, three!], [four!]);
    raft.matchIndex = () => 90;
    const administration = new MemberAdministration(world(), 'secret');
    const rows = administration.list();
    assert.deepEqual(
      rows.map(({ serverNumber, role, address: at, matchIndex, lag }) => [
        serverNumber,
        role,
        at,
        matchIndex,
        lag,
      ]),
      [
        [1, 'leader', '127.0.0.1:7001', 100, 0],
        [2, 'voter', '127.0.0.1:7101', 90, 10],
        [3, 'voter', '127.0.0.1:7201', 90, 10],
        [4, 'learner', '127.0.0.1:7301', 90, 10],
      ],
    );
    lead(two);
    raft.isLinked = false;
    assert.deepEqual(
      administration.list().map(({ role, matchIndex, isLinked }) => [role, matchIndex, isLinked]),
      [
        ['voter', undefined, true],
        ['leader', undefined, false],
        ['voter', undefined, false],
        ['learner', undefined, false],
      ],
    );
  });
});

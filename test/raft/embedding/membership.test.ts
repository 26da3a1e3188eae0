// Replicas that join, are replaced and leave, by the embedder's calls.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import {
  type Member,
  type Membership,
  MembershipError,
  NotLeaderError,
  type Raft,
} from '../../../raft/index.js';
import { eventually } from '../../interop/eventually.js';
import { EmbeddedCluster, type EmbeddedReplica } from './embedded-cluster.js';

const deadlineMs = 20_000;

function idsOf(members: readonly Member[]): string[] {
  return members.map(({ replicaId }) => replicaId).sort();
}

/** An expectation for `assert.rejects`. */
function membershipError(reason: string): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof MembershipError, `${error}`);
    assert.equal(error.reason, reason);
    return true;
  };
}

describe('Raft: membership', () => {
  let cluster: EmbeddedCluster;
  afterEach(() => cluster.dispose());

  /** Founded by `count` replicas; the leader has \`text\`. */
  async function openCluster(count: number, text: string): Promise<EmbeddedReplica> {
    cluster = await EmbeddedCluster.found(count);
    await cluster.open();
    const leader = await cluster.leader();
    await leader.raft.replicate(Buffer.from(text));
    return leader;
  }

  /** Adds the member and promotes it as soon as it has caught up. */
  async function add(raft: Raft<number>, member: Member): Promise<Membership> {
    await raft.changeMembership({ kind: 'addLearner', member });
    return eventually('it has caught up', deadlineMs, () =>
      raft.changeMembership({ kind: 'promote', replicaId: member.replicaId }),
    );
  }

  it('grows from one to three, and everybody has everything', async () => {
    const leader = await openCluster(1, 'before');
    for (let count = 2; count <= 3; count += 1) {
      const { member } = await cluster.join();
      const { voters, learners } = await add(leader.raft, member);
      assert.equal(voters.length, count);
      assert.deepEqual(learners, []);
    }
    await leader.raft.replicate(Buffer.from('after'));
    await cluster.converged('after');
    for (const { raft, machine } of cluster.replicas) {
      assert.deepEqual(machine.texts, ['before', 'after']);
      await eventually(
        'it knows the members',
        deadlineMs,
        () => raft.membership.voters.length === 3,
      );
    }
    // The one that founded it is not needed any more.
    await leader.stop();
    const next = await cluster.leader();
    assert.equal(await next.raft.replicate(Buffer.from('without it')), 3);
  });

  it('is known to a replica that joined, when it starts again', async () => {
    const leader = await openCluster(1, 'before');
    const { replica, member } = await cluster.join();
    await add(leader.raft, member);
    await cluster.converged('before');
    await replica.stop();
    await replica.open();
    assert.deepEqual(idsOf(replica.raft.membership.voters), idsOf(leader.raft.membership.voters));
    await cluster.converged('before');
  });

  it('replaces a replica that lost its disk by one with a new id', async () => {
    const leader = await openCluster(3, 'before');
    const [lost] = await cluster.followers();
    const { replicaId } = lost!.raft.self;
    await lost!.stop();
    fs.rmSync(lost!.directory, { recursive: true });
    const { member } = await cluster.join();
    await add(leader.raft, member);
    const { voters } = await leader.raft.changeMembership({ kind: 'remove', replicaId });
    assert.equal(voters.length, 3);
    assert(!idsOf(voters).includes(replicaId));
    await leader.raft.replicate(Buffer.from('after'));
    await cluster.converged('after');
  });

  it('loses its leader, who hands over first', async () => {
    const leader = await openCluster(3, 'before');
    const { replicaId } = leader.raft.self;
    const remove = { kind: 'remove', replicaId } as const;
    await assert.rejects(leader.raft.changeMembership(remove), NotLeaderError);
    const next = await eventually('the next leader', deadlineMs, async () => {
      const found = await cluster.leader();
      return found !== leader && found;
    });
    const { voters } = await eventually('it is ready', deadlineMs, () =>
      next.raft.changeMembership(remove),
    );
    assert.deepEqual(
      idsOf(voters),
      idsOf(cluster.replicas.filter((one) => one !== leader).map(({ raft }) => raft.self)),
    );
    await leader.stop();
    assert.equal(await next.raft.replicate(Buffer.from('after')), 2);
  });

  it('refuses what makes no sense, with the reason', async () => {
    const leader = await openCluster(3, 'before');
    const [follower] = await cluster.followers();
    const { self } = follower!.raft;
    const { replicaId } = self;
    await assert.rejects(
      leader.raft.changeMembership({ kind: 'promote', replicaId }),
      membershipError('alreadyMember'),
    );
    await assert.rejects(
      leader.raft.changeMembership({ kind: 'remove', replicaId: 'f'.repeat(40) }),
      membershipError('unknownMember'),
    );
    await assert.rejects(
      leader.raft.changeMembership({ kind: 'remove', replicaId, expectedIndex: 99 }),
      membershipError('stale'),
    );
    await assert.rejects(
      follower!.raft.changeMembership({ kind: 'remove', replicaId }),
      NotLeaderError,
    );
    assert.equal(leader.raft.membership.index, 0);
  });
});

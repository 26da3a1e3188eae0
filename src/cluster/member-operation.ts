// One change of who takes part, as an operator asks for it: a series of Raft's single steps.
//
//   add       ask the newcomer who it is ─▶ learner ─▶ caught up ─▶ voter
//   replace   add ─▶ remove the old one
//   remove    of the leader: Raft hands over first, and the next leader is asked again
//
// Only a leader does this. Each step names the membership that it was computed from, and is computed
// anew when another change came first. A series that ends halfway leaves a sound group, and the same
// request goes on where it ended: whoever was told MOVED or UNCERTAIN asks the next leader again.

import type {
  Member,
  Membership,
  MembershipChange,
  MembershipChangeResult,
  RaftNode,
  ReplicaId,
} from '../../raft/index.js';
import { errorReply, mapReply, type Reply } from '../../resp/index.js';
import { type Address, addressText } from '../address.js';
import { clusterDownReply, movedReply } from '../client/error-replies.js';
import type { GroupMember } from '../identity.js';
import { type Introduction, IntroductionError } from './introduction.js';
import { allMembers, groupMemberOf, memberOf } from './members.js';
import type { Topology } from './topology.js';

/** `member`, `old`, `target`: a replica id or a server number. `address`: a server's client port. */
export type MemberRequest =
  | { readonly kind: 'add'; readonly address: Address; readonly staysLearner: boolean }
  | { readonly kind: 'promote'; readonly member: string }
  | { readonly kind: 'remove'; readonly member: string }
  | { readonly kind: 'replace'; readonly old: string; readonly address: Address }
  | { readonly kind: 'transferLeader'; readonly target: string | undefined };

export type MemberRole = 'leader' | 'voter' | 'learner' | 'removed';

/** What of the Raft node it takes. */
export type MemberLog = Pick<
  RaftNode,
  'isLeader' | 'membership' | 'changeMembership' | 'transferLeadership' | 'status'
>;

export interface OperationWorld {
  readonly log: MemberLog;
  readonly topology: Topology;
  readonly clusterId: string;
  /** This replica, where other servers reach it. */
  readonly self: GroupMember;
  /** Asks another server who it is. Rejects with `IntroductionError`. */
  readonly askIntroduction: (address: Address) => Promise<Introduction>;
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly electionTimeoutMs: number;
  /** How long to wait for the next leader's name. */
  readonly electionHoldMs: number;
}

/** Of a step that others are in the way of: until they are through. */
const stepMs = 10_000;
/** A learner that gets no nearer for so long is given up. */
const stallMs = 30_000;
const pollMs = 50;

/** A refusal that the client is told: the code is the reply's first word. */
class Refusal extends Error {
  readonly code: 'ERR' | 'NOMEMBER';

  constructor(message: string, code: Refusal['code'] = 'ERR') {
    super(message);
    this.code = code;
  }
}

class NotLeading extends Error {}

export class MemberOperation {
  readonly #world: OperationWorld;
  readonly #request: MemberRequest;
  /** A step was taken, or may have been. */
  #hasChanged = false;

  constructor(request: MemberRequest, world: OperationWorld) {
    this.#request = request;
    this.#world = world;
  }

  /** Resolves with what the client is told; rejects by a mistake of ours only. */
  async run(): Promise<Reply> {
    try {
      if (!this.#world.log.isLeader) throw new NotLeading();
      const { member, role } = await this.#fulfil(this.#request);
      return mapReply([
        ['id', member.replicaId],
        ['server', member.serverNumber],
        ['role', role],
      ]);
    } catch (error) {
      if (error instanceof NotLeading) return this.#redirect();
      if (error instanceof Refusal) return errorReply(`${error.code} ${error.message}`);
      if (error instanceof IntroductionError) return errorReply(`ERR ${error.message}`);
      throw error;
    }
  }

  async #fulfil(
    request: MemberRequest,
  ): Promise<{ readonly member: GroupMember; readonly role: MemberRole }> {
    switch (request.kind) {
      case 'add': {
        const newcomer = await this.#askNewcomer(request.address);
        await this.#addLearner(newcomer, undefined);
        if (request.staysLearner) return { member: newcomer, role: this.#roleOf(newcomer) };
        await this.#promote(newcomer);
        return { member: newcomer, role: 'voter' };
      }
      case 'promote': {
        const member = this.#find(request.member);
        await this.#promote(member);
        return { member, role: 'voter' };
      }
      case 'remove': {
        const member = this.#find(request.member);
        await this.#remove(member);
        return { member, role: 'removed' };
      }
      case 'replace': {
        const newcomer = await this.#askNewcomer(request.address);
        const old = this.#find(request.old, newcomer.replicaId);
        await this.#addLearner(newcomer, old);
        await this.#promote(newcomer);
        await this.#remove(old);
        return { member: newcomer, role: 'voter' };
      }
      case 'transferLeader': {
        const target = request.target === undefined ? undefined : this.#find(request.target);
        return { member: await this.#transferLeader(target), role: 'leader' };
      }
    }
  }

  // ---------------------------------------------------------------------------- the parts

  async #askNewcomer(address: Address): Promise<GroupMember> {
    const { clusterId, topology, askIntroduction } = this.#world;
    const { self, ...found } = await askIntroduction(address);
    if (found.clusterId !== clusterId || found.group !== topology.group) {
      throw new Refusal(
        `the server at ${addressText(address)} is of group ${found.group} of cluster ` +
          `${found.clusterId}, this is group ${topology.group} of cluster ${clusterId}`,
      );
    }
    return self;
  }

  /** `replaced` goes afterwards, and the newcomer may have its number. */
  async #addLearner(newcomer: GroupMember, replaced: GroupMember | undefined): Promise<void> {
    await this.#step((membership) => {
      const { replicaId, serverNumber } = newcomer;
      const members = allMembers(membership);
      if (members.some((member) => member.replicaId === replicaId)) return undefined;
      const namesake = members
        .map(groupMemberOf)
        .find((member) => member.serverNumber === serverNumber);
      if (namesake !== undefined && namesake.replicaId !== replaced?.replicaId) {
        throw new Refusal(
          `replica ${namesake.replicaId} is that of server ${serverNumber}: remove it first, or ` +
            'replace it by this one',
        );
      }
      return { kind: 'addLearner', member: memberOf(newcomer) };
    });
  }

  async #promote({ replicaId, serverNumber, host, busPort }: GroupMember): Promise<void> {
    const { log, monotonicMs } = this.#world;
    let furthest = -1;
    let movedAtMs = monotonicMs();
    const status = () => log.status().peers.find((peer) => peer.replicaId === replicaId);
    const isPatient = (): boolean => {
      const peer = status();
      const match = peer?.matchIndex ?? 0;
      const isReceiving = peer?.isLinked === true && peer.state === 'snapshot';
      if (match > furthest || isReceiving) {
        furthest = Math.max(furthest, match);
        movedAtMs = monotonicMs();
      }
      return monotonicMs() - movedAtMs < stallMs;
    };
    await this.#step(
      (membership) => {
        if (membership.voters.some((voter) => voter.replicaId === replicaId)) return undefined;
        if (allMembers(membership).every((member) => member.replicaId !== replicaId)) {
          throw new Refusal(`replica ${replicaId} was removed meanwhile`, 'NOMEMBER');
        }
        return { kind: 'promote', replicaId };
      },
      isPatient,
      () => {
        const trouble =
          status()?.isLinked === true
            ? `lags behind, and has got no nearer for ${stallMs / 1000} s`
            : `has not been reached at ${host}:${busPort} for ${stallMs / 1000} s`;
        return `server ${serverNumber} ${trouble}: it stays a learner. Promote it later, or remove it`;
      },
    );
  }

  async #remove({ replicaId }: GroupMember): Promise<void> {
    await this.#step((membership) => {
      const isThere = allMembers(membership).some((each) => each.replicaId === replicaId);
      return isThere ? { kind: 'remove', replicaId } : undefined;
    });
  }

  /** Returns the next leader. */
  async #transferLeader(target: GroupMember | undefined): Promise<GroupMember> {
    const { topology } = this.#world;
    if (target?.replicaId === topology.selfId) return target;
    await this.#handOver(target);
    const next = await this.#nextLeader();
    if (next !== undefined && (target === undefined || next.replicaId === target.replicaId)) {
      return next;
    }
    throw new Refusal(
      next === undefined
        ? 'the leadership was given up, and nobody has taken it over yet'
        : `server ${next.serverNumber} leads now`,
    );
  }

  async #handOver(target: GroupMember | undefined): Promise<void> {
    const { log, electionTimeoutMs } = this.#world;
    if (!log.transferLeadership(target?.replicaId)) {
      throw new Refusal(
        target === undefined
          ? 'there is nobody to hand the leadership to: no other voter is up to date'
          : `server ${target.serverNumber} cannot take over the leadership: it is no voter`,
      );
    }
    const isOver = await this.#until(() => !log.isLeader, 2 * electionTimeoutMs);
    if (!isOver) throw new Refusal('the leadership was not taken over in time, and stays here');
  }

  // ---------------------------------------------------------------------------- single steps

  /**
   * Takes one step. `changeOf` looks at the membership of the moment, again after each change that
   * came first; undefined: there is nothing to do. While Raft puts it off it is tried again as long
   * as `isPatient`; `lagTrouble` is the sentence about a learner that does not catch up.
   */
  async #step(
    changeOf: (membership: Membership) => MembershipChange | undefined,
    isPatient = this.#patience(stepMs),
    lagTrouble?: () => string,
  ): Promise<void> {
    const { log, sleep } = this.#world;
    for (;;) {
      if (!log.isLeader) throw new NotLeading();
      const { membership } = log;
      const change = changeOf(membership);
      if (change === undefined) return;
      const result = await this.#change({ ...change, expectedIndex: membership.index });
      if (result.kind === 'done') {
        this.#hasChanged = true;
        return;
      }
      switch (result.code) {
        case 'lost':
          this.#hasChanged = true;
          throw new NotLeading();
        case 'notLeader':
          throw new NotLeading();
        case 'busy':
        case 'notReady':
        case 'stale':
        case 'notCaughtUp':
          if (isPatient()) await sleep(pollMs);
          else if (result.code !== 'notCaughtUp') throw new Refusal(result.text);
          else throw new Refusal(lagTrouble?.() ?? result.text);
          break;
        case 'unknownMember':
          throw new Refusal(result.text, 'NOMEMBER');
        case 'alreadyMember':
        case 'lastVoter':
          throw new Refusal(result.text);
      }
    }
  }

  #change(change: MembershipChange): Promise<MembershipChangeResult> {
    return new Promise((resolve) => this.#world.log.changeMembership(change, resolve));
  }

  #patience(ms: number): () => boolean {
    const { monotonicMs } = this.#world;
    const until = monotonicMs() + ms;
    return () => monotonicMs() < until;
  }

  async #until(isSo: () => boolean, ms: number): Promise<boolean> {
    const isPatient = this.#patience(ms);
    while (!isSo()) {
      if (!isPatient()) return false;
      await this.#world.sleep(pollMs);
    }
    return true;
  }

  // ---------------------------------------------------------------------------- who is who

  /** By replica id or server number, `except` that one. */
  #find(text: string, except?: ReplicaId): GroupMember {
    const { log } = this.#world;
    const found = allMembers(log.membership)
      .filter(({ replicaId }) => replicaId !== except)
      .map(groupMemberOf)
      .find(({ replicaId, serverNumber }) => text === replicaId || text === String(serverNumber));
    if (found !== undefined) return found;
    throw new Refusal(
      `${text} is neither the id of a member nor the number of a member's server`,
      'NOMEMBER',
    );
  }

  #roleOf({ replicaId }: GroupMember): MemberRole {
    const isVoter = (member: Member): boolean => member.replicaId === replicaId;
    return this.#world.log.membership.voters.some(isVoter) ? 'voter' : 'learner';
  }

  /** The leader that is not this replica any more; undefined when none was heard of in time. */
  async #nextLeader(): Promise<GroupMember | undefined> {
    const { topology, electionHoldMs } = this.#world;
    const other = (): GroupMember | undefined => {
      const { leader } = topology;
      return leader?.replicaId === topology.selfId ? undefined : leader;
    };
    await this.#until(() => other() !== undefined, electionHoldMs);
    return other();
  }

  async #redirect(): Promise<Reply> {
    const leader = await this.#nextLeader();
    if (this.#hasChanged) return uncertainChangeReply;
    if (leader === undefined) return clusterDownReply;
    return movedReply({ kind: 'moved', slot: 0, to: leader });
  }
}

const uncertainChangeReply = errorReply(
  'UNCERTAIN The leadership was lost in the midst of the change, which may be done in part: the ' +
    'same request to the next leader goes on with it',
);

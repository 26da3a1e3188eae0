// The membership of a group, and its changes: one server at a time, proposed here and awaited.
//
//   addLearner ──▶ … it catches up … ──▶ promote          remove
//
// Memberships are kept like the core keeps configurations: the newest in the log is in effect, and
// what is truncated is taken back. A change is over when its entry is committed.
//
// A leader that is to be removed hands over first and leaves the removal to the next leader
// (dissertation §4.2.2 prefers that; etcd has the leader go on until the entry takes effect). The
// one who asked hears `notLeader` and asks there. When nobody takes over within an election timeout
// the leader removes itself after all: it leads on without counting itself until that is committed,
// and only then steps down.

import {
  type ConfigurationRefusal,
  Configurations,
  type LogIndex,
  type RaftCore,
  type ReplicaId,
  type Term,
} from './core/index.js';
import type { Entry } from './entry.js';
import type { Journal } from './log/index.js';
import {
  configurationOf,
  decodeMembership,
  encodeMembership,
  type Member,
  type Membership,
} from './membership.js';
import type { PeerAddress } from './transport.js';

export type MembershipChange = {
  /** Refused unless the membership in effect has this index: it may have changed since it was read. */
  readonly expectedIndex?: LogIndex;
} & (
  | { readonly kind: 'addLearner'; readonly member: Member }
  | { readonly kind: 'promote'; readonly replicaId: ReplicaId }
  | { readonly kind: 'remove'; readonly replicaId: ReplicaId }
);

/** Why a change was not made. Only after `lost` it may take effect all the same. */
export type MembershipRefusalCode =
  /** This replica does not lead, or handed over because it is to be removed: ask the next leader. */
  | 'notLeader'
  /** Another change or a handing over is under way. */
  | 'busy'
  /** The leader is new, or too few of the voters that there would be were heard from lately. */
  | 'notReady'
  /** The membership in effect is not the expected one. */
  | 'stale'
  | 'unknownMember'
  | 'alreadyMember'
  | 'lastVoter'
  | 'notCaughtUp'
  /** The leadership ended before the change was committed: the membership will tell. */
  | 'lost';

export interface MembershipRefusal {
  readonly kind: 'refused';
  readonly code: MembershipRefusalCode;
  /** A sentence without its full stop. */
  readonly text: string;
}

export type MembershipChangeResult =
  | { readonly kind: 'done'; readonly membership: Membership }
  | MembershipRefusal;

type ChangeDone = (result: MembershipChangeResult) => void;

export interface MembershipChangesOptions {
  readonly self: ReplicaId;
  readonly core: RaftCore;
  /** As `membershipsAtStart` has them. */
  readonly memberships: readonly Membership[];
  /** Hands the leadership over; false: there is nobody to take it. */
  readonly transfer: () => boolean;
  /** The entry of a configuration that the core appended at `index`. */
  readonly append: (index: LogIndex, payload: Buffer) => void;
  readonly setPeers: (peers: readonly PeerAddress[]) => void;
  readonly onChange: (membership: Membership) => void;
}

interface PendingChange {
  readonly membership: Membership;
  readonly term: Term;
  readonly done: ChangeDone;
}

interface HandingOver {
  readonly change: MembershipChange;
  readonly term: Term;
  readonly done: ChangeDone;
}

export class MembershipChanges {
  readonly #options: MembershipChangesOptions;
  readonly #memberships: Configurations<Membership>;
  #pending: PendingChange | undefined;
  /** Before this replica is removed. */
  #handingOver: HandingOver | undefined;
  /** What the owner was told last. */
  #announced: Membership | undefined;
  /** What the transport was told last. */
  #peers: readonly PeerAddress[] = [];
  #departing = '';

  constructor(options: MembershipChangesOptions) {
    this.#options = options;
    this.#memberships = new Configurations(options.memberships);
  }

  /** In effect: the newest in the log, committed or not. */
  get latest(): Membership {
    return this.#memberships.latest;
  }

  /** In effect for the entry at `index`, itself included. */
  asOf(index: LogIndex): Membership {
    return this.#memberships.asOf(index);
  }

  /** `done` at once when it is refused, else when the change is committed or its leader deposed. */
  change(change: MembershipChange, done: ChangeDone): void {
    if (this.#pending !== undefined || this.#handingOver !== undefined) {
      return done(refused('busy', 'Another change of the membership is under way'));
    }
    this.#begin(change, done, true);
  }

  #begin(change: MembershipChange, done: ChangeDone, mayHandOver: boolean): void {
    const { self, core, transfer, append } = this.#options;
    // First of all: others have nothing to say about the membership.
    if (core.role !== 'leader') return done(whyRefused('notLeader', core));
    const next = changed(this.latest, change);
    if ('code' in next) return done(next);
    const configuration = configurationOf(next);
    const refusal = core.configurationRefusal(configuration);
    if (refusal !== undefined) return done(whyRefused(refusal, core));
    const { term } = core;
    if (mayHandOver && !configuration.voters.includes(self) && transfer()) {
      this.#handingOver = { change, term, done };
      return;
    }
    const payload = encodeMembership(next);
    const index = core.proposeConfiguration(configuration, payload.length);
    const membership = { ...next, index };
    this.#memberships.append(membership);
    this.#pending = { membership, term, done };
    append(index, payload);
  }

  // ---------------------------------------------------------------------------- the log

  /** Entries of another leader joined the log here. */
  onAppended(entries: readonly Entry[]): void {
    for (const { kind, payload, index } of entries) {
      if (kind === 'configuration') this.#memberships.append(decodeMembership(payload, index));
    }
  }

  /** Entries above `lastIndex` are void. */
  truncateAfter(lastIndex: LogIndex): void {
    this.#memberships.truncateAfter(lastIndex);
  }

  /** A snapshot stands for the beginning of the log, and `membership` is in effect at its end. */
  onInstalled(membership: Membership, isLogKept: boolean): void {
    this.#memberships.install(membership, isLogKept);
  }

  // ---------------------------------------------------------------------------- outcomes

  /** At the end of every turn: what became of a change, and who has to be told of the membership. */
  settle(): void {
    this.#settleHandingOver();
    this.#settlePending();
    this.#announce();
  }

  /** This replica stops. */
  drop(): void {
    const waiting = this.#pending ?? this.#handingOver;
    this.#pending = undefined;
    this.#handingOver = undefined;
    waiting?.done(lost);
  }

  #settleHandingOver(): void {
    const handingOver = this.#handingOver;
    if (handingOver === undefined) return;
    const { core } = this.#options;
    const { change, term, done } = handingOver;
    const isLeading = core.role === 'leader' && core.term === term;
    if (isLeading && core.isTransferring) return;
    this.#handingOver = undefined;
    if (isLeading) this.#begin(change, done, false);
    else done(refused('notLeader', handedOver));
  }

  #settlePending(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    const { core } = this.#options;
    const { membership, term, done } = pending;
    const { index } = membership;
    const isCommitted = core.commitIndex >= index && core.termAt(index) === term;
    if (!isCommitted && core.role === 'leader' && core.term === term) return;
    this.#pending = undefined;
    done(isCommitted ? { kind: 'done', membership } : lost);
  }

  #announce(): void {
    const { core, onChange } = this.#options;
    const { latest } = this;
    const departing = core.departing;
    const isNew = latest !== this.#announced;
    if (isNew || departing.join() !== this.#departing) this.#setPeers(departing);
    this.#announced = latest;
    if (isNew) onChange(latest);
  }

  /** To be connected to: the others, and removed members until they were told. */
  #setPeers(departing: readonly ReplicaId[]): void {
    const { self, setPeers } = this.#options;
    const { voters, learners } = this.latest;
    const others = [...voters, ...learners].filter(({ replicaId }) => replicaId !== self);
    const leaving = this.#peers.filter(({ replicaId }) => departing.includes(replicaId));
    this.#peers = [...others, ...leaving];
    this.#departing = departing.join();
    setPeers(this.#peers);
  }
}

/**
 * What is in effect at a start: `base`, with which the group began or which a snapshot has, and then
 * what the entries of the log bring. Ascending; the last one is in effect. Throws `RaftError`.
 */
export function membershipsAtStart(base: Membership, journal: Journal): Membership[] {
  const inLog = journal
    .readKindSync('configuration')
    .map(({ payload, index }) => decodeMembership(payload, index))
    .filter(({ index }) => index > base.index);
  return [base, ...inLog];
}

// ------------------------------------------------------------------------------ one change

/** The membership after the change, with the index before it; or why it cannot be made. */
function changed(current: Membership, change: MembershipChange): Membership | MembershipRefusal {
  const { expectedIndex } = change;
  if (expectedIndex !== undefined && expectedIndex !== current.index) {
    const text = `The membership in effect is that of index ${current.index}, not ${expectedIndex}`;
    return refused('stale', text);
  }
  const { voters, learners } = current;
  const replicaId = change.kind === 'addLearner' ? change.member.replicaId : change.replicaId;
  const known = memberIn(current, replicaId);
  const isVoter = known !== undefined && voters.includes(known);
  if (change.kind === 'addLearner') {
    if (known !== undefined) return refused('alreadyMember', `${replicaId} is a member already`);
    return { ...current, learners: [...learners, change.member] };
  }
  if (known === undefined) return refused('unknownMember', `${replicaId} is not a member`);
  const isOther = (member: Member): boolean => member !== known;
  if (change.kind === 'promote') {
    if (isVoter) return refused('alreadyMember', `${replicaId} is a voter already`);
    return { ...current, voters: [...voters, known], learners: learners.filter(isOther) };
  }
  return { ...current, voters: voters.filter(isOther), learners: learners.filter(isOther) };
}

function memberIn({ voters, learners }: Membership, replicaId: ReplicaId): Member | undefined {
  return [...voters, ...learners].find((member) => member.replicaId === replicaId);
}

const handedOver =
  'This leader is to be removed and handed the leadership over first: the next leader removes it';

const lost: MembershipRefusal = refused(
  'lost',
  'The leadership ended before the change was committed: the membership will tell what became of it',
);

function whyRefused(refusal: ConfigurationRefusal, core: RaftCore): MembershipRefusal {
  switch (refusal) {
    case 'notLeader':
      return refused('notLeader', 'Only the leader changes the membership');
    case 'handingOver':
      return refused('busy', 'The leadership is being handed over');
    case 'busy': {
      const index = core.configurationIndex;
      return refused('busy', `The membership of index ${index} is not committed yet`);
    }
    case 'notReady':
      return refused('notReady', 'The leader has not committed an entry of its term yet');
    case 'noMajority':
      return refused('notReady', 'No majority of the voters that there would be was heard from');
    case 'lastVoter':
      return refused('lastVoter', 'The last voter cannot be removed');
    case 'notCaughtUp':
      return refused('notCaughtUp', 'The learner lacks too much of the log, or is not heard from');
  }
}

function refused(code: MembershipRefusalCode, text: string): MembershipRefusal {
  return { kind: 'refused', code, text };
}

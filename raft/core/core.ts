// Raft as a function with a memory: inputs go in, decisions come out.
//
// The core knows terms, votes, where logs end and who acknowledged what. It never sees a clock, a
// file, a socket, a payload or chance: ticks, messages, proposals and "this write is durable" are
// its inputs, and `ready()` collects what the outside must do because of them. The loop in
// `raft/node.ts` does it; the simulator does it differently; the decisions are the same.
//
//     step(message) ─┐                      ┌─▶ hardState   persist, then hardStatePersisted()
//     tick()         │                      ├─▶ appended    persist, then entriesPersisted()
//     propose()      ├─▶  core ─▶ ready() ──┼─▶ messages    may leave at once
//     requestRead()  │                      ├─▶ reads       rounds that a majority confirmed
//     askReadIndex() │                      └─▶ answers     what the leader said of a follower's reads
//     …Persisted()  ─┘
//
// `applicableIndex` says how far the state machine may go.
//
// Two rules give the safety of crashes their address here instead of in the loop:
//   1. Nothing leaves while the term or vote it speaks for is not durable (`outbox.ts`).
//   2. An append is acknowledged up to what is durable, and not voided since (`local-log.ts`).
//
// Always on: pre-vote, quorum check, leader stickiness (dissertation §9.6, §6.2, §4.2.3).
// Sections in comments are those of the Raft paper (extended version) unless said otherwise.

import assert from 'node:assert/strict';
import { type ConfigurationRefusal, refusalOf } from './configuration-change.js';
import { type ConfigurationAt, Configurations, isMember, membersOf } from './configurations.js';
import { type AnsweredQuestion, FollowerQuestions, LeaderQuestions } from './follower-reads.js';
import { type AppendedEntries, LocalLog } from './local-log.js';
import type { LogTerms } from './log-terms.js';
import { Outbox } from './outbox.js';
import { Progress } from './progress.js';
import { electionResult, majorityValue } from './quorum.js';
import { type ConfirmedRound, ReadIndexRounds } from './read-index.js';
import type {
  Append,
  AppendReply,
  Configuration,
  EntryHead,
  HardState,
  Heartbeat,
  HeartbeatReply,
  LogIndex,
  Message,
  PreVote,
  PreVoteReply,
  ReadIndex,
  ReadIndexReply,
  ReplicaId,
  Term,
  TimeoutNow,
  Vote,
  VoteReply,
} from './types.js';

export interface CoreOptions {
  readonly id: ReplicaId;
  /** The first is in effect where the log begins, the others are in the log; ascending. */
  readonly configurations: readonly ConfigurationAt[];
  readonly hardState: HardState;
  /** What the log on disk holds. The core owns it from now on. */
  readonly log: LogTerms;
  /** What the state machine has applied: committed for certain. */
  readonly appliedIndex: LogIndex;
  /** Rises with every start of this replica. */
  readonly incarnation: number;
  /** Payload bytes of an entry of the log, for flow control. */
  readonly byteLengthAt: (index: LogIndex) => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** The shortest election timeout; each wait is drawn from one to two times this. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Messages with entries under way per follower. */
  readonly inFlightMax: number;
  readonly inFlightBytesMax: number;
  /** Payload bytes in one append; a single larger entry travels alone. */
  readonly appendBytesMax: number;
  readonly appendEntriesMax: number;
  /**
   * Leaders may answer reads on a lease (`raft/lease.ts`): rounds leave at the pace of heartbeats, and
   * a replica that heard from a leader, or has just been started and may have forgotten that it did,
   * lets that leader's lease run out before it votes. Default false.
   */
  readonly usesLease?: boolean;
  /** Entries that a learner may lack when it is promoted. */
  readonly catchupMargin: number;
}

/** Heartbeat periods without an answer after which a follower asks for a read index again. */
const questionHeartbeatsMax = 2;

type Role =
  | { readonly kind: 'follower' }
  | { readonly kind: 'preCandidate'; readonly votes: Map<ReplicaId, boolean> }
  | {
      readonly kind: 'candidate';
      readonly votes: Map<ReplicaId, boolean>;
      readonly isTransfer: boolean;
      isVoteRequested: boolean;
    }
  | LeaderRole;

interface LeaderRole {
  readonly kind: 'leader';
  /** Every other member, and removed ones until they were told. */
  readonly progress: Map<ReplicaId, Progress>;
  readonly rounds: ReadIndexRounds;
  /** The no-op of this term. Until it is committed nothing may be read. */
  readonly firstIndex: LogIndex;
  readonly followerQuestions: FollowerQuestions;
  heartbeatElapsed: number;
  /** Somebody was asked to campaign, whom voters will not refuse for this leader's sake. */
  hasGivenUpLease: boolean;
  transfer: { readonly target: ReplicaId; elapsed: number; isAsked: boolean } | undefined;
}

export type RoleKind = Role['kind'];

/** Everything the outside must do because of the inputs so far. */
export interface Ready {
  /** Persist, then call `hardStatePersisted(version)`. Undefined: unchanged. */
  readonly hardState: (HardState & { readonly version: number }) | undefined;
  /** In order. Each voids everything at or above its first index. */
  readonly appended: readonly AppendedEntries[];
  readonly messages: readonly Message[];
  /** Rounds confirmed since the last call. */
  readonly reads: readonly ConfirmedRound[];
  /** Questions of `askReadIndex` answered since the last call. */
  readonly answers: readonly AnsweredQuestion[];
  /** Followers whose next entry is compacted away. */
  readonly snapshotsWanted: readonly ReplicaId[];
  /** Followers refused because they lost what they had acknowledged. */
  readonly refused: readonly ReplicaId[];
}

export class RaftCore {
  readonly id: ReplicaId;
  readonly #options: CoreOptions;
  readonly #log: LocalLog;
  readonly #outbox = new Outbox();

  #term: Term;
  #votedFor: ReplicaId | undefined;

  #role: Role = { kind: 'follower' };
  #leaderId: ReplicaId | undefined;
  #electionElapsed = 0;
  #electionTimeout = 0;
  /** Ticks since any leader was heard, or since the start, whatever became of that leader. */
  #quietTicks = 0;

  readonly #questions = new LeaderQuestions();
  #reads: ConfirmedRound[] = [];
  #answers: AnsweredQuestion[] = [];
  #snapshotsWanted: ReplicaId[] = [];
  #refused: ReplicaId[] = [];

  constructor(options: CoreOptions) {
    this.id = options.id;
    this.#options = options;
    const configurations = new Configurations(options.configurations);
    this.#log = new LocalLog(options.log, configurations, options.appliedIndex);
    this.#term = options.hardState.term;
    this.#votedFor = options.hardState.votedFor;
    assert(options.electionTicks > 2 * options.heartbeatTicks, 'One lost heartbeat is no election');
    // Term and log are written side by side, and a crash may fall between. Nothing that speaks of
    // the log's term had left by then (rule 1), so the vote in it is still free.
    if (this.#log.lastTerm > this.#term) this.#setHardState(this.#log.lastTerm, undefined);
    this.#resetElectionTimer();
  }

  // ---------------------------------------------------------------------------- what it knows

  get term(): Term {
    return this.#term;
  }

  get votedFor(): ReplicaId | undefined {
    return this.#votedFor;
  }

  get role(): RoleKind {
    return this.#role.kind;
  }

  get leaderId(): ReplicaId | undefined {
    return this.#leaderId;
  }

  /** In effect: the newest in the log, committed or not. */
  get configuration(): Configuration {
    return this.#configuration;
  }

  get configurationIndex(): LogIndex {
    return this.#log.configurations.latest.index;
  }

  get lastIndex(): LogIndex {
    return this.#log.lastIndex;
  }

  get durableIndex(): LogIndex {
    return this.#log.durableIndex;
  }

  get commitIndex(): LogIndex {
    return this.#log.commitIndex;
  }

  /** What may be applied: durable on a majority, and here. */
  get applicableIndex(): LogIndex {
    return Math.min(this.#log.commitIndex, this.#log.durableIndex);
  }

  /** Whether a crash now would leave the term and vote as they are. */
  get isHardStateDurable(): boolean {
    return this.#outbox.isHardStateDurable;
  }

  get isTransferring(): boolean {
    return this.#role.kind === 'leader' && this.#role.transfer !== undefined;
  }

  /** As leader: the index of this term's no-op. */
  get leadershipIndex(): LogIndex | undefined {
    return this.#role.kind === 'leader' ? this.#role.firstIndex : undefined;
  }

  /**
   * As leader: a follower's reads wait for an entry with a newer stamp, and none is on its way. The
   * outside proposes one; an empty one will do.
   */
  get isTickWanted(): boolean {
    if (this.#role.kind !== 'leader' || this.#role.transfer !== undefined) return false;
    return this.#role.followerQuestions.wantsEntryAfter(this.#log.lastIndex);
  }

  /** As leader: the latest ReadIndex round that left; 0 before the first. */
  get startedRound(): number {
    return this.#role.kind === 'leader' ? this.#role.rounds.started : 0;
  }

  /**
   * As leader: what a read that begins now must see, if the lease holds. Undefined: no lease is of
   * any use, because no entry of this term is committed yet or the leadership was being handed over.
   */
  get leaseReadIndex(): LogIndex | undefined {
    if (this.#role.kind !== 'leader' || this.#role.hasGivenUpLease) return undefined;
    return this.#isOwnTermCommitted(this.#role) ? this.#log.commitIndex : undefined;
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#log.termAt(index);
  }

  /** As leader: removed members that still hear of it. */
  get departing(): ReplicaId[] {
    if (this.#role.kind !== 'leader') return [];
    return [...this.#role.progress.keys()].filter((peer) => !isMember(this.#configuration, peer));
  }

  /** As leader: what it believes of the others. For status reports and invariants. */
  progressOf(replica: ReplicaId): Progress | undefined {
    return this.#role.kind === 'leader' ? this.#role.progress.get(replica) : undefined;
  }

  // ---------------------------------------------------------------------------- inputs

  /** One tick of the outside's timer; the options count in these. */
  tick(): void {
    this.#electionElapsed += 1;
    this.#quietTicks += 1;
    if (this.#role.kind === 'leader') return this.#tickLeader(this.#role);
    this.#questions.onTick(questionHeartbeatsMax * this.#options.heartbeatTicks);
    if (this.#electionElapsed < this.#electionTimeout) return;
    this.#resetElectionTimer();
    if (this.#isPromotable()) this.#becomePreCandidate();
  }

  /** Bytes of a message not yet complete arrived from `from`: a slow leader is not a dead one. */
  onLinkAlive(from: ReplicaId): void {
    if (this.#role.kind === 'follower' && from === this.#leaderId) this.#electionElapsed = 0;
  }

  /** The connection to `to` was lost: whatever was in flight may be lost with it. */
  onLinkLost(to: ReplicaId): void {
    if (to === this.#leaderId) this.#questions.onLost();
    if (this.#role.kind !== 'leader') return;
    this.#role.progress.get(to)?.onLinkLost();
  }

  /**
   * As leader: appends an entry and returns its index. Undefined when this replica does not lead or
   * is handing over; then the entry certainly never takes effect.
   */
  propose(byteLength: number): LogIndex | undefined {
    if (this.#role.kind !== 'leader' || this.#role.transfer !== undefined) return undefined;
    return this.#log.appendOwn('proposal', { term: this.#term, byteLength });
  }

  /**
   * As leader: why `configuration` must not be appended now; undefined: it may. It differs from the
   * one in effect by one server.
   */
  configurationRefusal(configuration: Configuration): ConfigurationRefusal | undefined {
    const role = this.#role;
    if (role.kind !== 'leader') return 'notLeader';
    if (role.transfer !== undefined) return 'handingOver';
    return refusalOf(configuration, {
      current: this.#log.configurations.latest,
      commitIndex: this.#log.commitIndex,
      firstIndex: role.firstIndex,
      isHeardLately: (voter) => voter === this.id || this.#isHeardLately(role.progress.get(voter)),
      isCaughtUp: (learner) => this.#isCaughtUp(role.progress.get(learner)),
    });
  }

  /**
   * As leader, when nothing refuses it: appends `configuration`, which is in effect from now on, and
   * returns its index. `byteLength` is that of the entry's payload.
   */
  proposeConfiguration(configuration: Configuration, byteLength: number): LogIndex {
    const role = this.#role;
    assert(role.kind === 'leader' && this.configurationRefusal(configuration) === undefined);
    const before = this.#configuration;
    const index = this.#log.appendOwn('proposal', { term: this.#term, byteLength, configuration });
    for (const member of membersOf(configuration)) {
      // Whatever was believed of an earlier member of that id is of no use.
      if (member === this.id || isMember(before, member)) continue;
      role.progress.set(member, new Progress(index + 1));
    }
    // A round may have waited for the voter that is gone.
    this.#maybeConfirmRound(role);
    return index;
  }

  /**
   * As leader: registers a read and returns the round that will confirm it (see `Ready.reads`).
   * Undefined when this replica does not lead. A round dies with the leadership.
   */
  requestRead(): number | undefined {
    return this.#role.kind === 'leader' ? this.#role.rounds.want() : undefined;
  }

  /**
   * As follower or learner: registers a read and returns the question to the leader that will answer
   * it (see `Ready.answers`). `needsTick`: its stamp must become newer, too. Undefined when this
   * replica leads. Without a leader the question waits for one; what is lost is asked again.
   */
  askReadIndex(needsTick: boolean): number | undefined {
    return this.#role.kind === 'leader' ? undefined : this.#questions.want(needsTick);
  }

  /** Nobody waits for `Ready.answers` any more. */
  forgetReadIndex(): void {
    this.#questions.forget();
  }

  /**
   * As leader: hands over to `target`, by default the voter heard from lately that has most of the
   * log. Proposals are refused meanwhile. Given up after one election timeout. False when there is
   * nobody to take over.
   */
  transferLeadership(target?: ReplicaId): boolean {
    if (this.#role.kind !== 'leader') return false;
    const chosen = target ?? this.#mostCaughtUpVoter(this.#role);
    if (chosen === undefined || !this.#configuration.voters.includes(chosen)) return false;
    if (!this.#role.progress.has(chosen)) return false;
    // Asked for again: the time it may take, with proposals refused, is not extended.
    if (this.#role.transfer?.target === chosen) return true;
    this.#role.transfer = { target: chosen, elapsed: 0, isAsked: false };
    this.#maybeAskToCampaign(this.#role);
    return true;
  }

  /** Term and vote are durable up to `version` of `Ready.hardState`. */
  hardStatePersisted(version: number): void {
    this.#outbox.persisted(version);
    if (!this.#outbox.isHardStateDurable) return;
    if (this.#role.kind === 'candidate') this.#onOwnVoteDurable(this.#role);
  }

  /** Entries up to `lastIndex`, appended in `generation`, are durable here. */
  entriesPersisted(generation: number, lastIndex: LogIndex): void {
    if (!this.#log.persisted(generation, lastIndex)) return;
    if (this.#role.kind === 'leader') this.#maybeCommit(this.#role);
    else this.#maybeAcknowledge();
  }

  /** Everything up to `index` is in a durable snapshot and gone from the log. */
  compactedTo(index: LogIndex): void {
    this.#log.compactTo(index);
  }

  /**
   * As follower: a snapshot of what is committed up to (index, term), more than was known here, is
   * durable; unless the log had that entry, it has been replaced on the disk by an empty one behind
   * the snapshot. `configuration` is the one in effect at that entry.
   */
  snapshotInstalled(index: LogIndex, term: Term, configuration: ConfigurationAt): void {
    assert(this.#role.kind !== 'leader', 'A leader has what is committed');
    assert(term <= this.#term, 'A snapshot of a term that is yet to come');
    // A campaign speaks of the log as it was.
    if (this.#role.kind !== 'follower') this.#becomeFollower(this.#term, undefined);
    this.#log.install(index, term, configuration);
    this.#maybeAcknowledge();
  }

  /**
   * As leader: sending a snapshot to `to` has ended. The follower is asked where its log ends now; when
   * that is not behind a snapshot, it is found wanting one again.
   */
  snapshotEnded(to: ReplicaId, isInstalled: boolean): void {
    if (this.#role.kind !== 'leader') return;
    this.#role.progress.get(to)?.onSnapshotEnded(isInstalled);
  }

  step(message: Message): void {
    assert(message.to === this.id, 'A message for somebody else');
    if (message.term > this.#term) {
      if (!this.#admitHigherTerm(message)) return;
    } else if (message.term < this.#term) {
      return this.#answerLowerTerm(message);
    }
    switch (message.kind) {
      case 'preVote':
        return this.#onPreVote(message);
      case 'preVoteReply':
        return this.#onPreVoteReply(message);
      case 'vote':
        return this.#onVote(message);
      case 'voteReply':
        return this.#onVoteReply(message);
      case 'append':
        return this.#onAppend(message);
      case 'appendReply':
        return this.#onAppendReply(message);
      case 'heartbeat':
        return this.#onHeartbeat(message);
      case 'heartbeatReply':
        return this.#onHeartbeatReply(message);
      case 'timeoutNow':
        return this.#onTimeoutNow(message);
      case 'readIndex':
        return this.#onReadIndex(message);
      case 'readIndexReply':
        return this.#onReadIndexReply(message);
      default:
        return unreachable(message);
    }
  }

  // ---------------------------------------------------------------------------- output

  ready(): Ready {
    if (this.#role.kind === 'leader') {
      this.#maybeStartRound(this.#role);
      // Here and not per proposal: all of a turn's entries leave in one message per follower.
      for (const [peer, progress] of this.#role.progress) this.#replicateTo(peer, progress);
    } else {
      this.#maybeAskReadIndex();
    }
    const ready: Ready = {
      hardState: this.#takeHardState(),
      appended: this.#log.takeAppended(),
      messages: this.#outbox.takeMessages(),
      reads: this.#reads,
      answers: this.#answers,
      snapshotsWanted: this.#snapshotsWanted,
      refused: this.#refused,
    };
    this.#reads = [];
    this.#answers = [];
    this.#snapshotsWanted = [];
    this.#refused = [];
    return ready;
  }

  #takeHardState(): Ready['hardState'] {
    const version = this.#outbox.takeVersion();
    if (version === undefined) return undefined;
    return { term: this.#term, votedFor: this.#votedFor, version };
  }

  #send(message: Message): void {
    this.#outbox.push(message);
  }

  // ---------------------------------------------------------------------------- terms

  /** False when the message is answered or dropped here; else the term was taken over. */
  #admitHigherTerm(message: Message): boolean {
    switch (message.kind) {
      case 'preVote':
        // A question about a term, not a claim to it: nobody's term changes.
        return true;
      case 'preVoteReply':
        if (message.granted) return true;
        this.#becomeFollower(message.term, undefined);
        return false;
      case 'vote':
        if (!message.isTransfer && this.#hearsFromLeader()) return false;
        this.#becomeFollower(message.term, undefined);
        return true;
      case 'append':
      case 'heartbeat':
        this.#becomeFollower(message.term, message.from);
        return true;
      case 'voteReply':
      case 'appendReply':
      case 'heartbeatReply':
      case 'readIndex':
      case 'readIndexReply':
        this.#becomeFollower(message.term, undefined);
        return false;
      case 'timeoutNow':
        this.#becomeFollower(message.term, message.from);
        return true;
      default:
        return unreachable(message);
    }
  }

  /**
   * Whoever is behind learns our term, so that a deposed leader steps down and a stranded
   * candidate catches up, instead of both sides waiting for ever for somebody they ignore.
   */
  #answerLowerTerm(message: Message): void {
    const envelope = { from: this.id, to: message.from, term: this.#term };
    switch (message.kind) {
      case 'preVote':
        return this.#send({ ...envelope, kind: 'preVoteReply', granted: false });
      case 'vote':
        return this.#send({ ...envelope, kind: 'voteReply', granted: false });
      case 'append':
      case 'heartbeat':
        return this.#send({ ...envelope, kind: 'heartbeatReply', round: 0 });
      case 'preVoteReply':
      case 'voteReply':
      case 'appendReply':
      case 'heartbeatReply':
      case 'timeoutNow':
      // It hears of the new term from the new leader, and asks that one.
      case 'readIndex':
      case 'readIndexReply':
        return;
      default:
        return unreachable(message);
    }
  }

  /** Leader stickiness: while a leader is heard, nobody else is elected (dissertation §4.2.3). */
  #hearsFromLeader(): boolean {
    if (this.#role.kind === 'leader') return true;
    if (this.#upholdsLease()) return true;
    return this.#leaderId !== undefined && this.#electionElapsed < this.#options.electionTicks;
  }

  /** Whether a leader may count on it that this replica elects nobody else yet. */
  #upholdsLease(): boolean {
    return this.#options.usesLease === true && this.#quietTicks < this.#options.electionTicks;
  }

  #setHardState(term: Term, votedFor: ReplicaId | undefined): void {
    assert(term >= this.#term, 'A term never decreases');
    if (term === this.#term && votedFor === this.#votedFor) return;
    assert(
      term > this.#term || this.#votedFor === undefined,
      'A vote once given stands for the whole term',
    );
    this.#term = term;
    this.#votedFor = votedFor;
    this.#outbox.onHardStateChanged();
  }

  // ---------------------------------------------------------------------------- roles

  #becomeFollower(term: Term, leaderId: ReplicaId | undefined): void {
    if (term > this.#term) {
      this.#setHardState(term, undefined);
      this.#log.forgetVerified();
    }
    this.#role = { kind: 'follower' };
    this.#leaderId = leaderId;
    this.#resetElectionTimer();
  }

  #becomePreCandidate(): void {
    assert(this.#role.kind !== 'leader', 'A leader does not campaign');
    this.#role = { kind: 'preCandidate', votes: new Map([[this.id, true]]) };
    // Without this, stickiness would have two candidates refuse each other for a dead leader.
    this.#leaderId = undefined;
    for (const to of this.#otherVoters()) {
      this.#send({
        kind: 'preVote',
        from: this.id,
        to,
        term: this.#term + 1,
        lastIndex: this.#log.lastIndex,
        lastTerm: this.#log.lastTerm,
      });
    }
    this.#maybeWinPreVote(this.#role.votes);
  }

  #becomeCandidate(isTransfer: boolean): void {
    assert(this.#role.kind !== 'leader', 'A leader does not campaign');
    this.#setHardState(this.#term + 1, this.id);
    this.#log.forgetVerified();
    this.#leaderId = undefined;
    this.#role = { kind: 'candidate', votes: new Map(), isTransfer, isVoteRequested: false };
    this.#resetElectionTimer();
    // Requests leave, and the own vote counts, in #onOwnVoteDurable.
  }

  #onOwnVoteDurable(role: Extract<Role, { kind: 'candidate' }>): void {
    if (role.isVoteRequested) return;
    role.isVoteRequested = true;
    for (const to of this.#otherVoters()) {
      this.#send({
        kind: 'vote',
        from: this.id,
        to,
        term: this.#term,
        lastIndex: this.#log.lastIndex,
        lastTerm: this.#log.lastTerm,
        isTransfer: role.isTransfer,
      });
    }
    role.votes.set(this.id, true);
    this.#maybeWinVote(role.votes);
  }

  #becomeLeader(): void {
    assert(this.#role.kind === 'candidate', `Cannot become leader from ${this.#role.kind}`);
    assert(this.#outbox.isHardStateDurable);
    const role: LeaderRole = {
      kind: 'leader',
      progress: new Map(),
      rounds: new ReadIndexRounds(),
      followerQuestions: new FollowerQuestions(),
      firstIndex: this.#log.lastIndex + 1,
      heartbeatElapsed: 0,
      hasGivenUpLease: false,
      transfer: undefined,
    };
    for (const peer of membersOf(this.#configuration)) {
      if (peer !== this.id) role.progress.set(peer, new Progress(this.#log.lastIndex + 1));
    }
    this.#role = role;
    this.#leaderId = this.id;
    this.#electionElapsed = 0;
    // Nothing of an older term can be committed, and nothing read, without an entry of our own
    // (§5.4.2, dissertation §6.4). After the progress is set up: appending may commit.
    this.#log.appendOwn('noop', { term: this.#term, byteLength: 0 });
    this.#broadcastHeartbeat(role);
  }

  #stepDown(): void {
    this.#becomeFollower(this.#term, undefined);
  }

  get #configuration(): Configuration {
    return this.#log.configurations.latest.configuration;
  }

  /**
   * A voter. Also one whose removal is in its log but perhaps not committed: the voters that are left
   * may lack that entry, and then cannot win against the longer log here. It campaigns under the
   * configuration in effect, so it does not count itself (dissertation §4.2.2).
   */
  #isPromotable(): boolean {
    const { latest, previous } = this.#log.configurations;
    if (latest.configuration.voters.includes(this.id)) return true;
    const isCommitted = latest.index <= this.#log.commitIndex;
    return !isCommitted && previous?.configuration.voters.includes(this.id) === true;
  }

  #otherVoters(): ReplicaId[] {
    return this.#configuration.voters.filter((voter) => voter !== this.id);
  }

  #resetElectionTimer(): void {
    this.#electionElapsed = 0;
    this.#electionTimeout =
      this.#options.electionTicks +
      Math.floor(this.#options.random() * (this.#options.electionTicks + 1));
  }

  // ---------------------------------------------------------------------------- elections

  #onPreVote(message: PreVote): void {
    // Our own leader, or a leader we hear: the asker is cut off, not the leader.
    if (this.#hearsFromLeader()) return;
    const granted = message.term > this.#term && this.#log.isUpToDate(message);
    this.#send({
      kind: 'preVoteReply',
      from: this.id,
      to: message.from,
      // A grant carries the term asked about, or the asker would drop it as old.
      term: granted ? message.term : this.#term,
      granted,
    });
  }

  #onPreVoteReply(message: PreVoteReply): void {
    if (this.#role.kind !== 'preCandidate') return;
    // An answer to an earlier campaign.
    if (message.granted && message.term !== this.#term + 1) return;
    this.#role.votes.set(message.from, message.granted);
    this.#maybeWinPreVote(this.#role.votes);
  }

  #maybeWinPreVote(votes: ReadonlyMap<ReplicaId, boolean>): void {
    const result = electionResult(this.#configuration.voters, votes);
    if (result === 'won') this.#becomeCandidate(false);
    else if (result === 'lost') this.#stepDown();
  }

  #onVote(message: Vote): void {
    assert(message.term === this.#term);
    // Its term came to us by another way than this request.
    if (!message.isTransfer && this.#upholdsLease()) return;
    // Whoever asks, also if our configuration does not list it: it may be newer than ours
    // (dissertation §4.2.2).
    const mayVote =
      this.#votedFor === message.from ||
      (this.#votedFor === undefined && this.#leaderId === undefined);
    const granted = mayVote && this.#log.isUpToDate(message);
    if (granted) {
      this.#setHardState(this.#term, message.from);
      // A pre-candidate, too: late answers must not make it depose the one it votes for.
      this.#role = { kind: 'follower' };
      this.#electionElapsed = 0;
    }
    this.#send({ kind: 'voteReply', from: this.id, to: message.from, term: this.#term, granted });
  }

  #onVoteReply(message: VoteReply): void {
    if (this.#role.kind !== 'candidate') return;
    this.#role.votes.set(message.from, message.granted);
    this.#maybeWinVote(this.#role.votes);
  }

  #maybeWinVote(votes: ReadonlyMap<ReplicaId, boolean>): void {
    const result = electionResult(this.#configuration.voters, votes);
    if (result === 'won') this.#becomeLeader();
    else if (result === 'lost') this.#stepDown();
  }

  #onTimeoutNow(message: TimeoutNow): void {
    assert(message.term === this.#term);
    if (this.#role.kind === 'leader' || !this.#isPromotable()) return;
    this.#becomeCandidate(true);
  }

  // ---------------------------------------------------------------------------- following

  #follow(leaderId: ReplicaId): void {
    assert(this.#role.kind !== 'leader', 'Two leaders in one term');
    if (this.#role.kind !== 'follower') this.#role = { kind: 'follower' };
    this.#leaderId = leaderId;
    this.#electionElapsed = 0;
    this.#quietTicks = 0;
  }

  #onAppend(message: Append): void {
    assert(message.term === this.#term);
    this.#follow(message.from);
    // What is compacted away here was committed, so the leader has it (Leader Completeness).
    const isPrevCompacted = message.prevIndex < this.#log.baseIndex;
    if (!isPrevCompacted && this.#log.termAt(message.prevIndex) !== message.prevTerm) {
      return this.#reject(message);
    }
    this.#log.appendFrom(message);
    this.#log.commitTo(Math.min(message.commit, this.#log.verifiedIndex));
    this.#maybeAcknowledge();
  }

  #maybeAcknowledge(): void {
    if (this.#leaderId === undefined || this.#leaderId === this.id) return;
    const index = this.#log.takeAcknowledgement();
    if (index === undefined) return;
    this.#send({
      kind: 'appendReply',
      from: this.id,
      to: this.#leaderId,
      term: this.#term,
      rejected: false,
      index,
      hintIndex: this.#log.verifiedIndex,
      hintTerm: 0,
      lastIndex: this.#log.durableIndex,
      incarnation: this.#options.incarnation,
    });
  }

  #reject(message: Append): void {
    const hintIndex = this.#log.lastIndexWithTermAtMost(message.prevIndex, message.prevTerm);
    this.#send({
      kind: 'appendReply',
      from: this.id,
      to: message.from,
      term: this.#term,
      rejected: true,
      index: message.prevIndex,
      hintIndex,
      hintTerm: this.#log.termAt(hintIndex)!,
      lastIndex: this.#log.durableIndex,
      incarnation: this.#options.incarnation,
    });
  }

  #onHeartbeat(message: Heartbeat): void {
    assert(message.term === this.#term);
    this.#follow(message.from);
    // Only up to what an append of this term has verified: an unmatched tail is not the leader's.
    this.#log.commitTo(Math.min(message.commit, this.#log.verifiedIndex));
    this.#send({
      kind: 'heartbeatReply',
      from: this.id,
      to: message.from,
      term: this.#term,
      round: message.round,
    });
    // What became durable while no leader was known is still to be said.
    this.#maybeAcknowledge();
  }

  // ---------------------------------------------------------------------------- leading

  #tickLeader(role: LeaderRole): void {
    if (this.#electionElapsed >= this.#options.electionTicks) {
      this.#electionElapsed = 0;
      if (!this.#hasActiveQuorum(role)) return this.#stepDown();
    }
    if (role.transfer !== undefined) {
      role.transfer.elapsed += 1;
      if (role.transfer.elapsed >= this.#options.electionTicks) role.transfer = undefined;
    }
    // Nobody took over: the others find a leader without this replica, which is none of them.
    if (role.transfer === undefined && this.#isRemoved()) return this.#stepDown();
    for (const progress of role.progress.values()) progress.onTick(this.#options.electionTicks);
    this.#forgetDeparted(role);
    role.heartbeatElapsed += 1;
    if (role.heartbeatElapsed < this.#options.heartbeatTicks) return;
    // A round that begins has heartbeats of its own.
    const mayBegin = !role.rounds.isUnderWay && this.#isOwnTermCommitted(role);
    if (this.#options.usesLease === true && mayBegin) role.rounds.want();
    else this.#broadcastHeartbeat(role);
  }

  /** Without a majority in contact nobody may be told that this replica leads (dissertation §6.2). */
  #hasActiveQuorum(role: LeaderRole): boolean {
    const active = majorityValue(this.#configuration.voters, (voter) =>
      voter === this.id || role.progress.get(voter)!.isActive ? 1 : 0,
    );
    for (const progress of role.progress.values()) progress.isActive = false;
    return active === 1;
  }

  #broadcastHeartbeat(role: LeaderRole): void {
    role.heartbeatElapsed = 0;
    for (const [to, progress] of role.progress) {
      this.#send({
        kind: 'heartbeat',
        from: this.id,
        to,
        term: this.#term,
        commit: Math.min(progress.match, this.#log.commitIndex),
        round: role.rounds.started,
      });
    }
  }

  #replicateTo(to: ReplicaId, progress: Progress): void {
    while (progress.mayAppend(this.#options)) {
      const isProbe = progress.state.kind === 'probe';
      if (!isProbe && progress.next > this.#log.lastIndex) return;
      // A guess from before the log was compacted may be too low only because acknowledgements got
      // lost: the follower is asked at the first place that is left, and its answer decides.
      progress.next = Math.max(progress.next, this.#log.baseIndex + 1);
      const prevIndex = progress.next - 1;
      const prevTerm = this.#log.termAt(prevIndex)!;
      const { entries, byteLength } = progress.isRepeat
        ? { entries: [], byteLength: 0 }
        : this.#entriesFrom(progress.next);
      this.#send({
        kind: 'append',
        from: this.id,
        to,
        term: this.#term,
        prevIndex,
        prevTerm,
        commit: this.#log.commitIndex,
        entries,
      });
      progress.onSent(prevIndex + entries.length, byteLength);
    }
  }

  #entriesFrom(firstIndex: LogIndex): { entries: EntryHead[]; byteLength: number } {
    const entries: EntryHead[] = [];
    let byteLength = 0;
    const end = Math.min(this.#log.lastIndex, firstIndex + this.#options.appendEntriesMax - 1);
    for (let index = firstIndex; index <= end; index += 1) {
      const bytes = this.#options.byteLengthAt(index);
      if (entries.length > 0 && byteLength + bytes > this.#options.appendBytesMax) break;
      entries.push(this.#log.headAt(index, bytes));
      byteLength += bytes;
    }
    return { entries, byteLength };
  }

  #onAppendReply(message: AppendReply): void {
    if (this.#role.kind !== 'leader') return;
    const role = this.#role;
    const progress = role.progress.get(message.from);
    if (progress === undefined || progress.state.kind === 'refused') return;
    progress.onHeard();
    if (message.incarnation > progress.incarnation && message.lastIndex < progress.match) {
      // It acknowledged `match` before it was restarted, and its log ends below that now: what we
      // counted on is gone. It counts for nothing any more and gets nothing, until somebody looks.
      progress.becomeRefused();
      this.#refused.push(message.from);
      return;
    }
    if (message.rejected) {
      const meeting = this.#log.lastIndexWithTermAtMost(message.hintIndex, message.hintTerm);
      if (!progress.onRejected(message.index, meeting)) return;
      const highest = Math.max(progress.match, Math.min(meeting, message.index - 1));
      if (highest < this.#log.baseIndex) {
        progress.becomeSnapshot();
        this.#snapshotsWanted.push(message.from);
      }
      return;
    }
    if (progress.onAccepted(message)) this.#maybeCommit(role);
    this.#maybeAskToCampaign(role);
  }

  #onHeartbeatReply(message: HeartbeatReply): void {
    if (this.#role.kind !== 'leader') return;
    const progress = this.#role.progress.get(message.from);
    if (progress === undefined || progress.state.kind === 'refused') return;
    progress.onHeard();
    progress.round = Math.max(progress.round, message.round);
    progress.onAlive(this.#options.heartbeatTicks);
    this.#maybeConfirmRound(this.#role);
  }

  #maybeCommit(role: LeaderRole): void {
    const index = majorityValue(this.#configuration.voters, (voter) =>
      voter === this.id ? this.#log.durableIndex : role.progress.get(voter)!.match,
    );
    // Only entries of the own term are committed by counting (§5.4.2, figure 8).
    if (index < role.firstIndex) return;
    this.#log.commitTo(index);
    const ticked = role.followerQuestions.takeTicked(this.#log.commitIndex);
    for (const question of ticked) this.#answer(question, this.#log.commitIndex);
    // Until now nobody else could lead for certain (dissertation §4.2.2).
    if (this.#isRemoved() && role.transfer === undefined) this.transferLeadership();
  }

  // ---------------------------------------------------------------------------- members

  #isHeardLately(progress: Progress | undefined): boolean {
    return progress !== undefined && progress.unheardTicks < this.#options.electionTicks;
  }

  #isCaughtUp(progress: Progress | undefined): boolean {
    if (progress === undefined || !this.#isHeardLately(progress)) return false;
    const isStreamedTo = progress.state.kind === 'replicate';
    return isStreamedTo && progress.match + this.#options.catchupMargin >= this.#log.lastIndex;
  }

  /** Whether this replica's own removal is committed. */
  #isRemoved(): boolean {
    const { index, configuration } = this.#log.configurations.latest;
    return index <= this.#log.commitIndex && !configuration.voters.includes(this.id);
  }

  /** A removed member is told so for one more election timeout, from the commit on. */
  #forgetDeparted(role: LeaderRole): void {
    const { index, configuration } = this.#log.configurations.latest;
    if (index > this.#log.commitIndex) return;
    for (const [peer, progress] of role.progress) {
      if (isMember(configuration, peer)) continue;
      progress.departedTicks += 1;
      if (progress.departedTicks >= this.#options.electionTicks) role.progress.delete(peer);
    }
  }

  // ---------------------------------------------------------------------------- reads

  #maybeStartRound(role: LeaderRole): void {
    if (!role.rounds.isWanted || role.rounds.isUnderWay) return;
    // What earlier leaders committed is known only once an entry of this term is committed.
    if (!this.#isOwnTermCommitted(role)) return;
    role.rounds.start(this.#log.commitIndex);
    this.#broadcastHeartbeat(role);
    this.#maybeConfirmRound(role);
  }

  #maybeConfirmRound(role: LeaderRole): void {
    if (!role.rounds.isUnderWay) return;
    const round = majorityValue(this.#configuration.voters, (voter) =>
      voter === this.id ? role.rounds.started : role.progress.get(voter)!.round,
    );
    const confirmed = role.rounds.confirm(round);
    if (confirmed === undefined) return;
    this.#reads.push(confirmed);
    for (const question of role.followerQuestions.takeConfirmed(confirmed.round)) {
      this.#answer(question, confirmed.index);
    }
  }

  #isOwnTermCommitted(role: LeaderRole): boolean {
    return this.#log.commitIndex >= role.firstIndex;
  }

  #onReadIndex(message: ReadIndex): void {
    // Whoever does not lead is silent: the asker will hear of the leader and ask it.
    if (this.#role.kind !== 'leader') return;
    const { rounds, followerQuestions, progress } = this.#role;
    const asker = progress.get(message.from);
    if (asker === undefined || asker.state.kind === 'refused') return;
    followerQuestions.add(message, () => rounds.want(), this.#log.lastIndex);
  }

  #answer(question: ReadIndex, index: LogIndex): void {
    const { from: to, sequence, incarnation, needsTick } = question;
    this.#send({
      kind: 'readIndexReply',
      from: this.id,
      to,
      term: this.#term,
      sequence,
      incarnation,
      needsTick,
      index,
      clockMs: 0,
    });
  }

  #maybeAskReadIndex(): void {
    const to = this.#leaderId;
    if (to === undefined) return;
    const question = this.#questions.maybeAsk(to, this.#term);
    if (question === undefined) return;
    const { incarnation } = this.#options;
    this.#send({
      kind: 'readIndex',
      from: this.id,
      to,
      term: this.#term,
      incarnation,
      ...question,
    });
  }

  #onReadIndexReply(message: ReadIndexReply): void {
    if (this.#role.kind === 'leader' || message.incarnation !== this.#options.incarnation) return;
    const answered = this.#questions.onReply(message);
    if (answered !== undefined) this.#answers.push(answered);
  }

  // ---------------------------------------------------------------------------- handing over

  #mostCaughtUpVoter(role: LeaderRole): ReplicaId | undefined {
    const rank = (voter: ReplicaId): number => {
      const { match, isActive } = role.progress.get(voter)!;
      // One that was not heard from lately may be dead, however far it had got.
      return isActive ? match : match - this.#log.lastIndex - 1;
    };
    return this.#otherVoters()
      .filter((voter) => role.progress.get(voter)!.state.kind === 'replicate')
      .toSorted((a, b) => rank(b) - rank(a))[0];
  }

  #maybeAskToCampaign(role: LeaderRole): void {
    const { transfer } = role;
    if (transfer === undefined || transfer.isAsked) return;
    // Only somebody who has the whole log wins for certain.
    if (role.progress.get(transfer.target)!.match < this.#log.lastIndex) return;
    transfer.isAsked = true;
    role.hasGivenUpLease = true;
    this.#send({ kind: 'timeoutNow', from: this.id, to: transfer.target, term: this.#term });
  }
}

function unreachable(message: never): never {
  throw new Error(`Unknown message ${JSON.stringify(message)}`);
}

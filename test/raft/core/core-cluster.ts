// A cluster of cores on simulated disks and a simulated network, in one thread, without time.
//
// Whoever holds it decides everything: which message arrives next, twice, or never; when a clock
// ticks; which write becomes durable; who crashes. So a script can tell a story move by move, a
// random schedule can try what nobody would think of, and both can be repeated exactly. After each
// input `ClusterHistory` checks the safety of the whole.
//
//     tick, deliver, propose …  ─▶ core ─▶ ready ─▶ disk      writes wait until they are persisted
//                                                └▶ network   a queue, in order of sending
//
// The disk is the one of `raft/log/`: writes become durable in the order they were made, and an
// entry at an index voids what was there and above. Term and vote are a file of their own, so
// either may be durable without the other. A crash loses what is not durable, and nothing else.
// Payloads do not exist here: an entry is its index and term, and which of them are configurations
// the history knows.

import assert from 'node:assert/strict';
import {
  type AppendedEntries,
  type Configuration,
  type ConfigurationAt,
  type ConfigurationRefusal,
  type HardState,
  type LogIndex,
  type Message,
  membersOf,
  RaftCore,
  type Ready,
  type ReplicaId,
  type Term,
} from '../../../raft/core/index.js';
import { ClusterHistory, type ReplicaView } from './cluster-history.js';
import { describeMessage } from './describe-message.js';
import { NaiveLog } from './naive-log.js';

export interface ClusterOptions {
  readonly voters: readonly ReplicaId[];
  readonly learners?: readonly ReplicaId[];
  /** Replicas that are no members yet. They know nobody. */
  readonly spares?: readonly ReplicaId[];
  readonly catchupMargin?: number;
  readonly electionTicks?: number;
  readonly heartbeatTicks?: number;
  readonly inFlightMax?: number;
  readonly inFlightBytesMax?: number;
  readonly appendBytesMax?: number;
  readonly appendEntriesMax?: number;
  readonly usesLease?: boolean;
  /** What is on a disk at first: its term, without a vote, and the terms of its entries. */
  readonly disks?: Readonly<Record<ReplicaId, { readonly term: Term; readonly log: Term[] }>>;
  /** In [0, 1); by default the k-th of n always draws k/(n+1), so timeouts never tie. */
  readonly random?: (replica: ReplicaId) => number;
  /** Gets one line for each thing that happened. */
  readonly trace?: (line: string) => void;
}

interface WaitingVote {
  readonly hardState: HardState;
  readonly version: number;
}

interface WaitingWrite {
  readonly firstIndex: LogIndex;
  readonly terms: readonly Term[];
  readonly generation: number;
}

class Disk {
  hardState: HardState = { term: 0, votedFor: undefined };
  readonly log = new NaiveLog();
  votes: WaitingVote[] = [];
  writes: WaitingWrite[] = [];

  get firstWaitingIndex(): LogIndex {
    return Math.min(...this.writes.map(({ firstIndex }) => firstIndex), Number.POSITIVE_INFINITY);
  }
}

interface Replica {
  readonly id: ReplicaId;
  readonly disk: Disk;
  /** Undefined while it is down. */
  core: RaftCore | undefined;
  /** What its log in memory must be, from what it handed out. */
  memory: NaiveLog;
  incarnation: number;
  isDiskManual: boolean;
  described: string;
  describedCommit: string;
  describedConfiguration: string;
}

/** One server at a time. */
export type Change = 'add' | 'promote' | 'remove';

/** Bytes of every proposal, unless said otherwise. */
const proposalBytes = 10;

const noMembers: Configuration = { voters: [], learners: [] };

export class CoreCluster {
  /** What the group began with. */
  readonly configuration: Configuration;
  readonly history: ClusterHistory;
  /** On their way, oldest first. */
  readonly network: Message[] = [];
  readonly refused: ReplicaId[] = [];
  /** Leaders and the followers that they have no entries for, oldest first. */
  readonly snapshotsWanted: { readonly from: ReplicaId; readonly to: ReplicaId }[] = [];

  readonly #options: ClusterOptions;
  readonly #replicas = new Map<ReplicaId, Replica>();
  /** `from>to` */
  readonly #cuts = new Set<string>();
  /** `index/term` → bytes, of proposals that are not of the usual size. */
  readonly #byteLengths = new Map<string, number>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.configuration = { voters: options.voters, learners: options.learners ?? [] };
    const spares = options.spares ?? [];
    this.history = new ClusterHistory((id) =>
      spares.includes(id) ? noMembers : this.configuration,
    );
    for (const id of [...membersOf(this.configuration), ...spares]) {
      const disk = new Disk();
      const { term, log } = options.disks?.[id] ?? { term: 0, log: [] };
      disk.hardState = { term, votedFor: undefined };
      disk.log.put(1, log);
      this.#replicas.set(id, {
        id,
        disk,
        core: undefined,
        memory: new NaiveLog(),
        incarnation: 0,
        isDiskManual: false,
        described: '',
        describedCommit: '',
        describedConfiguration: '',
      });
    }
    for (const id of this.ids) this.restart(id);
  }

  // ---------------------------------------------------------------------------- looking

  /** Also of those that are no members yet, or not any more. */
  get ids(): ReplicaId[] {
    return [...this.#replicas.keys()];
  }

  /** Of the configuration of the newest leader; of the first one while there is no leader. */
  get memberIds(): ReplicaId[] {
    const { leaderId } = this;
    return membersOf(
      leaderId === undefined ? this.configuration : this.core(leaderId).configuration,
    );
  }

  get upIds(): ReplicaId[] {
    return this.ids.filter((id) => this.isUp(id));
  }

  isUp(id: ReplicaId): boolean {
    return this.#replica(id).core !== undefined;
  }

  core(id: ReplicaId): RaftCore {
    const { core } = this.#replica(id);
    assert(core !== undefined, `${id} is down`);
    return core;
  }

  /** What a crash now would leave. */
  diskOf(id: ReplicaId): { readonly hardState: HardState; readonly log: NaiveLog } {
    return this.#replica(id).disk;
  }

  waitingWrites(id: ReplicaId): number {
    return this.#replica(id).disk.writes.length;
  }

  waitingVotes(id: ReplicaId): number {
    return this.#replica(id).disk.votes.length;
  }

  /** Who leads in the highest term that has a leader; a deposed one may not know it yet. */
  get leaderId(): ReplicaId | undefined {
    const leaders = this.upIds.filter((id) => this.core(id).role === 'leader');
    return leaders.sort((a, b) => this.core(b).term - this.core(a).term)[0];
  }

  messages(from: ReplicaId, to: ReplicaId): Message[] {
    return this.network.filter((message) => message.from === from && message.to === to);
  }

  /** Who is what, one line per replica, for the message of a failure. */
  describe(): string {
    const lines = this.ids.map((id) => {
      const { core, disk } = this.#replica(id);
      if (core === undefined) return `${id} is down, log ${disk.log.describe()}`;
      const followers = this.ids.map((peer) => {
        const progress = core.progressOf(peer);
        return progress && `${peer}:${progress.state.kind} match ${progress.match}`;
      });
      return [
        `${id} is ${core.role} in term ${core.term}, vote ${core.votedFor}, leader ${core.leaderId}`,
        `log ${disk.log.describe()}, last ${core.lastIndex}, commits ${core.commitIndex}`,
        ...followers.filter((text) => text !== undefined),
      ].join('; ');
    });
    return lines.join('\n');
  }

  // ---------------------------------------------------------------------------- inputs

  tick(id: ReplicaId, count = 1): void {
    for (let done = 0; done < count; done += 1) {
      this.#input(id, (core) => core.tick());
      this.drain(id);
    }
  }

  tickAll(count = 1): void {
    for (let done = 0; done < count; done += 1) for (const id of this.upIds) this.tick(id);
  }

  /** Lets only this replica's time pass until its election timeout. */
  campaign(id: ReplicaId): void {
    const ticks = 2 * this.#electionTicks + 1;
    const sentBefore = this.network.length;
    for (let done = 0; done < ticks; done += 1) {
      this.tick(id);
      const { role, configuration } = this.core(id);
      const isSole = configuration.voters.length === 1;
      if (role !== 'follower' && (isSole || this.network.length > sentBefore)) return;
    }
    assert.fail(`${id} does not campaign`);
  }

  /**
   * Has `id` elected by everybody it can reach, whoever led before. Its first messages as leader are
   * on their way then.
   */
  elect(id: ReplicaId): void {
    for (const other of this.upIds) {
      // Long enough not to hear from a leader, too short to campaign.
      if (other !== id && this.core(other).role === 'follower')
        this.tick(other, this.#electionTicks);
    }
    // The second time it knows the terms of the others.
    for (let attempt = 0; attempt < 2 && this.core(id).role !== 'leader'; attempt += 1) {
      this.campaign(id);
      while (this.network.length > 0 && this.core(id).role !== 'leader') this.deliver();
    }
    assert.equal(this.core(id).role, 'leader', `${id} is not elected\n${this.describe()}`);
  }

  propose(id: ReplicaId, byteLength = proposalBytes): LogIndex | undefined {
    const index = this.#input(id, (core) => {
      const proposed = core.propose(byteLength);
      if (proposed !== undefined && byteLength !== proposalBytes) {
        this.#byteLengths.set(`${proposed}/${core.term}`, byteLength);
      }
      return proposed;
    });
    this.drain(id);
    return index;
  }

  /** Changes the configuration by one server: the index of the entry, or why there is none. */
  change(id: ReplicaId, change: Change, server: ReplicaId): LogIndex | ConfigurationRefusal {
    const result = this.#input(id, (core) => {
      const next = changed(core.configuration, change, server);
      const refusal = core.configurationRefusal(next);
      if (refusal !== undefined) return refusal;
      const index = core.proposeConfiguration(next, proposalBytes);
      this.history.onConfiguration(this.#view(id), { index, configuration: next });
      return index;
    });
    this.drain(id);
    return result;
  }

  /** The round that will confirm it; undefined when `id` does not lead. */
  read(id: ReplicaId): number | undefined {
    const round = this.#input(id, (core) => core.requestRead());
    if (round !== undefined) this.history.onReadRequested(this.#view(id), round);
    this.drain(id);
    return round;
  }

  /** As a follower: the question that will answer the read; undefined when `id` leads. */
  ask(id: ReplicaId, needsTick = false): number | undefined {
    const question = this.#input(id, (core) => core.askReadIndex(needsTick));
    if (question !== undefined) this.history.onReadAsked(this.#view(id), question, needsTick);
    this.drain(id);
    return question;
  }

  transfer(id: ReplicaId, target?: ReplicaId): boolean {
    const isAccepted = this.#input(id, (core) => core.transferLeadership(target));
    this.drain(id);
    return isAccepted;
  }

  linkLost(id: ReplicaId, to: ReplicaId): void {
    this.#input(id, (core) => core.onLinkLost(to));
    this.drain(id);
  }

  linkAlive(id: ReplicaId, from: ReplicaId): void {
    this.#input(id, (core) => core.onLinkAlive(from));
    this.drain(id);
  }

  compact(id: ReplicaId, index: LogIndex): void {
    const { disk, memory } = this.#replica(id);
    assert(index <= this.history.appliedIndexOf(id) && disk.writes.length === 0);
    this.#input(id, (core) => core.compactedTo(index));
    disk.log.compactTo(index);
    memory.compactTo(index);
    this.drain(id);
  }

  // ---------------------------------------------------------------------------- snapshots

  /** Whether `to` would begin to take a snapshot from `from`: as the loop decides it. */
  isSnapshotTaken(from: ReplicaId, to: ReplicaId, index: LogIndex): boolean {
    if (!this.isUp(from) || !this.isUp(to)) return false;
    const [sender, receiver] = [this.core(from), this.core(to)];
    if (sender.role !== 'leader' || receiver.leaderId !== from) return false;
    if (sender.term !== receiver.term || !receiver.isHardStateDurable) return false;
    return index > receiver.commitIndex;
  }

  /**
   * A snapshot of `index` that `from` took is durable at `to`, which switches to it, unless it knows
   * of more. True when it did.
   */
  install(to: ReplicaId, index: LogIndex): boolean {
    const core = this.core(to);
    if (core.role === 'leader' || index <= core.commitIndex) return false;
    const term = this.history.committedTermOf(index);
    const { disk, memory } = this.#replica(to);
    const isLogKept = core.termAt(index) === term;
    const configuration = this.history.configurationAt(index, this.#options.voters[0]!);
    if (!isLogKept) {
      // What is under way is written; what waits is void.
      if (disk.writes.length > 0) this.#writeLog(to);
      disk.writes = [];
      disk.log.reset(index, term);
      memory.reset(index, term);
      this.history.onInstalled(this.#view(to), index);
    }
    this.#trace(
      `> ${to} installs ${index}/${term}, its log ${isLogKept ? 'stays' : 'is replaced'}`,
    );
    this.history.onConfigurationInstalled(to, configuration);
    this.#input(to, (replica) => replica.snapshotInstalled(index, term, configuration));
    this.drain(to);
    return true;
  }

  snapshotEnded(from: ReplicaId, to: ReplicaId, isInstalled: boolean): void {
    this.#input(from, (core) => core.snapshotEnded(to, isInstalled));
    this.drain(from);
  }

  // ---------------------------------------------------------------------------- network

  /** Delivers the message at `position` of the queue. With `isTurnOpen` more inputs may follow. */
  deliver(position = 0, isTurnOpen = false): void {
    const [message] = this.network.splice(position, 1);
    assert(message !== undefined, 'no such message');
    if (this.#isLost(message)) return this.#trace(`${describeMessage(message)}  lost`);
    this.#trace(describeMessage(message));
    this.history.onDelivered(message);
    this.#input(message.to, (core) => {
      const { term, votedFor } = core;
      core.step(message);
      if (message.kind !== 'preVote') return;
      assert.equal(core.term, term, 'a pre-vote changes nobody’s term');
      assert.equal(core.votedFor, votedFor, 'a pre-vote is no vote');
    });
    if (!isTurnOpen) this.drain(message.to);
  }

  /** Delivers the oldest message of a link. */
  deliverFrom(from: ReplicaId, to: ReplicaId): void {
    this.deliver(this.#positionOf(from, to));
  }

  drop(position: number): void {
    const [message] = this.network.splice(position, 1);
    this.#trace(`${describeMessage(message!)}  dropped`);
  }

  dropFrom(from: ReplicaId, to: ReplicaId): void {
    this.drop(this.#positionOf(from, to));
  }

  /** The copy arrives last. */
  duplicate(position: number): void {
    this.network.push(this.network[position]!);
  }

  duplicateFrom(from: ReplicaId, to: ReplicaId): void {
    this.duplicate(this.#positionOf(from, to));
  }

  /** The oldest message of a link is overtaken by everything that is on its way now. */
  delayFrom(from: ReplicaId, to: ReplicaId): void {
    this.network.push(...this.network.splice(this.#positionOf(from, to), 1));
  }

  /** Delivers until nothing is on its way; what that causes, too. */
  settle(): void {
    for (let delivered = 0; this.network.length > 0; delivered += 1) {
      assert(delivered < 20_000, 'the cluster never comes to rest');
      this.deliver();
    }
  }

  /** What `from` sends does not arrive at `to`; what is on its way neither. */
  cut(from: ReplicaId, to: ReplicaId): void {
    this.#cuts.add(`${from}>${to}`);
  }

  join(from: ReplicaId, to: ReplicaId): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  isolate(id: ReplicaId): void {
    for (const other of this.ids) {
      if (other === id) continue;
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  heal(): void {
    this.#cuts.clear();
  }

  #isLost(message: Message): boolean {
    return this.#cuts.has(`${message.from}>${message.to}`) || !this.isUp(message.to);
  }

  #positionOf(from: ReplicaId, to: ReplicaId): number {
    const position = this.network.findIndex((m) => m.from === from && m.to === to);
    assert(position >= 0, `nothing is on its way from ${from} to ${to}`);
    return position;
  }

  // ---------------------------------------------------------------------------- disk

  /** `manual`: writes wait for `persistVote` and `persistLog`. `auto`: they are durable at once. */
  setDisk(id: ReplicaId, mode: 'manual' | 'auto'): void {
    this.#replica(id).isDiskManual = mode === 'manual';
    if (mode === 'auto' && this.isUp(id)) this.drain(id);
  }

  /** The oldest waiting term and vote becomes durable. */
  persistVote(id: ReplicaId): void {
    this.#writeVote(id);
    this.drain(id);
  }

  /** The oldest waiting write of entries becomes durable. */
  persistLog(id: ReplicaId): void {
    this.#writeLog(id);
    this.drain(id);
  }

  #writeVote(id: ReplicaId): void {
    const { disk } = this.#replica(id);
    const vote = disk.votes.shift();
    assert(vote !== undefined, `${id} has no vote to persist`);
    disk.hardState = vote.hardState;
    this.#traceDisk(id, () => `vote durable: ${describeHardState(vote.hardState)}`);
    this.#input(id, (core) => core.hardStatePersisted(vote.version));
  }

  #writeLog(id: ReplicaId): void {
    const { disk } = this.#replica(id);
    const write = disk.writes.shift();
    assert(write !== undefined, `${id} has no entries to persist`);
    disk.log.put(write.firstIndex, write.terms);
    const lastIndex = write.firstIndex + write.terms.length - 1;
    this.#traceDisk(id, () => `log durable: ${disk.log.describe()}`);
    this.history.observe(this.#view(id));
    this.#input(id, (core) => core.entriesPersisted(write.generation, lastIndex));
  }

  #traceDisk(id: ReplicaId, text: () => string): void {
    if (this.#replica(id).isDiskManual) this.#trace(`> ${id} ${text()}`);
  }

  /** How many of the waiting writes and votes reached the disk before the crash. */
  crash(
    id: ReplicaId,
    survivors: { readonly writes?: number; readonly votes?: number } = {},
  ): void {
    const replica = this.#replica(id);
    const { disk } = replica;
    assert(replica.core !== undefined, `${id} is down already`);
    for (const { firstIndex, terms } of disk.writes.slice(0, survivors.writes ?? 0)) {
      disk.log.put(firstIndex, terms);
    }
    disk.hardState = disk.votes[(survivors.votes ?? 0) - 1]?.hardState ?? disk.hardState;
    disk.votes = [];
    disk.writes = [];
    replica.core = undefined;
    this.#trace(
      `> ${id} crashes with ${describeHardState(disk.hardState)}, ${disk.log.describe()}`,
    );
  }

  /** A disk that lies: what was durable above `lastIndex` is gone. Only while it is down. */
  forget(id: ReplicaId, lastIndex: LogIndex): void {
    assert(!this.isUp(id), `${id} is up`);
    this.#replica(id).disk.log.truncateAfter(lastIndex);
  }

  /** `appliedIndex`: what the state machine still has; by default only what is compacted away. */
  restart(id: ReplicaId, appliedIndex = this.#replica(id).disk.log.baseIndex): void {
    const replica = this.#replica(id);
    const { disk } = replica;
    assert(replica.core === undefined, `${id} is up already`);
    const k = this.ids.indexOf(id) + 1;
    replica.incarnation += 1;
    replica.memory = disk.log.copy();
    replica.described = '';
    replica.describedCommit = '';
    const configurations = this.#configurationsOn(id);
    replica.describedConfiguration = describeConfiguration(configurations.at(-1)!.configuration);
    replica.core = new RaftCore({
      id,
      configurations,
      hardState: disk.hardState,
      log: disk.log.toLogTerms(),
      appliedIndex,
      incarnation: replica.incarnation,
      byteLengthAt: (index) => this.#byteLengthAt(replica, index),
      random: () => this.#options.random?.(id) ?? k / (this.ids.length + 1),
      electionTicks: this.#electionTicks,
      heartbeatTicks: this.#options.heartbeatTicks ?? 2,
      inFlightMax: this.#options.inFlightMax ?? 2,
      inFlightBytesMax: this.#options.inFlightBytesMax ?? 1000,
      appendBytesMax: this.#options.appendBytesMax ?? 100,
      appendEntriesMax: this.#options.appendEntriesMax ?? 8,
      usesLease: this.#options.usesLease ?? false,
      catchupMargin: this.#options.catchupMargin ?? 1,
    });
    this.history.onStart(this.#view(id), appliedIndex);
    this.drain(id);
  }

  /** What a start finds: the one in effect where the log begins, and those in the log. */
  #configurationsOn(id: ReplicaId): ConfigurationAt[] {
    const { log } = this.#replica(id).disk;
    const all = this.history.configurationsIn(id, log);
    const inLog = all.filter(({ index }) => index > log.baseIndex);
    const before = all.slice(0, all.length - inLog.length);
    return [before.at(-1)!, ...inLog];
  }

  // ---------------------------------------------------------------------------- the loop

  /** The end of a turn: does what the core decided, until it decides nothing more. */
  drain(id: ReplicaId): void {
    const replica = this.#replica(id);
    for (;;) {
      if (this.core(id).isTickWanted) this.#input(id, (core) => core.propose(proposalBytes));
      const ready = this.core(id).ready();
      this.#take(replica, ready);
      this.history.observe(this.#view(id));
      if (replica.isDiskManual) break;
      if (replica.disk.votes.length === 0 && replica.disk.writes.length === 0) break;
      while (replica.disk.votes.length > 0) this.#writeVote(id);
      while (replica.disk.writes.length > 0) this.#writeLog(id);
    }
    this.history.onApplicable(this.#view(id));
    this.#traceState(replica);
  }

  #take(replica: Replica, ready: Ready): void {
    const { id, disk } = replica;
    if (ready.hardState !== undefined) {
      const { version, ...hardState } = ready.hardState;
      disk.votes.push({ hardState, version });
    }
    for (const appended of ready.appended) this.#takeAppended(replica, appended);
    this.#checkMemory(replica);
    for (const message of ready.messages) {
      this.history.onMessage(message, this.#view(id));
      this.network.push(message);
    }
    for (const round of ready.reads) {
      this.history.onReadsConfirmed(this.#view(id), round);
      this.#trace(`> ${id} confirms read round ${round.round} at ${round.index}`);
    }
    for (const answer of ready.answers) {
      this.history.onReadAnswered(this.#view(id), answer);
      this.#trace(`> ${id} may answer question ${answer.sequence} at ${answer.index}`);
    }
    for (const peer of ready.refused) {
      this.refused.push(peer);
      this.#trace(`> ${id} refuses ${peer}`);
    }
    for (const peer of ready.snapshotsWanted) {
      this.snapshotsWanted.push({ from: id, to: peer });
      this.#trace(`> ${id} has no entry to send to ${peer}`);
    }
  }

  #takeAppended({ memory, disk, id }: Replica, appended: AppendedEntries): void {
    const { firstIndex, generation } = appended;
    const terms = appended.entries.map((entry) => entry.term);
    if (firstIndex <= memory.lastIndex) {
      this.history.coverage.truncations += 1;
      this.#trace(`> ${id} drops ${firstIndex}…${memory.lastIndex}`);
    }
    memory.put(firstIndex, terms);
    for (let index = firstIndex; index <= memory.lastIndex; index += 1) {
      this.history.onEntry(index, memory.termAt(index)!, memory.termAt(index - 1)!);
    }
    disk.writes.push({ firstIndex, terms, generation });
  }

  /** The log that the outside can build from what it was handed is the log that the core means. */
  #checkMemory({ memory, id }: Replica): void {
    const core = this.core(id);
    assert.equal(memory.lastIndex, core.lastIndex);
    for (let index = memory.baseIndex; index <= memory.lastIndex; index += 1) {
      assert.equal(memory.termAt(index), core.termAt(index), `${id} means another entry ${index}`);
    }
  }

  #input<Result>(id: ReplicaId, act: (core: RaftCore) => Result): Result {
    const result = act(this.core(id));
    this.history.observe(this.#view(id));
    return result;
  }

  #view(id: ReplicaId): ReplicaView {
    return { id, core: this.core(id), disk: this.#replica(id).disk };
  }

  #replica(id: ReplicaId): Replica {
    const replica = this.#replicas.get(id);
    assert(replica !== undefined, `no replica ${id}`);
    return replica;
  }

  get #electionTicks(): number {
    return this.#options.electionTicks ?? 10;
  }

  /** Asked by `ready()`, before the newest entries are handed out: those are the leader's own. */
  #byteLengthAt({ memory, core }: Replica, index: LogIndex): number {
    const term = memory.termAt(index) ?? core!.term;
    return this.#byteLengths.get(`${index}/${term}`) ?? proposalBytes;
  }

  #trace(line: string): void {
    this.#options.trace?.(line);
  }

  #traceState(replica: Replica): void {
    if (this.#options.trace === undefined) return;
    const { id } = replica;
    const { role, term, leaderId, commitIndex, applicableIndex, configuration } = this.core(id);
    const describedConfiguration = describeConfiguration(configuration);
    if (describedConfiguration !== replica.describedConfiguration) {
      this.#trace(`> ${id} counts ${describedConfiguration}`);
    }
    replica.describedConfiguration = describedConfiguration;
    const of = role === 'follower' && leaderId !== undefined ? ` of ${leaderId}` : '';
    const described = `${role}${of} in term ${term}`;
    if (described !== replica.described) this.#trace(`> ${id} is ${described}`);
    replica.described = described;
    const lag = applicableIndex < commitIndex ? `, applies ${applicableIndex}` : '';
    const describedCommit = `commits ${commitIndex}${lag}`;
    if (commitIndex > 0 && describedCommit !== replica.describedCommit) {
      this.#trace(`> ${id} ${describedCommit}`);
    }
    replica.describedCommit = describedCommit;
  }
}

function changed(
  { voters, learners }: Configuration,
  change: Change,
  server: ReplicaId,
): Configuration {
  const withoutServer = (ids: readonly ReplicaId[]) => ids.filter((id) => id !== server);
  const others = { voters: withoutServer(voters), learners: withoutServer(learners) };
  switch (change) {
    case 'add':
      return { ...others, learners: [...others.learners, server] };
    case 'promote':
      return { ...others, voters: [...others.voters, server] };
    case 'remove':
      return others;
  }
}

function describeConfiguration({ voters, learners }: Configuration): string {
  const ofLearners = learners.length > 0 ? `, learners ${learners.join(' ')}` : '';
  return `${voters.join(' ') || 'nobody'}${ofLearners}`;
}

function describeHardState({ term, votedFor }: HardState): string {
  return `term ${term}${votedFor === undefined ? '' : ` vote ${votedFor}`}`;
}

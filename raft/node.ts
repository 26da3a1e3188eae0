// The loop around the core: one replica of one group, alive.
//
// Inputs gather while the event loop hands out its events; at the end of the turn the loop steps
// the core once through all of them and does what it decided:
//
//   1. messages that arrived, then at most one tick   (a stall is not a death: what waited in the
//                                                      sockets is heard before time passes)
//   2. close the open batch, if the log is idle       (else it gathers until the write is done)
//   3. ready: cache and queue new entries, hand messages to the transport, write term and vote
//   4. start the next log write; flush each socket once
//   5. apply what is committed and durable, in slices, after the others have their messages
//
// So batches need no timers: under load the log write paces them, at rest they are as small as what
// one turn brought. Everything here runs on one thread without `await`: between two lines of a turn
// nothing else happens, and term and role change together or not at all.

import assert from 'node:assert/strict';
import { Batch } from './batch.js';
import type { BufferPool } from './buffer-pool.js';
import type {
  AppendedEntries,
  Configuration,
  LogIndex,
  Ready,
  RoleKind,
  Term,
} from './core/index.js';
import {
  type Append,
  type HardState,
  type Message,
  RaftCore,
  type ReplicaId,
} from './core/index.js';
import type { Chance, Clock, Timers } from './effects.js';
import type { Entry } from './entry.js';
import { EntryCache } from './entry-cache.js';
import { RaftError, rejoinAdvice } from './errors.js';
import type { ReplicaIdentity } from './identity.js';
import { LeaderClock } from './leader-clock.js';
import type { Journal, VoteFile } from './log/index.js';
import { LogReader } from './log-reader.js';
import { LogWriter } from './log-writer.js';
import type { RaftOptions } from './options.js';
import { PendingCommands } from './pending-commands.js';
import { PendingReads } from './pending-reads.js';
import type { CommittedEntry, StateMachine } from './state-machine.js';
import type { IncomingMessage, Transport } from './transport.js';

export interface RaftNodeConfig {
  readonly identity: ReplicaIdentity;
  readonly configuration: Configuration;
  readonly options: RaftOptions;
  readonly journal: Journal;
  readonly voteFile: VoteFile;
  readonly transport: Transport;
  readonly machine: StateMachine;
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly chance: Chance;
  readonly events: RaftNodeEvents;
}

/** What became of commands that this replica will not answer by applying them. */
export type Fate =
  /** Never appended, or another entry was committed at their index: they never take effect. */
  | 'refused'
  /** Appended, and whether they commit cannot be known here in time. */
  | 'unknown';

export interface RaftNodeEvents {
  /** Leader, term, or whether commands are taken here changed. */
  onLeadershipChange(): void;
  onCommandsDropped(contexts: readonly unknown[], fate: Fate): void;
  /** The state is at least as new as when these reads were registered. */
  onReadable(contexts: readonly unknown[]): void;
  /** The leadership was lost before the reads were confirmed. */
  onReadsDropped(contexts: readonly unknown[]): void;
  /** Commands were applied: there may be room again (see `pendingBytes`). */
  onApplied(): void;
  /** Messages or writes were handled: what `status` tells may have changed. */
  onTurn(): void;
  /** This replica cannot go on. Nothing it was about to say has been said. */
  onFatal(error: Error): void;
  /** Something that deserves a line in the log. */
  onWarning(text: string): void;
}

export interface PeerStatus {
  readonly replicaId: ReplicaId;
  readonly isLinked: boolean;
  /** As the leader believes; undefined on other replicas. */
  readonly matchIndex: LogIndex | undefined;
  readonly state: string | undefined;
}

export interface RaftStatus {
  readonly role: RoleKind;
  readonly term: Term;
  readonly leaderId: ReplicaId | undefined;
  readonly commitIndex: LogIndex;
  readonly appliedIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly logBytes: number;
  readonly peers: readonly PeerStatus[];
}

/** Ticks per heartbeat period: fine enough that two candidates rarely draw the same timeout. */
const ticksPerHeartbeat = 4;
/** An idle log ends in an empty frame after this long, so that damage to the last one shows. */
const idleFrameMs = 10;
/** Applying yields to the sockets after this long. */
const applySliceMs = 4;
/** Cached entries beyond what is in use, for followers a little behind. Bytes. */
const cacheBytesMax = 16 * 1024 * 1024;
const appendEntriesMax = 1024;
/** Read from the files at once, to be applied at a start. Bytes; a single larger entry goes alone. */
const applyLoadBytesMax = 1024 * 1024;

export class RaftNode {
  readonly #config: RaftNodeConfig;
  readonly #core: RaftCore;
  readonly #cache: EntryCache;
  readonly #writer: LogWriter;
  readonly #reader: LogReader;
  readonly #commands: PendingCommands;
  readonly #reads = new PendingReads();
  readonly #clock: LeaderClock;

  #inbox: IncomingMessage[] = [];
  #isTickDue = false;
  #isTurnScheduled = false;
  #isApplyScheduled = false;
  #isLoadingToApply = false;
  #batch: Batch | undefined;
  /** A no-op is wanted for its stamp. */
  #tickContexts: unknown[] = [];
  #sealed: { readonly entry: Entry }[] = [];
  #hardStateWaiting: Ready['hardState'];
  #cancelIdleFrame: (() => void) | undefined;
  #cancelTicks: (() => void) | undefined;
  /** Of the leaderships that ended lately: when their commands are given up. */
  readonly #uncertainTimers = new Set<() => void>();
  #known: { term: Term; leaderId: ReplicaId | undefined; isServing: boolean };
  #phase: 'new' | 'running' | 'stopping' | 'stopped' = 'new';

  constructor(config: RaftNodeConfig) {
    this.#config = config;
    const { journal, voteFile, machine, options, chance } = config;
    checkMachineJoinsLog(machine, journal);
    this.#cache = new EntryCache(journal.lastIndex);
    this.#core = new RaftCore({
      id: config.identity.replicaId,
      configuration: config.configuration,
      hardState: voteFile.hardState,
      log: journal.terms(),
      appliedIndex: machine.appliedIndex,
      incarnation: voteFile.incarnation,
      byteLengthAt: (index) => this.#byteLengthAt(index),
      random: () => chance.random(),
      electionTicks: Math.ceil(
        (options.electionTimeoutMilliseconds * ticksPerHeartbeat) /
          options.heartbeatPeriodMilliseconds,
      ),
      heartbeatTicks: ticksPerHeartbeat,
      inFlightMax: options.inFlightAppendsMax,
      inFlightBytesMax: options.inFlightBytesMax,
      appendBytesMax: options.entryBytesMax,
      appendEntriesMax,
    });
    this.#writer = new LogWriter(journal, {
      onPersisted: (generation, lastIndex) => {
        this.#core.entriesPersisted(generation, lastIndex);
        this.#schedule();
      },
      onEmptyFrame: () => this.#schedule(),
      onFailed: (error) => this.#fail(error),
    });
    this.#reader = new LogReader(this.#cache, journal, (error) => this.#fail(error));
    this.#commands = new PendingCommands((contexts, fate) =>
      config.events.onCommandsDropped(contexts, fate),
    );
    this.#clock = new LeaderClock(config.clock);
    this.#known = { term: this.#core.term, leaderId: undefined, isServing: false };
  }

  // ---------------------------------------------------------------------------- life

  start(): void {
    assert(this.#phase === 'new');
    this.#phase = 'running';
    const { transport, timers, options } = this.#config;
    transport.start({
      onMessage: (incoming) => {
        this.#inbox.push(incoming);
        this.#schedule();
      },
      onLinkAlive: (from) => this.#core.onLinkAlive(from),
      onLinkLost: (to) => {
        this.#core.onLinkLost(to);
        this.#schedule();
      },
    });
    this.#cancelTicks = timers.every(
      options.heartbeatPeriodMilliseconds / ticksPerHeartbeat,
      () => {
        this.#isTickDue = true;
        this.#schedule();
      },
    );
    this.#schedule();
  }

  /**
   * Hands the leadership over, finishes what is under way and closes log and vote file. The owner
   * takes no more commands and closes its clients before.
   */
  stop(done: () => void): void {
    // A replica that could not go on has nothing left to finish.
    if (this.#phase === 'stopped') return done();
    assert(this.#phase === 'running');
    this.#phase = 'stopping';
    const { timers, options } = this.#config;
    // What was taken is proposed before the handing over begins, which refuses proposals.
    this.#seal();
    this.#core.transferLeadership();
    this.#schedule();
    const deadline = this.#config.clock.monotonicMs() + options.electionTimeoutMilliseconds;
    let isDeaf = false;
    const wait = (): void => {
      if (this.#phase === 'stopped') return done();
      const isLate = this.#config.clock.monotonicMs() >= deadline;
      const isHandingOver = this.#core.role === 'leader' && this.#core.isTransferring;
      if (!isDeaf && (isLate || (!isHandingOver && this.#commands.count === 0))) {
        // Under load the next leader would keep the log busy for ever.
        isDeaf = true;
        this.#config.transport.stop();
      }
      const isBusy = this.#writer.isBusy || this.#config.voteFile.isWriting || this.#reader.isBusy;
      if (!isDeaf || isBusy) {
        timers.after(5, wait);
        return;
      }
      this.#close();
      done();
    };
    wait();
  }

  #close(): void {
    this.#silence();
    this.#commands.dropAll('unknown');
    const lost = this.#reads.dropAll();
    if (lost.length > 0) this.#config.events.onReadsDropped(lost);
    const { journal, voteFile } = this.#config;
    try {
      if (!journal.endsInEmptyFrame) journal.appendEmptySync();
    } catch (error) {
      this.#config.events.onFatal(error as Error);
    }
    journal.closeSync();
    voteFile.closeSync();
  }

  /** Nothing is said, written or waited for any more. */
  #silence(): void {
    this.#phase = 'stopped';
    this.#cancelTicks?.();
    this.#cancelIdleFrame?.();
    for (const cancel of this.#uncertainTimers) cancel();
    this.#config.transport.stop();
  }

  #fail(error: Error): void {
    if (this.#phase === 'stopped') return;
    // What is on the disk is not known from here on.
    this.#silence();
    this.#config.events.onFatal(error);
  }

  // ---------------------------------------------------------------------------- what it knows

  get term(): Term {
    return this.#core.term;
  }

  get leaderId(): ReplicaId | undefined {
    return this.#core.leaderId;
  }

  get isLeader(): boolean {
    return this.#core.role === 'leader';
  }

  /**
   * Whether commands are taken here: this replica leads, has applied its own no-op, so that what it
   * checks commands against is complete, and is not handing over.
   */
  get isServing(): boolean {
    const from = this.#core.leadershipIndex;
    return (
      this.#phase === 'running' &&
      from !== undefined &&
      this.#config.machine.appliedIndex >= from &&
      !this.#core.isTransferring
    );
  }

  /** Bytes of commands taken here and not applied yet. */
  get pendingBytes(): number {
    return this.#commands.byteLength + (this.#batch?.payloadBytes ?? 0);
  }

  /** The leader's clock, in milliseconds since the epoch: what the next entry would be stamped. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  status(): RaftStatus {
    const { configuration, identity, transport, machine, journal } = this.#config;
    const peers = [...configuration.voters, ...configuration.learners]
      .filter((replicaId) => replicaId !== identity.replicaId)
      .map((replicaId) => {
        const progress = this.#core.progressOf(replicaId);
        return {
          replicaId,
          isLinked: transport.isLinked(replicaId),
          matchIndex: progress?.match,
          state: progress?.state.kind,
        };
      });
    return {
      role: this.#core.role,
      term: this.#core.term,
      leaderId: this.#core.leaderId,
      commitIndex: this.#core.commitIndex,
      appliedIndex: machine.appliedIndex,
      lastIndex: this.#core.lastIndex,
      logBytes: journal.byteLength,
      peers,
    };
  }

  // ---------------------------------------------------------------------------- commands

  /**
   * Room for a command of `byteLength` bytes in the open entry; only while `isServing`. Returns the
   * offset in `batchBuffer`, which the caller fills before anything else happens. `context` comes
   * back when the entry is applied here, or with the command's fate.
   */
  reserve(byteLength: number, context: unknown): number {
    assert(this.isServing, 'Commands are taken by a serving leader only');
    const { options } = this.#config;
    const open = this.#batch;
    if (open !== undefined) {
      const isFull =
        open.contexts.length >= options.entryCommandsMax ||
        open.payloadBytes + byteLength > options.entryBytesMax ||
        !open.fits(byteLength);
      if (isFull) this.#seal();
    }
    this.#batch ??= new Batch(this.#config.pool, Math.max(byteLength, options.entryBytesMax));
    this.#schedule();
    return this.#batch.reserve(byteLength, context);
  }

  get batchBuffer(): Buffer {
    return this.#batch!.buffer;
  }

  /**
   * Registers a read: `onReadable` gives `context` back once the state is as new as everything
   * acknowledged before now. Only while `isServing`.
   */
  requestRead(context: unknown): void {
    const round = this.#core.requestRead();
    assert(round !== undefined, 'Reads are taken by the leader only');
    this.#reads.add(round, context);
    this.#schedule();
  }

  /**
   * Has an entry committed for its stamp alone, shared by all who ask meanwhile. `context` comes
   * back through `onReadable` once it is applied, or through `onReadsDropped`.
   */
  requestTick(context: unknown): void {
    assert(this.isServing, 'Ticks are committed by a serving leader only');
    this.#tickContexts.push(context);
    this.#schedule();
  }

  /** Hands the leadership to another voter, by default the one with most of the log. */
  transferLeadership(target?: ReplicaId): boolean {
    // What was taken is proposed first: a handing over refuses proposals.
    this.#seal();
    const isAccepted = this.#core.transferLeadership(target);
    this.#schedule();
    return isAccepted;
  }

  /** Closes the open batch and proposes it. */
  #seal(): void {
    const batch = this.#batch;
    const ticks = this.#tickContexts;
    if (batch === undefined && ticks.length === 0) return;
    this.#batch = undefined;
    this.#tickContexts = [];
    const payloadBytes = batch?.payloadBytes ?? 0;
    const index = this.#core.propose(payloadBytes);
    if (index === undefined) {
      batch?.drop();
      if (ticks.length > 0) this.#config.events.onReadsDropped(ticks);
      if (batch !== undefined) this.#config.events.onCommandsDropped(batch.contexts, 'refused');
      return;
    }
    const term = this.#core.term;
    const head = { index, term, stamp: this.#clock.nowMs() };
    if (ticks.length > 0) this.#reads.addTick(index, term, ticks);
    if (batch === undefined) {
      const entry = emptyEntry(head);
      this.#cache.push(entry, undefined);
      this.#sealed.push({ entry });
      return;
    }
    const { entry, block } = batch.seal('command', head);
    this.#cache.push(entry, block);
    block.release();
    this.#sealed.push({ entry });
    this.#commands.add(index, term, payloadBytes, batch.contexts);
  }

  // ---------------------------------------------------------------------------- the turn

  #schedule(): void {
    if (this.#isTurnScheduled || this.#phase === 'new' || this.#phase === 'stopped') return;
    this.#isTurnScheduled = true;
    this.#config.timers.atTurnEnd(() => {
      this.#isTurnScheduled = false;
      if (this.#phase !== 'stopped') this.#turn();
    });
  }

  #turn(): void {
    const inbox = this.#inbox;
    this.#inbox = [];
    for (const incoming of inbox) this.#step(incoming);
    if (this.#isTickDue) {
      this.#isTickDue = false;
      this.#core.tick();
    }
    this.#noticeLeadership();
    if (!this.#writer.isBusy) this.#seal();

    const ready = this.#core.ready();
    this.#takeHardState(ready.hardState);
    for (const appended of ready.appended) this.#takeAppended(appended, inbox);
    for (const message of ready.messages) this.#send(message);
    for (const incoming of inbox) incoming.block?.release();
    for (const { round, index } of ready.reads) this.#reads.confirm(round, index);
    this.#warnAbout(ready);

    this.#writer.maybeWrite();
    if (this.#phase === 'stopped') return;
    this.#config.transport.flush();
    this.#noticeLeadership();
    this.#afterWrites();
    this.#answerReads();
    if (this.#isApplyDue()) this.#scheduleApply();
    this.#config.events.onTurn();
  }

  #step(incoming: IncomingMessage): void {
    const { message, wallMs } = incoming;
    this.#clock.onPeerClock(message, wallMs);
    this.#core.step(message);
    // After each one: a leadership that begins and ends in the same turn has begun all the same.
    this.#noticeLeadership();
  }

  /** Notices what the steps changed: a leadership that began or ended, or took up its service. */
  #noticeLeadership(): void {
    const { term, leaderId, role } = this.#core;
    const { isServing } = this;
    const known = this.#known;
    if (known.term === term && known.leaderId === leaderId && known.isServing === isServing) return;
    const { identity, configuration, machine, options, timers, events } = this.#config;
    const wasLeader = known.leaderId === identity.replicaId;
    const isNewLeader = role === 'leader' && (!wasLeader || known.term !== term);
    this.#known = { term, leaderId, isServing };
    if (wasLeader && (role !== 'leader' || isNewLeader)) {
      this.#abandonLeadership();
      const ended = known.term;
      const cancel = timers.after(options.uncertainAfterMilliseconds, () => {
        this.#uncertainTimers.delete(cancel);
        this.#commands.dropUpTo(ended);
      });
      this.#uncertainTimers.add(cancel);
    }
    if (isNewLeader) {
      const lastStamp = Math.max(machine.lastStamp, this.#lastLogStamp());
      this.#clock.lead(term, lastStamp, configuration.voters.length);
    }
    events.onLeadershipChange();
  }

  /** Reads need a leader who still leads; commands in the log may yet be committed by the next. */
  #abandonLeadership(): void {
    this.#clock.follow();
    const lost = this.#reads.dropAll();
    if (this.#tickContexts.length > 0) lost.push(...this.#tickContexts.splice(0));
    if (lost.length > 0) this.#config.events.onReadsDropped(lost);
    const batch = this.#batch;
    if (batch === undefined) return;
    this.#batch = undefined;
    batch.drop();
    this.#config.events.onCommandsDropped(batch.contexts, 'refused');
  }

  #takeAppended(appended: AppendedEntries, inbox: readonly IncomingMessage[]): void {
    const { firstIndex, entries, source, generation } = appended;
    if (firstIndex <= this.#cache.lastIndex && source !== 'proposal') {
      this.#cache.truncateAfter(firstIndex - 1);
      this.#writer.truncateAfter(firstIndex - 1);
    }
    if (source === 'proposal') {
      const { entry } = this.#sealed.shift()!;
      assert.equal(entry.index, firstIndex);
      this.#writer.queue([entry], this.#cache.blockOf(firstIndex), generation);
      return;
    }
    if (source === 'noop') {
      const term = entries[0]!.term;
      const stamp = this.#clock.isLeading ? this.#clock.nowMs() : this.#lastLogStamp();
      const entry = emptyEntry({ index: firstIndex, term, stamp });
      this.#cache.push(entry, undefined);
      this.#writer.queue([entry], undefined, generation);
      return;
    }
    const incoming = inbox.find(({ message }) => message === source)!;
    const taken = incoming.entries.slice(-entries.length);
    for (const entry of taken) this.#cache.push(entry, incoming.block);
    // Only the whole message has its rows where a frame wants them.
    const isWhole = taken.length === incoming.entries.length;
    this.#writer.queue(taken, isWhole ? incoming.block : undefined, generation);
  }

  #takeHardState(next: Ready['hardState']): void {
    if (next !== undefined) this.#hardStateWaiting = next;
    const { voteFile } = this.#config;
    const waiting = this.#hardStateWaiting;
    if (waiting === undefined || voteFile.isWriting) return;
    this.#hardStateWaiting = undefined;
    const hardState: HardState = { term: waiting.term, votedFor: waiting.votedFor };
    voteFile.write(hardState, (error) => {
      if (error !== undefined) return this.#fail(error);
      if (this.#phase === 'stopped') return;
      this.#core.hardStatePersisted(waiting.version);
      this.#noticeLeadership();
      this.#schedule();
    });
  }

  #send(message: Message): void {
    if (message.kind === 'append' && message.entries.length > 0) return this.#sendEntries(message);
    if (message.kind === 'append' && this.#reader.isLoadingFor(message.to)) return;
    this.#config.transport.send({ message, entries: [], blocks: [] });
  }

  #sendEntries(message: Append): void {
    const firstIndex = message.prevIndex + 1;
    const lastIndex = message.prevIndex + message.entries.length;
    this.#reader.collect(message.to, firstIndex, lastIndex, (entries, blocks, isLate) => {
      if (this.#phase === 'stopped') return;
      // While the log was read, the leadership may have ended.
      if (isLate && (this.#core.role !== 'leader' || this.#core.term !== message.term)) return;
      this.#config.transport.send({ message, entries, blocks });
      if (isLate) this.#config.transport.flush();
    });
  }

  #warnAbout(ready: Ready): void {
    for (const peer of ready.refused) {
      this.#config.events.onWarning(
        `replica ${peer} lost log entries that it had acknowledged; it gets no more. ${rejoinAdvice}`,
      );
    }
    for (const peer of ready.snapshotsWanted) {
      this.#config.events.onWarning(`replica ${peer} needs entries that are compacted away`);
    }
  }

  #afterWrites(): void {
    const { journal, timers } = this.#config;
    if (this.#writer.isBusy) {
      this.#cancelIdleFrame?.();
      this.#cancelIdleFrame = undefined;
    } else if (this.#cancelIdleFrame === undefined && !journal.endsInEmptyFrame) {
      this.#cancelIdleFrame = timers.after(idleFrameMs, () => {
        this.#cancelIdleFrame = undefined;
        if (this.#phase === 'running' && !this.#writer.isBusy) this.#writer.writeEmptyFrame();
      });
    }
    this.#evict();
  }

  #byteLengthAt(index: LogIndex): number {
    const cached = this.#cache.get(index);
    if (cached !== undefined) return cached.byteLength;
    const { journal } = this.#config;
    // Beyond both is the no-op that was appended in this very turn.
    return index > journal.lastIndex ? 0 : journal.at(index).byteLength;
  }

  #lastLogStamp(): number {
    const { journal } = this.#config;
    const last = this.#cache.get(this.#cache.lastIndex);
    if (last !== undefined) return last.stamp;
    return journal.lastIndex > journal.baseIndex ? journal.at(journal.lastIndex).stamp : 0;
  }

  // ---------------------------------------------------------------------------- applying

  #isApplyDue(): boolean {
    return (
      !this.#isLoadingToApply && this.#config.machine.appliedIndex < this.#core.applicableIndex
    );
  }

  #scheduleApply(): void {
    if (this.#isApplyScheduled) return;
    this.#isApplyScheduled = true;
    this.#config.timers.atTurnEnd(() => {
      this.#isApplyScheduled = false;
      if (this.#phase !== 'stopped') this.#applySlice();
    });
  }

  #applySlice(): void {
    const { machine, clock, events } = this.#config;
    const until = clock.monotonicMs() + applySliceMs;
    while (this.#isApplyDue()) {
      const index = machine.appliedIndex + 1;
      const entry = this.#cache.get(index);
      if (entry === undefined) {
        this.#loadToApply(index);
        break;
      }
      this.#apply(entry);
      if (this.#phase === 'stopped') return;
      if (clock.monotonicMs() >= until) break;
    }
    this.#noticeLeadership();
    this.#answerReads();
    this.#evict();
    events.onApplied();
    if (this.#isApplyDue()) this.#scheduleApply();
  }

  #apply(entry: Entry): void {
    const committed: CommittedEntry = entry;
    const contexts = this.#commands.resolve(entry.index, entry.term);
    try {
      this.#config.machine.apply(committed, contexts);
    } catch (error) {
      // One replica's trouble: going on would make it differ from the others.
      this.#fail(error as Error);
    }
  }

  /** After a start: entries that are behind the cache come from the files. */
  #loadToApply(firstIndex: LogIndex): void {
    const end = Math.min(this.#core.applicableIndex, this.#cache.firstIndex - 1);
    let lastIndex = firstIndex;
    let byteLength = this.#byteLengthAt(firstIndex);
    while (lastIndex < end && lastIndex < firstIndex + appendEntriesMax - 1) {
      byteLength += this.#byteLengthAt(lastIndex + 1);
      if (byteLength > applyLoadBytesMax) break;
      lastIndex += 1;
    }
    this.#isLoadingToApply = true;
    this.#reader.load(firstIndex, lastIndex, (entries) => {
      this.#isLoadingToApply = false;
      for (const entry of entries) {
        if (this.#phase === 'stopped') return;
        this.#apply(entry);
      }
      this.#scheduleApply();
    });
  }

  #answerReads(): void {
    const { machine, events } = this.#config;
    const readable = this.#reads.takeReadable(machine.appliedIndex, (index) =>
      this.#core.termAt(index),
    );
    if (readable.lost.length > 0) events.onReadsDropped(readable.lost);
    if (readable.contexts.length > 0) events.onReadable(readable.contexts);
  }

  /** Lets go of entries that nobody here needs; a follower far behind reads from the files. */
  #evict(): void {
    const { machine, configuration, identity } = this.#config;
    const unused = Math.min(machine.flushedIndex, this.#core.durableIndex);
    let wanted = unused;
    if (this.#core.role === 'leader' && this.#cache.byteLength < cacheBytesMax) {
      for (const peer of [...configuration.voters, ...configuration.learners]) {
        const progress = peer === identity.replicaId ? undefined : this.#core.progressOf(peer);
        if (progress?.state.kind === 'replicate') wanted = Math.min(wanted, progress.match);
      }
    }
    this.#cache.evictTo(wanted);
  }
}

const noBytes = Buffer.alloc(0);

function emptyEntry(head: { index: LogIndex; term: Term; stamp: number }): Entry {
  return { ...head, kind: 'noop', byteLength: 0, payload: noBytes, checksum: 0 };
}

function checkMachineJoinsLog(machine: StateMachine, journal: Journal): void {
  if (machine.appliedIndex > journal.lastIndex) {
    throw new RaftError(
      'DAMAGED',
      `Cannot trust the log: it ends at index ${journal.lastIndex}, but the state machine has ` +
        `applied ${machine.appliedIndex}. ${rejoinAdvice}`,
    );
  }
  if (machine.appliedIndex < journal.baseIndex) {
    throw new RaftError(
      'MISSING',
      `Cannot rebuild the state: it ends at index ${machine.appliedIndex} and the log begins after ` +
        `${journal.baseIndex}. ${rejoinAdvice}`,
    );
  }
}

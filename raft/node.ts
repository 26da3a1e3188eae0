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
//   5. tell the owner what is committed; apply what is committed and durable, in slices, after the
//      others have their messages
//   6. on a tick, take a snapshot if one is due; the log is cut when it is durable
//
// So batches need no timers: under load the log write paces them, at rest they are as small as what
// one turn brought. Everything here runs on one thread without `await`: between two lines of a turn
// nothing else happens, and term and role change together or not at all.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { Batch } from './batch.js';
import type { BufferPool } from './buffer-pool.js';
import type {
  AppendedEntries,
  LogIndex,
  ReadIndexReply,
  Ready,
  RoleKind,
  Term,
} from './core/index.js';
import {
  type Append,
  type HardState,
  type Message,
  membersOf,
  RaftCore,
  type ReplicaId,
} from './core/index.js';
import type { Chance, Clock, Files, Timers } from './effects.js';
import type { Entry } from './entry.js';
import { EntryCache } from './entry-cache.js';
import { rejoinAdvice } from './errors.js';
import { FollowerReads } from './follower-reads.js';
import type { ReplicaIdentity } from './identity.js';
import { LeaderClock } from './leader-clock.js';
import { Lease, leaseMilliseconds } from './lease.js';
import type { Journal, VoteFile } from './log/index.js';
import { LogReader } from './log-reader.js';
import { LogWriter } from './log-writer.js';
import { configurationOf, type Membership } from './membership.js';
import {
  type MembershipChange,
  type MembershipChangeResult,
  MembershipChanges,
  membershipsAtStart,
} from './membership-changes.js';
import type { RaftOptions } from './options.js';
import { PendingCommands } from './pending-commands.js';
import { PendingReads } from './pending-reads.js';
import {
  checkStateJoinsLog,
  membershipAtStart,
  repairInstallation,
  type Snapshot,
  type SnapshotEvent,
  SnapshotInstall,
  type SnapshotManifest,
  type SnapshotStatus,
  type SnapshotStore,
  type SnapshotTaken,
  type SnapshotTransfer,
  SnapshotTransfers,
  Snapshotter,
} from './snapshot/index.js';
import type { CommittedEntry, StateMachine } from './state-machine.js';
import type { IncomingMessage, Transport } from './transport.js';

export interface RaftNodeConfig {
  readonly identity: ReplicaIdentity;
  /** What the group began with; without voters: this replica joins, and learns it from the others. */
  readonly membership: Membership;
  readonly options: RaftOptions;
  readonly journal: Journal;
  readonly voteFile: VoteFile;
  readonly snapshots: SnapshotStore;
  /** Where the snapshots are. */
  readonly files: Files;
  readonly transport: Transport;
  readonly machine: StateMachine;
  readonly pool: BufferPool;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly chance: Chance;
  readonly events: RaftNodeEvents;
  /** Why the disk has no room for a snapshot, as the end of a sentence. Left out: nobody looks. */
  readonly whyNoRoom?: () => string | undefined;
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
  /**
   * An entry with commands of this replica is on the disks of a majority, perhaps not yet on the one
   * here, and will be applied. Their contexts come once more when it is.
   */
  onCommitted(index: LogIndex, contexts: readonly unknown[]): void;
  /**
   * The state is at least as new as when these reads were registered. What is due by `clockMs`, the
   * leader's clock in milliseconds since the epoch, or by the applied stamp is gone.
   */
  onReadable(contexts: readonly unknown[], clockMs: number): void;
  /** The leadership was lost before the reads were confirmed. */
  onReadsDropped(contexts: readonly unknown[]): void;
  /** This follower cannot answer the reads in time; the leader, when there is one, can sooner. */
  onReadsRedirected(contexts: readonly unknown[]): void;
  /**
   * Another membership is in effect: its entry was appended, truncated, or came with a snapshot. Also
   * once at the start.
   */
  onMembershipChange(membership: Membership): void;
  /** A snapshot was begun, or came to its end. */
  onSnapshot(event: SnapshotEvent): void;
  /** Commands were applied: there may be room again (see `pendingBytes`). */
  onApplied(): void;
  /** Messages or writes were handled: what `status` tells may have changed. */
  onTurn(): void;
  /** A write to the log was on the disk after this long. For statistics. */
  onLogWritten?(milliseconds: number): void;
  /** This replica cannot go on. Nothing it was about to say has been said. */
  onFatal(error: Error): void;
  /** Something that deserves a line in the log. */
  onWarning(text: string): void;
  /** What takes its time begins, goes on or ends. */
  onInfo(text: string): void;
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
  /** Where the log on this replica's own disk ends. */
  readonly durableIndex: LogIndex;
  /** Entries up to here are behind a snapshot and gone from the log. */
  readonly baseIndex: LogIndex;
  readonly logBytes: number;
  readonly peers: readonly PeerStatus[];
  /** Snapshots on their way from or to this replica. */
  readonly snapshotTransfers: readonly SnapshotTransfer[];
  /** The state is being replaced by a snapshot's. */
  readonly isInstalling: boolean;
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
  readonly #followerReads = new FollowerReads();
  /** Undefined: every read asks a majority. */
  readonly #lease: Lease | undefined;
  readonly #install: SnapshotInstall;
  readonly #transfers: SnapshotTransfers;
  /** What the state is to be replaced by at the start. */
  readonly #toRestore: Snapshot | undefined;
  readonly #clock: LeaderClock;
  readonly #memberships: MembershipChanges;
  readonly #snapshotter: Snapshotter;

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
  /** The owner was told of commits up to here. */
  #announcedIndex: LogIndex = 0;
  #cancelIdleFrame: (() => void) | undefined;
  #cancelTicks: (() => void) | undefined;
  /** Of the leaderships that ended lately: when their commands are given up. */
  readonly #uncertainTimers = new Set<() => void>();
  #known: { term: Term; leaderId: ReplicaId | undefined; isServing: boolean };
  #phase: 'new' | 'running' | 'stopping' | 'stopped' = 'new';

  constructor(config: RaftNodeConfig) {
    this.#config = config;
    const { journal, voteFile, machine, options, chance, snapshots } = config;
    this.#toRestore = repairInstallation({
      journal,
      store: snapshots,
      machine,
      onWarning: (text) => config.events.onWarning(text),
    });
    if (this.#toRestore === undefined) checkStateJoinsLog(machine, journal);
    const base = membershipAtStart(config.membership, snapshots, journal);
    const memberships = membershipsAtStart(base, journal);
    this.#cache = new EntryCache(journal.lastIndex);
    const tickMs = options.heartbeatPeriodMilliseconds / ticksPerHeartbeat;
    const electionTicks = Math.ceil(options.electionTimeoutMilliseconds / tickMs);
    const usesLease = options.readMode === 'lease';
    if (usesLease) this.#lease = new Lease(leaseMilliseconds(electionTicks, tickMs));
    this.#core = new RaftCore({
      id: config.identity.replicaId,
      configurations: memberships.map((membership) => ({
        index: membership.index,
        configuration: configurationOf(membership),
      })),
      hardState: voteFile.hardState,
      log: journal.terms(),
      // What is compacted away is committed, also before the state has it.
      appliedIndex: Math.max(machine.appliedIndex, journal.baseIndex),
      incarnation: voteFile.incarnation,
      byteLengthAt: (index) => this.#byteLengthAt(index),
      random: () => chance.random(),
      electionTicks,
      heartbeatTicks: ticksPerHeartbeat,
      inFlightMax: options.inFlightAppendsMax,
      inFlightBytesMax: options.inFlightBytesMax,
      appendBytesMax: options.entryBytesMax,
      appendEntriesMax,
      usesLease,
      catchupMargin: options.catchupMargin,
    });
    this.#memberships = new MembershipChanges({
      self: config.identity.replicaId,
      core: this.#core,
      memberships,
      transfer: () => this.transferLeadership(),
      append: (index, payload) => this.#appendConfiguration(index, payload),
      setPeers: (peers) => config.transport.setPeers(peers),
      onChange: (membership) => config.events.onMembershipChange(membership),
    });
    this.#writer = new LogWriter(journal, config.clock, {
      onPersisted: (generation, lastIndex) => {
        this.#core.entriesPersisted(generation, lastIndex);
        this.#schedule();
      },
      onEmptyFrame: () => this.#schedule(),
      onFailed: (error) => this.#fail(error),
      onTimed: (milliseconds) => config.events.onLogWritten?.(milliseconds),
    });
    this.#reader = new LogReader(this.#cache, journal, (error) => this.#fail(error));
    this.#commands = new PendingCommands((contexts, fate) =>
      config.events.onCommandsDropped(contexts, fate),
    );
    this.#clock = new LeaderClock(config.clock);
    this.#install = new SnapshotInstall({
      core: this.#core,
      writer: this.#writer,
      cache: this.#cache,
      machine,
      store: config.snapshots,
      onLogReplaced: (manifest, isLogKept) => this.#onLogReplaced(manifest, isLogKept),
      onStateReplaced: (manifest) => this.#onStateReplaced(manifest),
      onFailed: (error) => this.#fail(error),
    });
    this.#transfers = new SnapshotTransfers({
      ...config,
      store: config.snapshots,
      refusal: (from, manifest, term) => this.#snapshotRefusal(from, manifest, term),
      install: (snapshot, done) => this.#install.begin(snapshot, done),
      matchOf: (to) => this.#core.progressOf(to)?.match,
      onUnfit: (rotted) => this.#replaceSnapshot(rotted),
      onSent: (to, isInstalled) => {
        this.#core.snapshotEnded(to, isInstalled);
        this.#schedule();
      },
      onHeard: (from) => this.#core.onLinkAlive(from),
      onEvent: (level, text) =>
        level === 'warn' ? config.events.onWarning(text) : config.events.onInfo(text),
    });
    this.#snapshotter = new Snapshotter({
      machine,
      store: snapshots,
      journal,
      options,
      clock: config.clock,
      membershipAt: (index) => this.#memberships.asOf(index),
      whyNot: () => this.#whyNoSnapshot(),
      whyNoRoom: () => config.whyNoRoom?.(),
      onTaken: () => this.#compact(),
      onEvent: (event) => {
        config.events.onSnapshot(event);
        this.#schedule();
      },
    });
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
      onSnapshotConnection: (from, connection) => this.#transfers.receive(from, connection),
    });
    if (this.#toRestore !== undefined) this.#install.restore(this.#toRestore);
    this.#cancelTicks = timers.every(
      options.heartbeatPeriodMilliseconds / ticksPerHeartbeat,
      () => {
        this.#isTickDue = true;
        this.#schedule();
      },
    );
    this.#memberships.settle();
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
      const isBusy =
        this.#writer.isBusy ||
        this.#config.voteFile.isWriting ||
        this.#reader.isBusy ||
        this.#install.isUnderWay;
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
    this.#memberships.drop();
    const lost = [...this.#reads.dropAll(), ...this.#followerReads.takeAll()];
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
    this.#install.stop();
    this.#transfers.stop();
    this.#snapshotter.stop();
    this.#config.transport.stop();
  }

  /** The machine cannot go on, as if its `apply` had thrown: ends this replica. */
  fail(error: Error): void {
    this.#fail(error);
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
      !this.#install.isUnderWay &&
      this.#config.machine.appliedIndex >= from &&
      !this.#core.isTransferring
    );
  }

  /**
   * Whether reads are taken here although another replica leads: its link is up, and what it has
   * committed is not far ahead of what is applied here.
   */
  get servesFollowerReads(): boolean {
    const { leaderId, commitIndex } = this.#core;
    if (this.#phase !== 'running' || leaderId === undefined || this.isLeader) return false;
    if (this.isInstalling) return false;
    const { transport, machine } = this.#config;
    if (!transport.isLinked(leaderId)) return false;
    return !this.#followerReads.isLagging(commitIndex, machine.appliedIndex);
  }

  get appliedIndex(): LogIndex {
    return this.#config.machine.appliedIndex;
  }

  /** The state is being replaced by a snapshot's: nobody may read or snapshot it. */
  get isInstalling(): boolean {
    return this.#install.isUnderWay;
  }

  /** Bytes of commands taken here and not applied yet. */
  get pendingBytes(): number {
    return this.#commands.byteLength + (this.#batch?.payloadBytes ?? 0);
  }

  /** In effect: the newest in the log, committed or not. */
  get membership(): Membership {
    return this.#memberships.latest;
  }

  /** The leader's clock, in milliseconds since the epoch: what the next entry would be stamped. */
  nowMs(): number {
    return this.#clock.nowMs();
  }

  status(): RaftStatus {
    const { identity, transport, machine, journal } = this.#config;
    const peers = membersOf(this.#core.configuration)
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
      durableIndex: this.#core.durableIndex,
      baseIndex: journal.baseIndex,
      logBytes: journal.byteLength,
      peers,
      snapshotTransfers: this.#transfers.all,
      isInstalling: this.#install.isUnderWay,
    };
  }

  // ---------------------------------------------------------------------------- snapshots

  get snapshotStatus(): SnapshotStatus {
    return this.#snapshotter.status;
  }

  /** Takes a snapshot now; a second call joins the first. `done` when it is durable, or an error. */
  takeSnapshot(done: SnapshotTaken): void {
    this.#snapshotter.take(done);
  }

  /** The newest one cannot be sent. Whether another one was taken shows when it is to be sent again. */
  #replaceSnapshot(rotted: Snapshot | undefined): void {
    if (rotted !== undefined) this.#config.snapshots.disown(rotted);
    this.#snapshotter.take(() => {});
  }

  /**
   * Cuts the log behind the oldest snapshot there is, be it only kept because it is in use; not behind
   * what the state's own files hold, nor under a follower that is catching up.
   */
  #compact(): void {
    const { journal, machine, snapshots } = this.#config;
    // One that the log does not go on from any more, since another was installed, needs none of it.
    const oldest = snapshots.all.find(({ manifest }) => manifest.index >= journal.baseIndex);
    if (oldest === undefined) return;
    const index = Math.min(oldest.manifest.index, machine.flushedIndex, this.#catchingUpIndex());
    this.#core.compactedTo(journal.compactTo(index));
  }

  /**
   * As leader: up to where the slowest follower has the log that is fed from it. Cut off, it would need
   * a snapshot, and soon the next. One that is too far behind had better take it.
   */
  #catchingUpIndex(): LogIndex {
    const { journal, options } = this.#config;
    const { voters, learners } = this.#core.configuration;
    const matches = [...voters, ...learners]
      .map((peer) => this.#core.progressOf(peer))
      .filter((progress) => progress?.state.kind === 'replicate')
      .map((progress) => progress!.match)
      .filter((match) => journal.bytesBehind(match) <= 2 * options.snapshotMinLogSize);
    return Math.min(...matches, journal.lastIndex);
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
   * acknowledged before now. Only while `isServing` or `servesFollowerReads`.
   */
  requestRead(context: unknown): void {
    if (this.isLeader) this.#confirmByLeading(context);
    else this.#confirmByAsking(context, false);
    this.#schedule();
  }

  /**
   * Has an entry committed for its stamp alone, shared by all who ask meanwhile. `context` comes
   * back through `onReadable` once it is applied, or as a read that got lost. False when this replica
   * can neither commit one nor ask for it now; nothing happens then.
   */
  requestTick(context: unknown): boolean {
    if (this.isServing) this.#tickContexts.push(context);
    else if (this.servesFollowerReads) this.#confirmByAsking(context, true);
    else return false;
    this.#schedule();
    return true;
  }

  #confirmByLeading(context: unknown): void {
    const { configuration, leaseReadIndex } = this.#core;
    const isLeaseHeld = this.#lease?.isHeld(this.#config.clock.monotonicMs(), configuration);
    if (isLeaseHeld === true && leaseReadIndex !== undefined) {
      this.#reads.addConfirmed(leaseReadIndex, context);
      return;
    }
    const round = this.#core.requestRead();
    assert(round !== undefined, 'Rounds are the leader’s');
    this.#reads.add(round, context);
  }

  #confirmByAsking(context: unknown, needsTick: boolean): void {
    const { clock, options } = this.#config;
    const question = this.#core.askReadIndex(needsTick);
    assert(question !== undefined, 'Questions are the followers’');
    const untilMs = clock.monotonicMs() + options.followerReadTimeoutMilliseconds;
    this.#followerReads.add(question, untilMs, context);
  }

  /** Hands the leadership to another voter, by default the one with most of the log. */
  transferLeadership(target?: ReplicaId): boolean {
    // What was taken is proposed first: a handing over refuses proposals.
    this.#seal();
    const isAccepted = this.#core.transferLeadership(target);
    this.#schedule();
    return isAccepted;
  }

  /**
   * Changes the membership by one server; `done` once the change is committed or refused. Throws an
   * assertion when the member to be added is impossible.
   */
  changeMembership(change: MembershipChange, done: (result: MembershipChangeResult) => void): void {
    if (this.#phase === 'stopped') {
      return done({ kind: 'refused', code: 'notLeader', text: 'This replica has stopped' });
    }
    this.#memberships.change(change, done);
  }

  #appendConfiguration(index: LogIndex, payload: Buffer): void {
    const { term, configuration } = this.#core;
    const entry: Entry = {
      index,
      term,
      kind: 'configuration',
      stamp: this.#clock.nowMs(),
      byteLength: payload.length,
      payload,
      checksum: crc32(payload),
      configuration,
    };
    this.#cache.push(entry, undefined);
    this.#sealed.push({ entry });
    this.#schedule();
  }

  /** Closes the open batch and proposes it. */
  #seal(): void {
    const batch = this.#batch;
    const ticks = this.#tickContexts;
    // For a follower's read any entry is a tick that is appended after it asked.
    if (batch === undefined && ticks.length === 0 && !this.#core.isTickWanted) return;
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
    const isTick = this.#isTickDue;
    this.#isTickDue = false;
    if (isTick && !this.#install.isReplacingLog) this.#core.tick();
    this.#noticeLeadership();
    if (!this.#writer.isBusy) this.#seal();

    // Taken before the messages leave that the lease is counted from.
    const beforeMs = this.#lease === undefined ? 0 : this.#config.clock.monotonicMs();
    const ready = this.#core.ready();
    // Of rounds that left in earlier turns: the next one may have left just now, in its place.
    for (const { round } of ready.reads) this.#lease?.onRoundConfirmed(round);
    this.#lease?.onRoundSent(this.#core.startedRound, beforeMs, this.#core.configuration);
    this.#takeHardState(ready.hardState);
    for (const appended of ready.appended) this.#takeAppended(appended, inbox);
    for (const message of ready.messages) this.#send(message);
    for (const incoming of inbox) incoming.block?.release();
    for (const { round, index } of ready.reads) {
      this.#reads.confirm(round, index);
      this.#lease?.onRoundConfirmed(round);
    }
    for (const answer of ready.answers) this.#followerReads.onAnswer(answer);
    this.#warnAbout(ready);
    this.#sendSnapshots(ready);

    this.#writer.maybeWrite();
    if (this.#phase === 'stopped') return;
    this.#config.transport.flush();
    this.#noticeLeadership();
    this.#memberships.settle();
    this.#afterWrites();
    this.#announceCommitted();
    this.#answerReads();
    if (isTick || ready.answers.length > 0) this.#redirectHopelessReads();
    if (this.#isApplyDue()) this.#scheduleApply();
    if (isTick) this.#snapshotter.maybeTake();
    this.#config.events.onTurn();
  }

  #step(incoming: IncomingMessage): void {
    const { message, wallMs } = incoming;
    // Nothing may be appended or promised between two logs; a leader is heard all the same.
    if (this.#install.isReplacingLog && message.kind !== 'heartbeat') return;
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
    const { identity, machine, options, timers, events } = this.#config;
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
      this.#clock.lead(term, lastStamp, this.#core.configuration.voters.length);
      // Nobody is left to ask: they are reads of the leader now, none older than its leadership.
      this.#core.forgetReadIndex();
      for (const context of this.#followerReads.takeAll()) this.requestRead(context);
    }
    events.onLeadershipChange();
  }

  /** Reads need a leader who still leads; commands in the log may yet be committed by the next. */
  #abandonLeadership(): void {
    this.#clock.follow();
    this.#lease?.end();
    this.#transfers.stopSending();
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
      this.#memberships.truncateAfter(firstIndex - 1);
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
    this.#memberships.onAppended(taken);
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
    if (message.kind === 'readIndexReply') return this.#sendReadIndex(message);
    this.#config.transport.send({ message, entries: [], blocks: [] });
  }

  #sendReadIndex(reply: ReadIndexReply): void {
    // Later in this turn the leadership ended, and with it the clock. The follower asks again.
    if (this.#core.role !== 'leader' || this.#core.term !== reply.term) return;
    const message = { ...reply, clockMs: this.#clock.nowMs() };
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
    if (journal.lastIndex > journal.baseIndex) return journal.at(journal.lastIndex).stamp;
    // A log without entries stands on a snapshot, whose state may still be on its way.
    return this.#config.snapshots.newest?.manifest.stamp ?? 0;
  }

  // ---------------------------------------------------------------------------- snapshots

  /** Why none can be taken here now. */
  #whyNoSnapshot(): string | undefined {
    if (this.#phase !== 'running') return 'this replica does not run';
    const isOnItsWay = this.#transfers.isReceiving || this.#install.isUnderWay;
    return isOnItsWay ? 'one of the leader is on its way here' : undefined;
  }

  #sendSnapshots(ready: Ready): void {
    // The leadership may have ended in the same turn.
    if (this.#core.role !== 'leader') return;
    for (const peer of ready.snapshotsWanted) this.#transfers.send(peer, this.#core.term);
  }

  /** Only the leader of the present term sends one: then all of it is committed. */
  #snapshotRefusal(from: ReplicaId, manifest: SnapshotManifest, term: Term): string | undefined {
    const core = this.#core;
    if (this.#phase !== 'running') return 'this replica stops';
    if (core.leaderId !== from || core.term !== term) {
      return `it is term ${core.term} here, and the leader is ${core.leaderId ?? 'not known'}`;
    }
    // After a crash this replica must not come back in an older term, whose leader lacks some of it.
    if (!core.isHardStateDurable) return 'the term is not durable here yet';
    if (this.#install.isUnderWay) return 'another snapshot is being installed';
    if (this.#snapshotter.status.isTaking) return 'a snapshot is being taken there';
    if (manifest.index <= core.commitIndex) {
      return `everything up to ${core.commitIndex} is committed here`;
    }
    return undefined;
  }

  #onLogReplaced(manifest: SnapshotManifest, isLogKept: boolean): void {
    const { snapshots, options, events } = this.#config;
    const { onInfo } = events;
    this.#memberships.onInstalled(manifest.membership, isLogKept);
    // What it supersedes makes room for the state, which is about to be copied from it.
    snapshots.prune(options.snapshotsKept);
    if (isLogKept) onInfo(`the log goes on behind the snapshot of index ${manifest.index}`);
    else {
      onInfo(`installing the snapshot of index ${manifest.index}, the log begins anew behind it`);
      // The entries are gone. Some may be in the snapshot: nobody here can tell.
      this.#commands.dropAll('unknown');
      this.#core.forgetReadIndex();
      const reads = this.#followerReads.takeAll();
      if (reads.length > 0) this.#config.events.onReadsRedirected(reads);
    }
    this.#schedule();
  }

  #onStateReplaced(manifest: SnapshotManifest): void {
    const { machine, events } = this.#config;
    assert.equal(machine.appliedIndex, manifest.index, 'The state is not the snapshot');
    events.onInfo(`the state is that of the snapshot of index ${manifest.index}`);
    events.onApplied();
    this.#schedule();
  }

  // ---------------------------------------------------------------------------- applying

  #isApplyDue(): boolean {
    const { machine } = this.#config;
    const isHeld = this.#isLoadingToApply || this.#install.isUnderWay;
    if (isHeld || machine.isBusy === true) return false;
    return machine.appliedIndex < this.#core.applicableIndex;
  }

  /** The machine was busy and takes entries again (see `StateMachine.isBusy`). */
  resumeApplying(): void {
    if (this.#phase !== 'stopped') this.#scheduleApply();
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
    const { machine } = this.#config;
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
        // A snapshot took the place of log and state meanwhile.
        if (this.#install.isUnderWay || entry.index <= machine.appliedIndex) break;
        this.#apply(entry);
      }
      this.#scheduleApply();
    });
  }

  /** Tells of own entries as soon as a majority has them, whether they can be applied here or not. */
  #announceCommitted(): void {
    const { commitIndex } = this.#core;
    if (this.#commands.count === 0) this.#announcedIndex = commitIndex;
    while (this.#announcedIndex < commitIndex) {
      this.#announcedIndex += 1;
      const index = this.#announcedIndex;
      const contexts = this.#commands.contextsOf(index, this.#core.termAt(index));
      if (contexts !== undefined) this.#config.events.onCommitted(index, contexts);
    }
  }

  #answerReads(): void {
    if (this.#install.isUnderWay) return;
    const { machine, events } = this.#config;
    for (const { contexts, clockMs } of this.#followerReads.takeReadable(machine.appliedIndex)) {
      events.onReadable(contexts, clockMs);
    }
    const readable = this.#reads.takeReadable(machine.appliedIndex, (index) =>
      this.#core.termAt(index),
    );
    if (readable.lost.length > 0) events.onReadsDropped(readable.lost);
    if (readable.contexts.length > 0) events.onReadable(readable.contexts, this.#clock.nowMs());
  }

  #redirectHopelessReads(): void {
    const { machine, clock, events } = this.#config;
    const reads = this.#followerReads;
    const hopeless = reads.takeHopeless(machine.appliedIndex, clock.monotonicMs());
    if (hopeless.length === 0) return;
    if (!reads.hasUnanswered) this.#core.forgetReadIndex();
    events.onReadsRedirected(hopeless);
  }

  /** Lets go of entries that nobody here needs; a follower far behind reads from the files. */
  #evict(): void {
    const { machine, identity } = this.#config;
    const { durableIndex } = this.#core;
    // While the state is replaced nothing is applied: what gathers is read from the files afterwards.
    const isGathering = this.#install.isUnderWay && this.#cache.byteLength >= cacheBytesMax;
    const unused = isGathering ? durableIndex : Math.min(machine.flushedIndex, durableIndex);
    let wanted = unused;
    if (this.#core.role === 'leader' && this.#cache.byteLength < cacheBytesMax) {
      for (const peer of membersOf(this.#core.configuration)) {
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

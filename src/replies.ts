// What becomes of clients' commands: from Raft's events to replies.
//
//   committed ─▶ OK, where no state can change it       applied ─▶ its own reply
//   readable  ─▶ the read is run                        unknown ─▶ UNCERTAIN
//   refused, or a read that got lost ─▶ stranded: MOVED once a leader is known, else CLUSTERDOWN
//
// It needs no sockets: a simulator runs it as it is.

import type { Fate, RaftNode, Timers } from '../raft/index.js';
import { isErrorReply, okReply, type Reply } from '../resp/index.js';
import type { BlockedClients } from './client/blocked-clients.js';
import type { PendingCommand } from './client/connection.js';
import { clusterDownReply, movedReply, uncertainReply } from './client/error-replies.js';
import type { WaitingConnections } from './client/waiting-connections.js';
import type { Topology } from './cluster/topology.js';
import { InternalCommand } from './housekeeping.js';
import { limits, type ServerOptions } from './options.js';
import type { CommandContext } from './replicated-machine.js';
import type { Statistics } from './statistics.js';

export interface RepliesOptions {
  /** Asked for at each use: it is made after this. */
  readonly node: () => Pick<
    RaftNode,
    'term' | 'leaderId' | 'isLeader' | 'isServing' | 'pendingBytes' | 'requestTick'
  >;
  readonly topology: Topology;
  readonly waiting: WaitingConnections;
  readonly blocked: BlockedClients;
  readonly statistics: Statistics;
  readonly settings: Readonly<Pick<ServerOptions, 'electionHoldMs' | 'followerReadTimeoutMs'>>;
  readonly timers: Pick<Timers, 'every'>;
  readonly monotonicMs: () => number;
  /** Each has its `clockMs`. */
  readonly runReads: (reads: readonly PendingCommand[]) => void;
}

interface Stranded {
  readonly pending: PendingCommand;
  /** Monotonic clock, milliseconds. */
  readonly until: number;
}

/** How often stranded commands are looked through for those that waited too long. */
const strandedCheckMs = 50;

export class Replies {
  readonly #options: RepliesOptions;
  /** Commands that certainly have no effect, whose clients are told the leader once there is one. */
  #stranded: Stranded[] = [];
  #cancelStrandedChecks: (() => void) | undefined;

  constructor(options: RepliesOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#endStrandedChecks();
  }

  /** An entry was applied. */
  onReply(context: CommandContext, reply: Reply): void {
    if (context instanceof InternalCommand) context.done();
    else this.settle(context, reply);
  }

  settle(pending: PendingCommand, reply: Reply): void {
    const { statistics, waiting } = this.#options;
    if (isErrorReply(reply)) {
      statistics.countError(reply.text);
      if (pending.statistics !== undefined) pending.statistics.failedCalls += 1;
    }
    pending.connection.settle(pending, reply);
    waiting.markDirty(pending.connection);
  }

  requestTick(pending: PendingCommand): void {
    if (!this.#options.node().requestTick(pending)) this.#strand([pending]);
  }

  // ---------------------------------------------------------------------------- Raft's events

  /**
   * What no state can refuse is answered now. A read that comes after the answer sees it: its read
   * index is no lower than the commit index of this moment, on whatever replica it is answered.
   */
  onCommitted(index: number, contexts: readonly unknown[]): void {
    for (const context of contexts as readonly CommandContext[]) {
      if (context instanceof InternalCommand || !context.repliesAtCommit) continue;
      context.connection.session.lastWriteIndex = index;
      this.settle(context, okReply);
    }
  }

  onTurn(): void {
    this.#options.waiting.flush();
    this.#options.blocked.check();
  }

  onApplied(): void {
    const { waiting } = this.#options;
    waiting.flush();
    waiting.onApplied();
    this.#resumeIfThereIsRoom();
  }

  onReadable(contexts: readonly unknown[], clockMs: number): void {
    const { node, statistics, runReads } = this.#options;
    const reads = contexts as readonly PendingCommand[];
    for (const pending of reads) pending.clockMs = clockMs;
    if (!node().isLeader) statistics.followerReads += reads.length;
    runReads(reads);
  }

  onReadsDropped(contexts: readonly unknown[]): void {
    this.#strand(contexts as readonly PendingCommand[]);
  }

  /** They have waited for a part of what a command waits for a leader. */
  onReadsRedirected(contexts: readonly unknown[]): void {
    const { statistics, settings } = this.#options;
    const reads = contexts as readonly PendingCommand[];
    statistics.followerReadsRedirected += reads.length;
    this.#strand(reads, settings.followerReadTimeoutMs);
    this.#resolveStranded();
  }

  onLeadershipChange(): void {
    const { node, topology, blocked, waiting } = this.#options;
    const { term, leaderId, isLeader, isServing } = node();
    topology.onLeadership(leaderId, term);
    if (!isLeader) blocked.onDemoted();
    if (topology.leader === undefined) return;
    if (topology.leader === topology.self && !isServing) return;
    this.#resolveStranded();
    waiting.onLeader();
    waiting.flush();
  }

  onCommandsDropped(contexts: readonly unknown[], fate: Fate): void {
    const { statistics, waiting } = this.#options;
    const commands: PendingCommand[] = [];
    for (const context of contexts as readonly CommandContext[]) {
      if (context instanceof InternalCommand) context.done();
      else commands.push(context);
    }
    // They were counted as pending, and those who wait for room may be waiting for nothing else.
    this.#resumeIfThereIsRoom();
    // Committed, answered, and never applied here: it is for the others to apply.
    const open = commands.filter(({ isSettled }) => !isSettled);
    if (fate === 'refused') return this.#strand(open);
    statistics.uncertainReplies += open.length;
    for (const pending of open) this.settle(pending, uncertainReply);
    waiting.flush();
  }

  #resumeIfThereIsRoom(): void {
    const { node, waiting } = this.#options;
    if (node().pendingBytes <= limits.pendingBytesMax / 2) waiting.onRoom();
  }

  // ---------------------------------------------------------------------------- stranded

  /** They have no effect, for certain: their clients are sent to the leader when it is known. */
  #strand(commands: readonly PendingCommand[], waitedMs = 0): void {
    const { settings, timers, monotonicMs } = this.#options;
    const until = monotonicMs() + settings.electionHoldMs - waitedMs;
    for (const pending of commands) this.#stranded.push({ pending, until });
    this.#cancelStrandedChecks ??= timers.every(strandedCheckMs, () => this.#resolveStranded());
  }

  #resolveStranded(): void {
    const { node, topology, waiting, monotonicMs } = this.#options;
    const { leader } = topology;
    const isKnown = leader !== undefined && (leader !== topology.self || node().isServing);
    const now = monotonicMs();
    const left: Stranded[] = [];
    for (const stranded of this.#stranded) {
      const { pending, until } = stranded;
      if (isKnown)
        this.settle(pending, movedReply({ kind: 'moved', slot: pending.slot, to: leader }));
      else if (until <= now) this.settle(pending, clusterDownReply);
      else left.push(stranded);
    }
    this.#stranded = left;
    waiting.flush();
    if (left.length === 0) this.#endStrandedChecks();
  }

  #endStrandedChecks(): void {
    this.#cancelStrandedChecks?.();
    this.#cancelStrandedChecks = undefined;
  }
}

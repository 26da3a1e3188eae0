// A replica as its embedder sees it: commands in, results back, by promise.
//
// `RaftNode` is the fast loop with contexts and buffers; this gives each call a promise that the loop
// carries along as its context, and turns the fates that the loop reports into errors.

import assert from 'node:assert/strict';
import type { BufferPool } from '../buffer-pool.js';
import type { ReplicaId, Term } from '../core/index.js';
import type { ReplicaIdentity } from '../identity.js';
import type { Member, Membership } from '../membership.js';
import type { MembershipChange } from '../membership-changes.js';
import { type Fate, RaftNode, type RaftNodeEvents, type RaftStatus } from '../node.js';
import type { RaftOptions } from '../options.js';
import type { Snapshot, SnapshotEvent, SnapshotStatus, SnapshotStore } from '../snapshot/index.js';
import type { Storage } from '../storage.js';
import type { Transport } from '../transport.js';
import type { RaftEffects } from './effects.js';
import {
  BusyError,
  MembershipError,
  NotLeaderError,
  StoppedError,
  UncertainError,
} from './errors.js';
import type { MachineBridge } from './machine-bridge.js';
import { type Call, PendingCalls } from './pending-calls.js';
import { commandBytesMax, commandRoom, writeCommand } from './replicated-commands.js';

export interface Leadership {
  readonly term: Term;
  /** Who leads, as far as this replica knows. */
  readonly leader: Member | undefined;
  /** This replica leads and takes commands. */
  readonly isServing: boolean;
}

export interface RaftEvents {
  /**
   * This replica cannot go on: its disk failed, or `apply` did. Every call under way is rejected
   * already. End the process: what is on the disk is known again only after a start.
   */
  onFatal(error: Error): void;
  onLeadershipChange?(leadership: Leadership): void;
  /**
   * Who takes part from now on, committed or not. Also once at the start, before `openRaft` resolves.
   */
  onMembershipChange?(membership: Membership): void;
  /** Something that deserves a line in the log. */
  onWarning?(text: string): void;
  /** What takes its time begins, goes on or ends: a snapshot on its way to another replica. */
  onInfo?(text: string): void;
}

export interface ReplicaStatus extends RaftStatus {
  readonly self: Member;
  readonly leader: Member | undefined;
  readonly isServing: boolean;
  /** Commands taken here and not answered yet. Bytes. */
  readonly pendingBytes: number;
  readonly snapshots: SnapshotStatus;
}

/** What `openRaft` puts together. */
export interface RaftParts<Result> {
  readonly identity: ReplicaIdentity;
  /** What the group began with. */
  readonly membership: Membership;
  readonly self: Member;
  /** With what the newest snapshot has. */
  readonly bridge: MachineBridge<Result>;
  readonly snapshots: SnapshotStore;
  readonly options: RaftOptions;
  readonly storage: Storage;
  readonly transport: Transport;
  readonly pool: BufferPool;
  readonly effects: RaftEffects;
  readonly events: RaftEvents;
}

/** Beyond this, commands are refused until earlier ones are answered; a larger one goes alone. Bytes. */
const pendingBytesMax = 64 * 1024 * 1024;

export class Raft<Result = unknown> {
  readonly #parts: RaftParts<Result>;
  readonly #node: RaftNode;
  readonly #calls = new PendingCalls();
  #fatal: Error | undefined;
  #stopped: Promise<void> | undefined;

  /** Runs from here on. Use `openRaft`. */
  constructor(parts: RaftParts<Result>) {
    this.#parts = parts;
    parts.bridge.start({
      onResult: (context, result) => (context as Call<Result>).resolve(result),
      onIdle: () => this.#node.resumeApplying(),
      onFailed: (error) => this.#node.fail(error),
    });
    const { clock, timers, chance, files } = parts.effects;
    this.#node = new RaftNode({
      identity: parts.identity,
      membership: parts.membership,
      options: parts.options,
      ...parts.storage,
      transport: parts.transport,
      machine: parts.bridge,
      snapshots: parts.snapshots,
      pool: parts.pool,
      clock,
      timers,
      chance,
      files,
      events: this.#nodeEvents(),
    });
    this.#node.start();
  }

  /** This replica, as the others know it. */
  get self(): Member {
    return this.#parts.self;
  }

  /** What a replica that is to join has to be told. */
  get clusterId(): string {
    return this.#parts.identity.clusterId;
  }

  /** Who takes part, as far as this replica knows. */
  get membership(): Membership {
    return this.#node.membership;
  }

  // ---------------------------------------------------------------------------- calls

  /**
   * Has `data` committed and applied, and resolves with what `apply` returned for it on this
   * replica. `data` is copied; 0 to 64 MiB.
   *
   * Rejects with `NotLeaderError`, `BusyError` or `StoppedError` when the command certainly never
   * takes effect, with `UncertainError` when nobody can tell here.
   */
  replicate(data: Uint8Array): Promise<Result> {
    assert(data.length <= commandBytesMax, `A command has at most ${commandBytesMax} bytes`);
    const byteLength = commandRoom(data);
    const refusal = this.#refusal() ?? this.#refusalForSize(byteLength);
    if (refusal !== undefined) return Promise.reject(refusal);
    const call = this.#calls.begin<Result>({ isChange: true, byteLength });
    const offset = this.#node.reserve(byteLength, call);
    writeCommand(this.#node.batchBuffer, offset, data);
    return call.promise;
  }

  /**
   * Resolves when this replica's state is at least as new as everything that was acknowledged
   * anywhere before the call: look at it then. On followers, too, who ask the leader how new that is.
   * Nothing is written for it, and calls share their questions.
   *
   * Rejects with `NotLeaderError` when nobody leads, or when a follower is so far behind that the
   * leader is the better one to ask; or with `StoppedError`. A read can always be repeated.
   */
  read(): Promise<void> {
    const isServed = this.#node.isServing || this.#node.servesFollowerReads;
    const refusal = this.#stoppedError() ?? (isServed ? undefined : this.#notLeader());
    if (refusal !== undefined) return Promise.reject(refusal);
    const call = this.#calls.begin<void>({ isChange: false, byteLength: 0 });
    this.#node.requestRead(call);
    return call.promise;
  }

  /**
   * As leader: hands over to `to`, by default the replica that has most of the log. Commands under
   * way are answered first. False when this replica does not lead or nobody can take over; whether
   * it came about is told by `onLeadershipChange`.
   */
  transferLeadership(to?: ReplicaId): boolean {
    return this.#node.isServing && this.#node.transferLeadership(to);
  }

  /**
   * As leader: adds, promotes or removes one replica, and resolves when that is committed. One change
   * at a time. A leader that is to be removed hands over first, and the next one is to be asked.
   *
   * Rejects with `MembershipError`, `NotLeaderError` or `StoppedError` when nothing changes, with
   * `UncertainError` when the leadership was lost under way: `membership` will tell.
   */
  changeMembership(change: MembershipChange): Promise<Membership> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return Promise.reject(refusal);
    const call = this.#calls.begin<Membership>({ isChange: true, byteLength: 0 });
    this.#node.changeMembership(change, (result) => {
      if (result.kind === 'done') call.resolve(result.membership);
      else if (result.code === 'notLeader') call.reject(this.#notLeader());
      else if (result.code === 'lost') call.reject(new UncertainError());
      else call.reject(new MembershipError(result));
    });
    return call.promise;
  }

  /**
   * Takes a snapshot of this replica's state now, and resolves when it is durable; the log is cut
   * behind it. A call while one is being taken joins that one. They are also taken without being
   * asked for: `snapshotMinLogSize`, `snapshotPeriodSeconds`.
   *
   * Rejects with what `writeSnapshot` or the disk reports, and nothing has changed then; or with
   * `StoppedError`.
   */
  takeSnapshot(): Promise<Snapshot> {
    const stopped = this.#stoppedError();
    if (stopped !== undefined) return Promise.reject(stopped);
    const call = this.#calls.begin<Snapshot>({ isChange: false, byteLength: 0 });
    this.#node.takeSnapshot((error, snapshot) => {
      if (error !== undefined) call.reject(error);
      else call.resolve(snapshot!);
    });
    return call.promise;
  }

  status(): ReplicaStatus {
    return {
      ...this.#node.status(),
      self: this.self,
      leader: this.#leader(),
      isServing: this.#node.isServing,
      pendingBytes: this.#calls.byteLength,
      snapshots: this.#node.snapshotStatus,
    };
  }

  /**
   * Hands the leadership over, answers what was taken and closes the files. Afterwards the directory
   * may be opened again. A second call joins the first.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#node.stop(resolve));
    // Committed, and handed over just before the end.
    await this.#parts.bridge.whenIdle();
  }

  // ---------------------------------------------------------------------------- refusals

  #stoppedError(): Error | undefined {
    if (this.#fatal !== undefined) return new StoppedError({ cause: this.#fatal });
    return this.#stopped === undefined ? undefined : new StoppedError();
  }

  #refusal(): Error | undefined {
    return this.#stoppedError() ?? (this.#node.isServing ? undefined : this.#notLeader());
  }

  #refusalForSize(byteLength: number): Error | undefined {
    const pendingBytes = this.#calls.byteLength;
    const isFull = pendingBytes > 0 && pendingBytes + byteLength > pendingBytesMax;
    return isFull ? new BusyError(pendingBytes) : undefined;
  }

  #notLeader(): NotLeaderError {
    const leader = this.#leader();
    // It leads and does not take commands yet, or not any more: sending it to itself is no help.
    return new NotLeaderError(leader === this.self ? undefined : leader);
  }

  #leader(): Member | undefined {
    const { leaderId } = this.#node;
    if (leaderId === this.self.replicaId) return this.self;
    const { voters, learners } = this.membership;
    return [...voters, ...learners].find(({ replicaId }) => replicaId === leaderId);
  }

  // ---------------------------------------------------------------------------- what the loop says

  #nodeEvents(): RaftNodeEvents {
    return {
      onLeadershipChange: () => this.#onLeadershipChange(),
      onCommandsDropped: (contexts, fate) => this.#onCommandsDropped(contexts, fate),
      onReadable: (contexts) => {
        for (const context of contexts) (context as Call<void>).resolve();
      },
      onReadsDropped: (contexts) => this.#refuseReads(contexts),
      onReadsRedirected: (contexts) => this.#refuseReads(contexts),
      // A result is there when the command is applied, not before.
      onCommitted: () => {},
      onMembershipChange: (membership) => this.#parts.events.onMembershipChange?.(membership),
      onSnapshot: (event) => this.#onSnapshot(event),
      onApplied: () => {},
      onTurn: () => {},
      onFatal: (error) => this.#onFatal(error),
      onWarning: (text) => this.#parts.events.onWarning?.(text),
      onInfo: (text) => this.#parts.events.onInfo?.(text),
    };
  }

  #refuseReads(contexts: readonly unknown[]): void {
    for (const context of contexts) (context as Call<void>).reject(this.#notLeader());
  }

  #onLeadershipChange(): void {
    const { term, isServing } = this.#node;
    this.#parts.events.onLeadershipChange?.({ term, leader: this.#leader(), isServing });
  }

  #onCommandsDropped(contexts: readonly unknown[], fate: Fate): void {
    for (const context of contexts) {
      const error = fate === 'refused' ? this.#notLeader() : new UncertainError();
      (context as Call<Result>).reject(error);
    }
  }

  #onSnapshot(event: SnapshotEvent): void {
    if (event.kind !== 'failed') return;
    this.#parts.events.onWarning?.(`cannot take a snapshot: ${event.error.message}`);
  }

  #onFatal(error: Error): void {
    this.#fatal = error;
    this.#calls.rejectAll(error);
    this.#parts.events.onFatal(error);
  }
}

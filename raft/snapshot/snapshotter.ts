// Takes the snapshots of a replica, one at a time: when one is due, and when somebody asks.
//
//   due, or asked for ─▶ machine.writeSnapshot ─▶ store.publish ─▶ store.prune ─▶ onTaken
//                        (entries go on being                      (old ones)     (the log is cut)
//                         applied meanwhile)
//
// The order is what a power cut at any point relies on: the log is cut only behind what is durable.

import assert from 'node:assert/strict';
import type { LogIndex } from '../core/index.js';
import type { Clock } from '../effects.js';
import type { Journal } from '../log/index.js';
import type { Membership } from '../membership.js';
import type { RaftOptions } from '../options.js';
import type { StateMachine } from '../state-machine.js';
import { type Snapshot, snapshotBytes } from './manifest.js';
import { retryMs, SnapshotSchedule } from './schedule.js';
import type { SnapshotStore } from './store.js';

export type SnapshotTaken = (error: Error | undefined, snapshot: Snapshot | undefined) => void;

export type SnapshotEvent =
  | { readonly kind: 'begun'; readonly reason: string; readonly appliedIndex: LogIndex }
  | {
      readonly kind: 'taken';
      readonly snapshot: Snapshot;
      readonly byteLength: number;
      readonly milliseconds: number;
    }
  /** No other is taken by itself for `retryMs`. */
  | { readonly kind: 'failed'; readonly error: Error; readonly retryMs: number };

export interface SnapshotStatus {
  readonly isTaking: boolean;
  /** For how long, in milliseconds; undefined while none is being taken. */
  readonly takingMs: number | undefined;
  readonly newest: Snapshot | undefined;
  /** Of the last one that was tried, when it failed. */
  readonly lastError: string | undefined;
  /** What the last one that was tried took; undefined before the first. */
  readonly lastMs: number | undefined;
  /** Bytes of the log since the newest one. */
  readonly logBytes: number;
}

export interface SnapshotterConfig {
  readonly machine: StateMachine;
  readonly store: SnapshotStore;
  readonly journal: Pick<Journal, 'bytesBehind'>;
  readonly options: RaftOptions;
  readonly clock: Clock;
  /** The one in effect at an entry that is applied. */
  readonly membershipAt: (index: LogIndex) => Membership;
  /** Why none can be taken now, as the end of a sentence; undefined when one can. */
  readonly whyNot: () => string | undefined;
  /** Why the disk has no room for one, as the end of a sentence; undefined when it has. */
  readonly whyNoRoom: () => string | undefined;
  /** It is durable. */
  readonly onTaken: () => void;
  readonly onEvent: (event: SnapshotEvent) => void;
}

export class Snapshotter {
  readonly #config: SnapshotterConfig;
  readonly #schedule: SnapshotSchedule;
  /** Who waits for the one that is being taken; undefined while none is. */
  #waiting: SnapshotTaken[] | undefined;
  /** Monotonic clock, milliseconds. */
  #begunAtMs = 0;
  #lastError: string | undefined;
  #lastMs: number | undefined;
  #isStopped = false;

  constructor(config: SnapshotterConfig) {
    this.#config = config;
    this.#schedule = new SnapshotSchedule(config.options, config.clock);
  }

  get status(): SnapshotStatus {
    const isTaking = this.#waiting !== undefined;
    return {
      isTaking,
      takingMs: isTaking ? this.#config.clock.monotonicMs() - this.#begunAtMs : undefined,
      newest: this.#config.store.newest,
      lastError: this.#lastError,
      lastMs: this.#lastMs,
      logBytes: this.#logBytes(),
    };
  }

  /** Takes one when it is due and possible. To be called often: it costs next to nothing. */
  maybeTake(): void {
    if (this.#waiting !== undefined || this.#isStopped) return;
    const { machine, store, whyNot } = this.#config;
    const reason = this.#schedule.whyDue({
      newest: store.newest?.manifest,
      appliedIndex: machine.appliedIndex,
      logBytes: this.#logBytes(),
    });
    if (reason !== undefined && whyNot() === undefined) this.#begin(reason, []);
  }

  /** Takes one now. A second call joins the first: its snapshot may be of an earlier moment. */
  take(done: SnapshotTaken): void {
    if (this.#waiting !== undefined) {
      this.#waiting.push(done);
      return;
    }
    const { machine, whyNot } = this.#config;
    const why = machine.appliedIndex === 0 ? 'nothing has been applied yet' : whyNot();
    if (why !== undefined) return done(new Error(`Cannot take a snapshot: ${why}`), undefined);
    this.#begin('asked for', [done]);
  }

  /** What is under way ends without a word to anybody but those who wait for it. */
  stop(): void {
    this.#isStopped = true;
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    const error = new Error('Cannot take a snapshot: this replica is stopping');
    for (const done of waiting) done(error, undefined);
  }

  #logBytes(): number {
    const { store, journal } = this.#config;
    return journal.bytesBehind(store.newest?.manifest.index ?? 0);
  }

  #begin(reason: string, waiting: SnapshotTaken[]): void {
    const { machine, store, clock, whyNoRoom, onEvent } = this.#config;
    this.#waiting = waiting;
    this.#begunAtMs = clock.monotonicMs();
    // As one that failed: the log tells it, and the next try waits. Going on could fill the disk, and a
    // write to the log that fails ends the process.
    const why = whyNoRoom();
    if (why !== undefined) return this.#fail(new Error(`There is no room for a snapshot: ${why}`));
    onEvent({ kind: 'begun', reason, appliedIndex: machine.appliedIndex });
    let directory: string;
    try {
      directory = store.begin();
    } catch (error) {
      return this.#fail(error as Error);
    }
    machine.writeSnapshot(directory, (error, written) => {
      if (this.#isStopped) return;
      if (error !== undefined) {
        store.abandon(directory);
        return this.#fail(error);
      }
      assert(written !== undefined && written.index <= machine.appliedIndex);
      const membership = this.#config.membershipAt(written.index);
      store.publish(directory, { ...written, membership }, (publishError, snapshot) => {
        if (this.#isStopped) return;
        if (publishError !== undefined) return this.#fail(publishError);
        this.#succeed(snapshot!);
      });
    });
  }

  #succeed(snapshot: Snapshot): void {
    const { store, options, onEvent, onTaken } = this.#config;
    this.#schedule.onTaken();
    this.#lastError = undefined;
    const waiting = this.#end();
    const byteLength = snapshotBytes(snapshot.manifest);
    onEvent({ kind: 'taken', snapshot, byteLength, milliseconds: this.#lastMs! });
    for (const done of waiting) done(undefined, snapshot);
    store.prune(options.snapshotsKept);
    onTaken();
  }

  #fail(error: Error): void {
    this.#schedule.onFailed();
    this.#lastError = error.message;
    const waiting = this.#end();
    this.#config.onEvent({ kind: 'failed', error, retryMs });
    for (const done of waiting) done(error, undefined);
  }

  #end(): readonly SnapshotTaken[] {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    this.#lastMs = this.#config.clock.monotonicMs() - this.#begunAtMs;
    return waiting;
  }
}

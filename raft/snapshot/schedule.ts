// When the next snapshot is due.
//
//   log since the newest one  >  max(snapshotMinLogSize, half of the newest one's size)
//   or snapshotPeriodSeconds since the newest one, and something was applied
//
// Half of its size: a snapshot writes the whole state, so with a state that only grows by overwriting,
// snapshots cost at most twice what the log costs, and log and snapshots stay in proportion.

import type { LogIndex } from '../core/index.js';
import type { Clock } from '../effects.js';
import type { RaftOptions } from '../options.js';
import { type SnapshotManifest, snapshotBytes } from './manifest.js';

/**
 * After a failure the next try waits. A disk that is full or broken is seldom mended in a second, and
 * each try copies the whole state; a minute of log costs little.
 */
export const retryMs = 60_000;

export interface SnapshotState {
  readonly newest: SnapshotManifest | undefined;
  readonly appliedIndex: LogIndex;
  /** Of the log since the newest one. */
  readonly logBytes: number;
}

export class SnapshotSchedule {
  readonly #options: Pick<RaftOptions, 'snapshotMinLogSize' | 'snapshotPeriodSeconds'>;
  readonly #clock: Clock;
  #newest: SnapshotManifest | undefined;
  /** When the newest was taken, or else when this replica started. Monotonic clock, milliseconds. */
  #newestAtMs: number;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(
    options: Pick<RaftOptions, 'snapshotMinLogSize' | 'snapshotPeriodSeconds'>,
    clock: Clock,
  ) {
    this.#options = options;
    this.#clock = clock;
    this.#newestAtMs = clock.monotonicMs();
  }

  onTaken(): void {
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
  }

  onFailed(): void {
    this.#notBeforeMs = this.#clock.monotonicMs() + retryMs;
  }

  /** Why one is due now, as a phrase for a log line; undefined: none is. */
  whyDue(state: SnapshotState): string | undefined {
    const { snapshotMinLogSize, snapshotPeriodSeconds } = this.#options;
    const { newest, appliedIndex, logBytes } = state;
    const nowMs = this.#clock.monotonicMs();
    if (newest !== this.#newest) this.#onNewest(newest, nowMs);
    if (appliedIndex <= (newest?.index ?? 0) || nowMs < this.#notBeforeMs) return undefined;
    const newestBytes = newest === undefined ? 0 : snapshotBytes(newest);
    if (logBytes > Math.max(snapshotMinLogSize, newestBytes / 2)) return 'the log has grown';
    if (nowMs - this.#newestAtMs >= snapshotPeriodSeconds * 1000) return 'the last one is old';
    return undefined;
  }

  /** Taken here, found at the start, or received from another replica. */
  #onNewest(newest: SnapshotManifest | undefined, nowMs: number): void {
    this.#newest = newest;
    // A wall clock that was set back must not put the next one off.
    const ageMs = newest === undefined ? 0 : this.#clock.wallMs() - newest.createdMs;
    this.#newestAtMs = nowMs - Math.max(0, ageMs);
  }
}

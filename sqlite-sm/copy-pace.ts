// How fast a copy may go while clients write.
//
// Whatever the copy takes of the disk, the log's writes wait for. So it may be, since it began, at byte
//
//     floor rate × time  +  2 × bytes applied
//
// - Twice what is applied: the log behind a snapshot grows by half of the data at most while that is
//   copied, however fast it grows.
// - The floor: a copy beside few writes comes to its end.
//
// Time for which the copy did not ask (the disk was slow) is worth a few slices at most: made up for at
// once, it would be the burst that this is here to avoid. What was applied is not forgotten.
//
// Beside nobody it goes as fast as it can: when nothing was applied for a second. In less than that, a
// load may only be waiting for the disk, and must not be given more to wait for.

import type { MachineClock } from './effects.js';

const MiB = 1024 * 1024;
export const floorBytesPerSecond = 32 * MiB;
const bytesPerByteApplied = 2;
export const idleMs = 1000;
/** Four slices: what the copy goes ahead by when a timer of the loop is late by 120 ms. */
const creditBytesMax = 4 * MiB;

export interface CopyPaceOptions {
  readonly clock: MachineClock;
  /** Of all payloads that were applied; only grows. */
  readonly appliedBytes: () => number;
}

export class CopyPace {
  readonly #options: CopyPaceOptions;
  #lastMs: number;
  #lastAppliedBytes: number;
  #lastAppliedMs: number;
  /** Earned by time, and by what was applied. */
  #timeCredit = 0;
  #appliedCredit = 0;

  constructor(options: CopyPaceOptions) {
    this.#options = options;
    this.#lastMs = options.clock.monotonicMs();
    this.#lastAppliedBytes = options.appliedBytes();
    this.#lastAppliedMs = this.#lastMs;
  }

  /** 0: so many bytes may be copied now, and count as copied. Otherwise ask again in so many milliseconds. */
  take(byteLength: number): number {
    this.#earn();
    if (this.#lastMs - this.#lastAppliedMs >= idleMs) return 0;
    const missing = byteLength - this.#appliedCredit - this.#timeCredit;
    if (missing > 0) return Math.ceil((missing / floorBytesPerSecond) * 1000);
    const fromApplied = Math.min(byteLength, this.#appliedCredit);
    this.#appliedCredit -= fromApplied;
    this.#timeCredit -= byteLength - fromApplied;
    return 0;
  }

  #earn(): void {
    const nowMs = this.#options.clock.monotonicMs();
    const earned = ((nowMs - this.#lastMs) / 1000) * floorBytesPerSecond;
    this.#timeCredit = Math.min(this.#timeCredit + earned, creditBytesMax);
    this.#lastMs = nowMs;
    const applied = this.#options.appliedBytes();
    if (applied === this.#lastAppliedBytes) return;
    this.#appliedCredit += bytesPerByteApplied * (applied - this.#lastAppliedBytes);
    this.#lastAppliedBytes = applied;
    this.#lastAppliedMs = nowMs;
  }
}

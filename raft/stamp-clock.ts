// The leader's clock for entries: the only time that applying ever sees.
//
// Wall clocks jump and disagree; replicated time must do neither. So a new leader starts from the
// median of the wall clocks of those who elected it (one wrong clock moves nothing), or from the
// last stamp in the log if that is later, and from then on follows its monotonic clock, pulled
// gently toward the median. It never goes back: what has expired stays expired.
//
//     median ahead of the clock    it runs up to 10 % faster
//     median behind the clock      it runs up to 10 % slower

/** The fastest correction, as a share of elapsed time. */
const slewMax = 0.1;

export class StampClock {
  #stampMs: number;
  #monotonicMs: number;
  /** Median of (wall - own monotonic) of a majority. */
  #offsetMs: number;

  /** All in milliseconds; `medianMs` is the electing majority's wall clock at `monotonicMs`. */
  constructor(start: { lastStampMs: number; medianMs: number; monotonicMs: number }) {
    this.#stampMs = Math.max(start.lastStampMs, start.medianMs);
    this.#monotonicMs = start.monotonicMs;
    this.#offsetMs = start.medianMs - start.monotonicMs;
  }

  /** A newer median, as wall clock minus own monotonic clock. */
  steer(offsetMs: number): void {
    this.#offsetMs = offsetMs;
  }

  /** The stamp at `monotonicMs`, a whole number of milliseconds. Never decreases. */
  at(monotonicMs: number): number {
    const elapsed = Math.max(0, monotonicMs - this.#monotonicMs);
    this.#monotonicMs += elapsed;
    const unsteered = this.#stampMs + elapsed;
    const error = this.#monotonicMs + this.#offsetMs - unsteered;
    const correction = Math.max(-slewMax * elapsed, Math.min(slewMax * elapsed, error));
    this.#stampMs = unsteered + correction;
    return Math.floor(this.#stampMs);
  }
}

/** Of an even number the lower middle: two clocks of which one is far ahead give the other. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)]!;
}

// Both ends of a transfer say once a second that they live, also while one of them reads gigabytes to
// check them. An end that says nothing for long is given up: TCP alone would wait for minutes.

import type { Clock } from '../../effects.js';

export const aliveMs = 1_000;
/** A loop that is held up for some seconds is not gone. */
const silentMsMax = 15_000;

export class PeerSilence {
  readonly #clock: Clock;
  #heardAtMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#heardAtMs = clock.monotonicMs();
  }

  onHeard(): void {
    this.#heardAtMs = this.#clock.monotonicMs();
  }

  /** A sentence's end once it has lasted too long. */
  get trouble(): string | undefined {
    const silentMs = this.#clock.monotonicMs() - this.#heardAtMs;
    if (silentMs < silentMsMax) return undefined;
    return `nothing was heard from the other side for ${Math.round(silentMs / 1000)} s`;
  }
}

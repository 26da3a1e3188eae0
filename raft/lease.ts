// The lease of a leader: for how long it may answer reads without asking whether it still leads.
//
// A follower that hears from a leader elects nobody else for an election timeout. So when a majority
// has answered heartbeats, no other leader can exist until an election timeout after these *left*:
// when they arrived nobody here knows.
//
//     heartbeats leave        a majority has answered              lease over    earliest election
//     ├───────────────────────┼────────────────────────────────────┼─────────────┤
//     sent                    held from here …                     … to here       margin
//
// What is assumed: the monotonic clocks of leader and followers run at the same pace within a tenth,
// and a process that has stopped running has a monotonic clock that has not. The latter holds for a
// process that is stopped, swapped out or waits for a disk; it does not for a virtual machine that is
// frozen, moved or put to sleep with its clock. A pause between looking at the lease and answering
// does no harm: the read takes effect when the lease was looked at, and the state stands still.
//
// That followers keep their side, also when they are started anew, is in the core (`usesLease`).

import type { Configuration } from './core/index.js';

/** What clocks of different pace leave of an election timeout. */
const driftShare = 0.85;

/**
 * How long a lease lasts from the moment the heartbeats left, in milliseconds: the least that
 * `electionTicks` ticks of a follower take. The first may come at once, one may come early after a
 * pause, and timers count in whole milliseconds.
 */
export function leaseMilliseconds(electionTicks: number, tickMs: number): number {
  return Math.max(0, electionTicks - 2) * Math.max(0, Math.floor(tickMs) - 1) * driftShare;
}

export class Lease {
  readonly #durationMs: number;
  #sent: { readonly round: number; readonly atMs: number } | undefined;
  #untilMs = Number.NEGATIVE_INFINITY;
  /** Whose majority answered: that of another configuration may be without it. */
  #configuration: Configuration | undefined;

  constructor(durationMs: number) {
    this.#durationMs = durationMs;
  }

  /** `round` is the latest that left; if it is new, it left after `atMs` of the monotonic clock. */
  onRoundSent(round: number, atMs: number, configuration: Configuration): void {
    if (configuration !== this.#configuration) this.#untilMs = Number.NEGATIVE_INFINITY;
    this.#configuration = configuration;
    if (round > (this.#sent?.round ?? 0)) this.#sent = { round, atMs };
  }

  /** A majority has answered `round`. */
  onRoundConfirmed(round: number): void {
    if (this.#sent?.round === round) this.#untilMs = this.#sent.atMs + this.#durationMs;
  }

  isHeld(nowMs: number, configuration: Configuration): boolean {
    return nowMs < this.#untilMs && configuration === this.#configuration;
  }

  /** The leadership is over; rounds of the next one are counted anew. */
  end(): void {
    this.#sent = undefined;
    this.#untilMs = Number.NEGATIVE_INFINITY;
  }
}

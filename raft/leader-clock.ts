// What a replica learns of the others' clocks, and the stamps it gives as leader.

import assert from 'node:assert/strict';
import type { Message, ReplicaId, Term } from './core/index.js';
import { majority } from './core/index.js';
import type { Clock } from './effects.js';
import { medianOf, StampClock } from './stamp-clock.js';

export class LeaderClock {
  readonly #clock: Clock;
  /** Wall clock minus our monotonic clock, as of each peer's last answer to us. */
  readonly #offsets = new Map<ReplicaId, number>();
  /** Of those who voted for us, in `#votesTerm`. */
  #voteOffsets: number[] = [];
  #votesTerm: Term = 0;
  #stamps: StampClock | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isLeading(): boolean {
    return this.#stamps !== undefined;
  }

  /** Votes and answers to heartbeats carry the sender's wall clock. */
  onPeerClock(message: Message, wallMs: number): void {
    if (message.kind === 'voteReply' && message.granted) {
      if (message.term !== this.#votesTerm) this.#voteOffsets = [];
      this.#votesTerm = message.term;
      this.#voteOffsets.push(wallMs - this.#clock.monotonicMs());
    } else if (message.kind === 'heartbeatReply' && this.#stamps !== undefined) {
      this.#offsets.set(message.from, wallMs - this.#clock.monotonicMs());
    }
  }

  /** A leadership begins in `term`, elected by those whose votes were heard. */
  lead(term: Term, lastStampMs: number, voterCount: number): void {
    const monotonicMs = this.#clock.monotonicMs();
    const own = this.#clock.wallMs() - monotonicMs;
    const voted = this.#votesTerm === term ? this.#voteOffsets : [];
    const electing = [own, ...voted].slice(0, majority(voterCount));
    const medianMs = medianOf(electing) + monotonicMs;
    this.#offsets.clear();
    this.#stamps = new StampClock({ lastStampMs, medianMs, monotonicMs });
  }

  follow(): void {
    this.#stamps = undefined;
  }

  /** As leader: the stamp of an entry sealed now. */
  nowMs(): number {
    assert(this.#stamps !== undefined, 'Only a leader gives stamps');
    const monotonicMs = this.#clock.monotonicMs();
    if (this.#offsets.size > 0) {
      const own = this.#clock.wallMs() - monotonicMs;
      this.#stamps.steer(medianOf([own, ...this.#offsets.values()]));
    }
    return this.#stamps.at(monotonicMs);
  }
}

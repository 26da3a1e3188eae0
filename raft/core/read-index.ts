// Linearizable reads without writing to the log (dissertation §6.4).
//
// A leader may have been deposed without knowing it, so before it answers a read it asks a majority
// whether it still leads. Reads share these questions: all that arrived before a question left are
// answered by it, and while one is under way the next ones gather.
//
//     reads     r1 r2 │ r3 r4 r5        │ r6
//     round           1 ───majority───▶ 2 ──────▶
//               r1 and r2 are confirmed by round 1; r3, r4, r5 arrived after it left: round 2
//
// Rounds are numbered by the leader and die with its term: a late answer to an earlier leadership
// or an earlier round can never confirm a later read.

import assert from 'node:assert/strict';
import type { LogIndex } from './types.js';

export interface ConfirmedRound {
  readonly round: number;
  /** A replica that has applied up to here may answer the reads of the round. */
  readonly index: LogIndex;
}

export class ReadIndexRounds {
  #started = 0;
  #confirmed = 0;
  #startedIndex: LogIndex = 0;
  #isWanted = false;

  /** The latest round that left. Heartbeats carry it. */
  get started(): number {
    return this.#started;
  }

  get isUnderWay(): boolean {
    return this.#confirmed < this.#started;
  }

  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Registers a read and returns the round that will confirm it: never one that has left. */
  want(): number {
    this.#isWanted = true;
    return this.#started + 1;
  }

  /** The next round leaves now; its reads see everything up to `commitIndex`. */
  start(commitIndex: LogIndex): void {
    assert(!this.isUnderWay, 'At most one round is under way');
    this.#started += 1;
    this.#startedIndex = commitIndex;
    this.#isWanted = false;
  }

  /** A majority has answered up to `round`. Returns what that confirms for the first time. */
  confirm(round: number): ConfirmedRound | undefined {
    assert(round <= this.#started, 'Nobody can confirm a round that has not left');
    if (!this.isUnderWay || round < this.#started) return undefined;
    this.#confirmed = this.#started;
    return { round: this.#confirmed, index: this.#startedIndex };
  }
}

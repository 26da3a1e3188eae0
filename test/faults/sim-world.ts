// Time and chance of a simulated world: one queue of events, ordered by time.
//
// Nothing waits. The queue jumps from event to event, so a second of simulated time costs what
// happens in it. The same seed gives the same run.

import assert from 'node:assert/strict';
import type { Chance, Clock, Timers } from '../../raft/effects.js';
import { PowerLost } from './faulty-files.js';
import { randomBytes, randomInteger, seededRandom } from './seeded-random.js';

interface Event {
  readonly at: number;
  readonly order: number;
  callback: (() => void) | undefined;
}

/** Events without progress in time after which a world is taken to be stuck. */
const eventsPerMomentMax = 100_000;

export class SimWorld {
  readonly seed: number;
  readonly random: () => number;
  #nowMs = 0;
  #order = 0;
  #heap: Event[] = [];
  #eventCount = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.random = seededRandom(seed);
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    const event: Event = { at: this.#nowMs + ms, order: this.#order, callback };
    this.#order += 1;
    this.#push(event);
    return () => {
      event.callback = undefined;
    };
  }

  /** Events so far: two runs of one seed are at the same event with the same number. */
  get eventCount(): number {
    return this.#eventCount;
  }

  /** Runs until `isDone` or for `ms`, whichever comes first. True when it was `isDone`. */
  run(ms: number, isDone: () => boolean = () => false): boolean {
    const end = this.#nowMs + ms;
    let inThisMoment = 0;
    while (!isDone()) {
      const next = this.#heap[0];
      if (next === undefined || next.at > end) {
        this.#nowMs = end;
        return isDone();
      }
      this.#pop();
      inThisMoment = next.at > this.#nowMs ? 0 : inThisMoment + 1;
      assert(inThisMoment < eventsPerMomentMax, 'The world does not move on');
      this.#nowMs = next.at;
      const { callback } = next;
      if (callback === undefined) continue;
      this.#eventCount += 1;
      try {
        callback();
      } catch (error) {
        // The power went inside a synchronous call: whoever made it is no more.
        if (!(error instanceof PowerLost)) throw error;
      }
    }
    return true;
  }

  integer(least: number, most: number): number {
    return randomInteger(this.random, least, most);
  }

  /** Timers that stop for good once `isAlive` does not hold any more. */
  timersFor(isAlive: () => boolean): Timers {
    const guarded = (callback: () => void) => (): void => {
      if (isAlive()) callback();
    };
    return {
      after: (ms, callback) => this.after(ms, guarded(callback)),
      every: (ms, callback) => {
        let cancel = (): void => {};
        const again = (): void => {
          cancel = this.after(ms, again);
          callback();
        };
        cancel = this.after(ms, guarded(again));
        return () => cancel();
      },
      atTurnEnd: (callback) => {
        this.after(0, guarded(callback));
      },
    };
  }

  chance(): Chance {
    const random = seededRandom(this.integer(1, 0x7fff_ffff));
    return { random, bytes: (byteLength) => randomBytes(random, byteLength) };
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(event, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A clock that a test can set wrong. Its monotonic side only ever follows the world. */
export class SimClock implements Clock {
  readonly #world: SimWorld;
  readonly #monotonicStart: number;
  /** What the wall clock is off by. */
  wallErrorMs = 0;

  constructor(world: SimWorld, monotonicStart: number) {
    this.#world = world;
    this.#monotonicStart = monotonicStart;
  }

  wallMs(): number {
    return Math.floor(worldBeginMs + this.#world.nowMs + this.wallErrorMs);
  }

  monotonicMs(): number {
    return this.#monotonicStart + this.#world.nowMs;
  }
}

/** True time when a world begins, in milliseconds since the epoch. */
export const worldBeginMs = 1_700_000_000_000;

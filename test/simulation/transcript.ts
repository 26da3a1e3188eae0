// What happened, in words and as a number.
//
// Every event goes into a hash: two runs of one seed that differ anywhere have different ones. Of the
// events that a reader would follow the last few hundred are kept, to be told when something is wrong.

import { createHash } from 'node:crypto';
import type { SimWorld } from '../faults/sim-world.js';

const keptLines = 400;

export class Transcript {
  readonly #world: SimWorld;
  readonly #hash = createHash('sha256');
  readonly #lines: string[] = [];
  /** Also told of every line that is kept. */
  onLine: (line: string) => void = () => {};

  constructor(world: SimWorld) {
    this.#world = world;
  }

  /** An event that a reader wants to know of. */
  tell(text: string): void {
    const line = `${this.#world.nowMs.toFixed(2).padStart(10)}  ${text}`;
    this.count(text);
    this.#lines.push(line);
    if (this.#lines.length > 2 * keptLines) this.#lines.splice(0, keptLines);
    this.onLine(line);
  }

  /** An event that only the hash knows of. */
  count(text: string): void {
    this.#hash.update(`${this.#world.nowMs} ${this.#world.eventCount} ${text}\n`);
  }

  get lastLines(): readonly string[] {
    return this.#lines.slice(-keptLines);
  }

  /** Of everything so far. */
  get digest(): string {
    return this.#hash.copy().digest('hex');
  }
}

// When what goes wrong, as the seed has it. How it meets the servers is up to them and the machine: the same
// seed gives the same plan, and not the same run.

import { randomInteger, seededRandom } from '../faults/seeded-random.js';
import type { TroubleName } from './troubles.js';

export interface PlannedTrouble {
  readonly name: TroubleName;
  readonly atMs: number;
  readonly holdMs: number;
  /** Draws what is left open: which server, for instance. */
  readonly seed: number;
}

/** Troubles of a round begin within this. */
const roundMs = 8_000;
const holdMsMin = 500;
const holdMsMax = 6_000;
const kindsMin = 2;
const kindsMax = 4;
const troublesMax = 6;

/** Kinds are dealt like cards: none comes again before all others came, so that short runs have all. */
export class Schedule {
  readonly #random: () => number;
  readonly #names: readonly TroubleName[];
  #deck: TroubleName[] = [];

  constructor(seed: number, names: readonly TroubleName[]) {
    this.#random = seededRandom(seed);
    this.#names = names;
  }

  /** In the order in which they begin. */
  nextRound(): readonly PlannedTrouble[] {
    const kinds = Array.from({ length: randomInteger(this.#random, kindsMin, kindsMax) }, () =>
      this.#deal(),
    );
    const count = randomInteger(this.#random, kinds.length, troublesMax);
    return Array.from({ length: count }, (_, at) => ({
      name: kinds[at % kinds.length]!,
      atMs: Math.round(this.#random() * roundMs),
      holdMs: randomInteger(this.#random, holdMsMin, holdMsMax),
      seed: randomInteger(this.#random, 1, 2 ** 31 - 1),
    })).sort((a, b) => a.atMs - b.atMs);
  }

  #deal(): TroubleName {
    if (this.#deck.length === 0) this.#deck = [...this.#names];
    const at = randomInteger(this.#random, 0, this.#deck.length - 1);
    return this.#deck.splice(at, 1)[0]!;
  }
}

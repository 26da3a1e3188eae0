// What a run has measured so far, in a file: a run of more than an hour that fails near its end need
// not begin anew. One line of JSON a measurement, behind a line that says under which conditions.

import fs from 'node:fs';
import { Trouble } from '../cluster-scripts/trouble.js';
import type { Driven } from './drive.js';
import type { MemoryFigures } from './memory.js';

/** Figures under other conditions must not stand in the same table. */
export interface Conditions {
  readonly commit: string;
  readonly rounds: number;
  readonly seconds: number;
}

export interface Measured {
  readonly row: string;
  /** The peer's title. */
  readonly peer: string;
  /** From 1. */
  readonly round: number;
  /** Of the peer's programs. */
  readonly version: string;
  readonly figures: Driven | MemoryFigures;
}

export class MeasuredFile {
  readonly #path: string;
  readonly #known: Measured[];

  /** Throws away what an earlier run left. */
  static begin(path: string, conditions: Conditions): MeasuredFile {
    fs.writeFileSync(path, `${JSON.stringify(conditions)}\n`);
    return new MeasuredFile(path, []);
  }

  /** Throws `Trouble` when there is nothing to go on from, or it was measured otherwise. */
  static resume(path: string, conditions: Conditions): MeasuredFile {
    if (!fs.existsSync(path)) throw new Trouble(`there is no earlier run to continue in "${path}"`);
    const [head, ...lines] = fs.readFileSync(path, 'utf8').trimEnd().split('\n');
    if (head !== JSON.stringify(conditions)) {
      throw new Trouble(
        `the earlier run in "${path}" was of ${head}, this one is of ${JSON.stringify(conditions)}`,
      );
    }
    return new MeasuredFile(
      path,
      lines.map((line) => JSON.parse(line) as Measured),
    );
  }

  private constructor(path: string, known: Measured[]) {
    this.#path = path;
    this.#known = known;
  }

  find(row: string, peer: string, round: number): Measured | undefined {
    return this.#known.find((one) => one.row === row && one.peer === peer && one.round === round);
  }

  add(measured: Measured): void {
    this.#known.push(measured);
    fs.appendFileSync(this.#path, `${JSON.stringify(measured)}\n`);
  }
}

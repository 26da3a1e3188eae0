// Says on stderr what is running and how long the rest will take.

import type { Settings } from './drive.js';
import type { Row } from './rows.js';

/** Starting and ending a peer, and the pauses of redis-benchmark. */
const startSeconds = 5;
/** A hundred thousand keys. */
const loadSeconds = 4;
const memorySeconds = 60;
/** Warm-up and margin. */
const share = 1.8;

/** Seconds that one measurement is expected to take. */
export function expectedSeconds(row: Row, { seconds }: Settings): number {
  if (row.kind === 'memory') return startSeconds + memorySeconds;
  return startSeconds + (row.command === 'GET' ? loadSeconds : 0) + seconds * share;
}

/** Memory is no matter of speed: once is enough. */
export function roundsOf(row: Row, { rounds }: Settings): number {
  return row.kind === 'memory' ? 1 : rounds;
}

export class Progress {
  readonly #settings: Settings;
  readonly #steps: number;
  #expected: number;
  readonly #beganMs = performance.now();
  #stepsDone = 0;
  #expectedDone = 0;

  constructor(rows: readonly Row[], peers: number, settings: Settings) {
    this.#settings = settings;
    const turns = (row: Row): number => peers * roundsOf(row, settings);
    this.#steps = rows.reduce((sum, row) => sum + turns(row), 0);
    this.#expected = rows.reduce(
      (sum, row) => sum + turns(row) * expectedSeconds(row, settings),
      0,
    );
  }

  estimateText(): string {
    return `${this.#steps} measurements, about ${minutes(this.#expected)}`;
  }

  begin(row: Row, peer: string, round: number): void {
    const of = row.kind === 'memory' ? '' : `, round ${round} of ${this.#settings.rounds}`;
    this.say(
      `${this.#stepsDone + 1}/${this.#steps}, ${minutes(this.#secondsLeft())} left: ` +
        `${row.name}: ${peer}${of}`,
    );
  }

  done(row: Row, result?: string): void {
    this.#stepsDone += 1;
    this.#expectedDone += expectedSeconds(row, this.#settings);
    if (result !== undefined) this.say(`  ${result}`);
  }

  /** It was measured by an earlier run. */
  skip(row: Row): void {
    this.#stepsDone += 1;
    this.#expected -= expectedSeconds(row, this.#settings);
  }

  say(line: string): void {
    process.stderr.write(`bench: ${line}\n`);
  }

  /** Corrected by how the expectation has fared so far. */
  #secondsLeft(): number {
    const left = this.#expected - this.#expectedDone;
    if (this.#expectedDone === 0) return left;
    return (left * (performance.now() - this.#beganMs)) / 1000 / this.#expectedDone;
  }
}

function minutes(seconds: number): string {
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}

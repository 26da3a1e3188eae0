// What many runs came to, so that one can see whether anything happened in them.

import type { Passed } from './run.js';

export class Totals {
  #runs = 0;
  #simulatedMs = 0;
  #completed = 0;
  #undecided = 0;
  readonly #sums = new Map<string, number>();
  readonly #troubles = new Map<string, number>();

  add({ simulatedMs, completed, coverage, troubles, isLinearizable }: Passed): void {
    this.#runs += 1;
    if (!isLinearizable) this.#undecided += 1;
    this.#simulatedMs += simulatedMs;
    this.#completed += completed;
    for (const [name, count] of Object.entries(coverage)) addTo(this.#sums, name, count);
    for (const [name, count] of troubles) addTo(this.#troubles, name, count);
  }

  /** `seconds` is how long it took. */
  describe(seconds: number): string {
    const simulated = this.#simulatedMs / 1000;
    const counts = (sums: ReadonlyMap<string, number>): string =>
      [...sums].map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
    return [
      `${this.#runs} runs passed: ${simulated.toFixed(0)} s simulated in ${seconds.toFixed(0)} s ` +
        `(${(simulated / seconds).toFixed(0)} times real time), ${this.#completed} commands answered`,
      `  linearizable: ${this.#runs - this.#undecided}, search given up: ${this.#undecided}`,
      `  ${counts(this.#sums)}`,
      `  troubles: ${counts(this.#troubles)}`,
    ].join('\n');
  }
}

function addTo(sums: Map<string, number>, name: string, count: number): void {
  sums.set(name, (sums.get(name) ?? 0) + count);
}

// What a run comes to.

import type { ChaosClient } from './chaos-client.js';
import type { TroubleName } from './troubles.js';

export class Totals {
  readonly #troubles = new Map<TroubleName, number>();
  rounds = 0;
  epochs = 0;
  /** Epochs of which the search for an order ran out of steps. */
  unknown = 0;
  installs = 0;
  /** Of clients that were under way, whatever went wrong. Milliseconds. */
  longestSilenceMs = 0;
  longestHealingMs = 0;

  onTrouble(name: TroubleName): void {
    this.#troubles.set(name, (this.#troubles.get(name) ?? 0) + 1);
  }

  lines(clients: readonly ChaosClient[], seconds: number): readonly string[] {
    const completed = sum(clients.map((client) => client.completed));
    const ambiguous = sum(clients.map((client) => client.ambiguous));
    const kinds = [...this.#troubles].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      `${this.rounds} rounds in ${seconds.toFixed(0)} s; ${completed} operations returned, of ` +
        `${ambiguous} nobody knows what became of them`,
      `faults: ${kinds.map(([name, count]) => `${name} ${count}`).join(', ')}`,
      `snapshots installed: ${this.installs}; longest time without an answer: ` +
        `${inSeconds(this.longestSilenceMs)}, longest healing: ${inSeconds(this.longestHealingMs)}`,
      `${this.epochs} sets of keys judged` +
        (this.unknown > 0 ? `, ${this.unknown} NOT KNOWN to be linearizable: out of steps` : ''),
    ];
  }
}

export function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

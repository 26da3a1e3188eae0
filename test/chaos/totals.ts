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

  /** Lines of level "error" in the logs of servers, by what they say. */
  readonly #errors = new Map<string, number>();

  onTrouble(name: TroubleName): void {
    this.#troubles.set(name, (this.#troubles.get(name) ?? 0) + 1);
  }

  onError(words: string): void {
    // Numbers and ids would make every line another.
    const kind = words.replace(/[0-9a-f]{8,}|\d+/g, '…');
    this.#errors.set(kind, (this.#errors.get(kind) ?? 0) + 1);
  }

  lines(clients: readonly ChaosClient[], seconds: number): readonly string[] {
    const completed = sum(clients.map((client) => client.completed));
    const ofReaders = sum(clients.map((client) => (client.isReader ? client.completed : 0)));
    const ambiguous = sum(clients.map((client) => client.ambiguous));
    const refusals = new Map<string, number>();
    for (const [reason, count] of clients.flatMap((client) => [...client.refusals])) {
      refusals.set(reason, (refusals.get(reason) ?? 0) + count);
    }
    return [
      `${this.rounds} rounds in ${seconds.toFixed(0)} s; ${completed} operations returned, ` +
        `${ofReaders} of them reads after READONLY; of ${ambiguous} nobody knows what became of them`,
      `refused: ${counts(refusals)}`,
      `faults: ${counts(this.#troubles)}`,
      `errors in logs: ${counts(this.#errors)}`,
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

function counts(of: ReadonlyMap<string, number>): string {
  const sorted = [...of].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

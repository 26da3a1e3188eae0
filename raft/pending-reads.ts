// Reads on their way: to be confirmed by a majority, then to wait until the state is new enough.

import type { LogIndex, Term } from './core/index.js';

interface Waiting {
  readonly index: LogIndex;
  /** For a tick: the term of the entry that must be the one applied at `index`. */
  readonly term: Term | undefined;
  readonly contexts: unknown[];
}

export class PendingReads {
  /** By the ReadIndex round that will confirm them; rounds are confirmed in order. */
  #unconfirmed = new Map<number, unknown[]>();
  #confirmed: Waiting[] = [];

  add(round: number, context: unknown): void {
    const contexts = this.#unconfirmed.get(round);
    if (contexts === undefined) this.#unconfirmed.set(round, [context]);
    else contexts.push(context);
  }

  /** Waits for the entry (index, term) to be applied. */
  addTick(index: LogIndex, term: Term, contexts: unknown[]): void {
    this.#confirmed.push({ index, term, contexts });
  }

  /** Confirmed without a round: it sees everything up to `index`. */
  addConfirmed(index: LogIndex, context: unknown): void {
    const last = this.#confirmed.at(-1);
    if (last?.index === index && last.term === undefined) last.contexts.push(context);
    else this.#confirmed.push({ index, term: undefined, contexts: [context] });
  }

  confirm(round: number, index: LogIndex): void {
    const contexts = this.#unconfirmed.get(round);
    if (contexts === undefined) return;
    this.#unconfirmed.delete(round);
    this.#confirmed.push({ index, term: undefined, contexts });
  }

  /** Everything the state is new enough for, and the ticks whose entry another one replaced. */
  takeReadable(
    appliedIndex: LogIndex,
    termAt: (index: LogIndex) => Term | undefined,
  ): { readonly contexts: unknown[]; readonly lost: unknown[] } {
    const contexts: unknown[] = [];
    const lost: unknown[] = [];
    if (this.#confirmed.length === 0) return { contexts, lost };
    const waiting: Waiting[] = [];
    for (const read of this.#confirmed) {
      if (read.index > appliedIndex) waiting.push(read);
      else if (read.term !== undefined && termAt(read.index) !== read.term) {
        lost.push(...read.contexts);
      } else contexts.push(...read.contexts);
    }
    this.#confirmed = waiting;
    return { contexts, lost };
  }

  /** The leadership is over: what was not answered yet has to be asked again, elsewhere. */
  dropAll(): unknown[] {
    const lost = [...this.#unconfirmed.values(), ...this.#confirmed.map((w) => w.contexts)].flat();
    this.#unconfirmed.clear();
    this.#confirmed = [];
    return lost;
  }
}

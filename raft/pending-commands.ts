// Commands that this replica appended as leader and has not answered yet.
//
// Their fate is decided by what is committed at their index: the entry itself (answered then, or when
// it is applied), or another one (then they certainly never take effect). A replica that lost its
// leadership and hears neither in time says that nobody knows; it never guesses.

import type { LogIndex, Term } from './core/index.js';

interface Pending {
  readonly term: Term;
  readonly byteLength: number;
  readonly contexts: readonly unknown[];
}

export class PendingCommands {
  readonly #onDropped: (contexts: readonly unknown[], fate: 'refused' | 'unknown') => void;
  /** By index. A later leadership may append at the same index again: the older ones are lost. */
  readonly #pending = new Map<LogIndex, Pending[]>();
  #byteLength = 0;
  #count = 0;

  constructor(onDropped: (contexts: readonly unknown[], fate: 'refused' | 'unknown') => void) {
    this.#onDropped = onDropped;
  }

  /** Entries with commands to answer. */
  get count(): number {
    return this.#count;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  add(index: LogIndex, term: Term, byteLength: number, contexts: readonly unknown[]): void {
    const here = this.#pending.get(index) ?? [];
    here.push({ term, byteLength, contexts });
    this.#pending.set(index, here);
    this.#byteLength += byteLength;
    this.#count += 1;
  }

  /** Those of the entry (index, term), which is committed; they stay until it is applied. */
  contextsOf(index: LogIndex, term: Term | undefined): readonly unknown[] | undefined {
    return this.#pending.get(index)?.find((pending) => pending.term === term)?.contexts;
  }

  /** The entry (index, term) is applied: what waited there for another term is refused. */
  resolve(index: LogIndex, term: Term): readonly unknown[] | undefined {
    const here = this.#pending.get(index);
    if (here === undefined) return undefined;
    this.#pending.delete(index);
    let contexts: readonly unknown[] | undefined;
    for (const pending of here) {
      this.#forget(pending);
      if (pending.term === term) contexts = pending.contexts;
      else this.#onDropped(pending.contexts, 'refused');
    }
    return contexts;
  }

  /** Gives up on everything appended in `term` or before. */
  dropUpTo(term: Term): void {
    for (const [index, here] of this.#pending) {
      const kept = here.filter((pending) => pending.term > term);
      if (kept.length > 0) this.#pending.set(index, kept);
      else this.#pending.delete(index);
      for (const pending of here) {
        if (pending.term > term) continue;
        this.#forget(pending);
        this.#onDropped(pending.contexts, 'unknown');
      }
    }
  }

  dropAll(fate: 'refused' | 'unknown'): void {
    const all = [...this.#pending.values()].flat();
    this.#pending.clear();
    for (const pending of all) {
      this.#forget(pending);
      this.#onDropped(pending.contexts, fate);
    }
  }

  #forget(pending: Pending): void {
    this.#byteLength -= pending.byteLength;
    this.#count -= 1;
  }
}

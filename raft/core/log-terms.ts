// Which term the entry at an index has, without holding the entries.
//
// Terms never decrease along the log, and change only with an election. So the whole history is a
// short list of runs, however long the log is:
//
//     index   1  2  3 | 4  5 | 6 …          runs   {first: 1, term: 1}
//     term    1  1  1 | 2  2 | 5                   {first: 4, term: 2}
//                                                  {first: 6, term: 5}
//
// The core asks it for every decision about logs: is this one up to date, does that append fit,
// where could the two logs meet. Entries up to `baseIndex` are gone (a snapshot stands for them).

import assert from 'node:assert/strict';
import type { LogIndex, Term } from './types.js';

interface TermRun {
  readonly first: LogIndex;
  readonly term: Term;
}

export class LogTerms {
  #baseIndex: LogIndex;
  #baseTerm: Term;
  #lastIndex: LogIndex;
  /** Ascending in both fields. Invariant: the first run begins at baseIndex + 1. */
  #runs: TermRun[] = [];

  /** An empty log behind a snapshot of (baseIndex, baseTerm); (0, 0) when there is none. */
  constructor(baseIndex: LogIndex, baseTerm: Term) {
    this.#baseIndex = baseIndex;
    this.#baseTerm = baseTerm;
    this.#lastIndex = baseIndex;
  }

  get baseIndex(): LogIndex {
    return this.#baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? this.#baseTerm;
  }

  /** Undefined outside baseIndex … lastIndex. */
  termAt(index: LogIndex): Term | undefined {
    if (index < this.#baseIndex || index > this.#lastIndex) return undefined;
    for (let at = this.#runs.length - 1; at >= 0; at -= 1) {
      const run = this.#runs[at]!;
      if (run.first <= index) return run.term;
    }
    return this.#baseTerm;
  }

  push(term: Term): LogIndex {
    assert(term >= this.lastTerm, `Terms never decrease along the log: ${term}, ${this.lastTerm}`);
    this.#lastIndex += 1;
    if (this.#runs.length === 0 || term > this.lastTerm) {
      this.#runs.push({ first: this.#lastIndex, term });
    }
    return this.#lastIndex;
  }

  /** Forgets everything above `lastIndex`. */
  truncateAfter(lastIndex: LogIndex): void {
    assert(lastIndex >= this.#baseIndex && lastIndex <= this.#lastIndex);
    while (this.#runs.length > 0 && this.#runs.at(-1)!.first > lastIndex) this.#runs.pop();
    this.#lastIndex = lastIndex;
  }

  /** Forgets everything up to `index`: a snapshot now stands for it. */
  compactTo(index: LogIndex): void {
    assert(index >= this.#baseIndex && index <= this.#lastIndex);
    const term = this.termAt(index)!;
    const nextTerm = this.termAt(index + 1);
    this.#runs = this.#runs.filter((run) => run.first > index + 1);
    if (nextTerm !== undefined) this.#runs.unshift({ first: index + 1, term: nextTerm });
    this.#baseIndex = index;
    this.#baseTerm = term;
  }

  /** Forgets everything: a snapshot whose last entry is (index, term) now stands for it. */
  reset(index: LogIndex, term: Term): void {
    this.#baseIndex = index;
    this.#baseTerm = term;
    this.#lastIndex = index;
    this.#runs = [];
  }

  /** Raft §5.4.1: compare the terms of the last entries, then the lengths. */
  isUpToDate(candidate: { readonly lastIndex: LogIndex; readonly lastTerm: Term }): boolean {
    if (candidate.lastTerm !== this.lastTerm) return candidate.lastTerm > this.lastTerm;
    return candidate.lastIndex >= this.#lastIndex;
  }

  /**
   * The largest index ≤ `index` whose term is ≤ `term`. Both sides of a failed append use it to
   * skip a whole term per round trip (Raft §5.3), instead of probing entry by entry.
   */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    let at = Math.min(index, this.#lastIndex);
    while (at > this.#baseIndex && this.termAt(at)! > term) {
      at = this.#runFirst(at) - 1;
    }
    return at;
  }

  #runFirst(index: LogIndex): LogIndex {
    for (let at = this.#runs.length - 1; at >= 0; at -= 1) {
      const run = this.#runs[at]!;
      if (run.first <= index) return run.first;
    }
    throw new Error(`No term run holds index ${index}`);
  }
}

// A log as a beginner would write it: one term per entry in an array.
//
// The tests hold it against `LogTerms`, which compresses the same facts into runs, and use it as
// the disk of a simulated replica. It is slow and obviously right.

import assert from 'node:assert/strict';
import type { LogIndex, Term } from '../../../raft/core/index.js';
import { LogTerms } from '../../../raft/core/index.js';

export class NaiveLog {
  baseIndex: LogIndex = 0;
  baseTerm: Term = 0;
  #terms: Term[] = [];

  get lastIndex(): LogIndex {
    return this.baseIndex + this.#terms.length;
  }

  get lastTerm(): Term {
    return this.#terms.at(-1) ?? this.baseTerm;
  }

  termAt(index: LogIndex): Term | undefined {
    if (index === this.baseIndex) return this.baseTerm;
    return this.#terms[index - this.baseIndex - 1];
  }

  /** As a journal does it: whatever was at or above `firstIndex` is void. */
  put(firstIndex: LogIndex, terms: readonly Term[]): void {
    assert(firstIndex > this.baseIndex && firstIndex <= this.lastIndex + 1, 'a gap in the log');
    this.truncateAfter(firstIndex - 1);
    this.#terms.push(...terms);
  }

  truncateAfter(lastIndex: LogIndex): void {
    this.#terms.length = lastIndex - this.baseIndex;
  }

  compactTo(index: LogIndex): void {
    const term = this.termAt(index)!;
    this.#terms = this.#terms.slice(index - this.baseIndex);
    this.baseIndex = index;
    this.baseTerm = term;
  }

  reset(index: LogIndex, term: Term): void {
    this.#terms = [];
    this.baseIndex = index;
    this.baseTerm = term;
  }

  copy(): NaiveLog {
    const copy = new NaiveLog();
    copy.baseIndex = this.baseIndex;
    copy.baseTerm = this.baseTerm;
    copy.#terms = [...this.#terms];
    return copy;
  }

  toLogTerms(): LogTerms {
    const log = new LogTerms(this.baseIndex, this.baseTerm);
    for (const term of this.#terms) log.push(term);
    return log;
  }

  /** `1×3 4×2`: three entries of term 1, two of term 4. */
  describe(): string {
    const runs: { term: Term; count: number }[] = [];
    for (const term of this.#terms) {
      const last = runs.at(-1);
      if (last?.term === term) last.count += 1;
      else runs.push({ term, count: 1 });
    }
    const base = this.baseIndex > 0 ? [`…${this.baseIndex}`] : [];
    return [...base, ...runs.map(({ term, count }) => `${term}×${count}`)].join(' ') || 'empty';
  }
}

/** The largest index whose entry both logs have, at most `limit`; 0 when there is none. */
export function commonIndex(a: NaiveLog, b: NaiveLog, limit: LogIndex): LogIndex {
  // By Log Matching the first agreement from the end is an agreement on everything before it.
  let index = Math.min(a.lastIndex, b.lastIndex, limit);
  const base = Math.max(a.baseIndex, b.baseIndex);
  while (index > base && a.termAt(index) !== b.termAt(index)) index -= 1;
  return index;
}

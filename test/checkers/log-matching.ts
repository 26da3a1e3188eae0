// Log Matching: if two logs contain an entry with the same index and term, then the logs are identical
// in all entries up through the given index (the Raft paper, figure 3).
//
// By induction it is enough to compare neighbours: wherever an entry of this index and term lies, it has
// the same contents, and the entry before it has the same term. So each log is looked at by itself, and
// only one record is kept for each entry that ever was.

import assert from 'node:assert/strict';

export interface LogEntry {
  readonly index: number;
  readonly term: number;
  /** Equal for equal contents. */
  readonly contents: string;
}

export class LogMatching {
  readonly #known = new Map<string, { readonly contents: string; readonly replica: string }>();

  /** Entries of one log, without a gap; `previousTerm` is that of the entry before the first. */
  onLog(replica: string, previousTerm: number, entries: Iterable<LogEntry>): void {
    let before = previousTerm;
    for (const { index, term, contents } of entries) {
      assert(before <= term, `${replica}: terms go back at index ${index}`);
      const key = `${index}/${term}`;
      const all = `behind term ${before}: ${contents}`;
      const known = this.#known.get(key);
      if (known === undefined) this.#known.set(key, { contents: all, replica });
      else if (known.contents !== all) {
        assert.fail(
          `The logs of ${known.replica} and ${replica} differ at ${key}: ` +
            `${known.contents} there, ${all} here`,
        );
      }
      before = term;
    }
  }
}

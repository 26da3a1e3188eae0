// The commit index of a living replica never goes back, and names an entry of its log that is the
// committed one: what is committed at an index stays what it is, on whatever replica.

import assert from 'node:assert/strict';

export class CommitIndex {
  /** Of the present life of each replica. */
  readonly #of = new Map<string, number>();
  #highest = 0;

  /** The replica begins a new life and may know less than before. */
  onStart(replica: string): void {
    this.#of.delete(replica);
  }

  onCommitIndex(replica: string, commitIndex: number, lastIndex: number): void {
    const before = this.#of.get(replica) ?? 0;
    assert(
      commitIndex >= before,
      `${replica}: the commit index went from ${before} to ${commitIndex}`,
    );
    assert(
      commitIndex <= lastIndex,
      `${replica}: ${commitIndex} is committed and the log ends at ${lastIndex}`,
    );
    this.#of.set(replica, commitIndex);
    this.#highest = Math.max(this.#highest, commitIndex);
  }

  /** The highest that any replica ever knew of. */
  get highest(): number {
    return this.#highest;
  }
}

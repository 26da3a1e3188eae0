// The commit index of a replica never goes back while it lives, and is within its log.

import assert from 'node:assert/strict';

export class CommitIndex {
  /** Of the present life of each replica. */
  readonly #of = new Map<string, number>();

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
  }
}

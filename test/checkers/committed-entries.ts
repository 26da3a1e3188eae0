// What is committed at an index stays what it is: whichever replica knows that an index is committed, and
// in whichever life, has the same entry there, and whoever applies something there applies that.

import assert from 'node:assert/strict';

interface Committed {
  readonly contents: string;
  readonly replica: string;
}

export class CommittedEntries {
  /** By index. */
  readonly #committed = new Map<number, Committed>();

  get count(): number {
    return this.#committed.size;
  }

  /** The entry at an index that the replica knows to be committed, or applies. Equal for equal ones. */
  onEntry(replica: string, index: number, contents: string): void {
    const known = this.#committed.get(index);
    if (known === undefined) {
      this.#committed.set(index, { contents, replica });
      return;
    }
    if (known.contents === contents) return;
    assert.fail(
      `Index ${index}: ${known.contents} is committed by ${known.replica}, ` +
        `and ${contents} by ${replica}`,
    );
  }
}

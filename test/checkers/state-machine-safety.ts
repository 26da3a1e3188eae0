// State Machine Safety: if a replica has applied an entry at a given index, no other replica will ever
// apply a different one for the same index (the Raft paper, figure 3). And what comes of it is the same:
// states at the same index have the same digest.

import assert from 'node:assert/strict';

interface Applied {
  readonly entry: string;
  readonly replica: string;
  digest?: string;
}

export class StateMachineSafety {
  /** By index. */
  readonly #applied = new Map<number, Applied>();
  #lastIndex = 0;

  /** `entry` is equal for equal entries. Also what was applied before, as after a start, is told again. */
  onApplied(replica: string, index: number, entry: string): void {
    const known = this.#applied.get(index);
    if (known === undefined) this.#applied.set(index, { entry, replica });
    else if (known.entry !== entry) {
      assert.fail(
        `Index ${index}: ${known.replica} applied ${known.entry}, and ${replica} applied ${entry}`,
      );
    }
    this.#lastIndex = Math.max(this.#lastIndex, index);
  }

  /** The state of that replica, with everything up to `index` applied. */
  onState(replica: string, index: number, digest: string): void {
    const applied = this.#applied.get(index);
    assert(applied !== undefined, `${replica} has a state of ${index}, which nobody applied`);
    applied.digest ??= digest;
    assert.equal(digest, applied.digest, `${replica} has another state at index ${index}`);
  }

  /** Whether a state at this index has been seen. */
  hasState(index: number): boolean {
    return this.#applied.get(index)?.digest !== undefined;
  }

  /** The highest index that was applied anywhere. */
  get lastIndex(): number {
    return this.#lastIndex;
  }
}

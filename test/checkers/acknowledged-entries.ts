// Durability: an entry is there for ever once a client was told of a command in it.
//
// Its index is noted when its client is told, and its term where that is known: by the one who applies
// it. In the end every replica must have applied that far; that all have the same entries is
// `CommittedEntries`.

import assert from 'node:assert/strict';

export class AcknowledgedEntries {
  readonly #terms = new Map<number, number>();
  #lastIndex = 0;

  /** Clients are told OK, because the entry is committed. */
  onCommitted(index: number): void {
    this.#lastIndex = Math.max(this.#lastIndex, index);
  }

  /** Clients are told what came of it, because it is applied. */
  onAnswered(index: number, term: number): void {
    this.onCommitted(index);
    this.#check('a client', index, term);
    this.#terms.set(index, term);
  }

  onApplied(replica: string, index: number, term: number): void {
    this.#check(replica, index, term);
  }

  /** Nothing is under way any more, and the replica has applied all there is. */
  onEnd(replica: string, appliedIndex: number): void {
    assert(
      appliedIndex >= this.#lastIndex,
      `${replica} ends at ${appliedIndex}, and ${this.#lastIndex} was acknowledged: it is lost`,
    );
  }

  /** The highest index that a client was told of. */
  get lastIndex(): number {
    return this.#lastIndex;
  }

  #check(who: string, index: number, term: number): void {
    const answered = this.#terms.get(index) ?? term;
    assert.equal(
      term,
      answered,
      `${who} has an entry of term ${term} at ${index}, where one of ${answered} was answered`,
    );
  }
}

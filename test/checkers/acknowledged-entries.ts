// Durability: an entry of which a client was told that its command is done is there for ever.
//
// It is noted where it lies when its client is told. At the end the replicas must have applied that far,
// and at that index the very entry: `StateMachineSafety` says that all of them have the same.

import assert from 'node:assert/strict';

export class AcknowledgedEntries {
  readonly #terms = new Map<number, number>();
  #lastIndex = 0;

  /** A client was told of a command in the entry at `index`, of that term. */
  onAcknowledged(index: number, term: number): void {
    const known = this.#terms.get(index) ?? term;
    assert.equal(term, known, `Entries of two terms were acknowledged at index ${index}`);
    this.#terms.set(index, term);
    this.#lastIndex = Math.max(this.#lastIndex, index);
  }

  onApplied(replica: string, index: number, term: number): void {
    const acknowledged = this.#terms.get(index) ?? term;
    assert.equal(
      term,
      acknowledged,
      `${replica} applied an entry of term ${term} at ${index}, where one of term ${acknowledged} ` +
        'was acknowledged',
    );
  }

  /** Nothing is under way any more, and the replica has applied all there is. */
  onEnd(replica: string, appliedIndex: number): void {
    assert(
      appliedIndex >= this.#lastIndex,
      `${replica} ends at ${appliedIndex}, and ${this.#lastIndex} was acknowledged: it is lost`,
    );
  }

  get count(): number {
    return this.#terms.size;
  }
}

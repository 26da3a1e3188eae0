// Election Safety: at most one leader can be elected in a given term (the Raft paper, figure 3).

import assert from 'node:assert/strict';

export class ElectionSafety {
  readonly #leaders = new Map<number, string>();

  /** A replica leads in this term, or did for a moment. */
  onLeader(replica: string, term: number): void {
    const known = this.#leaders.get(term) ?? replica;
    assert.equal(replica, known, `Term ${term} has two leaders: ${known} and ${replica}`);
    this.#leaders.set(term, replica);
  }

  /** Terms that had a leader. */
  get termCount(): number {
    return this.#leaders.size;
  }
}

// Leader Completeness: if an entry is committed in a given term, then it is in the logs of the leaders
// of all higher terms (the Raft paper, figure 3).
//
// It is looked at when a leader takes up its service: by then it has committed and applied an entry of
// its own term, and with it everything before. What was committed in a lower term has a lower index.

import assert from 'node:assert/strict';

export class LeaderCompleteness {
  /** The highest index known to be committed by the end of each term; ascending by term. */
  readonly #committed: { readonly term: number; index: number }[] = [];

  /** A leader knows, in its term, that `index` is committed. */
  onCommitted(term: number, index: number): void {
    const at = this.#committed.findLastIndex((each) => each.term <= term);
    const found = this.#committed[at];
    if (found?.term === term) found.index = Math.max(found.index, index);
    else this.#committed.splice(at + 1, 0, { term, index });
  }

  /** A leader serves, and has applied everything up to `appliedIndex`. */
  onServing(replica: string, term: number, appliedIndex: number): void {
    for (const earlier of this.#committed) {
      if (earlier.term >= term) return;
      assert(
        earlier.index <= appliedIndex,
        `${replica} leads in term ${term} with ${appliedIndex} applied, ` +
          `and ${earlier.index} was committed in term ${earlier.term}`,
      );
    }
  }
}

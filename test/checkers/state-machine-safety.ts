// State Machine Safety: if a replica has applied an entry at a given index, no other replica will ever
// apply a different one for the same index (the Raft paper, figure 3). That the entries are the same is
// `CommittedEntries`; here it is that the same comes of them: one state for each index, whatever
// crashes, snapshots and restarts a replica went through to get there.

import assert from 'node:assert/strict';

interface State {
  readonly digest: string;
  readonly replica: string;
}

export class StateMachineSafety {
  /** By index. */
  readonly #states = new Map<number, State>();
  #comparedCount = 0;

  /** The digest of a replica's state with everything up to `index` applied, and nothing else. */
  onState(replica: string, index: number, digest: string): void {
    const known = this.#states.get(index);
    if (known === undefined) {
      this.#states.set(index, { digest, replica });
      return;
    }
    this.#comparedCount += 1;
    if (known.digest === digest) return;
    assert.fail(`The states of ${known.replica} and ${replica} differ at index ${index}`);
  }

  /** How often a state was held against another one of its index. */
  get comparedCount(): number {
    return this.#comparedCount;
  }
}

// Majorities.
//
// A decision of Raft is what a majority of the voters agrees on: that a candidate leads, that an
// entry is stored, that the leader still is the leader. Each question is one pure function here.

import assert from 'node:assert/strict';
import type { LogIndex, ReplicaId } from './types.js';

export function majority(voterCount: number): number {
  assert(voterCount > 0, 'A configuration has at least one voter');
  return Math.floor(voterCount / 2) + 1;
}

/**
 * The highest value that a majority of the voters has reached, e.g. the highest index stored by a
 * majority. A voter without a value counts as 0.
 *
 *     voters     match                 sorted downwards      majority of 3 = 2
 *     a  b  c    a=9  b=4  c=7         9  7  4                  ^ the 2nd: 7
 */
export function majorityValue(
  voters: readonly ReplicaId[],
  valueFor: (voter: ReplicaId) => number,
): LogIndex {
  const values = voters.map(valueFor).sort((a, b) => b - a);
  return values[majority(voters.length) - 1]!;
}

export type ElectionResult = 'won' | 'lost' | 'pending';

/** `lost` as soon as the votes still missing cannot make a majority any more. */
export function electionResult(
  voters: readonly ReplicaId[],
  votes: ReadonlyMap<ReplicaId, boolean>,
): ElectionResult {
  const needed = majority(voters.length);
  let granted = 0;
  let missing = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === undefined) missing += 1;
    else if (vote) granted += 1;
  }
  if (granted >= needed) return 'won';
  return granted + missing < needed ? 'lost' : 'pending';
}

// A key that somebody found gone, expired or deleted, does not come back without a write. Whether it is due
// is decided by the stamps of entries, so it must not depend on whose clock or which replica is asked.
//
// When it is due is not looked at: times of a history need not be those of the clock that decides.

import { type KeyHistory, keyHistories, type Sighting } from './key-history.js';
import { describeOperation, type Operation } from './operation.js';

/** A sentence for each sighting of a key that was gone before and that nobody wrote since. */
export function findReappearances(history: readonly Operation[]): readonly string[] {
  const findings: string[] = [];
  for (const [key, keyHistory] of keyHistories(history)) {
    for (const { before, sighting } of pairs(keyHistory)) {
      if (keyHistory.mayReappear(before, sighting)) continue;
      findings.push(
        `${key} came back without a write: ${describeOperation(before.operation)}, and later ` +
          describeOperation(sighting.operation),
      );
    }
  }
  return findings;
}

/**
 * Each sighting of the key with the one before it, of those that had returned, that missed the key and
 * began last: the fewest writes come in between.
 */
function* pairs({ sightings }: KeyHistory): Generator<{ before: Sighting; sighting: Sighting }> {
  const missing = sightings
    .filter(({ isThere }) => !isThere)
    .sort((a, b) => a.returnedAt - b.returnedAt);
  const present = sightings
    .filter(({ isThere }) => isThere)
    .sort((a, b) => a.invokedAt - b.invokedAt);
  let before: Sighting | undefined;
  let at = 0;
  for (const sighting of present) {
    for (; at < missing.length && missing[at]!.returnedAt < sighting.invokedAt; at += 1) {
      if (before === undefined || missing[at]!.invokedAt > before.invokedAt) before = missing[at]!;
    }
    if (before !== undefined) yield { before, sighting };
  }
}

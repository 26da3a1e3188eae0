// A key that somebody found gone, expired or deleted, does not come back without a write. Whether it is due
// is decided by the stamps of entries, so it must not depend on whose clock or which replica is asked.
//
// When it is due, PEXPIRETIME tells: a moment that a command has set, the same on every replica until
// another command sets another. Whether that moment has come is not looked at: times of a history need not
// be those of the clock that decides.

import { type Interval, type KeyHistory, keyHistories, type Sighting } from './key-history.js';
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

/** A sentence for each deadline that no command set, or that changed though no command set another. */
export function findWrongDeadlines(history: readonly Operation[]): readonly string[] {
  const findings: string[] = [];
  for (const [key, keyHistory] of keyHistories(history)) {
    const { deadlineReadings } = keyHistory;
    for (const reading of deadlineReadings) {
      if (keyHistory.mayHaveDeadline(reading)) continue;
      findings.push(
        `${key} has a deadline that nobody set: ${describeOperation(reading.operation)}`,
      );
    }
    for (const [before, after] of latestBefore(deadlineReadings, deadlineReadings)) {
      if (before.deadline === after.deadline) continue;
      if (keyHistory.mayDeadlineChange(before, after)) continue;
      findings.push(
        `${key} got another deadline, and nobody set it: ${describeOperation(before.operation)}, ` +
          `and later ${describeOperation(after.operation)}`,
      );
    }
  }
  return findings;
}

/** Each sighting of the key with the one before it that missed the key. */
function* pairs({ sightings }: KeyHistory): Generator<{ before: Sighting; sighting: Sighting }> {
  const missing = sightings.filter(({ isThere }) => !isThere);
  const present = sightings.filter(({ isThere }) => isThere);
  for (const [before, sighting] of latestBefore(missing, present)) yield { before, sighting };
}

/**
 * Each of `later` with the one of `earlier` that began last of those that had returned before it: the
 * fewest writes come in between.
 */
function* latestBefore<Each extends Interval>(
  earlier: readonly Each[],
  later: readonly Each[],
): Generator<readonly [Each, Each]> {
  const byReturn = earlier.toSorted((a, b) => a.returnedAt - b.returnedAt);
  let before: Each | undefined;
  let at = 0;
  for (const each of later.toSorted((a, b) => a.invokedAt - b.invokedAt)) {
    for (; at < byReturn.length && byReturn[at]!.returnedAt < each.invokedAt; at += 1) {
      if (before === undefined || byReturn[at]!.invokedAt > before.invokedAt)
        before = byReturn[at]!;
    }
    if (before !== undefined) yield [before, each];
  }
}

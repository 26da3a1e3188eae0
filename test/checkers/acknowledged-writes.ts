// Durability: what was acknowledged, or read, is there in the end, unless a later write, or one beside it,
// took its place. Each key is looked at once, so histories may be long.

import { type Interval, keyHistories } from './key-history.js';
import { abbreviated, describeOperation, type Operation } from './operation.js';

const inTheEnd: Interval = {
  invokedAt: Number.POSITIVE_INFINITY,
  returnedAt: Number.POSITIVE_INFINITY,
};

/**
 * A sentence for each key whose contents no order of its writes explains. `contents` has the keys that are
 * there when everything is over. Appended texts should differ, or a lost one may pass for another.
 */
export function findLostWrites(
  history: readonly Operation[],
  contents: ReadonlyMap<string, string>,
): readonly string[] {
  const findings: string[] = [];
  const histories = keyHistories(history);
  for (const [key, keyHistory] of histories) {
    const value = contents.get(key) ?? null;
    if (keyHistory.mayShow(value, inTheEnd)) continue;
    const last = keyHistory.lastKnownWrites(inTheEnd.invokedAt, shownWrites);
    findings.push(
      [
        `${key} is ${value === null ? 'not there' : `"${abbreviated(value)}"`} in the end, after`,
        ...last.map((operation) => `  ${describeOperation(operation)}`),
      ].join('\n'),
    );
  }
  for (const key of contents.keys()) {
    if (!histories.has(key)) findings.push(`${key} is there in the end, and nobody wrote it`);
  }
  return findings;
}

const shownWrites = 3;

// A read, at whatever replica, sees every write that was acknowledged, or read by somebody, before it
// began, or a later one; and nothing that nobody wrote or that was asked for only after its answer.
//
// Each read is looked at by itself: two that contradict each other without either being too old are found
// by the linearizability checker alone.

import { keyHistories } from './key-history.js';
import { describeOperation, type Operation } from './operation.js';

/** A sentence for each read that shows what it may not. */
export function findStaleReads(history: readonly Operation[]): readonly string[] {
  const findings: string[] = [];
  for (const [key, keyHistory] of keyHistories(history)) {
    for (const read of keyHistory.reads) {
      if (keyHistory.mayShow(read.value, read)) continue;
      const known = keyHistory.lastKnownWrites(read.invokedAt, shownWrites);
      const shown = read.value === null ? `does not find ${key}` : `shows ${key} as it cannot be`;
      findings.push(
        [
          `${describeOperation(read.operation)} ${shown}; before it began these were known:`,
          ...known.map((operation) => `  ${describeOperation(operation)}`),
        ].join('\n'),
      );
    }
  }
  return findings;
}

const shownWrites = 3;

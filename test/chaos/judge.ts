// What the histories of one epoch say, and the contents that all replicas have in the end.

import { findLostWrites } from '../checkers/acknowledged-writes.js';
import { findReappearances } from '../checkers/expiry.js';
import { checkLinearizability, explain } from '../checkers/linearizability.js';
import type { Operation } from '../checkers/operation.js';
import { findStaleReads } from '../checkers/read-freshness.js';
import { redisModel } from '../checkers/redis-model.js';
import { withoutTransactions } from '../checkers/transaction.js';

export interface Judgement {
  /** In words; empty: nothing is wrong. */
  readonly findings: readonly string[];
  /** The search for an order ran out of steps: nobody knows whether there is one. */
  readonly isUnknown: boolean;
}

/**
 * `contents` has those of the keys compared that are there in the end. Keys that expire follow clocks, which
 * the model does not know: they are judged by the other checkers, and not for what is left of them.
 */
export function judge(
  history: readonly Operation[],
  contents: ReadonlyMap<string, string>,
  isExpiring: (key: string) => boolean,
): Judgement {
  const expiring = history.filter(({ command }) => isExpiring(command[1]!));
  const lasting = history.filter(({ command }) => !isExpiring(command[1]!));
  const ofKeys = withoutTransactions(lasting);
  const findings = [
    ...findLostWrites(ofKeys, contents),
    ...findStaleReads(ofKeys),
    ...findStaleReads(expiring),
    ...findReappearances(expiring),
  ];
  // The others say more plainly what is wrong.
  if (findings.length > 0) return { findings, isUnknown: false };
  const verdict = checkLinearizability(lasting, redisModel(lasting));
  const isViolation = verdict.kind === 'violation';
  return { findings: isViolation ? [explain(verdict)] : [], isUnknown: verdict.kind === 'unknown' };
}

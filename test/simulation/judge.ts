// What the history of the clients says, when a run is over.

import assert from 'node:assert/strict';
import { findLostWrites } from '../checkers/acknowledged-writes.js';
import { findReappearances, findWrongDeadlines } from '../checkers/expiry.js';
import { checkLinearizability, explain } from '../checkers/linearizability.js';
import type { Operation } from '../checkers/operation.js';
import { findStaleReads } from '../checkers/read-freshness.js';
import { redisModel } from '../checkers/redis-model.js';
import { isOfExpiringKey } from './commands.js';

/**
 * Throws when something is wrong; the cheap checkers first, because they say more plainly what. `contents`
 * has the keys that are there in the end. `unknown`: nothing was found, and the search for an order ran out
 * of steps.
 */
export function judge(
  history: readonly Operation[],
  contents: ReadonlyMap<string, string>,
): 'linearizable' | 'unknown' {
  const findings = [
    ...findLostWrites(history, contents),
    ...findStaleReads(history),
    ...findReappearances(history),
    ...findWrongDeadlines(history),
  ];
  assert(findings.length === 0, findings.join('\n'));
  const lasting = history.filter(({ command }) => !isOfExpiringKey(command));
  const verdict = checkLinearizability(lasting, redisModel(lasting));
  assert(verdict.kind !== 'violation', explain(verdict));
  return verdict.kind;
}

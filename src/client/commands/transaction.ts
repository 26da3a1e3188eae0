// MULTI and what belongs to it. https://redis.io/docs/latest/commands/?group=transactions
//
// EXEC and WATCH need the log: the dispatcher runs them.

import assert from 'node:assert/strict';
import { errorReply, okReply, type Reply } from '../../../resp/index.js';
import type { Session } from '../session.js';
import { Transaction } from '../transaction.js';
import type { ServerCommand, ServerContext } from './table.js';

const nested = errorReply('ERR MULTI calls can not be nested');
const discardWithoutMulti = errorReply('ERR DISCARD without MULTI');

function multi(_context: ServerContext, session: Session): Reply {
  if (session.transaction !== undefined) return nested;
  session.transaction = new Transaction();
  return okReply;
}

function discard(_context: ServerContext, session: Session): Reply {
  if (session.transaction === undefined) return discardWithoutMulti;
  session.endTransaction();
  return okReply;
}

function unwatch(_context: ServerContext, session: Session): Reply {
  session.watched.forget();
  return okReply;
}

function byDispatcher(): Reply {
  assert.fail('The dispatcher runs this command');
}

export const transactionCommands = [
  {
    name: 'discard',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['@fast', '@transaction'],
    tips: [],
    group: 'transactions',
    since: '2.0.0',
    summary: 'Discards a transaction.',
    complexity: 'O(N), when N is the number of queued commands',
    isBarrier: false,
    run: discard,
  },
  {
    name: 'exec',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'skip_slowlog'],
    categories: ['@slow', '@transaction'],
    tips: [],
    group: 'transactions',
    since: '1.2.0',
    summary: 'Executes all commands in a transaction.',
    complexity: 'Depends on commands in the transaction',
    isBarrier: false,
    run: byDispatcher,
  },
  {
    name: 'multi',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['@fast', '@transaction'],
    tips: [],
    group: 'transactions',
    since: '1.2.0',
    summary: 'Starts a transaction.',
    complexity: 'O(1)',
    isBarrier: false,
    run: multi,
  },
  {
    name: 'unwatch',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['@fast', '@transaction'],
    tips: [],
    group: 'transactions',
    since: '2.2.0',
    summary: 'Forgets about watched keys of a transaction.',
    complexity: 'O(1)',
    isBarrier: false,
    run: unwatch,
  },
  {
    name: 'watch',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'allow_busy'],
    categories: ['@fast', '@transaction'],
    keys: {
      keySpecs: [{ flags: ['RO'], beginIndex: 1, lastKey: -1, keyStep: 1, limit: 0 }],
      firstKey: 1,
      lastKey: -1,
      keyStep: 1,
    },
    tips: [],
    group: 'transactions',
    since: '2.2.0',
    summary: 'Monitors changes to keys to determine the execution of a transaction.',
    complexity: 'O(1) for every key.',
    isBarrier: false,
    run: byDispatcher,
  },
] as const satisfies readonly ServerCommand[];

// The keyspace as a whole. https://redis.io/docs/latest/commands/?group=server

import type { Buffer } from 'node:buffer';
import type { Reply } from '../../resp/index.js';
import { errorReply, errors, okReply } from '../../resp/index.js';
import type { Keyspace } from '../keyspace.js';
import { isWord } from './arguments.js';
import type { DataCommand } from './table.js';

/** Keys that are due but not yet deleted count, as in Redis. */
function dbsize(keyspace: Keyspace): Reply {
  return keyspace.counters.keys(keyspace.db);
}

function flushall(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  if (!isFlush(args)) return errors.syntax;
  keyspace.flushAll();
  return okReply;
}

function flushdb(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  if (!isFlush(args)) return errors.syntax;
  keyspace.flushDatabase();
  return okReply;
}

/** ASYNC and SYNC are the same here: what is flushed is out of reach at once, the rest is later. */
function isFlush(args: readonly Buffer[]): boolean {
  const mode = args[1];
  if (mode === undefined) return true;
  return args.length === 2 && (isWord(mode, 'async') || isWord(mode, 'sync'));
}

const swapRefusal = errorReply(
  'ERR SWAPDB is not supported: databases cannot be exchanged in a cluster',
);

function swapdb(): Reply {
  return swapRefusal;
}

export const serverCommands = [
  {
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    categories: ['@keyspace', '@read', '@fast'],
    keySpecs: [],
    tips: ['request_policy:all_shards', 'response_policy:agg_sum'],
    group: 'server',
    since: '1.0.0',
    summary: 'Returns the number of keys in the database.',
    complexity: 'O(1)',
    run: dbsize,
  },
  {
    name: 'flushall',
    arity: -1,
    flags: ['write'],
    categories: ['@keyspace', '@write', '@slow', '@dangerous'],
    keySpecs: [],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    group: 'server',
    since: '1.0.0',
    summary: 'Removes all keys from all databases.',
    complexity: 'O(1); the space is reclaimed later, bit by bit.',
    run: flushall,
    replyAtCommit: isFlush,
  },
  {
    name: 'flushdb',
    arity: -1,
    flags: ['write'],
    categories: ['@keyspace', '@write', '@slow', '@dangerous'],
    keySpecs: [],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    group: 'server',
    since: '1.0.0',
    summary: 'Remove all keys from the current database.',
    complexity: 'O(1); the space is reclaimed later, bit by bit.',
    run: flushdb,
    replyAtCommit: isFlush,
  },
  {
    name: 'swapdb',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast', '@dangerous'],
    keySpecs: [],
    tips: [],
    group: 'server',
    since: '4.0.0',
    summary: 'Swaps two Redis databases. Always refused.',
    complexity: 'O(1)',
    run: swapdb,
  },
] as const satisfies readonly DataCommand[];

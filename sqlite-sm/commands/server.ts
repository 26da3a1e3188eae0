// The keyspace as a whole. https://redis.io/docs/latest/commands/?group=server

import type { Buffer } from 'node:buffer';
import type { Reply } from '../../resp/index.js';
import { errors, okReply } from '../../resp/index.js';
import type { Keyspace } from '../keyspace.js';
import { isWord } from './arguments.js';
import type { DataCommand } from './table.js';

/** Keys that are due but not yet deleted count, as in Redis. */
function dbsize(keyspace: Keyspace): Reply {
  return keyspace.counters.keys(keyspace.db);
}

/** ASYNC and SYNC are the same here: the swap of tables costs nothing, the rest is always later. */
function flushall(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  if (args.length > 2) return errors.syntax;
  const mode = args[1];
  if (mode !== undefined && !isWord(mode, 'async') && !isWord(mode, 'sync')) return errors.syntax;
  keyspace.flushAll();
  return okReply;
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
  },
] as const satisfies readonly DataCommand[];

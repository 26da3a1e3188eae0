// Keys of any type. https://redis.io/docs/latest/commands/?group=generic

import type { Buffer } from 'node:buffer';
import type { Reply } from '../../resp/index.js';
import { errorReply, errors, simpleString } from '../../resp/index.js';
import { isMatchAll, matchesGlob } from '../glob.js';
import { parseInteger } from '../integers.js';
import { type Keyspace, lengthColumn, typeColumn } from '../keyspace.js';
import { typeNames } from '../schema.js';
import { isWord } from './arguments.js';
import { allKeys, type DataCommand, firstKey } from './table.js';

const invalidCursor = errorReply('ERR invalid cursor');

/** As Redis without COUNT. */
const scanRowsDefault = 10;
/** COUNT is a hint; a larger one is served as this, in some milliseconds. */
export const scanRowsMax = 10_000;

const typeReplies = typeNames.map(simpleString);
const noneReply = simpleString('none');

function del(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  let count = 0;
  for (let i = 1; i < args.length; i++) {
    const head = keyspace.findHead(args[i] as Buffer);
    if (head === undefined) continue;
    keyspace.remove(head);
    count++;
  }
  return count;
}

/** A key named twice counts twice. */
function exists(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  let count = 0;
  for (let i = 1; i < args.length; i++) {
    if (keyspace.readHead(args[i] as Buffer) !== undefined) count++;
  }
  return count;
}

function type(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const head = keyspace.readHead(args[1] as Buffer);
  return (head === undefined ? undefined : typeReplies[head[typeColumn]]) ?? noneReply;
}

// The cursor is the id of the last row examined. Ids rise and are never used again, and a key keeps
// its id for life, so a key that exists from the first call to the last is met exactly once; one
// that was deleted and made again may be met twice, which Redis allows. Rows of other databases
// count as examined: the work of a call is bounded, whatever it finds.
function scan(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const cursor = parseCursor(args[1] as Buffer);
  if (cursor === undefined) return invalidCursor;
  let limit = scanRowsDefault;
  let pattern: Buffer | undefined;
  let wantedType: Buffer | undefined;
  for (let i = 2; i < args.length; i += 2) {
    const option = args[i] as Buffer;
    const value = args[i + 1];
    if (value === undefined) return errors.syntax;
    if (isWord(option, 'count')) {
      const count = parseInteger(value);
      if (count === undefined) return errors.notInteger;
      if (count < 1) return errors.syntax;
      limit = Math.min(Number(count), scanRowsMax);
    } else if (isWord(option, 'match')) {
      pattern = isMatchAll(value) ? undefined : value;
    } else if (isWord(option, 'type')) {
      wantedType = value;
    } else {
      return errors.syntax;
    }
  }

  const rows = keyspace.readRowsAfter(cursor, limit);
  const names: Buffer[] = [];
  for (const [, db, rowType, expiresMs, name] of rows) {
    if (db !== keyspace.db) continue;
    if (pattern !== undefined && !matchesGlob(pattern, name)) continue;
    if (wantedType !== undefined && !isWord(wantedType, typeNames[rowType] ?? '')) continue;
    if (!keyspace.isDue(expiresMs)) names.push(name);
  }
  const last = rows.length < limit ? undefined : rows.at(-1);
  return [last === undefined ? '0' : String(last[0]), names];
}

/**
 * Redis reads a cursor with strtoul: a sign is allowed, and nothing at all means 0. `undefined`
 * beyond 64 bits or when it is no number; one above every id is the end.
 */
function parseCursor(text: Buffer): number | undefined {
  const digits = text.toString('latin1');
  if (!/^(?:[+-]?\d+)?$/.test(digits)) return undefined;
  const cursor = BigInt(digits.replace(/^[+-]/, '') || '0');
  if (cursor >= 2n ** 64n) return undefined;
  // A negative number wraps around in C and is far above every id as well.
  if (cursor > 0n && digits.startsWith('-')) return Number.MAX_SAFE_INTEGER;
  return Math.min(Number(cursor), Number.MAX_SAFE_INTEGER);
}

/**
 * What a key takes, estimated: its name, its value and its row with the index on it. SAMPLES is of no
 * use to strings, and checked all the same.
 */
function memoryUsage(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  for (let i = 3; i < args.length; i += 2) {
    const value = args[i + 1];
    if (!isWord(args[i] as Buffer, 'samples') || value === undefined) return errors.syntax;
    const samples = parseInteger(value);
    if (samples === undefined) return errors.notInteger;
    if (samples < 0) return errors.syntax;
  }
  const name = args[2] as Buffer;
  const row = keyspace.readLength(name);
  if (row === undefined) return null;
  return rowBytes + 2 * name.length + (row[lengthColumn] ?? 0);
}

/** Of a row of `keys` and its entry in the index, without name and value. Roughly. */
const rowBytes = 48;

export const keyCommands = [
  {
    name: 'del',
    arity: -2,
    flags: ['write'],
    categories: ['@keyspace', '@write', '@slow'],
    keySpecs: [allKeys(1, 'RM', 'delete')],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    group: 'generic',
    since: '1.0.0',
    summary: 'Deletes one or more keys.',
    complexity: 'O(N) where N is the number of keys that will be removed.',
    run: del,
  },
  {
    name: 'exists',
    arity: -2,
    flags: ['readonly', 'fast'],
    categories: ['@keyspace', '@read', '@fast'],
    keySpecs: [allKeys(1, 'RO')],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    group: 'generic',
    since: '1.0.0',
    summary: 'Determines whether one or more keys exist.',
    complexity: 'O(N) where N is the number of keys to check.',
    run: exists,
  },
  {
    // MEMORY itself is a server command; what it finds here it calls by this name.
    name: 'memory|usage',
    arity: -3,
    flags: ['readonly'],
    categories: ['@read', '@slow'],
    keySpecs: [{ flags: ['RO'], beginIndex: 2, lastKey: 0, keyStep: 1, limit: 0 }],
    tips: [],
    group: 'server',
    since: '4.0.0',
    summary: 'Estimates the memory usage of a key.',
    complexity: 'O(1)',
    run: memoryUsage,
  },
  {
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    categories: ['@keyspace', '@read', '@slow'],
    keySpecs: [],
    tips: ['nondeterministic_output', 'request_policy:special', 'response_policy:special'],
    group: 'generic',
    since: '2.8.0',
    summary: 'Iterates over the key names in the database.',
    complexity:
      'O(N) for a call, N being COUNT; O(M) for an iteration, M being the keys of all databases.',
    run: scan,
  },
  {
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['@keyspace', '@read', '@fast'],
    keySpecs: [firstKey('RO')],
    tips: [],
    group: 'generic',
    since: '1.0.0',
    summary: 'Determines the type of value stored at a key.',
    complexity: 'O(1)',
    run: type,
  },
] as const satisfies readonly DataCommand[];

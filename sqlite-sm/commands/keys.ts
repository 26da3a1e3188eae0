// Keys of any type. https://redis.io/docs/latest/commands/?group=generic

import type { Buffer } from 'node:buffer';
import type { ErrorReply, Reply } from '../../resp/index.js';
import { errorReply, errors, okReply, simpleString } from '../../resp/index.js';
import { databaseCount } from '../command-codec.js';
import { parseInteger } from '../integers.js';
import { type Keyspace, lengthColumn, typeColumn } from '../keyspace.js';
import { typeNames } from '../schema.js';
import { isWord } from './arguments.js';
import { allKeys, type DataCommand, firstKey, secondKey } from './table.js';

const typeReplies = typeNames.map(simpleString);
const noneReply = simpleString('none');
const sameObject = errorReply('ERR source and destination objects are the same');
const beyondInt = errorReply(
  'ERR value is out of range, value must between -2147483648 and 2147483647',
);
const noSuchDatabase = errorReply('ERR DB index is out of range');

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

/** A key named twice counts twice. TOUCH is the same: no access times are kept. */
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

function rename(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const [, source, target] = args as [Buffer, Buffer, Buffer];
  const head = keyspace.findHead(source);
  if (head === undefined) return errors.noSuchKey;
  if (source.equals(target)) return okReply;
  const old = keyspace.findHead(target);
  if (old !== undefined) keyspace.remove(old);
  keyspace.move(head, keyspace.db, target);
  return okReply;
}

function renamenx(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const [, source, target] = args as [Buffer, Buffer, Buffer];
  const head = keyspace.findHead(source);
  if (head === undefined) return errors.noSuchKey;
  if (keyspace.findHead(target) !== undefined) return 0;
  keyspace.move(head, keyspace.db, target);
  return 1;
}

function copy(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const [, source, target] = args as [Buffer, Buffer, Buffer];
  let targetDb = keyspace.db;
  let isReplacing = false;
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    const value = args[i + 1];
    if (isWord(option, 'replace')) {
      isReplacing = true;
    } else if (isWord(option, 'db') && value !== undefined) {
      const parsed = parseDatabase(value);
      if (typeof parsed !== 'number') return parsed;
      targetDb = parsed;
      i++;
    } else {
      return errors.syntax;
    }
  }
  if (targetDb === keyspace.db && source.equals(target)) return sameObject;

  const head = keyspace.findHead(source);
  keyspace.countLookup(head);
  if (head === undefined) return 0;
  const old = keyspace.findHeadIn(targetDb, target);
  if (old !== undefined) {
    if (!isReplacing) return 0;
    keyspace.remove(old, targetDb);
  }
  keyspace.copy(head, targetDb, target);
  return 1;
}

function move(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const [, name, dbText] = args as [Buffer, Buffer, Buffer];
  const targetDb = parseDatabase(dbText);
  if (typeof targetDb !== 'number') return targetDb;
  if (targetDb === keyspace.db) return sameObject;
  const head = keyspace.findHead(name);
  if (head === undefined || keyspace.findHeadIn(targetDb, name) !== undefined) return 0;
  keyspace.move(head, targetDb, name);
  return 1;
}

function parseDatabase(text: Buffer): number | ErrorReply {
  const number = parseInteger(text);
  if (number === undefined) return errors.notInteger;
  // C's `int`, in which Redis keeps database numbers.
  if (number < -(2 ** 31) || number >= 2 ** 31) return beyondInt;
  return number >= 0 && number < databaseCount ? Number(number) : noSuchDatabase;
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
  const row = keyspace.peekLength(name);
  if (row === undefined) return null;
  return rowBytes + 2 * name.length + (row[lengthColumn] ?? 0);
}

/** Of a row of `keys` and its entry in the index, without name and value. Roughly. */
const rowBytes = 48;

export const keyCommands = [
  {
    name: 'copy',
    arity: -3,
    flags: ['write', 'denyoom'],
    categories: ['@keyspace', '@write', '@slow'],
    keySpecs: [firstKey('RO', 'access'), secondKey('OW', 'update')],
    tips: [],
    group: 'generic',
    since: '6.2.0',
    summary: 'Copies the value of a key to a new key.',
    complexity: 'O(N) with N the length of the value.',
    run: copy,
  },
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
    name: 'move',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'update')],
    tips: [],
    group: 'generic',
    since: '1.0.0',
    summary: 'Moves a key to another database.',
    complexity: 'O(N) with N the length of the value.',
    run: move,
  },
  {
    name: 'rename',
    arity: 3,
    flags: ['write'],
    categories: ['@keyspace', '@write', '@slow'],
    keySpecs: [firstKey('RW', 'access', 'delete'), secondKey('OW', 'update')],
    tips: [],
    group: 'generic',
    since: '1.0.0',
    summary: 'Renames a key and overwrites the destination.',
    complexity: 'O(N) with N the length of the value.',
    run: rename,
  },
  {
    name: 'renamenx',
    arity: 3,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'delete'), secondKey('OW', 'insert')],
    tips: [],
    group: 'generic',
    since: '1.0.0',
    summary: "Renames a key only when the target key name doesn't exist.",
    complexity: 'O(N) with N the length of the value.',
    run: renamenx,
  },
  {
    name: 'touch',
    arity: -2,
    flags: ['readonly', 'fast'],
    categories: ['@keyspace', '@read', '@fast'],
    keySpecs: [allKeys(1, 'RO')],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    group: 'generic',
    since: '3.2.1',
    summary:
      'Returns the number of existing keys out of those specified after updating the time they were last accessed.',
    complexity: 'O(N) where N is the number of keys to check.',
    run: exists,
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
  {
    name: 'unlink',
    arity: -2,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast'],
    keySpecs: [allKeys(1, 'RM', 'delete')],
    tips: ['request_policy:multi_shard', 'response_policy:agg_sum'],
    group: 'generic',
    since: '4.0.0',
    summary: 'Asynchronously deletes one or more keys.',
    complexity: 'O(N) where N is the number of keys that will be removed.',
    run: del,
  },
] as const satisfies readonly DataCommand[];

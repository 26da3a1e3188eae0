// Strings: a name, some bytes. https://redis.io/docs/latest/commands/?group=string
//
// Integers are not a type of their own: INCR reads and writes decimal text, as clients see it.

import { Buffer } from 'node:buffer';
import type { ErrorReply, Reply } from '../../resp/index.js';
import { errorReply, errors, okReply, wrongArity } from '../../resp/index.js';
import { add, formatInteger, type Integer, multiply, negate, parseInteger } from '../integers.js';
import type { Expiry, KeyHead, Keyspace } from '../keyspace.js';
import { lengthColumn, typeColumn, valueColumn } from '../keyspace.js';
import { stringType } from '../schema.js';
import { isWord } from './arguments.js';
import { allKeys, type DataCommand, firstKey, type KeySpecFlag } from './table.js';

/**
 * Redis' default `proto-max-bulk-len`, 512 MiB, less room for the rest of the row: the driver takes
 * no row of more than 24 bytes below 512 MiB. Part of what APPEND means, hence no option.
 */
export const stringBytesMax = 511 * 1024 * 1024;

const overflow = errorReply('ERR increment or decrement would overflow');
const decrementOverflow = errorReply('ERR decrement would overflow');
export const stringTooLong = errorReply(
  'ERR string exceeds maximum allowed size (proto-max-bulk-len)',
);

function get(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const value = keyspace.readString(args[1] as Buffer);
  if (value === undefined) return null;
  return value === null ? errors.wrongType : value;
}

/** A key of another type reads as absent. */
function mget(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const values = new Array<Reply>(args.length - 1);
  for (let i = 1; i < args.length; i++) {
    values[i - 1] = keyspace.readString(args[i] as Buffer) ?? null;
  }
  return values;
}

function strlen(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const row = keyspace.readLength(args[1] as Buffer);
  if (row === undefined) return 0;
  return row[typeColumn] === stringType ? row[lengthColumn] : errors.wrongType;
}

function set(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  if (args.length > 3) return setWithOptions(keyspace, args);
  put(keyspace, args[1] as Buffer, args[2] as Buffer);
  return okReply;
}

function mset(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  if (args.length % 2 === 0) return wrongArity('mset');
  for (let i = 1; i < args.length; i += 2) {
    put(keyspace, args[i] as Buffer, args[i + 1] as Buffer);
  }
  return okReply;
}

/** Whatever was there, type and expiry included, gives way. */
export function put(keyspace: Keyspace, name: Buffer, value: Buffer): void {
  if (keyspace.putPlainString(name, value)) return;
  const head = keyspace.findHead(name);
  if (head === undefined) keyspace.insertString(name, value, null);
  else keyspace.replaceString(head, value, null);
}

interface SetOptions {
  condition: 'nx' | 'xx' | undefined;
  get: boolean;
  keepTtl: boolean;
  expiry: GivenExpiry | undefined;
}

export interface GivenExpiry {
  readonly unit: (typeof expiryUnits)[number];
  readonly amount: Buffer;
}

// The order is Redis': a malformed option wins over a bad expiry, that over a wrong type, and a
// wrong type is noticed only when the old value was asked for.
function setWithOptions(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const options = parseSetOptions(args);
  if (options === undefined) return errors.syntax;
  let expiresMs: Expiry = null;
  if (options.expiry !== undefined) {
    const parsed = parseExpiry(options.expiry, keyspace.nowMs, 'set');
    if (isError(parsed)) return parsed;
    expiresMs = parsed;
  }

  const name = args[1] as Buffer;
  const value = args[2] as Buffer;
  let old: Reply = null;
  let head: KeyHead | undefined;
  if (options.get) {
    const row = keyspace.findValue(name);
    keyspace.countLookup(row);
    if (row !== undefined && row[typeColumn] !== stringType) return errors.wrongType;
    head = row;
    if (row !== undefined) old = row[valueColumn];
  } else {
    head = keyspace.findHead(name);
  }

  const isMet =
    options.condition === undefined || (options.condition === 'xx') === (head !== undefined);
  if (!isMet) return options.get ? old : null;
  if (head === undefined) keyspace.insertString(name, value, expiresMs);
  else if (options.keepTtl) keyspace.setValue(head, value);
  else keyspace.replaceString(head, value, expiresMs);
  return options.get ? old : okReply;
}

/** An option may be repeated but not contradicted: `EX 1 EX 2` is fine, `EX 1 PX 2` is not. */
function parseSetOptions(args: readonly Buffer[]): SetOptions | undefined {
  const options: SetOptions = {
    condition: undefined,
    get: false,
    keepTtl: false,
    expiry: undefined,
  };
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    if (isWord(option, 'get')) {
      options.get = true;
    } else if (isWord(option, 'nx') && options.condition !== 'xx') {
      options.condition = 'nx';
    } else if (isWord(option, 'xx') && options.condition !== 'nx') {
      options.condition = 'xx';
    } else if (isWord(option, 'keepttl') && options.expiry === undefined) {
      options.keepTtl = true;
    } else {
      const unit = expiryUnits.find((word) => isWord(option, word));
      const amount = args[i + 1];
      if (unit === undefined || amount === undefined || options.keepTtl) return undefined;
      if (options.expiry !== undefined && options.expiry.unit !== unit) return undefined;
      options.expiry = { unit, amount };
      i++;
    }
  }
  return options;
}

/** The word counts wherever it stands, as in Redis, even as the time of EX. */
function setKeyFlags(args: readonly Buffer[]): readonly KeySpecFlag[] {
  const isRead = args.slice(3).some((arg) => isWord(arg, 'get'));
  return isRead ? ['RW', 'access', 'update'] : ['OW', 'update'];
}

/** What no condition, no question for the old value and no time can make another reply than OK. */
function setReplyAtCommit(args: readonly Buffer[]): boolean {
  if (args.length === 3) return true;
  const options = parseSetOptions(args);
  if (options === undefined || options.condition !== undefined || options.get) return false;
  return options.expiry === undefined || isAlwaysExpiry(options.expiry.amount);
}

export const expiryUnits = ['ex', 'px', 'exat', 'pxat'] as const;

/** Milliseconds since the epoch; a time in the past is allowed, a time before the epoch is not. */
export function parseExpiry(
  { unit, amount }: GivenExpiry,
  nowMs: number,
  commandName: string,
): Integer | ErrorReply {
  const given = parseInteger(amount);
  if (given === undefined) return errors.notInteger;
  const invalid = errorReply(`ERR invalid expire time in '${commandName}' command`);
  if (given <= 0) return invalid;
  const milliseconds = unit === 'ex' || unit === 'exat' ? multiply(given, 1000) : given;
  if (milliseconds === undefined) return invalid;
  const isRelative = unit === 'ex' || unit === 'px';
  return (isRelative ? add(milliseconds, nowMs) : milliseconds) ?? invalid;
}

/** Whether `parseExpiry` takes the amount in every unit and at every time. There may be more such. */
export function isAlwaysExpiry(amount: Buffer): boolean {
  if (amount.length === 0 || amount.length > 12 || amount[0] === digitZero) return false;
  return amount.every((byte) => byte >= digitZero && byte <= digitZero + 9);
}

const digitZero = 0x30;

export function isError(value: Integer | ErrorReply): value is ErrorReply {
  return typeof value === 'object';
}

function incr(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return increase(keyspace, args[1] as Buffer, 1);
}

function decr(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return increase(keyspace, args[1] as Buffer, -1);
}

function incrby(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const amount = parseInteger(args[2] as Buffer);
  if (amount === undefined) return errors.notInteger;
  return increase(keyspace, args[1] as Buffer, amount);
}

function decrby(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const amount = parseInteger(args[2] as Buffer);
  if (amount === undefined) return errors.notInteger;
  const opposite = negate(amount);
  if (opposite === undefined) return decrementOverflow;
  return increase(keyspace, args[1] as Buffer, opposite);
}

/** The expiry stays. */
function increase(keyspace: Keyspace, name: Buffer, amount: Integer): Reply {
  const row = keyspace.findValue(name);
  if (row !== undefined && row[typeColumn] !== stringType) return errors.wrongType;
  const old = row === undefined ? 0 : parseInteger(row[valueColumn] as Buffer);
  if (old === undefined) return errors.notInteger;
  const sum = add(old, amount);
  if (sum === undefined) return overflow;
  if (row === undefined) keyspace.insertString(name, formatInteger(sum), null);
  else keyspace.setValue(row, formatInteger(sum));
  return sum;
}

/** The expiry stays. An empty suffix still creates the key. */
function append(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const name = args[1] as Buffer;
  const suffix = args[2] as Buffer;
  const head = keyspace.findLength(name);
  if (head === undefined) {
    if (suffix.length > stringBytesMax) return stringTooLong;
    keyspace.insertString(name, suffix, null);
    return suffix.length;
  }
  if (head[typeColumn] !== stringType) return errors.wrongType;
  const length = (head[lengthColumn] as number) + suffix.length;
  if (length > stringBytesMax) return stringTooLong;
  const value = keyspace.stringOf(head);
  keyspace.setValue(head, Buffer.concat([value, suffix], length));
  return length;
}

export const stringCommands = [
  {
    name: 'append',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('RW', 'insert')],
    tips: [],
    group: 'string',
    since: '2.0.0',
    summary: "Appends a string to the value of a key. Creates the key if it doesn't exist.",
    complexity: 'O(N) with N the length of the new value.',
    run: append,
  },
  {
    name: 'decr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'update')],
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary:
      "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
    complexity: 'O(1)',
    run: decr,
  },
  {
    name: 'decrby',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'update')],
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary:
      "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
    complexity: 'O(1)',
    run: decrby,
  },
  {
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['@read', '@string', '@fast'],
    keySpecs: [firstKey('RO', 'access')],
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary: 'Returns the string value of a key.',
    complexity: 'O(1)',
    run: get,
  },
  {
    name: 'incr',
    arity: 2,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'update')],
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary:
      "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
    complexity: 'O(1)',
    run: incr,
  },
  {
    name: 'incrby',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'update')],
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary:
      "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    complexity: 'O(1)',
    run: incrby,
  },
  {
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    categories: ['@read', '@string', '@fast'],
    keySpecs: [allKeys(1, 'RO', 'access')],
    tips: ['request_policy:multi_shard'],
    group: 'string',
    since: '1.0.0',
    summary: 'Atomically returns the string values of one or more keys.',
    complexity: 'O(N) where N is the number of keys to retrieve.',
    run: mget,
  },
  {
    name: 'mset',
    arity: -3,
    flags: ['write', 'denyoom'],
    categories: ['@write', '@string', '@slow'],
    keySpecs: [allKeys(2, 'OW', 'update')],
    tips: ['request_policy:multi_shard', 'response_policy:all_succeeded'],
    group: 'string',
    since: '1.0.1',
    summary: 'Atomically creates or modifies the string values of one or more keys.',
    complexity: 'O(N) where N is the number of keys to set.',
    run: mset,
    replyAtCommit: (args) => args.length % 2 === 1,
  },
  {
    name: 'set',
    arity: -3,
    flags: ['write', 'denyoom'],
    categories: ['@write', '@string', '@slow'],
    keySpecs: [
      {
        ...firstKey('RW', 'access', 'update', 'variable_flags'),
        notes: 'RW and ACCESS due to the optional `GET` argument',
      },
    ],
    keyFlags: setKeyFlags,
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary:
      "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
    complexity: 'O(1)',
    run: set,
    replyAtCommit: setReplyAtCommit,
  },
  {
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['@read', '@string', '@fast'],
    keySpecs: [firstKey('RO')],
    tips: [],
    group: 'string',
    since: '2.2.0',
    summary: 'Returns the length of a string value.',
    complexity: 'O(1)',
    run: strlen,
  },
] as const satisfies readonly DataCommand[];

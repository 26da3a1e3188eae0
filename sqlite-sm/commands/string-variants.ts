// GET and SET in one step with something else. https://redis.io/docs/latest/commands/?group=string

import type { Buffer } from 'node:buffer';
import type { Reply } from '../../resp/index.js';
import { errors, okReply, wrongArity } from '../../resp/index.js';
import { type Keyspace, typeColumn, valueColumn } from '../keyspace.js';
import { stringType } from '../schema.js';
import { isWord } from './arguments.js';
import {
  expiryUnits,
  type GivenExpiry,
  isAlwaysExpiry,
  isError,
  parseExpiry,
  put,
} from './strings.js';
import { allKeys, type DataCommand, firstKey } from './table.js';

function getdel(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const row = keyspace.findValue(args[1] as Buffer);
  keyspace.countLookup(row);
  if (row === undefined) return null;
  if (row[typeColumn] !== stringType) return errors.wrongType;
  keyspace.remove(row);
  return row[valueColumn];
}

interface GetexOptions {
  isPersist: boolean;
  expiry: GivenExpiry | undefined;
}

// A key that is not there is no mistake, whatever the time; one in the past deletes at once.
function getex(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const options = parseGetexOptions(args);
  if (options === undefined) return errors.syntax;
  const row = keyspace.findValue(args[1] as Buffer);
  keyspace.countLookup(row);
  if (row === undefined) return null;
  if (row[typeColumn] !== stringType) return errors.wrongType;
  if (options.expiry !== undefined) {
    const expiresMs = parseExpiry(options.expiry, keyspace.nowMs, 'getex');
    if (isError(expiresMs)) return expiresMs;
    if (expiresMs <= keyspace.nowMs) keyspace.remove(row);
    else keyspace.setExpiry(row, expiresMs);
  } else if (options.isPersist) {
    keyspace.setExpiry(row, null);
  }
  return row[valueColumn];
}

/** As those of SET: an option may be repeated but not contradicted. */
function parseGetexOptions(args: readonly Buffer[]): GetexOptions | undefined {
  const options: GetexOptions = { isPersist: false, expiry: undefined };
  for (let i = 2; i < args.length; i++) {
    const option = args[i] as Buffer;
    if (isWord(option, 'persist') && options.expiry === undefined) {
      options.isPersist = true;
      continue;
    }
    const unit = expiryUnits.find((word) => isWord(option, word));
    const amount = args[i + 1];
    if (unit === undefined || amount === undefined || options.isPersist) return undefined;
    if (options.expiry !== undefined && options.expiry.unit !== unit) return undefined;
    options.expiry = { unit, amount };
    i++;
  }
  return options;
}

function getset(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const name = args[1] as Buffer;
  const value = args[2] as Buffer;
  const row = keyspace.findValue(name);
  keyspace.countLookup(row);
  if (row === undefined) {
    keyspace.insertString(name, value, null);
    return null;
  }
  if (row[typeColumn] !== stringType) return errors.wrongType;
  keyspace.replaceString(row, value, null);
  return row[valueColumn];
}

function msetnx(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  if (args.length % 2 === 0) return wrongArity('msetnx');
  for (let i = 1; i < args.length; i += 2) {
    if (keyspace.findHead(args[i] as Buffer) !== undefined) return 0;
  }
  // A name that is given twice exists from its first time on.
  for (let i = 1; i < args.length; i += 2) {
    put(keyspace, args[i] as Buffer, args[i + 1] as Buffer);
  }
  return 1;
}

function setnx(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const name = args[1] as Buffer;
  if (keyspace.findHead(name) !== undefined) return 0;
  keyspace.insertString(name, args[2] as Buffer, null);
  return 1;
}

function setex(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return setWithExpiry(keyspace, args, 'ex', 'setex');
}

function psetex(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return setWithExpiry(keyspace, args, 'px', 'psetex');
}

function setWithExpiry(
  keyspace: Keyspace,
  args: readonly Buffer[],
  unit: 'ex' | 'px',
  commandName: string,
): Reply {
  const [, name, amount, value] = args as [Buffer, Buffer, Buffer, Buffer];
  const expiresMs = parseExpiry({ unit, amount }, keyspace.nowMs, commandName);
  if (isError(expiresMs)) return expiresMs;
  const head = keyspace.findHead(name);
  if (head === undefined) keyspace.insertString(name, value, expiresMs);
  else keyspace.replaceString(head, value, expiresMs);
  return okReply;
}

export const stringVariantCommands = [
  {
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'delete')],
    tips: [],
    group: 'string',
    since: '6.2.0',
    summary: 'Returns the string value of a key after deleting the key.',
    complexity: 'O(1)',
    run: getdel,
  },
  {
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [
      { ...firstKey('RW', 'access', 'update'), notes: 'RW and UPDATE because it changes the TTL' },
    ],
    tips: [],
    group: 'string',
    since: '6.2.0',
    summary: 'Returns the string value of a key after setting its expiration time.',
    complexity: 'O(1)',
    run: getex,
  },
  {
    name: 'getset',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'update')],
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary: 'Returns the previous string value of a key after setting it to a new value.',
    complexity: 'O(1)',
    run: getset,
  },
  {
    name: 'msetnx',
    arity: -3,
    flags: ['write', 'denyoom'],
    categories: ['@write', '@string', '@slow'],
    keySpecs: [allKeys(2, 'OW', 'insert')],
    tips: ['request_policy:multi_shard', 'response_policy:agg_min'],
    group: 'string',
    since: '1.0.1',
    summary:
      "Atomically modifies the string values of one or more keys only when all keys don't exist.",
    complexity: 'O(N) where N is the number of keys to set.',
    run: msetnx,
  },
  {
    name: 'psetex',
    arity: 4,
    flags: ['write', 'denyoom'],
    categories: ['@write', '@string', '@slow'],
    keySpecs: [firstKey('OW', 'update')],
    tips: [],
    group: 'string',
    since: '2.6.0',
    summary:
      "Sets both string value and expiration time in milliseconds of a key. The key is created if it doesn't exist.",
    complexity: 'O(1)',
    run: psetex,
    replyAtCommit: (args) => isAlwaysExpiry(args[2] as Buffer),
  },
  {
    name: 'setex',
    arity: 4,
    flags: ['write', 'denyoom'],
    categories: ['@write', '@string', '@slow'],
    keySpecs: [firstKey('OW', 'update')],
    tips: [],
    group: 'string',
    since: '2.0.0',
    summary:
      "Sets the string value and expiration time of a key. Creates the key if it doesn't exist.",
    complexity: 'O(1)',
    run: setex,
    replyAtCommit: (args) => isAlwaysExpiry(args[2] as Buffer),
  },
  {
    name: 'setnx',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('OW', 'insert')],
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary: "Set the string value of a key only when the key doesn't exist.",
    complexity: 'O(1)',
    run: setnx,
  },
] as const satisfies readonly DataCommand[];

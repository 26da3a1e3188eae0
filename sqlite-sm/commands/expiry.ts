// Keys that end by themselves. https://redis.io/docs/latest/commands/expire/
//
// What is stored is the absolute time, computed once from the entry's stamp; a replica that applies
// the entry a day later stores the same.

import type { Buffer } from 'node:buffer';
import type { ErrorReply, Reply } from '../../resp/index.js';
import { errorReply, errors } from '../../resp/index.js';
import { add, type Integer, multiply, parseInteger } from '../integers.js';
import { type Expiry, expiryColumn, type Keyspace } from '../keyspace.js';
import { isWord } from './arguments.js';
import { type DataCommand, firstKey } from './table.js';

const conflictWithNx = errorReply(
  'ERR NX and XX, GT or LT options at the same time are not compatible',
);
const conflictGtLt = errorReply('ERR GT and LT options at the same time are not compatible');

function expire(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return expireFrom(keyspace, args, 'expire', 1000, keyspace.nowMs);
}

function pexpire(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return expireFrom(keyspace, args, 'pexpire', 1, keyspace.nowMs);
}

function expireat(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return expireFrom(keyspace, args, 'expireat', 1000, 0);
}

function pexpireat(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return expireFrom(keyspace, args, 'pexpireat', 1, 0);
}

/** `originMs` is what the amount counts from, in milliseconds since the epoch. */
function expireFrom(
  keyspace: Keyspace,
  args: readonly Buffer[],
  commandName: string,
  unitMs: number,
  originMs: number,
): Reply {
  const condition = parseCondition(args);
  if ('kind' in condition) return condition;
  const amount = parseInteger(args[2] as Buffer);
  if (amount === undefined) return errors.notInteger;
  const milliseconds = multiply(amount, unitMs);
  const expiresMs = milliseconds === undefined ? undefined : add(milliseconds, originMs);
  if (expiresMs === undefined) {
    return errorReply(`ERR invalid expire time in '${commandName}' command`);
  }

  const head = keyspace.findHead(args[1] as Buffer);
  if (head === undefined) return 0;
  if (!isMet(condition, keyspace.expiryOf(head), expiresMs)) return 0;
  // A time that has passed deletes at once, and counts as done.
  if (expiresMs <= keyspace.nowMs) keyspace.remove(head);
  else keyspace.setExpiry(head, expiresMs);
  return 1;
}

interface Condition {
  nx: boolean;
  xx: boolean;
  gt: boolean;
  lt: boolean;
}

const conditionWords = ['nx', 'xx', 'gt', 'lt'] as const;

function parseCondition(args: readonly Buffer[]): Condition | ErrorReply {
  const condition: Condition = { nx: false, xx: false, gt: false, lt: false };
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    const word = conditionWords.find((candidate) => isWord(option, candidate));
    if (word === undefined) return errorReply(`ERR Unsupported option ${option.toString()}`);
    condition[word] = true;
  }
  const { nx, xx, gt, lt } = condition;
  if (nx && (xx || gt || lt)) return conflictWithNx;
  if (gt && lt) return conflictGtLt;
  return condition;
}

/** No expiry counts as the latest of all for GT and LT. */
function isMet({ nx, xx, gt, lt }: Condition, old: Expiry, next: Integer): boolean {
  if (old === null) return !xx && !gt;
  if (nx) return false;
  if (gt && next <= old) return false;
  return !(lt && next >= old);
}

function ttl(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const rest = remainingMs(keyspace, args[1] as Buffer);
  if (typeof rest === 'bigint') return (rest + 500n) / 1000n;
  return rest < 0 ? rest : Math.floor((rest + 500) / 1000);
}

function pttl(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return remainingMs(keyspace, args[1] as Buffer);
}

/** Milliseconds that the key has left; -1 without expiry, -2 without key. */
function remainingMs(keyspace: Keyspace, name: Buffer): Integer {
  const head = keyspace.readHead(name);
  if (head === undefined) return -2;
  const expiresMs = keyspace.expiryOf(head);
  if (expiresMs === null) return -1;
  // A key that is not due has its expiry ahead, so this is a small step down, never out of range.
  return add(expiresMs, -keyspace.nowMs) as Integer;
}

function expiretime(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const expiresMs = expiryTime(keyspace, args[1] as Buffer);
  if (typeof expiresMs === 'bigint') return (expiresMs + 500n) / 1000n;
  return expiresMs < 0 ? expiresMs : Math.floor((expiresMs + 500) / 1000);
}

function pexpiretime(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return expiryTime(keyspace, args[1] as Buffer);
}

/** When the key ends, in milliseconds since the epoch; -1 without expiry, -2 without key. */
function expiryTime(keyspace: Keyspace, name: Buffer): Integer {
  const head = keyspace.readHead(name);
  return head === undefined ? -2 : (keyspace.expiryOf(head) ?? -1);
}

function persist(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const head = keyspace.findHead(args[1] as Buffer);
  if (head === undefined || head[expiryColumn] === null) return 0;
  keyspace.setExpiry(head, null);
  return 1;
}

export const expiryCommands = [
  {
    name: 'expire',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast'],
    keySpecs: [firstKey('RW', 'update')],
    tips: [],
    group: 'generic',
    since: '1.0.0',
    summary: 'Sets the expiration time of a key in seconds.',
    complexity: 'O(1)',
    run: expire,
  },
  {
    name: 'expireat',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast'],
    keySpecs: [firstKey('RW', 'update')],
    tips: [],
    group: 'generic',
    since: '1.2.0',
    summary: 'Sets the expiration time of a key to a Unix timestamp.',
    complexity: 'O(1)',
    run: expireat,
  },
  {
    name: 'expiretime',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['@keyspace', '@read', '@fast'],
    keySpecs: [firstKey('RO', 'access')],
    tips: [],
    group: 'generic',
    since: '7.0.0',
    summary: 'Returns the expiration time of a key as a Unix timestamp.',
    complexity: 'O(1)',
    run: expiretime,
  },
  {
    name: 'persist',
    arity: 2,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast'],
    keySpecs: [firstKey('RW', 'update')],
    tips: [],
    group: 'generic',
    since: '2.2.0',
    summary: 'Removes the expiration time of a key.',
    complexity: 'O(1)',
    run: persist,
  },
  {
    name: 'pexpire',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast'],
    keySpecs: [firstKey('RW', 'update')],
    tips: [],
    group: 'generic',
    since: '2.6.0',
    summary: 'Sets the expiration time of a key in milliseconds.',
    complexity: 'O(1)',
    run: pexpire,
  },
  {
    name: 'pexpireat',
    arity: -3,
    flags: ['write', 'fast'],
    categories: ['@keyspace', '@write', '@fast'],
    keySpecs: [firstKey('RW', 'update')],
    tips: [],
    group: 'generic',
    since: '2.6.0',
    summary: 'Sets the expiration time of a key to a Unix milliseconds timestamp.',
    complexity: 'O(1)',
    run: pexpireat,
  },
  {
    name: 'pexpiretime',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['@keyspace', '@read', '@fast'],
    keySpecs: [firstKey('RO', 'access')],
    tips: [],
    group: 'generic',
    since: '7.0.0',
    summary: 'Returns the expiration time of a key as a Unix milliseconds timestamp.',
    complexity: 'O(1)',
    run: pexpiretime,
  },
  {
    name: 'pttl',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['@keyspace', '@read', '@fast'],
    keySpecs: [firstKey('RO', 'access')],
    tips: ['nondeterministic_output'],
    group: 'generic',
    since: '2.6.0',
    summary: 'Returns the expiration time in milliseconds of a key.',
    complexity: 'O(1)',
    run: pttl,
  },
  {
    name: 'ttl',
    arity: 2,
    flags: ['readonly', 'fast'],
    categories: ['@keyspace', '@read', '@fast'],
    keySpecs: [firstKey('RO', 'access')],
    tips: ['nondeterministic_output'],
    group: 'generic',
    since: '1.0.0',
    summary: 'Returns the expiration time in seconds of a key.',
    complexity: 'O(1)',
    run: ttl,
  },
] as const satisfies readonly DataCommand[];

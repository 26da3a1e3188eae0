// Looking for keys without knowing their names. https://redis.io/docs/latest/commands/?group=generic

import type { Buffer } from 'node:buffer';
import type { Reply } from '../../resp/index.js';
import { errorReply, errors } from '../../resp/index.js';
import { isMatchAll, matchesGlob } from '../glob.js';
import { parseInteger } from '../integers.js';
import { beforeAllNames, type NamePosition } from '../key-walks.js';
import type { Keyspace } from '../keyspace.js';
import { typeNames } from '../schema.js';
import { isWord } from './arguments.js';
import { type DataCommand, SlicedRead } from './table.js';

const invalidCursor = errorReply('ERR invalid cursor');

/** As Redis without COUNT. */
const scanRowsDefault = 10;
/** COUNT is a hint; a larger one is served as this, in some milliseconds. */
export const scanRowsMax = 5000;

/** Names that a slice of KEYS looks at. */
const keysRowsMax = 2000;

/**
 * A key that exists from the first slice to the last is listed once; one that comes or goes meanwhile
 * may be.
 */
class KeysRead extends SlicedRead {
  override readonly commandName = 'keys';
  readonly #pattern: Buffer | undefined;
  readonly #names: Buffer[] = [];
  #last: NamePosition = beforeAllNames;

  constructor(pattern: Buffer) {
    super();
    this.#pattern = isMatchAll(pattern) ? undefined : pattern;
  }

  override step(keyspace: Keyspace): Reply | undefined {
    const pattern = this.#pattern;
    const rows = keyspace.readNamesAfter(this.#last, keysRowsMax);
    const names: Buffer[] = [];
    for (const [id, , name] of rows) {
      if (pattern !== undefined && !matchesGlob(pattern, name)) continue;
      if (!keyspace.isDueById(id)) names.push(name);
    }
    if (keyspace.needsTick) return undefined;
    for (const name of names) this.#names.push(name);
    const last = rows.at(-1);
    if (last === undefined || rows.length < keysRowsMax) return this.#names;
    this.#last = { slot: last[1], name: last[2] };
    return undefined;
  }
}

function beginKeys(args: readonly Buffer[]): SlicedRead {
  return new KeysRead(args[1] as Buffer);
}

function keys(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return beginKeys(args).finish(keyspace);
}

function randomkey(keyspace: Keyspace): Reply {
  return keyspace.readRandomName() ?? null;
}

// The cursor is the id of the last row examined. Ids rise and are never used again, and a key keeps
// its id until it is renamed or deleted, so a key that exists from the first call to the last is met
// exactly once; one that was made again or renamed meanwhile may be met twice, which Redis allows.
// Keys that MATCH or TYPE leaves out count as examined, and few of other databases are passed over:
// the work of a call is bounded, whatever it finds.
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

  const { rows, cursor: next } = keyspace.scan(cursor, limit);
  const names: Buffer[] = [];
  for (const [, rowType, expiresMs, name] of rows) {
    if (pattern !== undefined && !matchesGlob(pattern, name)) continue;
    if (wantedType !== undefined && !isWord(wantedType, typeNames[rowType] ?? '')) continue;
    if (!keyspace.isDue(expiresMs)) names.push(name);
  }
  return [String(next), names];
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

export const scanCommands = [
  {
    name: 'keys',
    arity: 2,
    flags: ['readonly'],
    categories: ['@keyspace', '@read', '@slow', '@dangerous'],
    keySpecs: [],
    tips: ['request_policy:all_shards', 'nondeterministic_output_order'],
    group: 'generic',
    since: '1.0.0',
    summary: 'Returns all key names that match a pattern.',
    complexity: 'O(N) with N the number of keys in the database.',
    run: keys,
    begin: beginKeys,
  },
  {
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    categories: ['@keyspace', '@read', '@slow'],
    keySpecs: [],
    tips: ['request_policy:all_shards', 'nondeterministic_output'],
    group: 'generic',
    since: '1.0.0',
    summary: 'Returns a random key name from the database.',
    complexity: 'O(1)',
    run: randomkey,
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
] as const satisfies readonly DataCommand[];

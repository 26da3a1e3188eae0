// Parts of strings. https://redis.io/docs/latest/commands/?group=string

import { Buffer } from 'node:buffer';
import type { Reply } from '../../resp/index.js';
import { errorReply, errors } from '../../resp/index.js';
import { type Integer, parseInteger } from '../integers.js';
import { type Keyspace, lengthColumn, typeColumn } from '../keyspace.js';
import { stringType } from '../schema.js';
import { stringBytesMax, stringTooLong } from './strings.js';
import { type DataCommand, firstKey } from './table.js';

const offsetOutOfRange = errorReply('ERR offset is out of range');
const empty = Buffer.alloc(0);

/** Both ends are included; negative ones count from the end, -1 being the last byte. */
function getrange(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const first = parseInteger(args[2] as Buffer);
  const last = parseInteger(args[3] as Buffer);
  if (first === undefined || last === undefined) return errors.notInteger;
  const value = keyspace.readString(args[1] as Buffer);
  if (value === null) return errors.wrongType;
  if (value === undefined) return empty;
  if (first < 0 && last < 0 && first > last) return empty;
  const start = fromStart(first, value.length);
  const end = Math.min(fromStart(last, value.length), value.length - 1);
  if (start > end) return empty;
  // A copy, so that a short piece does not keep a long value in memory until it is sent.
  return Buffer.from(value.subarray(start, end + 1));
}

function fromStart(index: Integer, length: number): number {
  return Math.max(0, Number(index) + (index < 0 ? length : 0));
}

/** Pads with zero bytes up to the offset. Writing nothing creates nothing. */
function setrange(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const [, name, offsetText, piece] = args as [Buffer, Buffer, Buffer, Buffer];
  const offset = parseInteger(offsetText);
  if (offset === undefined) return errors.notInteger;
  if (offset < 0) return offsetOutOfRange;
  const head = keyspace.findLength(name);
  if (head !== undefined && head[typeColumn] !== stringType) return errors.wrongType;
  const oldLength = head === undefined ? 0 : (head[lengthColumn] as number);
  if (piece.length === 0) return oldLength;
  const end = Number(offset) + piece.length;
  if (end > stringBytesMax) return stringTooLong;

  const value = Buffer.alloc(Math.max(oldLength, end));
  if (head !== undefined) keyspace.stringOf(head).copy(value);
  piece.copy(value, Number(offset));
  if (head === undefined) keyspace.insertString(name, value, null);
  else keyspace.setValue(head, value);
  return value.length;
}

export const stringRangeCommands = [
  {
    name: 'getrange',
    arity: 4,
    flags: ['readonly'],
    categories: ['@read', '@string', '@slow'],
    keySpecs: [firstKey('RO', 'access')],
    tips: [],
    group: 'string',
    since: '2.4.0',
    summary: 'Returns a substring of the string stored at a key.',
    complexity: 'O(N) where N is the length of the string.',
    run: getrange,
  },
  {
    name: 'setrange',
    arity: 4,
    flags: ['write', 'denyoom'],
    categories: ['@write', '@string', '@slow'],
    keySpecs: [firstKey('RW', 'update')],
    tips: [],
    group: 'string',
    since: '2.2.0',
    summary:
      "Overwrites a part of a string value with another by an offset. Creates the key if it doesn't exist.",
    complexity: 'O(N) with N the length of the new value.',
    run: setrange,
  },
  {
    name: 'substr',
    arity: 4,
    flags: ['readonly'],
    categories: ['@read', '@string', '@slow'],
    keySpecs: [firstKey('RO', 'access')],
    tips: [],
    group: 'string',
    since: '1.0.0',
    summary: 'Returns a substring from a string value.',
    complexity: 'O(N) where N is the length of the string.',
    run: getrange,
  },
] as const satisfies readonly DataCommand[];

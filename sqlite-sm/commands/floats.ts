// INCRBYFLOAT. https://redis.io/docs/latest/commands/incrbyfloat/

import { Buffer } from 'node:buffer';
import type { Reply } from '../../resp/index.js';
import { errorReply, errors } from '../../resp/index.js';
import { type Keyspace, typeColumn, valueColumn } from '../keyspace.js';
import { addLongDoubles, formatLongDouble, parseLongDouble } from '../long-double.js';
import { stringType } from '../schema.js';
import { type DataCommand, firstKey } from './table.js';

const notFinite = errorReply('ERR increment would produce NaN or Infinity');
const zero = Buffer.from('0');

/** The expiry stays. */
function incrbyfloat(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const name = args[1] as Buffer;
  const row = keyspace.findValue(name);
  if (row !== undefined && row[typeColumn] !== stringType) return errors.wrongType;
  const old = parseLongDouble(row === undefined ? zero : (row[valueColumn] as Buffer));
  const increment = parseLongDouble(args[2] as Buffer);
  if (old === undefined || increment === undefined) return errors.notFloat;
  const sum = addLongDoubles(old, increment);
  if (sum === undefined) return notFinite;
  const text = Buffer.from(formatLongDouble(sum), 'latin1');
  if (row === undefined) keyspace.insertString(name, text, null);
  else keyspace.setValue(row, text);
  return text;
}

export const floatCommands = [
  {
    name: 'incrbyfloat',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    categories: ['@write', '@string', '@fast'],
    keySpecs: [firstKey('RW', 'access', 'update')],
    tips: [],
    group: 'string',
    since: '2.6.0',
    summary:
      "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
    complexity: 'O(1)',
    run: incrbyfloat,
  },
] as const satisfies readonly DataCommand[];

// The arguments of the data commands: the values of Redis 7.2. A command without any is not here.

import {
  type Argument,
  block,
  double,
  integer,
  key,
  multiple,
  oneOf,
  optional,
  pattern,
  string,
  token,
  unixTime,
} from './argument.js';

const conditionSince7: Argument = oneOf(
  'condition',
  [token('NX'), token('XX'), token('GT'), token('LT')],
  { since: '7.0.0', ...optional },
);

const flushType: Argument = oneOf(
  'flush-type',
  [token('ASYNC', { since: '4.0.0' }), token('SYNC', { since: '6.2.0' })],
  optional,
);

const keyAndValue: Argument = block('data', [key(), string('value')], multiple);

const oneKey: readonly Argument[] = [key()];
const manyKeys: readonly Argument[] = [key('key', multiple)];
const range: readonly Argument[] = [key(), integer('start'), integer('end')];

/** By name; `container|subcommand` of a subcommand. */
export const dataArguments: Readonly<Record<string, readonly Argument[]>> = {
  append: [key(), string('value')],
  copy: [
    key('source'),
    key('destination', { keySpecIndex: 1 }),
    integer('destination-db', { token: 'DB', ...optional }),
    token('REPLACE', optional),
  ],
  decr: oneKey,
  decrby: [key(), integer('decrement')],
  del: manyKeys,
  exists: manyKeys,
  expire: [key(), integer('seconds'), conditionSince7],
  expireat: [key(), unixTime('unix-time-seconds'), conditionSince7],
  expiretime: oneKey,
  flushall: [flushType],
  flushdb: [flushType],
  get: oneKey,
  getdel: oneKey,
  getex: [
    key(),
    oneOf(
      'expiration',
      [
        integer('seconds', { token: 'EX' }),
        integer('milliseconds', { token: 'PX' }),
        unixTime('unix-time-seconds', { token: 'EXAT' }),
        unixTime('unix-time-milliseconds', { token: 'PXAT' }),
        token('PERSIST'),
      ],
      optional,
    ),
  ],
  getrange: range,
  getset: [key(), string('value')],
  incr: oneKey,
  incrby: [key(), integer('increment')],
  incrbyfloat: [key(), double('increment')],
  keys: [pattern('pattern')],
  lcs: [
    key('key1'),
    key('key2'),
    token('LEN', optional),
    token('IDX', optional),
    integer('min-match-len', { token: 'MINMATCHLEN', ...optional }),
    token('WITHMATCHLEN', optional),
  ],
  'memory|usage': [key(), integer('count', { token: 'SAMPLES', ...optional })],
  mget: manyKeys,
  move: [key(), integer('db')],
  mset: [keyAndValue],
  msetnx: [keyAndValue],
  'object|encoding': oneKey,
  'object|freq': oneKey,
  'object|idletime': oneKey,
  'object|refcount': oneKey,
  persist: oneKey,
  pexpire: [key(), integer('milliseconds'), conditionSince7],
  pexpireat: [key(), unixTime('unix-time-milliseconds'), conditionSince7],
  pexpiretime: oneKey,
  psetex: [key(), integer('milliseconds'), string('value')],
  pttl: oneKey,
  rename: [key(), key('newkey', { keySpecIndex: 1 })],
  renamenx: [key(), key('newkey', { keySpecIndex: 1 })],
  scan: [
    integer('cursor'),
    pattern('pattern', { token: 'MATCH', ...optional }),
    integer('count', { token: 'COUNT', ...optional }),
    string('type', { token: 'TYPE', since: '6.0.0', ...optional }),
  ],
  set: [
    key(),
    string('value'),
    oneOf('condition', [token('NX'), token('XX')], { since: '2.6.12', ...optional }),
    token('GET', { since: '6.2.0', ...optional }),
    oneOf(
      'expiration',
      [
        integer('seconds', { token: 'EX', since: '2.6.12' }),
        integer('milliseconds', { token: 'PX', since: '2.6.12' }),
        unixTime('unix-time-seconds', { token: 'EXAT', since: '6.2.0' }),
        unixTime('unix-time-milliseconds', { token: 'PXAT', since: '6.2.0' }),
        token('KEEPTTL', { since: '6.0.0' }),
      ],
      optional,
    ),
  ],
  setex: [key(), integer('seconds'), string('value')],
  setnx: [key(), string('value')],
  setrange: [key(), integer('offset'), string('value')],
  strlen: oneKey,
  substr: range,
  swapdb: [integer('index1'), integer('index2')],
  touch: manyKeys,
  ttl: oneKey,
  type: oneKey,
  unlink: manyKeys,
};

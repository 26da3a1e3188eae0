// Streams of commands for tests that compare: a few keys, so that commands meet each other's
// results; every option; now and then something malformed.

import type { SeededRandom } from './machine-fixture.js';

export const randomKeys = ['a', 'b', 'c', 'd', 'e', '{t}1', '{t}2', '', 'bin\0\xff\r\n', 'counter'];

/** What relative expiries are drawn from, in the unit of the command. */
export interface RandomTimes {
  readonly seconds: readonly string[];
  readonly milliseconds: readonly string[];
}

const values = [
  ...['', 'x', 'value', '0', '7', '-1', '10', '9007199254740992', '9223372036854775806'],
  ...['-9223372036854775808', '01', '1.5', '\0\r\n\xff', 'y'.repeat(300), 'z'.repeat(5000)],
];

const integers = [
  ...['0', '1', '2', '-1', '10', '100', '-100', '4611686018427387904', '9223372036854775807'],
  ...['-9223372036854775808', '9223372036854775808', 'abc', '', '1 ', '+1', '00', '-0', '1.0'],
];

/** Times that overflow, lie in the past or are no numbers. */
const oddSeconds = [
  '0',
  '-5',
  '9223372036854775',
  '9223372036854775807',
  '-9223372036854775808',
  'x',
];
const oddMilliseconds = ['0', '-5', '9223372036854775807', '-9223372036854775808', 'x', ''];

/** Time comes in many forms; so do mistakes: arguments too many or too few, names in any case. */
export function randomCommand(random: SeededRandom, times: RandomTimes): string[] {
  const command = wellFormed(random, times);
  const mischief = random.below(40);
  if (mischief === 0 && command.length > 1) command.pop();
  else if (mischief === 1) command.push(random.pick(['x', 'NX', 'EX', '']));
  else if (mischief === 2) command[0] = (command[0] as string).toLowerCase();
  return command;
}

function wellFormed(random: SeededRandom, times: RandomTimes): string[] {
  const key = random.pick(randomKeys);
  const key2 = random.pick(randomKeys);
  const value = random.pick(values);
  switch (random.below(40)) {
    case 0:
    case 1:
    case 2:
      return ['SET', key, value];
    case 3:
    case 4:
    case 5:
      return ['SET', key, value, ...setOptions(random, times)];
    case 6:
      return ['GET', key];
    case 7:
      return ['MGET', key, key2, random.pick(randomKeys)];
    case 8:
      return ['MSET', key, value, key2, random.pick(values)];
    case 9:
      return ['DEL', key, key2];
    case 10:
      return ['EXISTS', key, key2, key];
    case 11:
      return ['TYPE', key];
    case 12:
      return [random.pick(['INCR', 'DECR']), key];
    case 13:
    case 14:
      return [random.pick(['INCRBY', 'DECRBY']), key, random.pick(integers)];
    case 15:
      return ['APPEND', key, value];
    case 16:
      return ['STRLEN', key];
    case 17:
      return ['EXPIRE', key, seconds(random, times), ...expireOptions(random)];
    case 18:
      return ['PEXPIRE', key, milliseconds(random, times), ...expireOptions(random)];
    case 19:
      return [random.pick(['TTL', 'PTTL']), key];
    case 24:
      return ['GETEX', key, ...getexOptions(random, times)];
    case 25:
      return [random.pick(['GETDEL', 'TOUCH', 'UNLINK']), key];
    case 26:
      return [random.pick(['GETSET', 'SETNX']), key, value];
    case 27:
      return random.below(2) === 0
        ? ['SETEX', key, seconds(random, times), value]
        : ['PSETEX', key, milliseconds(random, times), value];
    case 28:
      return ['MSETNX', key, value, key2, random.pick(values)];
    case 29:
    case 30:
      return [
        random.pick(['GETRANGE', 'SUBSTR']),
        key,
        random.pick(positions),
        random.pick(positions),
      ];
    case 31:
      return ['SETRANGE', key, random.pick(offsets), value];
    case 32:
      return ['INCRBYFLOAT', key, random.pick(random.below(3) === 0 ? integers : floats)];
    case 33:
      return ['LCS', key, key2, ...lcsOptions(random)];
    case 34:
      return [random.pick(['RENAME', 'RENAMENX']), key, key2];
    case 35:
      return ['COPY', key, key2, ...copyOptions(random)];
    case 36:
      return ['MOVE', key, random.pick(databases)];
    case 37:
      return random.below(2) === 0
        ? ['EXPIREAT', key, random.pick(absoluteSeconds), ...expireOptions(random)]
        : ['PEXPIREAT', key, `${random.pick(absoluteSeconds)}000`, ...expireOptions(random)];
    case 38:
      return [random.pick(['EXPIRETIME', 'PEXPIRETIME']), key];
    case 39:
      return random.below(3) === 0
        ? ['KEYS', random.pick(patterns)]
        : ['OBJECT', ...objectSubcommand(random, key)];
    case 20:
      return ['PERSIST', key];
    case 21:
      return ['DBSIZE'];
    case 22:
      return ['SCAN', random.pick(['0', '0', '0', 'x', '']), ...scanOptions(random)];
    default:
      return random.below(10) === 0
        ? [
            random.pick(['FLUSHALL', 'FLUSHDB']),
            ...random.pick([[], ['ASYNC'], ['sync'], ['LATER']]),
          ]
        : ['DEL', key];
  }
}

function seconds(random: SeededRandom, times: RandomTimes): string {
  return random.pick(random.below(4) === 0 ? oddSeconds : times.seconds);
}

function milliseconds(random: SeededRandom, times: RandomTimes): string {
  return random.pick(random.below(4) === 0 ? oddMilliseconds : times.milliseconds);
}

function setOptions(random: SeededRandom, times: RandomTimes): string[] {
  const options: string[] = [];
  for (let i = random.below(3); i >= 0; i--) {
    const option = random.pick(['NX', 'XX', 'GET', 'get', 'KEEPTTL', 'EX', 'PX', 'EXAT', 'PXAT']);
    options.push(option);
    if (option === 'EX') options.push(seconds(random, times));
    if (option === 'PX') options.push(milliseconds(random, times));
    // Far ahead or long past, so that the moment of the test does not matter.
    if (option === 'EXAT') options.push(random.pick(['5', '99999999999', '9223372036854775', '0']));
    if (option === 'PXAT') options.push(random.pick(['5', '9223372036854775807', '-1', 'x']));
  }
  return options;
}

function getexOptions(random: SeededRandom, times: RandomTimes): string[] {
  const options: string[] = [];
  for (let i = random.below(3); i > 0; i--) {
    const option = random.pick(['PERSIST', 'persist', 'EX', 'PX', 'EXAT', 'PXAT', 'KEEPTTL', 'NX']);
    options.push(option);
    if (option === 'EX') options.push(seconds(random, times));
    if (option === 'PX') options.push(milliseconds(random, times));
    if (option === 'EXAT') options.push(random.pick(['5', '99999999999', '9223372036854775', '0']));
    if (option === 'PXAT') options.push(random.pick(['5', '9223372036854775807', '-1', 'x']));
  }
  return options;
}

const positions = [
  ...['0', '1', '2', '-1', '-2', '3', '10', '299', '-300', '-6000', '5000', '4999', '-0', 'x', ''],
  ...['9223372036854775807', '-9223372036854775808', '9223372036854775808', '4294967296'],
];

const offsets = [
  ...['0', '1', '2', '5', '10', '400', '-1', 'x', ''],
  ...['536870912', '4294967296', '9223372036854775807', '-9223372036854775808'],
];

const floats = [
  ...['0.1', '0.2', '1.5', '-1.5', '3.0e3', '5.0e2', '1e-17', '-1e-18', '.5', '5.', '-0', '0x1p4'],
  ...['1e300', '-1e300', '1e4900', '1e5000', '1e-5000', 'inf', '-inf', 'nan', '1e', ' 1', '1 ', ''],
  ...['123456789.123456789', '17179869184.000000000000001', '1.7976931348623157e308', '+2', '--1'],
];

function lcsOptions(random: SeededRandom): string[] {
  const options: string[] = [];
  for (let i = random.below(4); i > 0; i--) {
    const option = random.pick(['IDX', 'idx', 'LEN', 'WITHMATCHLEN', 'MINMATCHLEN', 'MINMATCHLEN']);
    options.push(option);
    if (option === 'MINMATCHLEN') options.push(random.pick(['0', '1', '2', '4', '-3', 'x']));
  }
  return options;
}

const databases = [
  '0',
  '1',
  '1',
  '2',
  '15',
  '16',
  '-1',
  'x',
  '',
  '4294967297',
  '99999999999999999999',
];

function copyOptions(random: SeededRandom): string[] {
  const options: string[] = [];
  for (let i = random.below(3); i > 0; i--) {
    const option = random.pick(['REPLACE', 'replace', 'DB', 'db', 'ZZ']);
    options.push(option);
    if (option.toUpperCase() === 'DB') options.push(random.pick(databases));
  }
  return options;
}

/** Long past or far ahead, so that the moment of the test does not matter. */
const absoluteSeconds = [
  ...[
    '1',
    '0',
    '-1',
    '-9223372036854775',
    '99999999999',
    '99999999998',
    '88888888888',
    '4000000000',
  ],
  ...['9223372036854775', 'x', '9223372036854775808'],
];

/** What depends on how Redis came to a value, not on the value, is not asked for. */
function objectSubcommand(random: SeededRandom, key: string): string[] {
  return random.pick([['FREQ', key], ['freq', key], ['NONSENSE', key], ['HELP'], ['ENCODING'], []]);
}

function expireOptions(random: SeededRandom): string[] {
  if (random.below(2) === 0) return [];
  const options = [random.pick(['NX', 'XX', 'GT', 'LT', 'gt', 'lt', 'ZZ'])];
  if (random.below(3) === 0) options.push(random.pick(['NX', 'XX', 'GT', 'LT']));
  return options;
}

const patterns = [
  ...[
    '*',
    'a',
    '?',
    '[a-c]',
    '[^a]',
    '[c-a]*',
    '\\a',
    '{t}*',
    '*\xff*',
    '',
    'a*b*',
    '[a',
    '[\\a-]',
  ],
  ...['[a-]', '[a-]]', '[^', '[', 'a\\', '[]a]', '**', '*?', '?*', '[\\]]', '*r', 'c*r', '*[0-9]'],
];

function scanOptions(random: SeededRandom): string[] {
  const options: string[] = [];
  if (random.below(2) === 0) options.push('MATCH', random.pick(patterns));
  // More than there are keys: what one call returns is then the same for every implementation.
  options.push('COUNT', random.below(6) === 0 ? random.pick(['0', '-1', 'x']) : '1000');
  if (random.below(6) === 0)
    options.push('TYPE', random.pick(['string', 'STRING', 'list', 'nonsense']));
  return options;
}

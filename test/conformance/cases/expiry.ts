// Expiry: setting, asking, removing, and what becomes of a key that is due.

import {
  between,
  type Command,
  type ConformanceCase,
  type ExpectedReply,
  error,
  invalidExpire,
  notAnInteger,
  ok,
  wait,
  wrongArity,
} from '../conformance-case.js';

const nxExcludes = error('ERR NX and XX, GT or LT options at the same time are not compatible');
const gtExcludesLt = error('ERR GT and LT options at the same time are not compatible');
const unsupported = (option: string) => error(`ERR Unsupported option ${option}`);

/** The four commands that set an expiry, each with times of its own unit, ascending. */
const setters = [
  { name: 'EXPIRE', sooner: '1000', later: '2000' },
  { name: 'PEXPIRE', sooner: '1000000', later: '2000000' },
  { name: 'EXPIREAT', sooner: '4000000000', later: '4100000000' },
  { name: 'PEXPIREAT', sooner: '4000000000000', later: '4100000000000' },
] as const;

function casesOf({ name, sooner, later }: (typeof setters)[number]): ConformanceCase[] {
  const set = (time: string, ...options: string[]): Command => [name, 'k', time, ...options];
  const lower = name.toLowerCase();
  const unchanged: [Command, ExpectedReply] = ['TTL k', -1];
  return [
    {
      name: `${name}: 1 for a key, 0 for none`,
      steps: [
        [set(sooner), 0],
        ['SET k v', ok],
        [set(sooner), 1],
        ['GET k', 'v'],
        [set(later), 1],
      ],
    },
    {
      name: `${name} NX: only without an expiry`,
      steps: [
        ['SET k v', ok],
        [set(sooner, 'NX'), 1],
        [set(later, 'nx'), 0],
      ],
    },
    {
      name: `${name} XX: only with an expiry`,
      steps: [
        ['SET k v', ok],
        [set(sooner, 'XX'), 0],
        unchanged,
        [set(sooner), 1],
        [set(later, 'xx'), 1],
      ],
    },
    {
      name: `${name} GT: only later; no expiry is later than any`,
      steps: [
        ['SET k v', ok],
        [set(sooner, 'GT'), 0],
        unchanged,
        [set(sooner), 1],
        [set(later, 'GT'), 1],
        [set(sooner, 'gt'), 0],
      ],
    },
    {
      name: `${name} LT: only sooner; any is sooner than no expiry`,
      steps: [
        ['SET k v', ok],
        [set(later, 'LT'), 1],
        [set(sooner, 'LT'), 1],
        [set(later, 'lt'), 0],
      ],
    },
    {
      name: `${name} XX with GT or LT`,
      steps: [
        ['SET k v', ok],
        [set(sooner, 'XX', 'LT'), 0],
        [set(sooner), 1],
        [set(later, 'XX', 'GT'), 1],
        [set(sooner, 'LT', 'XX'), 1],
        [set(sooner, 'XX', 'XX'), 1],
      ],
    },
    {
      name: `${name}: options that exclude each other or are unknown`,
      steps: [
        ['SET k v', ok],
        [set(sooner, 'NX', 'XX'), nxExcludes],
        [set(sooner, 'NX', 'GT'), nxExcludes],
        [set(sooner, 'LT', 'NX'), nxExcludes],
        [set(sooner, 'GT', 'LT'), gtExcludesLt],
        [set(sooner, 'NOPE'), unsupported('NOPE')],
        [set(sooner, 'XX', 'Nope'), unsupported('Nope')],
        unchanged,
      ],
    },
    {
      name: `${name}: times that are no times`,
      steps: [
        ['SET k v', ok],
        [set('soon'), notAnInteger],
        [set('1.5'), notAnInteger],
        [set(''), notAnInteger],
        [set('9223372036854775808'), notAnInteger],
        [set('soon', 'NX', 'XX'), nxExcludes],
        [[name, 'nobody', 'soon'], notAnInteger],
        unchanged,
        [[name], wrongArity(lower)],
        [[name, 'k'], wrongArity(lower)],
      ],
    },
    {
      name: `${name}: a time that is past deletes`,
      steps: [
        ['SET k v', ok],
        [set(name.endsWith('AT') ? '1' : '-1'), 1],
        ['EXISTS k', 0],
        ['DBSIZE', 0],
        ['SET k v', ok],
        [set('0'), 1],
        ['GET k', null],
      ],
    },
    {
      name: `${name}: a time that is past deletes only as the options allow`,
      steps: [
        ['SET k v', ok],
        [set('0', 'XX'), 0],
        [set('0', 'GT'), 0],
        ['EXISTS k', 1],
        [set('0', 'LT'), 1],
        ['EXISTS k', 0],
      ],
    },
  ];
}

export const expiryCases: readonly ConformanceCase[] = [
  ...setters.flatMap(casesOf),
  {
    name: 'Times beyond what milliseconds can count',
    steps: [
      ['SET k v', ok],
      ['EXPIRE k 9223372036854775807', invalidExpire('expire')],
      ['EXPIRE k -9223372036854775807', invalidExpire('expire')],
      ['EXPIRE k 9223372036854775', invalidExpire('expire')],
      ['EXPIREAT k 9223372036854776', invalidExpire('expireat')],
      ['PEXPIRE k 9223372036854775807', invalidExpire('pexpire')],
      ['TTL k', -1],
      ['PEXPIREAT k 9223372036854775807', 1],
      ['PEXPIRETIME k', 9_223_372_036_854_775_807n],
    ],
  },
  {
    name: 'TTL and PTTL: -2 without a key, -1 without an expiry',
    steps: [
      ['TTL k', -2],
      ['PTTL k', -2],
      ['SET k v', ok],
      ['TTL k', -1],
      ['PTTL k', -1],
      ['EXPIRE k 100', 1],
      ['TTL k', between(99, 100)],
      ['PTTL k', between(90_000, 100_000)],
      ['TTL', wrongArity('ttl')],
      ['PTTL a b', wrongArity('pttl')],
    ],
  },
  {
    name: 'EXPIRETIME and PEXPIRETIME: the moment itself',
    steps: [
      ['EXPIRETIME k', -2],
      ['PEXPIRETIME k', -2],
      ['SET k v', ok],
      ['EXPIRETIME k', -1],
      ['PEXPIRETIME k', -1],
      ['PEXPIREAT k 4000000000499', 1],
      ['PEXPIRETIME k', 4_000_000_000_499],
      ['EXPIRETIME k', 4_000_000_000],
      ['PEXPIREAT k 4000000000500', 1],
      ['EXPIRETIME k', 4_000_000_001],
      ['EXPIREAT k 4000000002', 1],
      ['PEXPIRETIME k', 4_000_000_002_000],
      ['EXPIRETIME', wrongArity('expiretime')],
      ['PEXPIRETIME a b', wrongArity('pexpiretime')],
    ],
  },
  {
    name: 'TTL: rounds to the nearest second',
    steps: [
      ['SET k v PX 100400', ok],
      ['TTL k', between(99, 100)],
      ['SET k v PX 100900', ok],
      ['TTL k', between(100, 101)],
    ],
  },
  {
    name: 'PERSIST: 1 when it removed an expiry',
    steps: [
      ['PERSIST k', 0],
      ['SET k v', ok],
      ['PERSIST k', 0],
      ['EXPIRE k 100', 1],
      ['PERSIST k', 1],
      ['TTL k', -1],
      ['PERSIST', wrongArity('persist')],
    ],
  },
  {
    name: 'A key that is due is gone for every command',
    steps: [
      ['SET k v', ok],
      ['PEXPIRE k 1', 1],
      wait(10),
      ['TTL k', -2],
      ['PTTL k', -2],
      ['EXPIRETIME k', -2],
      ['EXPIRE k 100', 0],
      ['PERSIST k', 0],
      ['GET k', null],
      ['MGET k', [null]],
      ['GETDEL k', null],
      ['SET k v XX', null],
      ['RANDOMKEY', null],
      ['KEYS *', []],
    ],
  },
  {
    name: 'Writing to a key that is due begins a new one',
    steps: [
      ['SET k 41 PX 1', ok],
      wait(10),
      ['SET k v NX GET', null],
      ['TTL k', -1],
      ['PEXPIRE k 1', 1],
      wait(10),
      ['SETRANGE k 1 x', 2],
      ['GET k', '\0x'],
      ['TTL k', -1],
      ['PEXPIRE k 1', 1],
      wait(10),
      ['SET k w KEEPTTL', ok],
      ['TTL k', -1],
    ],
  },
  {
    name: 'Keys expire each in its own database',
    steps: [
      ['SET k v PX 1', ok],
      ['SELECT 1', ok],
      ['SET k v', ok],
      wait(10),
      ['EXISTS k', 1],
      ['SELECT 0', ok],
      ['EXISTS k', 0],
    ],
  },
];

// OBJECT: what Redis would tell of how a value is kept.
// https://redis.io/docs/latest/commands/object/
//
// Values are kept as bytes here, in one way. Clients that look at encodings expect Redis' words, so
// the one that Redis would have chosen for such a value, freshly set, is given.

import type { Buffer } from 'node:buffer';
import type { Reply } from '../../resp/index.js';
import { errorReply, simpleString } from '../../resp/index.js';
import { parseInteger } from '../integers.js';
import type { Keyspace } from '../keyspace.js';
import {
  type Command,
  containerRefusal,
  type DataCommand,
  findSubcommand,
  register,
  secondKey,
} from './table.js';

/** Redis keeps a longer string apart from its object. */
const embeddedBytesMax = 44;

const noLfu = errorReply(
  'ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that ' +
    'when switching between policies at runtime LRU and LFU data will take some time to adjust.',
);

const helpLines = [
  'OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'ENCODING <key>',
  '    Return the kind of internal representation used in order to store the value',
  '    associated with a <key>.',
  'FREQ <key>',
  '    Return the access frequency index of the <key>. The returned integer is',
  '    proportional to the logarithm of the recent access frequency of the key.',
  'IDLETIME <key>',
  '    Return the idle time of the <key>, that is the approximated number of',
  '    seconds elapsed since the last access to the key.',
  'REFCOUNT <key>',
  '    Return the number of references of the value associated with the specified',
  '    <key>.',
  'HELP',
  '    Prints this help.',
].map(simpleString);

function object(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const refusal = containerRefusal(objectContainer, args);
  if (refusal !== undefined) return refusal;
  return (findSubcommand(objectContainer, args) as Command).run(keyspace, args);
}

function encoding(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const value = keyspace.readString(args[2] as Buffer);
  if (value === undefined || value === null) return null;
  if (parseInteger(value) !== undefined) return 'int';
  return value.length <= embeddedBytesMax ? 'embstr' : 'raw';
}

function freq(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return keyspace.readHead(args[2] as Buffer) === undefined ? null : noLfu;
}

/** No access times are kept: every key was used just now. */
function idletime(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return keyspace.readHead(args[2] as Buffer) === undefined ? null : 0;
}

/** No value is shared. */
function refcount(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  return keyspace.readHead(args[2] as Buffer) === undefined ? null : 1;
}

function help(): Reply {
  return helpLines;
}

export const objectCommands = [
  {
    name: 'object',
    arity: -2,
    flags: [],
    categories: ['@slow'],
    keySpecs: [],
    tips: [],
    group: 'generic',
    since: '2.2.3',
    summary: 'A container for object introspection commands.',
    complexity: 'Depends on subcommand.',
    run: object,
    subcommands: [
      {
        name: 'object|encoding',
        arity: 3,
        flags: ['readonly'],
        categories: ['@keyspace', '@read', '@slow'],
        keySpecs: [secondKey('RO')],
        tips: ['nondeterministic_output'],
        group: 'generic',
        since: '2.2.3',
        summary: 'Returns the internal encoding of a Redis object.',
        complexity: 'O(1)',
        run: encoding,
      },
      {
        name: 'object|freq',
        arity: 3,
        flags: ['readonly'],
        categories: ['@keyspace', '@read', '@slow'],
        keySpecs: [secondKey('RO')],
        tips: ['nondeterministic_output'],
        group: 'generic',
        since: '4.0.0',
        summary: 'Returns the logarithmic access frequency counter of a Redis object.',
        complexity: 'O(1)',
        run: freq,
      },
      {
        name: 'object|help',
        arity: 2,
        flags: ['loading', 'stale'],
        categories: ['@keyspace', '@slow'],
        keySpecs: [],
        tips: [],
        group: 'generic',
        since: '6.2.0',
        summary: 'Returns helpful text about the different subcommands.',
        complexity: 'O(1)',
        run: help,
      },
      {
        name: 'object|idletime',
        arity: 3,
        flags: ['readonly'],
        categories: ['@keyspace', '@read', '@slow'],
        keySpecs: [secondKey('RO')],
        tips: ['nondeterministic_output'],
        group: 'generic',
        since: '2.2.3',
        summary: 'Returns the time since the last access to a Redis object.',
        complexity: 'O(1)',
        run: idletime,
      },
      {
        name: 'object|refcount',
        arity: 3,
        flags: ['readonly'],
        categories: ['@keyspace', '@read', '@slow'],
        keySpecs: [secondKey('RO')],
        tips: ['nondeterministic_output'],
        group: 'generic',
        since: '2.2.3',
        summary: 'Returns the reference count of a value of a key.',
        complexity: 'O(1)',
        run: refcount,
      },
    ],
  },
] as const satisfies readonly DataCommand[];

const objectContainer = register(objectCommands[0]);

// COMMAND and its subcommands, made from the two command tables.
// https://redis.io/docs/latest/commands/command/

import {
  type ErrorReply,
  errorReply,
  errors,
  mapReply,
  type Reply,
  setReply,
  simpleString,
} from '../../../resp/index.js';
import {
  type Command,
  dataCommands,
  findCommand,
  type KeySpec,
  keysInRange,
  matchesGlob,
} from '../../../sqlite-sm/index.js';
import type { Session } from '../session.js';
import { argumentReply, argumentsOf } from './arguments/index.js';
import { helpReply, runSubcommand } from './connection.js';
import { subcommandFacts } from './subcommand-facts.js';
import {
  arityAllows,
  type CommandKeys,
  lowerCase,
  type ServerCommand,
  type ServerContext,
  type Subcommands,
} from './table.js';

/** A row of either table, or a subcommand of a server command. */
type AnyCommand = Command | Listed;

/** A server command, as far as it can be shown, or a subcommand of one. */
type Listed = Pick<ServerCommand, 'name' | 'arity' | 'tips' | 'keys' | 'subcommands'> & {
  readonly flags: readonly string[];
  readonly categories: readonly string[];
  readonly since: string;
  readonly summary: string;
  readonly complexity: string;
  readonly group: string;
};

function keysOf(command: AnyCommand): CommandKeys | undefined {
  return 'keySpecs' in command ? command : command.keys;
}

/** Clients insist on exactly 10 elements and on status strings for names, flags and categories. */
function commandInfo(command: AnyCommand): Reply {
  const keys = keysOf(command);
  return [
    command.name,
    command.arity,
    setReply(command.flags.map(simpleString)),
    keys?.firstKey ?? 0,
    keys?.lastKey ?? 0,
    keys?.keyStep ?? 0,
    setReply(command.categories.map(simpleString)),
    setReply(command.tips),
    setReply((keys?.keySpecs ?? []).map(keySpecReply)),
    setReply(subcommandsOf(command).map(commandInfo)),
  ];
}

/** Named `container|subcommand`, in the order of the container. */
function subcommandsOf(command: AnyCommand): readonly AnyCommand[] {
  if ('keySpecs' in command) return command.subcommands ?? [];
  const subcommands: AnyCommand[] = [];
  for (const [name, { arity }] of Object.entries(command.subcommands ?? {})) {
    const fullName = `${command.name}|${name}`;
    const facts = subcommandFacts[fullName];
    if (facts !== undefined)
      subcommands.push({ name: fullName, arity, group: command.group, ...facts });
  }
  if (command.name === 'memory') subcommands.push(memoryUsage);
  return subcommands;
}

/** A data command that stands under a server command. */
const memoryUsage = findCommand(Buffer.from('memory|usage'))!;

function keySpecReply(spec: KeySpec): Reply {
  return mapReply([
    ['flags', setReply(spec.flags.map(simpleString))],
    [
      'begin_search',
      mapReply([
        ['type', 'index'],
        ['spec', mapReply([['index', spec.beginIndex]])],
      ]),
    ],
    [
      'find_keys',
      mapReply([
        ['type', 'range'],
        [
          'spec',
          mapReply([
            ['lastkey', spec.lastKey],
            ['keystep', spec.keyStep],
            ['limit', spec.limit],
          ]),
        ],
      ]),
    ],
  ]);
}

function commandDoc(command: AnyCommand): [Reply, Reply] {
  const subcommands = subcommandsOf(command);
  const given = argumentsOf(command.name);
  return [
    command.name,
    mapReply([
      ['summary', command.summary],
      ['since', command.since],
      ['group', command.group],
      ['complexity', command.complexity],
      ...(given.length === 0 ? [] : [['arguments', given.map(argumentReply)] as const]),
      ...(subcommands.length === 0
        ? []
        : [['subcommands', mapReply(subcommands.map(commandDoc))] as const]),
    ]),
  ];
}

function allCommands(context: ServerContext): readonly AnyCommand[] {
  const data = dataCommands
    .filter(({ name }) => !name.includes('|'))
    .map((row) => findCommand(Buffer.from(row.name))!);
  return [...data, ...context.serverCommands];
}

/** By name, or as `container|subcommand`. */
function findAny(context: ServerContext, arg: Buffer): AnyCommand | undefined {
  const name = lowerCase(arg);
  const found = findCommand(arg) ?? context.serverCommands.find((command) => command.name === name);
  if (found !== undefined || !name.includes('|')) return found;
  const container = findAny(context, Buffer.from(name.replace(/\|.*/, '')));
  return container && subcommandsOf(container).find((command) => command.name === name);
}

function named(
  context: ServerContext,
  args: readonly Buffer[],
): readonly (AnyCommand | undefined)[] {
  if (args.length === 2) return allCommands(context);
  return args.slice(2).map((arg) => findAny(context, arg));
}

function commandDocs(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const known = named(context, args).filter((command) => command !== undefined);
  return mapReply(known.map(commandDoc));
}

function commandInfos(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  return named(context, args).map((command) =>
    command === undefined ? null : commandInfo(command),
  );
}

// ------------------------------------------------------------------------------ keys

function findSubcommand(command: AnyCommand, given: readonly Buffer[]): AnyCommand | undefined {
  if (given[1] === undefined) return undefined;
  const name = `${command.name}|${lowerCase(given[1])}`;
  return subcommandsOf(command).find((each) => each.name === name);
}

/** Clients look for the words "Invalid arguments" and "The command has no key arguments". */
function findKeys(context: ServerContext, given: readonly Buffer[]): CommandKeys | ErrorReply {
  const command = findAny(context, given[0]!);
  if (command === undefined) return errorReply('ERR Invalid command specified');
  const keyed = findSubcommand(command, given) ?? command;
  const keys = keysOf(keyed);
  if (keys === undefined || keys.firstKey === 0) {
    return errorReply('ERR The command has no key arguments');
  }
  if (!arityAllows(keyed.arity, given.length)) {
    return errorReply('ERR Invalid number of arguments specified for command');
  }
  return keys;
}

function commandGetKeys(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const given = args.slice(2);
  const keys = findKeys(context, given);
  return 'kind' in keys ? keys : keysInRange(keys, given);
}

function commandGetKeysAndFlags(
  context: ServerContext,
  _session: Session,
  args: readonly Buffer[],
): Reply {
  const given = args.slice(2);
  const keys = findKeys(context, given);
  if ('kind' in keys) return keys;
  const flagsGiven = keys.keyFlags?.(given);
  return keys.keySpecs.flatMap(({ flags, beginIndex, lastKey, keyStep }) => {
    const last = lastKey < 0 ? given.length + lastKey : beginIndex + lastKey;
    const found: Reply[] = [];
    for (let at = beginIndex; at <= last; at += keyStep) {
      found.push([given[at]!, setReply((flagsGiven ?? flags).map(simpleString))]);
    }
    return found;
  });
}

// ------------------------------------------------------------------------------ names

/** COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN glob] */
function commandList(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const all = allCommands(context).flatMap((command) => [command, ...subcommandsOf(command)]);
  if (args.length === 2) return all.map(({ name }) => name);
  if (args.length !== 5 || lowerCase(args[2]!) !== 'filterby') return errors.syntax;
  const fits = filterOf(lowerCase(args[3]!), args[4]!);
  if (fits === undefined) return errors.syntax;
  return all.filter(fits).map(({ name }) => name);
}

function filterOf(kind: string, value: Buffer): ((command: AnyCommand) => boolean) | undefined {
  switch (kind) {
    case 'module':
      // There are none.
      return () => false;
    case 'aclcat': {
      const category = `@${lowerCase(value)}`;
      return ({ categories }) => categories.some((each) => each === category);
    }
    case 'pattern': {
      const pattern = Buffer.from(lowerCase(value), 'latin1');
      return ({ name }) => matchesGlob(pattern, Buffer.from(name));
    }
    default:
      return undefined;
  }
}

const helpLines = [
  '(no subcommand)',
  '    Return details about all Redis commands.',
  'COUNT',
  '    Return the total number of commands in this Redis server.',
  'LIST',
  '    Return a list of all commands in this Redis server.',
  'INFO [<command-name> ...]',
  '    Return details about multiple Redis commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'DOCS [<command-name> ...]',
  '    Return documentation details about multiple Redis commands.',
  '    If no command names are given, documentation details for all',
  '    commands are returned.',
  'GETKEYS <full-command>',
  '    Return the keys from a full Redis command.',
  'GETKEYSANDFLAGS <full-command>',
  '    Return the keys and the access flags from a full Redis command.',
];

const commandSubcommands: Subcommands = {
  count: { arity: 2, run: (context) => allCommands(context).length },
  docs: { arity: -2, run: commandDocs },
  getkeys: { arity: -3, run: commandGetKeys },
  getkeysandflags: { arity: -3, run: commandGetKeysAndFlags },
  help: { arity: 2, run: () => helpReply('command', helpLines) },
  info: { arity: -2, run: commandInfos },
  list: { arity: -2, run: commandList },
};

function command(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  if (args.length === 1) return allCommands(context).map(commandInfo);
  return runSubcommand('command', commandSubcommands, context, session, args);
}

export const introspectionCommands = [
  {
    name: 'command',
    arity: -1,
    flags: ['loading', 'stale'],
    categories: ['@slow', '@connection'],
    tips: ['nondeterministic_output_order'],
    group: 'server',
    since: '2.8.13',
    summary: 'Returns detailed information about all commands.',
    complexity: 'O(N) where N is the total number of commands.',
    isBarrier: false,
    run: command,
    subcommands: commandSubcommands,
  },
] as const satisfies readonly ServerCommand[];

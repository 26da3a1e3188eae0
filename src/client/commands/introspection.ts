// COMMAND and its subcommands, made from the two command tables.
// https://redis.io/docs/latest/commands/command/

import { errorReply, mapReply, type Reply, setReply, simpleString } from '../../../resp/index.js';
import {
  type Command,
  commandKeys,
  dataCommands,
  findCommand,
  type KeySpec,
  keysInRange,
} from '../../../sqlite-sm/index.js';
import type { Session } from '../session.js';
import { checkSubcommand, runSubcommand } from './connection.js';
import {
  arityAllows,
  lowerCase,
  type ServerCommand,
  type ServerContext,
  type Subcommand,
} from './table.js';

/** Clients insist on exactly 10 elements and on status strings for flags and categories. */
function commandInfo(command: Command | ServerCommand): Reply {
  const keys = 'keySpecs' in command ? command : command.keys;
  return [
    command.name,
    command.arity,
    setReply(command.flags.map(simpleString)),
    keys?.firstKey ?? 0,
    keys?.lastKey ?? 0,
    keys?.keyStep ?? 0,
    setReply(command.categories.map(simpleString)),
    command.tips,
    keys?.keySpecs.map(keySpecReply) ?? [],
    'keySpecs' in command ? (command.subcommands ?? []).map(commandInfo) : [],
  ];
}

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

function commandDoc(command: Command | ServerCommand): [Reply, Reply] {
  return [
    command.name,
    mapReply([
      ['summary', command.summary],
      ['since', command.since],
      ['group', command.group],
      ['complexity', command.complexity],
    ]),
  ];
}

function allCommands(context: ServerContext): readonly (Command | ServerCommand)[] {
  const data = dataCommands.map((row) => findCommand(Buffer.from(row.name))!);
  return [...data, ...context.serverCommands];
}

function findAny(context: ServerContext, arg: Buffer): Command | ServerCommand | undefined {
  const name = lowerCase(arg);
  return findCommand(arg) ?? context.serverCommands.find((command) => command.name === name);
}

function named(
  context: ServerContext,
  args: readonly Buffer[],
): readonly (Command | ServerCommand | undefined)[] {
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

/** Clients look for the words "Invalid arguments" and "The command has no key arguments". */
function commandGetKeys(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const given = args.slice(2);
  const command = findAny(context, given[0]!);
  if (command === undefined) return errorReply('ERR Invalid command specified');
  const keys = 'keySpecs' in command ? command : command.keys;
  if (keys === undefined || keys.firstKey === 0) {
    return errorReply('ERR The command has no key arguments');
  }
  if (!arityAllows(command.arity, given.length)) {
    return errorReply('ERR Invalid number of arguments specified for command');
  }
  return 'keySpecs' in command ? commandKeys(command, given) : keysInRange(keys, given);
}

const commandSubcommands: Record<string, { readonly arity: number; readonly run: Subcommand }> = {
  count: { arity: 2, run: (context) => allCommands(context).length },
  docs: { arity: -2, run: commandDocs },
  getkeys: { arity: -3, run: commandGetKeys },
  info: { arity: -2, run: commandInfos },
  list: { arity: 2, run: (context) => allCommands(context).map(({ name }) => name) },
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
    check: (args) =>
      args.length === 1 ? undefined : checkSubcommand('command', commandSubcommands, args),
  },
] as const satisfies readonly ServerCommand[];

// ACL, as far as it can be read: there is one user, `default`, who may do everything.
// https://redis.io/docs/latest/commands/acl/

import { createHash } from 'node:crypto';
import { errorReply, mapReply, type Reply, setReply } from '../../../resp/index.js';
import { dataCommands } from '../../../sqlite-sm/index.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import { subcommandFacts } from './subcommand-facts.js';
import { lowerCase, type ServerCommand, type ServerContext, type Subcommands } from './table.js';

/** In Redis' order. */
const categories = [
  'keyspace',
  'read',
  'write',
  'set',
  'sortedset',
  'list',
  'hash',
  'string',
  'bitmap',
  'hyperloglog',
  'geo',
  'stream',
  'pubsub',
  'admin',
  'fast',
  'slow',
  'blocking',
  'dangerous',
  'connection',
  'transaction',
  'scripting',
];

function cat(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  if (args.length > 3) return errorReply("ERR wrong number of arguments for 'acl|cat' command");
  if (args[2] === undefined) return categories;
  const category = lowerCase(args[2]);
  if (!categories.includes(category)) {
    return errorReply(`ERR Unknown category '${args[2].toString('latin1')}'`);
  }
  const rows: { name: string; categories: readonly string[] }[] = [
    ...dataCommands.flatMap((command) => [command, ...(command.subcommands ?? [])]),
    ...context.serverCommands,
  ];
  for (const command of context.serverCommands) {
    for (const subcommand of Object.keys(command.subcommands ?? {})) {
      const name = `${command.name}|${subcommand}`;
      const facts = subcommandFacts[name];
      if (facts !== undefined) rows.push({ name, categories: facts.categories });
    }
  }
  return rows.filter((row) => row.categories.includes(`@${category}`)).map(({ name }) => name);
}

/** Of the password, as Redis shows it. */
function hashOf(password: string): string {
  return createHash('sha256').update(password).digest('hex');
}

function list({ settings }: ServerContext): Reply {
  const password = settings.values.requirepass;
  const secret = password === '' ? 'nopass' : `#${hashOf(password)}`;
  return [`user default on ${secret} ~* &* +@all`];
}

function getuser({ settings }: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const password = settings.values.requirepass;
  if (!args[2]!.equals(Buffer.from('default'))) return null;
  const flags = password === '' ? ['on', 'nopass'] : ['on'];
  return mapReply([
    ['flags', setReply(flags)],
    ['passwords', password === '' ? [] : [hashOf(password)]],
    ['commands', '+@all'],
    ['keys', '~*'],
    ['channels', '&*'],
    ['selectors', []],
  ]);
}

function refuse(_context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  return errorReply(
    `ERR ACL ${lowerCase(args[1]!).toUpperCase()} is not supported: there is one user, default, who ` +
      'may do everything',
  );
}

const helpLines = [
  'CAT [<category>]',
  '    List all commands that belong to <category>, or all command categories',
  '    when no category is specified.',
  'GETUSER <username>',
  "    Get the user's details.",
  'LIST',
  '    Show users details in config file format.',
  'USERS',
  '    List all the registered usernames.',
  'WHOAMI',
  '    Return the current connection username.',
];

const subcommands: Subcommands = {
  cat: { arity: -2, run: cat },
  deluser: { arity: -3, run: refuse },
  dryrun: { arity: -4, run: refuse },
  genpass: { arity: -2, run: refuse },
  getuser: { arity: 3, run: getuser },
  help: { arity: 2, run: () => helpReply('acl', helpLines) },
  list: { arity: 2, run: list },
  load: { arity: 2, run: refuse },
  log: { arity: -2, run: refuse },
  save: { arity: 2, run: refuse },
  setuser: { arity: -3, run: refuse },
  users: { arity: 2, run: () => ['default'] },
  whoami: { arity: 2, run: () => 'default' },
};

function acl(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('acl', subcommands, context, session, args);
}

export const aclCommands = [
  {
    name: 'acl',
    arity: -2,
    flags: [],
    categories: ['@slow'],
    tips: [],
    group: 'server',
    since: '6.0.0',
    summary: 'A container for Access List Control commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    run: acl,
    subcommands,
  },
] as const satisfies readonly ServerCommand[];

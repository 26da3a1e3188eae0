// Commands about the connection itself. https://redis.io/docs/latest/commands/?group=connection

import { timingSafeEqual } from 'node:crypto';
import {
  type ErrorReply,
  errorReply,
  errors,
  isErrorReply,
  mapReply,
  okReply,
  pongReply,
  type Reply,
  simpleString,
  wrongArity,
} from '../../../resp/index.js';
import { databaseCount } from '../../../sqlite-sm/index.js';
import type { Session } from '../session.js';
import { redisVersion } from './info.js';
import { parseCount } from './numbers.js';
import {
  arityAllows,
  lowerCase,
  type ServerCommand,
  type ServerContext,
  type Subcommands,
} from './table.js';

function ping(_context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  if (args.length > 2) return wrongArity('ping');
  return args[1] ?? pongReply;
}

function echo(_context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  return args[1]!;
}

function quit(_context: ServerContext, session: Session): Reply {
  session.isClosing = true;
  return okReply;
}

function reset(context: ServerContext, session: Session): Reply {
  session.reset(context.settings.values.requirepass === '');
  return simpleString('RESET');
}

function select(_context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  const database = parseDatabase(args[1]!);
  if (typeof database !== 'number') return database;
  session.database = database;
  return okReply;
}

/** The number of a database, or what SELECT answers to anything else. */
export function parseDatabase(arg: Buffer): number | ErrorReply {
  const text = arg.toString('latin1');
  if (!/^-?\d{1,9}$/.test(text)) return errors.notInteger;
  const database = Number(text);
  if (database < 0 || database >= databaseCount) {
    return errorReply('ERR DB index is out of range');
  }
  return database;
}

// ------------------------------------------------------------------------------ HELLO and AUTH

function auth(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  if (args.length > 3) return errors.syntax;
  if (args.length === 2 && context.settings.values.requirepass === '') {
    return errorReply(
      'ERR AUTH <password> called without any password configured for the default user. Are you ' +
        'sure your configuration is correct?',
    );
  }
  const [user, password] = args.length === 2 ? [defaultUser, args[1]!] : [args[1]!, args[2]!];
  return authenticate(context, session, user, password);
}

const defaultUser = Buffer.from('default');
const wrongPassword = errorReply('WRONGPASS invalid username-password pair or user is disabled.');

function authenticate(
  context: ServerContext,
  session: Session,
  user: Buffer,
  password: Buffer,
): Reply {
  if (!user.equals(defaultUser)) return wrongPassword;
  // Without a password the default user is let in with any, as Redis' `nopass` does.
  if (
    context.settings.values.requirepass !== '' &&
    !isSameSecret(password, Buffer.from(context.settings.values.requirepass))
  ) {
    return wrongPassword;
  }
  session.isAuthenticated = true;
  return okReply;
}

function isSameSecret(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** HELLO [protover [AUTH user password] [SETNAME name]] */
function hello(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  let protocol: 2 | 3 = session.protocol;
  if (args.length > 1) {
    const version = parseCount(args[1]!);
    if (version === undefined) {
      return errorReply('ERR Protocol version is not an integer or out of range');
    }
    if (version !== 2 && version !== 3) {
      return errorReply('NOPROTO unsupported protocol version');
    }
    protocol = version;
  }
  let name: string | undefined;
  for (let at = 2; at < args.length; ) {
    const option = lowerCase(args[at]!);
    if (option === 'auth' && at + 2 < args.length) {
      const reply = authenticate(context, session, args[at + 1]!, args[at + 2]!);
      if (isErrorReply(reply)) return reply;
      at += 3;
    } else if (option === 'setname' && at + 1 < args.length) {
      name = args[at + 1]!.toString('latin1');
      if (!isPrintable(name)) return badClientName;
      at += 2;
    } else {
      return errorReply(`ERR Syntax error in HELLO option '${args[at]!.toString('latin1')}'`);
    }
  }
  if (!session.isAuthenticated) {
    return errorReply(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO ' +
        '<proto> AUTH <user> <pass> option can be used to authenticate the client and select the ' +
        'RESP protocol version at the same time',
    );
  }
  session.protocol = protocol;
  if (name !== undefined) session.name = name;
  return mapReply([
    ['server', 'redis'],
    ['version', redisVersion],
    ['proto', protocol],
    ['id', session.id],
    ['mode', 'cluster'],
    ['role', roleOf(context)],
    ['modules', []],
  ]);
}

function roleOf({ topology: { master, self } }: ServerContext): string {
  if (master === undefined) return 'none';
  return master === self ? 'master' : 'replica';
}

// ------------------------------------------------------------------------------ names

export const badClientName = errorReply(
  'ERR Client names cannot contain spaces, newlines or special characters.',
);

/** Redis takes the printable ASCII characters without the space. */
export function isPrintable(text: string): boolean {
  return /^[!-~]*$/.test(text);
}

// ------------------------------------------------------------------------------ containers

/** Redis' texts for an unknown subcommand and for a wrong number of arguments. */
export function checkSubcommand(
  commandName: string,
  subcommands: Subcommands,
  args: readonly Buffer[],
): ErrorReply | undefined {
  const name = lowerCase(args[1]!);
  const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined;
  if (subcommand === undefined) {
    const shown = args[1]!.toString('latin1', 0, 128);
    return errorReply(`ERR unknown subcommand '${shown}'. Try ${commandName.toUpperCase()} HELP.`);
  }
  return arityAllows(subcommand.arity, args.length)
    ? undefined
    : wrongArity(`${commandName}|${name}`);
}

export function runSubcommand(
  commandName: string,
  subcommands: Subcommands,
  context: ServerContext,
  session: Session,
  args: readonly Buffer[],
): Reply {
  const refusal = checkSubcommand(commandName, subcommands, args);
  return refusal ?? subcommands[lowerCase(args[1]!)]!.run(context, session, args);
}

/** HELP of a container, as Redis lays it out. `lines` tell of the subcommands but HELP itself. */
export function helpReply(commandName: string, lines: readonly string[]): Reply {
  return [
    `${commandName.toUpperCase()} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:`,
    ...lines,
    'HELP',
    '    Prints this help.',
  ].map(simpleString);
}

// ------------------------------------------------------------------------------ the table

export const connectionCommands = [
  {
    name: 'auth',
    arity: -2,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'connection',
    since: '1.0.0',
    summary: 'Authenticates the connection.',
    complexity: 'O(N) where N is the number of passwords defined for the user',
    isBarrier: false,
    run: auth,
  },
  {
    name: 'echo',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'connection',
    since: '1.0.0',
    summary: 'Returns the given string.',
    complexity: 'O(1)',
    isBarrier: false,
    run: echo,
  },
  {
    name: 'hello',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'connection',
    since: '6.0.0',
    summary: 'Handshakes with the server.',
    complexity: 'O(1)',
    isBarrier: true,
    run: hello,
  },
  {
    name: 'ping',
    arity: -1,
    flags: ['fast'],
    categories: ['@fast', '@connection'],
    tips: ['request_policy:all_shards', 'response_policy:all_succeeded'],
    group: 'connection',
    since: '1.0.0',
    summary: "Returns the server's liveliness response.",
    complexity: 'O(1)',
    isBarrier: false,
    run: ping,
  },
  {
    name: 'quit',
    arity: -1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'connection',
    since: '1.0.0',
    summary: 'Closes the connection.',
    complexity: 'O(1)',
    isBarrier: true,
    run: quit,
  },
  {
    name: 'reset',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast', 'no_auth'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'connection',
    since: '6.2.0',
    summary: 'Resets the connection.',
    complexity: 'O(1)',
    isBarrier: true,
    run: reset,
  },
  {
    name: 'select',
    arity: 2,
    flags: ['loading', 'stale', 'fast'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'connection',
    since: '1.0.0',
    summary: 'Changes the selected database.',
    complexity: 'O(1)',
    isBarrier: false,
    run: select,
  },
] as const satisfies readonly ServerCommand[];

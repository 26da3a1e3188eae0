// CLIENT: what a client may know and change of its own connection and of the others'.
// https://redis.io/docs/latest/commands/client/

import {
  errorReply,
  errors,
  mapReply,
  okReply,
  type Reply,
  setReply,
  verbatim,
} from '../../../resp/index.js';
import type { Session } from '../session.js';
import { badClientName, helpReply, isPrintable, runSubcommand } from './connection.js';
import { parseCount, parseTimeout } from './numbers.js';
import {
  type ClientView,
  lowerCase,
  type ServerCommand,
  type ServerContext,
  type Subcommands,
} from './table.js';

// ------------------------------------------------------------------------------ its own

function setname(_context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  const name = args[2]!.toString('latin1');
  if (!isPrintable(name)) return badClientName;
  session.name = name;
  return okReply;
}

function setinfo(_context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  const attribute = lowerCase(args[2]!);
  const value = args[3]!.toString('latin1');
  if (attribute !== 'lib-name' && attribute !== 'lib-ver') {
    return errorReply(`ERR Unrecognized option '${args[2]!.toString('latin1')}'`);
  }
  if (!isPrintable(value)) {
    return errorReply(`ERR ${attribute} cannot contain spaces, newlines or special characters.`);
  }
  if (attribute === 'lib-name') session.libraryName = value;
  else session.libraryVersion = value;
  return okReply;
}

/** The command itself is among those that are not answered. */
function reply(_context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  switch (lowerCase(args[2]!)) {
    case 'on':
      session.silentReplies = 0;
      return okReply;
    case 'off':
      session.silentReplies = Number.POSITIVE_INFINITY;
      return okReply;
    case 'skip':
      session.silentReplies = Math.max(session.silentReplies, 2);
      return okReply;
    default:
      return errors.syntax;
  }
}

/** `on` or `off` as a boolean. */
function parseSwitch(arg: Buffer): boolean | undefined {
  const word = lowerCase(arg);
  if (word === 'on') return true;
  return word === 'off' ? false : undefined;
}

function noEvict(_context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  const isOn = parseSwitch(args[2]!);
  if (isOn === undefined) return errors.syntax;
  session.isNoEvict = isOn;
  return okReply;
}

function noTouch(_context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  const isOn = parseSwitch(args[2]!);
  if (isOn === undefined) return errors.syntax;
  session.isNoTouch = isOn;
  return okReply;
}

// ------------------------------------------------------------------------------ tracking

const noTracking = errorReply(
  'ERR CLIENT TRACKING is not supported yet: keys cannot be cached by clients',
);

function tracking(_context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const isOn = parseSwitch(args[2]!);
  if (isOn === undefined) return errors.syntax;
  return isOn ? noTracking : okReply;
}

/** What Redis says while tracking is off, as it is here. */
function caching(): Reply {
  return errorReply(
    'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or ' +
      'OPTOUT mode enabled',
  );
}

function trackinginfo(): Reply {
  return mapReply([
    ['flags', setReply(['off'])],
    ['redirect', noRedirection],
    ['prefixes', []],
  ]);
}

const noRedirection = -1;

// ------------------------------------------------------------------------------ LIST and INFO

function flagsOf({ session, isBlocked }: ClientView): string {
  const flags =
    (session.transaction === undefined ? '' : 'x') +
    (session.isReadonly ? 'r' : '') +
    (isBlocked ? 'b' : '') +
    (session.isNoEvict ? 'e' : '') +
    (session.isNoTouch ? 'T' : '');
  return flags || 'N';
}

function clientLine(client: ClientView, nowMs: number): string {
  const { session } = client;
  const { transaction } = session;
  const age = Math.floor((nowMs - session.connectedAtMs) / 1000);
  const idle = Math.floor((nowMs - session.lastCommandAtMs) / 1000);
  return (
    `id=${session.id} addr=${session.address} laddr=${session.localAddress} fd=${session.id} ` +
    `name=${session.name} age=${age} idle=${idle} flags=${flagsOf(client)} ` +
    `db=${session.database} sub=0 psub=0 ssub=0 multi=${transaction?.count ?? -1} ` +
    `qbuf=${client.inputBytes} qbuf-free=0 argv-mem=0 ` +
    `multi-mem=${transaction?.byteLength ?? 0} rbs=0 rbp=0 obl=0 oll=${client.pendingCount} ` +
    `omem=${client.outputBytes} tot-mem=${client.inputBytes + client.outputBytes} events=r ` +
    `cmd=${session.lastCommand || 'NULL'} user=default redir=-1 resp=${session.protocol} ` +
    `lib-name=${session.libraryName} lib-ver=${session.libraryVersion}`
  );
}

function clientLines(clients: readonly ClientView[], nowMs: number): Reply {
  return verbatim(clients.map((each) => `${clientLine(each, nowMs)}\n`).join(''));
}

function info(context: ServerContext, session: Session): Reply {
  const own = context.clients().filter((each) => each.session === session);
  return clientLines(own, context.nowMs());
}

const clientTypes = ['normal', 'master', 'slave', 'replica', 'pubsub'] as const;
type ClientType = (typeof clientTypes)[number];

/** All connections to this port are ordinary clients' ones; replicas have a port of their own. */
function parseType(arg: Buffer): ClientType | undefined {
  const word = lowerCase(arg);
  return clientTypes.find((type) => type === word);
}

function unknownType(arg: Buffer): Reply {
  return errorReply(`ERR Unknown client type '${arg.toString('latin1')}'`);
}

function list(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const clients = context.clients();
  if (args.length === 2) return clientLines(clients, context.nowMs());
  const option = lowerCase(args[2]!);
  if (option === 'type' && args.length === 4) {
    const type = parseType(args[3]!);
    if (type === undefined) return unknownType(args[3]!);
    return clientLines(type === 'normal' ? clients : [], context.nowMs());
  }
  if (option !== 'id' || args.length < 4) return errors.syntax;
  const byId = new Map(clients.map((each) => [each.session.id, each]));
  const chosen: ClientView[] = [];
  for (const arg of args.slice(3)) {
    const id = parseCount(arg);
    if (id === undefined) return errorReply('ERR Invalid client ID');
    const found = byId.get(id);
    if (found !== undefined) chosen.push(found);
  }
  return clientLines(chosen, context.nowMs());
}

// ------------------------------------------------------------------------------ KILL

interface KillFilter {
  id?: number;
  address?: string;
  localAddress?: string;
  type?: ClientType;
  maxAgeSeconds?: number;
  skipsSelf: boolean;
}

/** CLIENT KILL addr:port, or pairs of an option and a value that must all fit. */
function kill(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  if (args.length === 3) {
    const address = args[2]!.toString('latin1');
    const count = killAll(context, session, { address, skipsSelf: false });
    return count > 0 ? okReply : errorReply('ERR No such client');
  }
  const filter = parseKillFilter(args);
  return 'kind' in filter ? filter : killAll(context, session, filter);
}

function parseKillFilter(args: readonly Buffer[]): KillFilter | ReturnType<typeof errorReply> {
  const filter: KillFilter = { skipsSelf: true };
  for (let at = 2; at < args.length; at += 2) {
    const value = args[at + 1];
    if (value === undefined) return errors.syntax;
    const text = value.toString('latin1');
    switch (lowerCase(args[at]!)) {
      case 'id': {
        const id = parseCount(value);
        if (id === undefined || id < 1) {
          return errorReply('ERR client-id should be greater than 0');
        }
        filter.id = id;
        break;
      }
      case 'type': {
        const type = parseType(value);
        if (type === undefined) return errorReply(`ERR Unknown client type '${text}'`);
        filter.type = type;
        break;
      }
      case 'addr':
        filter.address = text;
        break;
      case 'laddr':
        filter.localAddress = text;
        break;
      case 'user':
        if (text !== 'default') return errorReply(`ERR No such user '${text}'`);
        break;
      case 'skipme': {
        const word = lowerCase(value);
        if (word !== 'yes' && word !== 'no') return errors.syntax;
        filter.skipsSelf = word === 'yes';
        break;
      }
      case 'maxage': {
        const seconds = parseCount(value);
        if (seconds === undefined) return errors.notInteger;
        if (seconds < 1) return errorReply('ERR maxage should be greater than 0');
        filter.maxAgeSeconds = seconds;
        break;
      }
      default:
        return errors.syntax;
    }
  }
  return filter;
}

function killAll(context: ServerContext, session: Session, filter: KillFilter): number {
  const nowMs = context.nowMs();
  const chosen = context.clients().filter((each) => fits(each.session, filter, nowMs));
  let count = 0;
  for (const each of chosen) {
    if (each.session === session) {
      if (filter.skipsSelf) continue;
      // Its own end comes behind the reply.
      session.isClosing = true;
    } else each.destroy();
    count += 1;
  }
  return count;
}

function fits(session: Session, filter: KillFilter, nowMs: number): boolean {
  const { id, address, localAddress, type, maxAgeSeconds } = filter;
  return (
    (id === undefined || session.id === id) &&
    (address === undefined || session.address === address) &&
    (localAddress === undefined || session.localAddress === localAddress) &&
    (type === undefined || type === 'normal') &&
    (maxAgeSeconds === undefined || nowMs - session.connectedAtMs >= maxAgeSeconds * 1000)
  );
}

// ------------------------------------------------------------------------------ PAUSE and UNBLOCK

function pause(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  if (args.length > 4) return errors.syntax;
  const mode = args[3] === undefined ? 'all' : lowerCase(args[3]);
  if (mode !== 'write' && mode !== 'all') {
    return errorReply('ERR CLIENT PAUSE mode must be WRITE or ALL');
  }
  const milliseconds = parseTimeout(args[2]!);
  if (typeof milliseconds !== 'number') return milliseconds;
  context.pause.start(mode, milliseconds);
  return okReply;
}

function unpause(context: ServerContext): Reply {
  context.pause.end();
  return okReply;
}

function unblock(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  if (args.length > 4) return errors.syntax;
  const reason = args[3] === undefined ? 'timeout' : lowerCase(args[3]);
  if (reason !== 'timeout' && reason !== 'error') {
    return errorReply('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR');
  }
  const id = parseCount(args[2]!);
  if (id === undefined) return errors.notInteger;
  return context.blocked.unblock(id, reason === 'error' ? unblocked : undefined) ? 1 : 0;
}

const unblocked = errorReply('UNBLOCKED client unblocked via CLIENT UNBLOCK');

// ------------------------------------------------------------------------------ the table

const helpLines = [
  'CACHING (YES|NO)',
  '    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.',
  'GETREDIR',
  '    Return the client ID we are redirecting to when tracking is enabled.',
  'GETNAME',
  '    Return the name of the current connection.',
  'ID',
  '    Return the ID of the current connection.',
  'INFO',
  '    Return information about the current client connection.',
  'KILL <ip:port>',
  '    Kill connection made from <ip:port>.',
  'KILL <option> <value> [<option> <value> [...]]',
  '    Kill connections. Options are:',
  '    * ADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made from the specified address',
  '    * LADDR (<ip:port>|<unixsocket>:0)',
  '      Kill connections made to specified local address',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Kill connections by type.',
  '    * USER <username>',
  '      Kill connections authenticated by <username>.',
  '    * SKIPME (YES|NO)',
  '      Skip killing current connection (default: yes).',
  '    * ID <client-id>',
  '      Kill connections by client id.',
  '    * MAXAGE <maxage>',
  '      Kill connections older than the specified age.',
  'LIST [options ...]',
  '    Return information about client connections. Options:',
  '    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)',
  '      Return clients of specified type.',
  'UNPAUSE',
  '    Stop the current client pause, resuming traffic.',
  'PAUSE <timeout> [WRITE|ALL]',
  '    Suspend all, or just write, clients for <timeout> milliseconds.',
  'REPLY (ON|OFF|SKIP)',
  '    Control the replies sent to the current connection.',
  'SETNAME <name>',
  '    Assign the name <name> to the current connection.',
  'SETINFO <option> <value>',
  '    Set client meta attr. Options are:',
  '    * LIB-NAME: the client lib name.',
  '    * LIB-VER: the client lib version.',
  'UNBLOCK <clientid> [TIMEOUT|ERROR]',
  '    Unblock the specified blocked client.',
  'TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]',
  '         [OPTIN] [OPTOUT] [NOLOOP]',
  '    Control server assisted client side caching.',
  'TRACKINGINFO',
  '    Report tracking status for the current connection.',
  'NO-EVICT (ON|OFF)',
  '    Protect current client connection from eviction.',
  'NO-TOUCH (ON|OFF)',
  '    Will not touch LRU/LFU stats when this mode is on.',
];

const subcommands: Subcommands = {
  caching: { arity: 3, run: caching },
  getname: { arity: 2, run: (_context, session) => session.name || null },
  getredir: { arity: 2, run: () => noRedirection },
  help: { arity: 2, run: () => helpReply('client', helpLines) },
  id: { arity: 2, run: (_context, session) => session.id },
  info: { arity: 2, run: info },
  kill: { arity: -3, run: kill },
  list: { arity: -2, run: list },
  'no-evict': { arity: 3, run: noEvict },
  'no-touch': { arity: 3, run: noTouch },
  pause: { arity: -3, run: pause },
  reply: { arity: 3, run: reply },
  setinfo: { arity: 4, run: setinfo },
  setname: { arity: 3, run: setname },
  tracking: { arity: -3, run: tracking },
  trackinginfo: { arity: 2, run: trackinginfo },
  unblock: { arity: -3, run: unblock },
  unpause: { arity: 2, run: unpause },
};

function client(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('client', subcommands, context, session, args);
}

export const clientCommands = [
  {
    name: 'client',
    arity: -2,
    flags: [],
    categories: ['@slow'],
    tips: [],
    group: 'connection',
    since: '2.4.0',
    summary: 'A container for client connection commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    run: client,
    subcommands,
  },
] as const satisfies readonly ServerCommand[];

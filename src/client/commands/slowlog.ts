// SLOWLOG. https://redis.io/docs/latest/commands/slowlog/

import { errorReply, okReply, type Reply } from '../../../resp/index.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import { parseCount } from './numbers.js';
import type { ServerCommand, ServerContext, Subcommands } from './table.js';

const countDefault = 10;

/** Of each entry: id, seconds since the epoch, microseconds, arguments, address and client name. */
function get({ slowLog }: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  if (args.length > 3) {
    const given = args[1]!.toString('latin1');
    return errorReply(
      `ERR unknown subcommand or wrong number of arguments for '${given}'. Try SLOWLOG HELP.`,
    );
  }
  const count = args[2] === undefined ? countDefault : parseCount(args[2]);
  if (count === undefined || count < -1) {
    return errorReply('ERR count should be greater than or equal to -1');
  }
  return slowLog
    .latest(count)
    .map(({ id, at, microseconds, args: shown, address, clientName }) => [
      id,
      at,
      microseconds,
      shown,
      address,
      clientName,
    ]);
}

function reset({ slowLog }: ServerContext): Reply {
  slowLog.reset();
  return okReply;
}

const helpLines = [
  'GET [<count>]',
  '    Return top <count> entries from the slowlog (default: 10, -1 mean all).',
  '    Entries are made of:',
  '    id, timestamp, time in microseconds, arguments array, client IP and port,',
  '    client name',
  'LEN',
  '    Return the length of the slowlog.',
  'RESET',
  '    Reset the slowlog.',
];

const subcommands: Subcommands = {
  get: { arity: -2, run: get },
  help: { arity: 2, run: () => helpReply('slowlog', helpLines) },
  len: { arity: 2, run: ({ slowLog }) => slowLog.length },
  reset: { arity: 2, run: reset },
};

function slowlog(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('slowlog', subcommands, context, session, args);
}

export const slowlogCommands = [
  {
    name: 'slowlog',
    arity: -2,
    flags: [],
    categories: ['@slow'],
    tips: [],
    group: 'server',
    since: '2.2.12',
    summary: 'A container for slow log commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    run: slowlog,
    subcommands,
  },
] as const satisfies readonly ServerCommand[];

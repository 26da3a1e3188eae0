// DEBUG, for trying what a server does when it stalls. https://redis.io/docs/latest/commands/debug/

import { isIP } from 'node:net';
import { errorReply, okReply, type Reply } from '../../../resp/index.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import type { ServerCommand, ServerContext, Subcommands } from './table.js';

const notAllowed = errorReply(
  'ERR DEBUG command not allowed. If the enable-debug-command option is set to "local", you can run ' +
    'it from a local connection, otherwise you need to set this option in the configuration file, ' +
    'and then restart the server.',
);

/** As C's `strtod`: what is no number is 0. */
function sleep(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const seconds = Number.parseFloat(args[2]!.toString('latin1'));
  if (seconds > 0) context.sleep(seconds * 1000);
  return okReply;
}

const helpLines = ['SLEEP <seconds>', '    Stop the server for <seconds>. Decimals allowed.'];

const subcommands: Subcommands = {
  help: { arity: 2, run: () => helpReply('debug', helpLines) },
  sleep: { arity: 3, run: sleep },
};

function isLocal({ address }: Session): boolean {
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^::ffff:/, '');
  return host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function debug(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  const allowed = context.settings.values.enableDebugCommand;
  if (allowed === 'no' || (allowed === 'local' && !isLocal(session))) return notAllowed;
  return runSubcommand('debug', subcommands, context, session, args);
}

export const debugCommands = [
  {
    name: 'debug',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: ['@admin', '@slow', '@dangerous'],
    tips: [],
    group: 'server',
    since: '1.0.0',
    summary: 'A container for debugging commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    run: debug,
  },
] as const satisfies readonly ServerCommand[];

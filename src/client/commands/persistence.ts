// Saving by hand, which has nothing left to do: what was acknowledged is on the disks of a majority.
// https://redis.io/docs/latest/commands/bgsave/

import { errorReply, errors, okReply, type Reply, simpleString } from '../../../resp/index.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import { lowerCase, type ServerCommand, type ServerContext, type Subcommands } from './table.js';

/** Tools wait for LASTSAVE to rise behind it, and it does. */
function bgsave(_context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  if (args.length > 2) return errors.syntax;
  if (args[1] !== undefined && lowerCase(args[1]) !== 'schedule') return errors.syntax;
  return simpleString('Background saving started');
}

/** Whatever was acknowledged until now is saved. */
function lastsave({ nowMs }: ServerContext): Reply {
  return Math.floor(nowMs() / 1000);
}

// ------------------------------------------------------------------------------ MODULE

function refuseModule(_context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  return errorReply(
    `ERR MODULE ${lowerCase(args[1]!).toUpperCase()} is not supported: modules cannot be loaded`,
  );
}

const moduleSubcommands: Subcommands = {
  help: {
    arity: 2,
    run: () => helpReply('module', ['LIST', '    Return a list of loaded modules.']),
  },
  list: { arity: 2, run: () => [] },
  load: { arity: -3, run: refuseModule },
  loadex: { arity: -3, run: refuseModule },
  unload: { arity: 3, run: refuseModule },
};

function module(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('module', moduleSubcommands, context, session, args);
}

// ------------------------------------------------------------------------------ the table

export const persistenceCommands = [
  {
    name: 'bgsave',
    arity: -1,
    flags: ['admin', 'noscript', 'no_async_loading'],
    categories: ['@admin', '@slow', '@dangerous'],
    tips: [],
    group: 'server',
    since: '1.0.0',
    summary: 'Asynchronously saves the database(s) to disk.',
    complexity: 'O(1)',
    isBarrier: false,
    run: bgsave,
  },
  {
    name: 'lastsave',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['@admin', '@fast', '@dangerous'],
    tips: ['nondeterministic_output'],
    group: 'server',
    since: '1.0.0',
    summary: 'Returns the Unix timestamp of the last successful save to disk.',
    complexity: 'O(1)',
    isBarrier: false,
    run: lastsave,
  },
  {
    name: 'module',
    arity: -2,
    flags: [],
    categories: ['@slow'],
    tips: [],
    group: 'server',
    since: '4.0.0',
    summary: 'A container for module commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    run: module,
    subcommands: moduleSubcommands,
  },
  {
    name: 'save',
    arity: 1,
    flags: ['admin', 'noscript', 'no_async_loading', 'no_multi'],
    categories: ['@admin', '@slow', '@dangerous'],
    tips: [],
    group: 'server',
    since: '1.0.0',
    summary: 'Synchronously saves the database(s) to disk.',
    complexity: 'O(1)',
    // Behind the writes that it is to save.
    isBarrier: true,
    run: () => okReply,
  },
] as const satisfies readonly ServerCommand[];

// Saving by hand, and when it was done last: snapshots of this replica. What was acknowledged is on the
// disks of a majority without them.
// https://redis.io/docs/latest/commands/bgsave/

import {
  type ErrorReply,
  errorReply,
  errors,
  okReply,
  type Reply,
  simpleString,
} from '../../../resp/index.js';
import { lastSaveSeconds } from '../../metrics.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import {
  type Blocking,
  lowerCase,
  type ServerCommand,
  type ServerContext,
  type Subcommands,
} from './table.js';

const inProgress = errorReply('ERR Background save already in progress');
const goesOn = errorReply('ERR the save goes on in the background');

/** Begins a snapshot; the error when it cannot be begun. */
function save({ snapshots }: ServerContext, done: (reply: Reply) => void): ErrorReply | undefined {
  if (snapshots.status().isTaking) return inProgress;
  let refusal: ErrorReply | undefined;
  let isBegun = false;
  snapshots.take((error) => {
    if (error === undefined) return done(okReply);
    const reply = errorReply(`ERR ${error.message}`);
    if (isBegun) done(reply);
    else refusal = reply;
  });
  isBegun = true;
  return refusal;
}

function bgsave(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  if (args.length > 2) return errors.syntax;
  if (args[1] !== undefined && lowerCase(args[1]) !== 'schedule') return errors.syntax;
  return save(context, () => {}) ?? simpleString('Background saving started');
}

function blockOnSave(context: ServerContext): Blocking | Reply {
  let outcome: Reply | undefined;
  const refusal = save(context, (reply) => {
    outcome = reply;
  });
  if (refusal !== undefined) return refusal;
  return {
    isDone: () => outcome !== undefined,
    reply: () => outcome ?? goesOn,
    timeoutMs: 0,
    outlivesLeadership: true,
  };
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
    run: lastSaveSeconds,
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
    run: bgsave,
    block: blockOnSave,
  },
] as const satisfies readonly ServerCommand[];

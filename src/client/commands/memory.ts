// MEMORY: of the process, and of a key. https://redis.io/docs/latest/commands/memory/
//
// MEMORY USAGE reads the key's data and is found there, as `memory|usage` (sqlite-sm/commands/keys.ts).

import { double, mapReply, okReply, type Reply, verbatim } from '../../../resp/index.js';
import { databaseCount, findCommand } from '../../../sqlite-sm/index.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import { lowerCase, type ServerCommand, type ServerContext, type Subcommands } from './table.js';

const usage = findCommand(Buffer.from('memory|usage'))!;

function stats(context: ServerContext): Reply {
  const used = context.process.memoryBytes();
  const clientBytes = context
    .clients()
    .reduce((sum, { inputBytes, outputBytes }) => sum + inputBytes + outputBytes, 0);
  let keys = 0;
  for (let database = 0; database < databaseCount; database += 1) {
    keys += context.keyspace(database).keys;
  }
  return mapReply([
    ['total.allocated', used],
    ['clients.slaves', 0],
    ['clients.normal', clientBytes],
    ['keys.count', keys],
    // The values are on the disk; what is in memory is SQLite's cache.
    ['dataset.bytes', 0],
    ['dataset.percentage', double(0)],
  ]);
}

/** What the process uses hardly grows with the data: there is nothing of Redis' that could ail it. */
function doctor(): Reply {
  return verbatim(
    "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on " +
      'this base.\n',
  );
}

function mallocStats(): Reply {
  return verbatim('Stats not supported for the current allocator');
}

const helpLines = [
  'DOCTOR',
  '    Return memory problems reports.',
  'MALLOC-STATS',
  '    Return internal statistics report from the memory allocator.',
  'PURGE',
  '    Attempt to purge dirty pages for reclamation by the allocator.',
  'STATS',
  '    Return information about the memory usage of the server.',
  'USAGE <key> [SAMPLES <count>]',
  '    Return memory in bytes used by <key> and its value. Nested values are',
  '    sampled up to <count> times (default: 5, 0 means sample all).',
];

const subcommands: Subcommands = {
  doctor: { arity: 2, run: doctor },
  help: { arity: 2, run: () => helpReply('memory', helpLines) },
  'malloc-stats': { arity: 2, run: mallocStats },
  // As Redis without jemalloc: the allocator is not ours to ask.
  purge: { arity: 2, run: () => okReply },
  stats: { arity: 2, run: stats },
};

function memory(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('memory', subcommands, context, session, args);
}

export const memoryCommands = [
  {
    name: 'memory',
    arity: -2,
    flags: [],
    categories: ['@slow'],
    tips: [],
    group: 'server',
    since: '4.0.0',
    summary: 'A container for memory diagnostics commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    showsState: true,
    run: memory,
    subcommands,
    findData: (args) => (lowerCase(args[1]!) === 'usage' ? usage : undefined),
  },
] as const satisfies readonly ServerCommand[];

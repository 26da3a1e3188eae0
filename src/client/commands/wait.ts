// WAIT and WAITAOF: how many replicas have made durable what this connection wrote.
// https://redis.io/docs/latest/commands/wait/
//
// An answered write is durable on a majority already, so the first numbers are there at once. What is
// counted is Raft's match index, up to which a follower has the log on its disk: in Redis' words it
// has received, and fsynced, that far. This server may be the last to have it on its own.

import { type ErrorReply, errorReply, errors, type Reply } from '../../../resp/index.js';
import type { Session } from '../session.js';
import { parseCount, parseTimeout } from './numbers.js';
import type { Blocking, ServerCommand, ServerContext } from './table.js';

/** How many disks have the log: 0 or 1 of this server, and those of others. */
interface Disks {
  readonly local: number;
  readonly replicas: number;
}

function disksAt(context: ServerContext, index: number): Disks {
  const { peers, durableIndex } = context.raft();
  return {
    local: durableIndex >= index ? 1 : 0,
    replicas: peers.filter(({ matchIndex }) => (matchIndex ?? 0) >= index).length,
  };
}

function isReplica({ topology }: ServerContext): boolean {
  return topology.master !== topology.self;
}

/** Asks for a number of disks; the reply is made of how many there are. */
interface Wanted extends Disks {
  readonly timeoutMs: number;
  readonly reply: (disks: Disks) => Reply;
}

function blockOn(context: ServerContext, session: Session, wanted: Wanted): Blocking | Reply {
  const { lastWriteIndex } = session;
  const reply = (): Reply => wanted.reply(disksAt(context, lastWriteIndex));
  const isDone = (): boolean => {
    const { local, replicas } = disksAt(context, lastWriteIndex);
    return local >= wanted.local && replicas >= wanted.replicas;
  };
  return isDone() ? reply() : { isDone, reply, timeoutMs: wanted.timeoutMs };
}

function parseWait(context: ServerContext, args: readonly Buffer[]): Wanted | ErrorReply {
  if (isReplica(context)) {
    return errorReply(
      'ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a ' +
        'replica is configured to be writable (which is not the default) writes to replicas are ' +
        'just local and are not propagated.',
    );
  }
  const replicas = parseCount(args[1]!);
  if (replicas === undefined) return errors.notInteger;
  const timeoutMs = parseTimeout(args[2]!);
  if (typeof timeoutMs !== 'number') return timeoutMs;
  return { local: 0, replicas, timeoutMs, reply: (disks) => disks.replicas };
}

function parseWaitaof(context: ServerContext, args: readonly Buffer[]): Wanted | ErrorReply {
  const local = parseCount(args[1]!);
  if (local === undefined) return errors.notInteger;
  if (local < 0 || local > 1) {
    return errorReply('ERR value is out of range, value must between 0 and 1');
  }
  const replicas = parseCount(args[2]!);
  if (replicas === undefined) return errors.notInteger;
  if (replicas < 0) return errorReply('ERR value is out of range, must be positive');
  const timeoutMs = parseTimeout(args[3]!);
  if (typeof timeoutMs !== 'number') return timeoutMs;
  if (isReplica(context)) {
    return errorReply(
      'ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas ' +
        'are just local and are not propagated.',
    );
  }
  return { local, replicas, timeoutMs, reply: (disks) => [disks.local, disks.replicas] };
}

type Parse = (context: ServerContext, args: readonly Buffer[]) => Wanted | ErrorReply;

function block(parse: Parse): NonNullable<ServerCommand['block']> {
  return (context, session, args) => {
    const wanted = parse(context, args);
    return 'kind' in wanted ? wanted : blockOn(context, session, wanted);
  };
}

/** With the numbers there are now. */
function runAtOnce(parse: Parse): ServerCommand['run'] {
  return (context, session, args) => {
    const wanted = parse(context, args);
    if ('kind' in wanted) return wanted;
    return wanted.reply(disksAt(context, session.lastWriteIndex));
  };
}

export const waitCommands = [
  {
    name: 'wait',
    arity: 3,
    flags: ['blocking'],
    categories: ['@slow', '@blocking', '@connection'],
    tips: ['request_policy:all_shards', 'response_policy:agg_min'],
    group: 'generic',
    since: '3.0.0',
    summary:
      'Blocks until the asynchronous replication of all preceding write commands sent by the ' +
      'connection is completed.',
    complexity: 'O(1)',
    // What it counts is known when the writes before it are answered.
    isBarrier: true,
    run: runAtOnce(parseWait),
    block: block(parseWait),
  },
  {
    name: 'waitaof',
    arity: 4,
    flags: ['noscript', 'blocking'],
    categories: ['@slow', '@blocking', '@connection'],
    tips: ['request_policy:all_shards', 'response_policy:agg_min'],
    group: 'generic',
    since: '7.2.0',
    summary:
      'Blocks until all of the preceding write commands sent by the connection are written to the ' +
      'append-only file of the master and/or replicas.',
    complexity: 'O(1)',
    isBarrier: true,
    run: runAtOnce(parseWaitaof),
    block: block(parseWaitaof),
  },
] as const satisfies readonly ServerCommand[];

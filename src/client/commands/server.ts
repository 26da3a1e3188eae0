// Commands about the server. https://redis.io/docs/latest/commands/?group=server

import {
  errorReply,
  errors,
  mapReply,
  okReply,
  type Reply,
  verbatim,
} from '../../../resp/index.js';
import { notMemberReply } from '../error-replies.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import { infoText } from './info.js';
import { lowerCase, type ServerCommand, type ServerContext, type Subcommands } from './table.js';

function configGet(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const patterns = args.slice(2).map((arg) => arg.toString('latin1'));
  return mapReply([...context.settings.get(patterns, context.clientPort)]);
}

function configSet(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  if (args.length % 2 !== 0) return errors.syntax;
  return context.settings.set(args.slice(2).map((arg) => arg.toString())) ?? okReply;
}

function configResetstat({ statistics }: ServerContext): Reply {
  statistics.reset();
  return okReply;
}

/** A file that people and tools write has comments and an order that a program would destroy. */
const rewriteRefused = errorReply(
  'ERR CONFIG REWRITE is not supported: change the config file of the server yourself',
);

const configHelp = [
  'GET <pattern>',
  '    Return parameters matching the glob-like <pattern> and their values.',
  'SET <directive> <value>',
  '    Set the configuration <directive> to <value>.',
  'RESETSTAT',
  '    Reset statistics reported by the INFO command.',
  'REWRITE',
  '    Rewrite the configuration file.',
];

const configSubcommands: Subcommands = {
  get: { arity: -3, run: configGet },
  help: { arity: 2, run: () => helpReply('config', configHelp) },
  resetstat: { arity: 2, run: configResetstat },
  rewrite: { arity: 2, run: () => rewriteRefused },
  set: { arity: -4, run: configSet },
};

function config(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('config', configSubcommands, context, session, args);
}

function info(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  return verbatim(infoText(context, args.slice(1).map(lowerCase)));
}

/** As Redis: a master lists its replicas with their offsets, a replica names its master. */
function role({ topology, raft }: ServerContext): Reply {
  const status = raft();
  const { master } = topology;
  if (master === undefined) return notMemberReply;
  if (master === topology.self) {
    const slaves = topology.slaves.map(({ replicaId, host, clientPort }) => {
      const peer = status.peers.find((candidate) => candidate.replicaId === replicaId);
      return [host, String(clientPort), String(peer?.matchIndex ?? 0)];
    });
    return ['master', status.commitIndex, slaves];
  }
  const { host, clientPort } = master;
  const link = topology.leader === undefined ? 'connect' : 'connected';
  return ['slave', host, clientPort, link, status.appliedIndex];
}

function time({ nowMs }: ServerContext): Reply {
  const now = nowMs();
  return [String(Math.floor(now / 1000)), String(Math.floor(now % 1000) * 1000)];
}

export const adminCommands = [
  {
    name: 'config',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    categories: ['@admin', '@slow', '@dangerous'],
    tips: [],
    group: 'server',
    since: '2.0.0',
    summary: 'A container for server configuration commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    run: config,
    subcommands: configSubcommands,
  },
  {
    name: 'info',
    arity: -1,
    flags: ['loading', 'stale'],
    categories: ['@slow', '@dangerous'],
    tips: ['nondeterministic_output', 'request_policy:all_shards', 'response_policy:special'],
    group: 'server',
    since: '1.0.0',
    summary: 'Returns information and statistics about the server.',
    complexity: 'O(1)',
    isBarrier: false,
    showsState: true,
    run: info,
  },
  {
    name: 'role',
    arity: 1,
    flags: ['noscript', 'loading', 'stale', 'fast'],
    categories: ['@admin', '@fast', '@dangerous'],
    tips: [],
    group: 'server',
    since: '2.8.12',
    summary: 'Returns the replication role.',
    complexity: 'O(1)',
    isBarrier: false,
    run: role,
  },
  {
    name: 'time',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['@fast'],
    tips: ['nondeterministic_output'],
    group: 'server',
    since: '2.6.0',
    summary: 'Returns the server time.',
    complexity: 'O(1)',
    isBarrier: false,
    run: time,
  },
] as const satisfies readonly ServerCommand[];

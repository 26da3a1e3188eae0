// What cluster clients build their maps from. https://redis.io/docs/latest/commands/?group=cluster
//
// Every member shows the same map: the leader as master with all slots of its group, the others,
// learners among them, as its replicas. A replica that is no member has no map to show and says so:
// a client then asks another one, where it would take an empty map for the truth. Clients compare and
// parse these texts to the letter; see each function's shape.

import {
  errorReply,
  errors,
  mapReply,
  okReply,
  type Reply,
  verbatim,
} from '../../../resp/index.js';
import { keySlot, slotCount } from '../../../sqlite-sm/index.js';
import { busPortOffset, type GroupMember } from '../../identity.js';
import { notMemberReply } from '../error-replies.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import type { ServerCommand, ServerContext, Subcommand, Subcommands } from './table.js';

/** What maps are made of is told by members only. */
function ofMembers(
  run: (context: ServerContext, master: GroupMember, args: readonly Buffer[]) => Reply,
): Subcommand {
  return (context, _session, args) => {
    const { master } = context.topology;
    return master === undefined ? notMemberReply : run(context, master, args);
  };
}

/** [first, last, [host, port, id, metadata], …], the master first. */
function clusterSlots({ topology }: ServerContext, master: GroupMember): Reply {
  const nodes = [master, ...topology.slaves].map((member) => [
    member.host,
    member.clientPort,
    member.replicaId,
    mapReply([]),
  ]);
  return [[0, slotCount - 1, ...nodes]];
}

function clusterShards({ topology, raft }: ServerContext, master: GroupMember): Reply {
  const offset = raft().appliedIndex;
  const node = (member: GroupMember): Reply =>
    mapReply([
      ['id', member.replicaId],
      ['port', member.clientPort],
      ['ip', member.host],
      ['endpoint', member.host],
      ['role', member === master ? 'master' : 'replica'],
      ['replication-offset', offset],
      ['health', 'online'],
    ]);
  return [
    mapReply([
      ['slots', [0, slotCount - 1]],
      ['nodes', [master, ...topology.slaves].map(node)],
    ]),
  ];
}

/**
 * A line per node, ended by a single line feed: id, address, flags, master, ping sent, pong
 * received, epoch, link state, and of a master its slots.
 */
function clusterNodes({ topology, raft }: ServerContext, master: GroupMember): Reply {
  const peers = new Map(raft().peers.map((peer) => [peer.replicaId, peer]));
  const lines = topology.members.map((member) => {
    const { replicaId, host, clientPort } = member;
    const isMaster = member === master;
    const isSelf = member === topology.self;
    const flags = `${isSelf ? 'myself,' : ''}${isMaster ? 'master' : 'slave'}`;
    const masterId = isMaster ? '-' : master.replicaId;
    const isLinked = isSelf || peers.get(replicaId)?.isLinked === true;
    const head =
      `${replicaId} ${host}:${clientPort}@${clientPort + busPortOffset} ${flags} ${masterId} ` +
      `0 0 ${topology.epoch} ${isLinked ? 'connected' : 'disconnected'}`;
    return isMaster ? `${head} 0-${slotCount - 1}\n` : `${head}\n`;
  });
  return verbatim(lines.join(''));
}

/** Clients split each line at its one colon. */
function clusterInfo({ topology }: ServerContext): Reply {
  const isUp = topology.isMember && topology.leader !== undefined;
  const fields: [string, string | number][] = [
    ['cluster_enabled', 1],
    ['cluster_state', isUp ? 'ok' : 'fail'],
    ['cluster_slots_assigned', slotCount],
    ['cluster_slots_ok', isUp ? slotCount : 0],
    ['cluster_slots_pfail', 0],
    ['cluster_slots_fail', isUp ? 0 : slotCount],
    ['cluster_known_nodes', topology.members.length],
    ['cluster_size', 1],
    ['cluster_current_epoch', topology.epoch],
    ['cluster_my_epoch', topology.epoch],
  ];
  return verbatim(fields.map(([name, value]) => `${name}:${value}\r\n`).join(''));
}

function clusterReplicas(
  { topology }: ServerContext,
  master: GroupMember,
  args: readonly Buffer[],
): Reply {
  const id = args[2]!.toString('latin1');
  const member = topology.find(id);
  if (member === undefined) return errorReply(`ERR Unknown node ${id}`);
  if (member !== master) return errorReply('ERR The specified node is not a master');
  return topology.slaves.map(
    ({ replicaId, host, clientPort }) =>
      `${replicaId} ${host}:${clientPort}@${clientPort + busPortOffset} slave ` +
      `${master.replicaId} 0 0 ${topology.epoch} connected`,
  );
}

function clusterCountKeysInSlot(
  context: ServerContext,
  _session: Session,
  args: readonly Buffer[],
): Reply {
  const slot = Number(args[2]!.toString('latin1'));
  if (!Number.isInteger(slot) || slot < 0 || slot >= slotCount) {
    return errorReply('ERR Invalid or out of range slot');
  }
  return context.keysInSlot(slot);
}

function clusterGetKeysInSlot(
  context: ServerContext,
  _session: Session,
  args: readonly Buffer[],
): Reply {
  const [slot, limit] = args.slice(2).map((arg) => arg.toString('latin1'));
  if (!isInteger(slot!) || !isInteger(limit!)) return errors.notInteger;
  if (Number(slot) < 0 || Number(slot) >= slotCount || Number(limit) < 0) {
    return errorReply('ERR Invalid slot or number of keys');
  }
  const count = Math.min(Number(limit), context.keysInSlot(Number(slot)));
  return context.namesInSlot(Number(slot), count);
}

function isInteger(text: string): boolean {
  return /^(?:0|-?[1-9]\d{0,17})$/.test(text);
}

const helpLines = [
  'COUNTKEYSINSLOT <slot>',
  '    Return the number of keys in <slot>.',
  'GETKEYSINSLOT <slot> <count>',
  '    Return key names stored by current node in a slot.',
  'INFO',
  '    Return information about the cluster.',
  'KEYSLOT <key>',
  '    Return the hash slot for <key>.',
  'LINKS',
  '    Return information about all network links between this node and its peers.',
  'MYID',
  '    Return the node id.',
  'NODES',
  '    Return cluster configuration seen by node. Output format:',
  '    <id> <ip:port@bus-port[,hostname]> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...',
  'REPLICAS <node-id>',
  '    Return <node-id> replicas.',
  'SLOTS',
  '    Return information about slots range mappings. Each range is made of:',
  '    start, end, master and replicas IP addresses, ports and ids',
  'SHARDS',
  '    Return information about slot range mappings and the nodes associated with them.',
];

const clusterSubcommands: Subcommands = {
  countkeysinslot: { arity: 3, run: clusterCountKeysInSlot },
  getkeysinslot: { arity: 4, run: clusterGetKeysInSlot },
  help: { arity: 2, run: () => helpReply('cluster', helpLines) },
  info: { arity: 2, run: clusterInfo },
  keyslot: { arity: 3, run: (_context, _session, args) => keySlot(args[2]!) },
  // What is told of the bus is told by INFO; Redis' links are sockets of another protocol.
  links: { arity: 2, run: () => [] },
  myid: { arity: 2, run: ({ topology }) => topology.self.replicaId },
  nodes: { arity: 2, run: ofMembers(clusterNodes) },
  replicas: { arity: 3, run: ofMembers(clusterReplicas) },
  shards: { arity: 2, run: ofMembers(clusterShards) },
  slaves: { arity: 3, run: ofMembers(clusterReplicas) },
  slots: { arity: 2, run: ofMembers(clusterSlots) },
};

function cluster(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('cluster', clusterSubcommands, context, session, args);
}

/** From now on a follower answers this client's reads itself, as fresh as the leader would. */
function readonly(_context: ServerContext, session: Session): Reply {
  session.isReadonly = true;
  return okReply;
}

function readwrite(_context: ServerContext, session: Session): Reply {
  session.isReadonly = false;
  return okReply;
}

/** What it announces, a slot under way to another node, does not happen yet. */
function asking(): Reply {
  return okReply;
}

export const clusterCommands = [
  {
    name: 'asking',
    arity: 1,
    flags: ['fast'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'cluster',
    since: '3.0.0',
    summary: 'Signals that a cluster client is following an -ASK redirect.',
    complexity: 'O(1)',
    isBarrier: false,
    run: asking,
  },
  {
    name: 'cluster',
    arity: -2,
    flags: [],
    categories: ['@slow'],
    tips: [],
    group: 'cluster',
    since: '3.0.0',
    summary: 'A container for Redis Cluster commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    showsState: true,
    run: cluster,
    subcommands: clusterSubcommands,
  },
  {
    name: 'readonly',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'cluster',
    since: '3.0.0',
    summary: 'Enables read-only queries for a connection to a Redis Cluster replica node.',
    complexity: 'O(1)',
    isBarrier: false,
    run: readonly,
  },
  {
    name: 'readwrite',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    categories: ['@fast', '@connection'],
    tips: [],
    group: 'cluster',
    since: '3.0.0',
    summary: 'Enables read-write queries for a connection to a Redis Cluster replica node.',
    complexity: 'O(1)',
    isBarrier: false,
    run: readwrite,
  },
] as const satisfies readonly ServerCommand[];

// INFO: sections of `name:value` lines, each line ended by CR LF.
// https://redis.io/docs/latest/commands/info/

import { databaseCount } from '../../../sqlite-sm/index.js';
import type { ServerContext } from './table.js';

type Section = readonly (readonly [string, string | number])[];

/** The version of Redis whose commands and replies these are. */
export const redisVersion = '7.2.0';

const sections: Record<string, (context: ServerContext) => Section> = {
  server: (context) => {
    const upSeconds = Math.floor((context.nowMs() - context.process.startedAtMs) / 1000);
    return [
      ['redis_version', redisVersion],
      ['redis_mode', 'cluster'],
      ['holt_version', context.process.version],
      ['os', `${process.platform} ${process.arch}`],
      ['arch_bits', 64],
      ['process_id', context.process.pid],
      ['run_id', context.process.runId],
      ['tcp_port', context.topology.self.clientPort],
      ['uptime_in_seconds', upSeconds],
      ['uptime_in_days', Math.floor(upSeconds / 86_400)],
    ];
  },
  clients: (context) => [
    ['connected_clients', context.clients().length],
    ['maxclients', context.maxclients],
    ['blocked_clients', context.blocked.count],
  ],
  memory: (context) => [
    ['used_memory', context.process.memoryBytes()],
    ['used_memory_human', megabytes(context.process.memoryBytes())],
    ['maxmemory', 0],
    ['maxmemory_policy', 'noeviction'],
  ],
  persistence: () => [
    ['loading', 0],
    ['async_loading', 0],
    ['rdb_changes_since_last_save', 0],
    ['rdb_bgsave_in_progress', 0],
    ['aof_enabled', 1],
    ['aof_rewrite_in_progress', 0],
  ],
  stats: ({ statistics }) => [
    ['total_connections_received', statistics.connectionsReceived],
    ['total_commands_processed', statistics.commandsProcessed],
    ['instantaneous_ops_per_sec', statistics.opsPerSecond],
    ['total_net_input_bytes', statistics.netInputBytes],
    ['total_net_output_bytes', statistics.netOutputBytes],
    ['rejected_connections', statistics.connectionsRejected],
    ['total_error_replies', statistics.errorReplies],
    ['total_uncertain_replies', statistics.uncertainReplies],
  ],
  replication: (context) => {
    const { topology } = context;
    const status = context.raft();
    if (topology.master !== topology.self) {
      return [
        ['role', 'slave'],
        ['master_host', topology.master.host],
        ['master_port', topology.master.clientPort],
        ['master_link_status', topology.leader === undefined ? 'down' : 'up'],
        ['slave_repl_offset', status.appliedIndex],
        ['slave_read_only', 1],
        ['connected_slaves', 0],
        ['master_repl_offset', status.appliedIndex],
      ];
    }
    const linked = topology.slaves.flatMap((slave) => {
      const peer = status.peers.find(({ replicaId }) => replicaId === slave.replicaId);
      return peer?.isLinked === true ? [{ slave, offset: peer.matchIndex ?? 0 }] : [];
    });
    return [
      ['role', 'master'],
      ['connected_slaves', linked.length],
      ...linked.map(({ slave, offset }, at): [string, string] => [
        `slave${at}`,
        `ip=${slave.host},port=${slave.clientPort},state=online,offset=${offset},lag=0`,
      ]),
      ['master_repl_offset', status.commitIndex],
    ];
  },
  cluster: () => [['cluster_enabled', 1]],
  keyspace: (context) => {
    const lines: [string, string][] = [];
    for (let database = 0; database < databaseCount; database += 1) {
      const { keys, expires } = context.keyspace(database);
      if (keys > 0) lines.push([`db${database}`, `keys=${keys},expires=${expires},avg_ttl=0`]);
    }
    return lines;
  },
  raft: (context) => {
    const status = context.raft();
    const { topology } = context;
    return [
      ['raft_group', topology.group],
      ['raft_replica_id', topology.self.replicaId],
      ['raft_role', status.role],
      ['raft_serving', status.isServing ? 1 : 0],
      ['raft_term', status.term],
      ['raft_leader_id', status.leaderId ?? ''],
      [
        'raft_leader_address',
        topology.leader === undefined
          ? ''
          : `${topology.leader.host}:${topology.leader.clientPort}`,
      ],
      ['raft_last_index', status.lastIndex],
      ['raft_commit_index', status.commitIndex],
      ['raft_applied_index', status.appliedIndex],
      ['raft_log_bytes', status.logBytes],
      ...status.peers.map((peer, at): [string, string] => [
        `raft_peer${at}`,
        `id=${peer.replicaId},linked=${peer.isLinked ? 1 : 0},match=${peer.matchIndex ?? ''},` +
          `state=${peer.state ?? ''}`,
      ]),
    ];
  },
};

/** All sections when none is named, or `all`, `default` or `everything` is. */
export function infoText(context: ServerContext, names: readonly string[]): string {
  const wantsAll =
    names.length === 0 || names.some((name) => ['all', 'default', 'everything'].includes(name));
  const chosen = Object.entries(sections).filter(([name]) => wantsAll || names.includes(name));
  return chosen
    .map(([name, section]) => {
      const title = `${name[0]!.toUpperCase()}${name.slice(1)}`;
      const lines = section(context).map(([field, value]) => `${field}:${value}\r\n`);
      return `# ${title}\r\n${lines.join('')}`;
    })
    .join('\r\n');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(2)}M`;
}

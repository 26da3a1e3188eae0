// Everything that INFO shows, once: name, section, kind, unit, meaning, and how to read it.
//
// INFO and `docs/metrics.md` are made from this table. A name with `N`, `*` or `<…>` in it stands for
// several lines; `lines` then gives their names, too.

import { snapshotBytes } from '../raft/index.js';
import { databaseCount } from '../sqlite-sm/index.js';
import type { ServerContext } from './client/commands/table.js';
import type { GroupMember } from './identity.js';

/** The version of Redis whose commands and replies these are. */
export const redisVersion = '7.2.0';

type Value = string | number;

interface MetricColumns {
  readonly name: string;
  /** A counter only rises, until a restart or CONFIG RESETSTAT; a gauge goes both ways. */
  readonly kind: 'counter' | 'gauge' | 'text';
  readonly unit?: 'bytes' | 's' | 'µs' | 'ms' | '1/s';
  /** One sentence, without a full stop. */
  readonly meaning: string;
}

export type Metric = MetricColumns &
  (
    | {
        /** Undefined: it does not apply, and is left out. */
        readonly read: (context: ServerContext) => Value | undefined;
      }
    | { readonly lines: (context: ServerContext) => readonly (readonly [string, Value])[] }
  );

export interface MetricSection {
  /** Lower case, as INFO is asked for it. */
  readonly name: string;
  /** As it stands above its lines. */
  readonly title: string;
  /** Shown only when it is asked for by name, or by `all` or `everything`. */
  readonly isExtra?: true;
  readonly metrics: readonly Metric[];
}

function upSeconds({ nowMs, process }: ServerContext): number {
  return Math.floor((nowMs() - process.startedAtMs) / 1000);
}

function isMaster({ topology }: ServerContext): boolean {
  return topology.master === topology.self;
}

/** Of a replica only; `master` is the one it follows. */
function ofSlave(read: (context: ServerContext, master: GroupMember) => Value) {
  return (context: ServerContext) => {
    const { master } = context.topology;
    return master === undefined || isMaster(context) ? undefined : read(context, master);
  };
}

function roleOf(context: ServerContext): string {
  if (context.topology.master === undefined) return 'none';
  return isMaster(context) ? 'master' : 'slave';
}

function membershipOf({ topology: { isMember, voters, self } }: ServerContext): string {
  if (!isMember) return 'none';
  return voters.includes(self) ? 'voter' : 'learner';
}

function megabytes(bytes: number): string {
  return `${(bytes / 1024 / 1024).toFixed(2)}M`;
}

/** Of the newest snapshot; before the first, when the server started, as in Redis. Since 1970. */
export function lastSaveSeconds({ snapshots, process }: ServerContext): number {
  const { newest } = snapshots.status();
  return Math.floor((newest?.manifest.createdMs ?? process.startedAtMs) / 1000);
}

/** -1: there is no such time. */
function wholeSeconds(milliseconds: number | undefined): number {
  return milliseconds === undefined ? -1 : Math.floor(milliseconds / 1000);
}

function seconds(microseconds: number): string {
  return (microseconds / 1e6).toFixed(6);
}

/** A member that was just removed is still told so, and is a peer until then. */
function roleOfPeer({ topology }: ServerContext, replicaId: string): string {
  const member = topology.find(replicaId);
  if (member === undefined) return 'removed';
  return topology.voters.includes(member) ? 'voter' : 'learner';
}

/** The replicas that the leader has a link to, as lines of the section `replication`. */
function linkedSlaves(context: ServerContext): (readonly [string, string])[] {
  if (!isMaster(context)) return [];
  const { peers } = context.raft();
  return context.topology.slaves
    .flatMap((slave) => {
      const peer = peers.find(({ replicaId }) => replicaId === slave.replicaId);
      return peer?.isLinked === true ? [{ slave, offset: peer.matchIndex ?? 0 }] : [];
    })
    .map(({ slave, offset }, at) => [
      `slave${at}`,
      `ip=${slave.host},port=${slave.clientPort},state=online,offset=${offset},lag=0`,
    ]);
}

export const metricSections: readonly MetricSection[] = [
  {
    name: 'server',
    title: 'Server',
    metrics: [
      {
        name: 'redis_version',
        kind: 'text',
        meaning: 'Version of Redis whose commands and replies these are',
        read: () => redisVersion,
      },
      {
        name: 'redis_mode',
        kind: 'text',
        meaning: 'Always `cluster`',
        read: () => 'cluster',
      },
      {
        name: 'holt_version',
        kind: 'text',
        meaning: 'Version of Holt',
        read: ({ process }) => process.version,
      },
      {
        name: 'os',
        kind: 'text',
        meaning: 'Operating system and processor',
        read: ({ process }) => process.system,
      },
      { name: 'arch_bits', kind: 'text', meaning: 'Always 64', read: () => 64 },
      {
        name: 'process_id',
        kind: 'text',
        meaning: 'The process, as in the file `pid` of its directory',
        read: ({ process }) => process.pid,
      },
      {
        name: 'run_id',
        kind: 'text',
        meaning: 'Random, new with each start',
        read: ({ process }) => process.runId,
      },
      {
        name: 'tcp_port',
        kind: 'text',
        meaning: 'Client port of this replica',
        read: ({ clientPort }) => clientPort,
      },
      {
        name: 'server_time_usec',
        kind: 'gauge',
        unit: 'µs',
        meaning: "The server's wall clock since 1970",
        read: ({ nowMs }) => Math.floor(nowMs()) * 1000,
      },
      {
        name: 'uptime_in_seconds',
        kind: 'gauge',
        unit: 's',
        meaning: 'Since the process started',
        read: upSeconds,
      },
      {
        name: 'uptime_in_days',
        kind: 'gauge',
        meaning: 'The same in whole days',
        read: (context) => Math.floor(upSeconds(context) / 86_400),
      },
    ],
  },
  {
    name: 'clients',
    title: 'Clients',
    metrics: [
      {
        name: 'connected_clients',
        kind: 'gauge',
        meaning: 'Client connections',
        read: ({ clients }) => clients().length,
      },
      {
        name: 'maxclients',
        kind: 'gauge',
        meaning: 'The option of that name',
        read: ({ settings }) => settings.values.maxclients,
      },
      {
        name: 'blocked_clients',
        kind: 'gauge',
        meaning: 'Clients in a blocking command, such as WAIT',
        read: ({ blocked }) => blocked.count,
      },
    ],
  },
  {
    name: 'memory',
    title: 'Memory',
    metrics: [
      {
        name: 'used_memory',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'Resident memory of the process',
        read: ({ process }) => process.memoryBytes(),
      },
      {
        name: 'used_memory_human',
        kind: 'text',
        meaning: 'The same in MiB',
        read: ({ process }) => megabytes(process.memoryBytes()),
      },
      {
        name: 'used_memory_rss',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'The same under the name that monitoring tools plot',
        read: ({ process }) => process.memoryBytes(),
      },
      {
        name: 'used_memory_peak',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'The most it ever was',
        read: ({ process }) => process.usage().memoryPeakBytes,
      },
      {
        name: 'used_memory_peak_human',
        kind: 'text',
        meaning: 'The same in MiB',
        read: ({ process }) => megabytes(process.usage().memoryPeakBytes),
      },
      {
        name: 'total_system_memory',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'Memory of the machine',
        read: ({ process }) => process.systemMemoryBytes,
      },
      {
        name: 'maxmemory',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'Always 0: data is on disk, and memory does not bound it',
        read: () => 0,
      },
      {
        name: 'maxmemory_policy',
        kind: 'text',
        meaning: 'Always `noeviction`',
        read: () => 'noeviction',
      },
    ],
  },
  {
    name: 'persistence',
    title: 'Persistence',
    metrics: [
      {
        name: 'loading',
        kind: 'gauge',
        meaning: 'Always 0: a server takes clients when its state is open',
        read: () => 0,
      },
      { name: 'async_loading', kind: 'gauge', meaning: 'Always 0', read: () => 0 },
      {
        name: 'rdb_changes_since_last_save',
        kind: 'gauge',
        meaning: 'Entries applied since the newest snapshot; a lost process loses none of them',
        read: ({ raft, snapshots }) =>
          Math.max(0, raft().appliedIndex - (snapshots.status().newest?.manifest.index ?? 0)),
      },
      {
        name: 'rdb_bgsave_in_progress',
        kind: 'gauge',
        meaning: '1 while a snapshot is being taken',
        read: ({ snapshots }) => (snapshots.status().isTaking ? 1 : 0),
      },
      {
        name: 'rdb_last_save_time',
        kind: 'gauge',
        unit: 's',
        meaning:
          'When the newest snapshot was taken, since 1970; without one, when the server started',
        read: lastSaveSeconds,
      },
      {
        name: 'rdb_last_bgsave_status',
        kind: 'text',
        meaning: '`err` when the last snapshot that was tried failed, else `ok`',
        read: ({ snapshots }) => (snapshots.status().lastError === undefined ? 'ok' : 'err'),
      },
      {
        name: 'rdb_last_bgsave_time_sec',
        kind: 'gauge',
        unit: 's',
        meaning: 'What the last snapshot took; -1 before the first since the start',
        read: ({ snapshots }) => wholeSeconds(snapshots.status().lastMs),
      },
      {
        name: 'rdb_current_bgsave_time_sec',
        kind: 'gauge',
        unit: 's',
        meaning: 'For how long one is being taken; -1 when none is',
        read: ({ snapshots }) => wholeSeconds(snapshots.status().takingMs),
      },
      {
        name: 'aof_enabled',
        kind: 'gauge',
        meaning: 'Always 1: the Raft log holds every write',
        read: () => 1,
      },
      { name: 'aof_rewrite_in_progress', kind: 'gauge', meaning: 'Always 0', read: () => 0 },
      {
        name: 'disk_free_bytes',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'Free space on the disk of this replica, looked at once a second',
        read: ({ disk }) => disk.freeBytes,
      },
      {
        name: 'disk_low',
        kind: 'gauge',
        meaning: '1 while writes that need room are refused because of `min-free-disk`',
        read: ({ disk }) => (disk.isLow ? 1 : 0),
      },
    ],
  },
  {
    name: 'stats',
    title: 'Stats',
    metrics: [
      {
        name: 'total_connections_received',
        kind: 'counter',
        meaning: 'Connections, also those that were refused',
        read: ({ statistics }) => statistics.connectionsReceived,
      },
      {
        name: 'total_commands_processed',
        kind: 'counter',
        meaning: 'Commands taken',
        read: ({ statistics }) => statistics.commandsProcessed,
      },
      {
        name: 'instantaneous_ops_per_sec',
        kind: 'gauge',
        unit: '1/s',
        meaning: 'Commands a second over the last second',
        read: ({ statistics }) => statistics.opsPerSecond,
      },
      {
        name: 'total_net_input_bytes',
        kind: 'counter',
        unit: 'bytes',
        meaning: 'Read from clients',
        read: ({ statistics }) => statistics.netInputBytes,
      },
      {
        name: 'total_net_output_bytes',
        kind: 'counter',
        unit: 'bytes',
        meaning: 'Written to clients',
        read: ({ statistics }) => statistics.netOutputBytes,
      },
      {
        name: 'rejected_connections',
        kind: 'counter',
        meaning: 'Connections refused because of `maxclients`',
        read: ({ statistics }) => statistics.connectionsRejected,
      },
      {
        name: 'expired_keys',
        kind: 'counter',
        meaning: 'Keys deleted because they were due, by entries that this replica answered',
        read: ({ statistics }) => statistics.keyspace.expired,
      },
      {
        name: 'evicted_keys',
        kind: 'counter',
        meaning: 'Always 0: no key is ever evicted',
        read: () => 0,
      },
      {
        name: 'keyspace_hits',
        kind: 'counter',
        meaning: 'Keys that commands which read looked for and found',
        read: ({ statistics }) => statistics.keyspace.hits,
      },
      {
        name: 'keyspace_misses',
        kind: 'counter',
        meaning: 'Keys that commands which read looked for and did not find',
        read: ({ statistics }) => statistics.keyspace.misses,
      },
      {
        name: 'total_error_replies',
        kind: 'counter',
        meaning: 'Replies that are errors, MOVED among them',
        read: ({ statistics }) => statistics.errorReplies,
      },
      {
        name: 'total_uncertain_replies',
        kind: 'counter',
        meaning: 'UNCERTAIN replies: commands that may or may not have taken effect',
        read: ({ statistics }) => statistics.uncertainReplies,
      },
      {
        name: 'total_protocol_errors',
        kind: 'counter',
        meaning: 'Clients closed because they broke the protocol',
        read: ({ statistics }) => statistics.protocolErrors,
      },
      {
        name: 'total_idle_clients_closed',
        kind: 'counter',
        meaning: 'Clients closed because of `timeout`',
        read: ({ statistics }) => statistics.idleClientsClosed,
      },
      {
        name: 'total_keyspace_reads',
        kind: 'counter',
        meaning: 'Reads answered from the state, without an entry',
        read: ({ statistics }) => statistics.keyspaceReads,
      },
      {
        name: 'total_follower_reads',
        kind: 'counter',
        meaning:
          'Reads after READONLY that the leader confirmed for this replica, with those for a newer stamp',
        read: ({ statistics }) => statistics.followerReads,
      },
      {
        name: 'total_follower_reads_redirected',
        kind: 'counter',
        meaning: 'Reads after READONLY that waited here in vain and were sent to the leader',
        read: ({ statistics }) => statistics.followerReadsRedirected,
      },
    ],
  },
  {
    name: 'replication',
    title: 'Replication',
    metrics: [
      {
        name: 'role',
        kind: 'text',
        meaning:
          '`master` at the leader, `slave` elsewhere, `none` where it is no member of its group',
        read: roleOf,
      },
      {
        name: 'master_host',
        kind: 'text',
        meaning: "The leader's host, at a follower",
        read: ofSlave((_context, master) => master.host),
      },
      {
        name: 'master_port',
        kind: 'text',
        meaning: "The leader's client port, at a follower",
        read: ofSlave((_context, master) => master.clientPort),
      },
      {
        name: 'master_link_status',
        kind: 'text',
        meaning: '`up` while a leader is known, at a follower',
        read: ofSlave(({ topology }) => (topology.leader === undefined ? 'down' : 'up')),
      },
      {
        name: 'slave_repl_offset',
        kind: 'gauge',
        meaning: 'Index of the last entry applied, at a follower',
        read: ofSlave(({ raft }) => raft().appliedIndex),
      },
      {
        name: 'slave_read_only',
        kind: 'gauge',
        meaning: 'Always 1, at a follower',
        read: ofSlave(() => 1),
      },
      {
        name: 'connected_slaves',
        kind: 'gauge',
        meaning: 'Followers that the leader has a link to',
        read: (context) => linkedSlaves(context).length,
      },
      {
        name: 'slaveN',
        kind: 'text',
        meaning: 'A follower with a link; `offset` is the index up to which its log is durable',
        lines: linkedSlaves,
      },
      {
        name: 'master_repl_offset',
        kind: 'gauge',
        meaning: 'Index of the last entry committed; at a follower, applied',
        read: (context) => {
          const { commitIndex, appliedIndex } = context.raft();
          return isMaster(context) ? commitIndex : appliedIndex;
        },
      },
    ],
  },
  {
    name: 'cpu',
    title: 'CPU',
    metrics: [
      {
        name: 'used_cpu_sys',
        kind: 'counter',
        unit: 's',
        meaning: 'Processor time in the kernel; CONFIG RESETSTAT leaves it',
        read: ({ process }) => seconds(process.usage().systemMicroseconds),
      },
      {
        name: 'used_cpu_user',
        kind: 'counter',
        unit: 's',
        meaning: 'Processor time outside of it; CONFIG RESETSTAT leaves it',
        read: ({ process }) => seconds(process.usage().userMicroseconds),
      },
    ],
  },
  {
    name: 'commandstats',
    title: 'Commandstats',
    isExtra: true,
    metrics: [
      {
        name: 'cmdstat_<command>',
        kind: 'counter',
        meaning:
          '`calls` taken here, `usec` to execute them without waiting (of those in a transaction, EXEC ' +
          'has it), `rejected_calls` refused or redirected, `failed_calls` that ended in an error',
        lines: ({ statistics }) =>
          [...statistics.commands].map(([name, counts]) => {
            const { calls, microseconds, rejectedCalls, failedCalls } = counts;
            const each = calls === 0 ? 0 : microseconds / calls;
            return [
              `cmdstat_${name}`,
              `calls=${calls},usec=${Math.round(microseconds)},usec_per_call=${each.toFixed(2)},` +
                `rejected_calls=${rejectedCalls},failed_calls=${failedCalls}`,
            ];
          }),
      },
    ],
  },
  {
    name: 'latencystats',
    title: 'Latencystats',
    isExtra: true,
    metrics: [
      {
        name: 'latency_percentiles_usec_<command>',
        kind: 'gauge',
        unit: 'µs',
        meaning:
          'Time to execute it that 50, 99 and 99.9 percent of the calls did not exceed: the bound of ' +
          'a bucket of LATENCY HISTOGRAM, so up to twice as long as it was',
        lines: ({ statistics }) =>
          [...statistics.commands]
            .map(([name, { histogram }]) => [name, histogram.cumulative(), histogram] as const)
            .filter(([, rows]) => rows.length > 0)
            .map(([name, , histogram]) => [
              `latency_percentiles_usec_${name}`,
              [50, 99, 99.9]
                .map((percent) => `p${percent}=${histogram.percentile(percent).toFixed(3)}`)
                .join(','),
            ]),
      },
    ],
  },
  {
    name: 'errorstats',
    title: 'Errorstats',
    metrics: [
      {
        name: 'errorstat_<code>',
        kind: 'counter',
        meaning: 'Error replies by their first word',
        lines: ({ statistics }) =>
          [...statistics.errors].map(([code, count]) => [`errorstat_${code}`, `count=${count}`]),
      },
    ],
  },
  {
    name: 'cluster',
    title: 'Cluster',
    metrics: [{ name: 'cluster_enabled', kind: 'gauge', meaning: 'Always 1', read: () => 1 }],
  },
  {
    name: 'keyspace',
    title: 'Keyspace',
    metrics: [
      {
        name: 'dbN',
        kind: 'gauge',
        meaning: 'Keys and keys with an expiry of a database that is not empty',
        lines: ({ keyspace }) =>
          Array.from({ length: databaseCount }, (_, database) => ({
            database,
            ...keyspace(database),
          }))
            .filter(({ keys }) => keys > 0)
            .map(({ database, keys, expires }) => [
              `db${database}`,
              `keys=${keys},expires=${expires},avg_ttl=0`,
            ]),
      },
    ],
  },
  {
    name: 'raft',
    title: 'Raft',
    metrics: [
      {
        name: 'raft_group',
        kind: 'text',
        meaning: 'The group of this replica',
        read: ({ topology }) => topology.group,
      },
      {
        name: 'raft_replica_id',
        kind: 'text',
        meaning: 'The id of this replica',
        read: ({ topology }) => topology.self.replicaId,
      },
      {
        name: 'raft_role',
        kind: 'text',
        meaning: 'Its role in Raft',
        read: ({ raft }) => raft().role,
      },
      {
        name: 'raft_membership',
        kind: 'text',
        meaning:
          '`voter`, `learner`, or `none` where it waits to be added or was removed, as far as it knows',
        read: membershipOf,
      },
      {
        name: 'raft_voters',
        kind: 'gauge',
        meaning: 'Members that decide, as far as this replica knows',
        read: ({ topology }) => topology.voters.length,
      },
      {
        name: 'raft_learners',
        kind: 'gauge',
        meaning: 'Members that only receive the log',
        read: ({ topology }) => topology.learners.length,
      },
      {
        name: 'raft_serving',
        kind: 'gauge',
        meaning: '1 at a leader that takes commands: it has applied an entry of its own term',
        read: ({ raft }) => (raft().isServing ? 1 : 0),
      },
      {
        name: 'raft_term',
        kind: 'gauge',
        meaning: 'The term, which rises with each election',
        read: ({ raft }) => raft().term,
      },
      {
        name: 'raft_leader_id',
        kind: 'text',
        meaning: 'The leader, as far as this replica knows',
        read: ({ raft }) => raft().leaderId ?? '',
      },
      {
        name: 'raft_leader_address',
        kind: 'text',
        meaning: 'Where clients reach it',
        read: ({ topology: { leader } }) =>
          leader === undefined ? '' : `${leader.host}:${leader.clientPort}`,
      },
      {
        name: 'raft_last_index',
        kind: 'gauge',
        meaning: 'Index of the last entry in the log',
        read: ({ raft }) => raft().lastIndex,
      },
      {
        name: 'raft_commit_index',
        kind: 'gauge',
        meaning: 'Index of the last entry known to be on the disks of a majority',
        read: ({ raft }) => raft().commitIndex,
      },
      {
        name: 'raft_applied_index',
        kind: 'gauge',
        meaning: 'Index of the last entry executed here',
        read: ({ raft }) => raft().appliedIndex,
      },
      {
        name: 'raft_log_bytes',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'Size of the log on disk',
        read: ({ raft }) => raft().logBytes,
      },
      {
        name: 'raft_base_index',
        kind: 'gauge',
        meaning: 'Entries up to this index are behind a snapshot and gone from the log',
        read: ({ raft }) => raft().baseIndex,
      },
      {
        name: 'raft_snapshot_index',
        kind: 'gauge',
        meaning: 'Index of the last entry in the newest snapshot; 0 without one',
        read: ({ snapshots }) => snapshots.status().newest?.manifest.index ?? 0,
      },
      {
        name: 'raft_snapshot_bytes',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'Size of the newest snapshot',
        read: ({ snapshots }) => {
          const { newest } = snapshots.status();
          return newest === undefined ? 0 : snapshotBytes(newest.manifest);
        },
      },
      {
        name: 'raft_snapshot_log_bytes',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'Log written since the newest snapshot',
        read: ({ snapshots }) => snapshots.status().logBytes,
      },
      {
        name: 'raft_peerN',
        kind: 'text',
        meaning:
          'Another member: whether there is a link to it, what a leader knows of its log, and its role',
        lines: (context) =>
          context
            .raft()
            .peers.map((peer, at) => [
              `raft_peer${at}`,
              `id=${peer.replicaId},linked=${peer.isLinked ? 1 : 0},` +
                `match=${peer.matchIndex ?? ''},state=${peer.state ?? ''},` +
                `role=${roleOfPeer(context, peer.replicaId)}`,
            ]),
      },
      {
        name: 'raft_installing',
        kind: 'gauge',
        meaning: '1 while the state is replaced by that of a snapshot: nothing is read here',
        read: ({ raft }) => (raft().isInstalling ? 1 : 0),
      },
      {
        name: 'raft_snapshot_transferN',
        kind: 'text',
        meaning:
          'A snapshot on its way: to or from whom, and how many of its bytes the receiver has',
        lines: ({ raft }) =>
          raft().snapshotTransfers.map(({ direction, peer, doneBytes, totalBytes }, at) => [
            `raft_snapshot_transfer${at}`,
            `direction=${direction},peer=${peer},done=${doneBytes},total=${totalBytes}`,
          ]),
      },
    ],
  },
  {
    name: 'sqlite',
    title: 'SQLite',
    metrics: [
      {
        name: 'sqlite_committed_index',
        kind: 'gauge',
        meaning: 'Index of the last entry whose effects SQLite has committed',
        read: ({ committedIndex }) => committedIndex(),
      },
      {
        name: 'sqlite_cache_size',
        kind: 'gauge',
        unit: 'bytes',
        meaning: 'The option of that name',
        read: ({ settings }) => settings.values.sqliteCacheSize,
      },
    ],
  },
];

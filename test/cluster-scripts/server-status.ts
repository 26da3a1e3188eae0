import type { ClusterStatus, ServerStatus } from '../../cluster-scripts/status.js';

/** A follower of server 1 in term 2, but for what is given. */
export function serverStatus(fields: Partial<ServerStatus> & { server: number }): ServerStatus {
  const port = 7001 + (fields.server - 1) * 100;
  return {
    state: 'running',
    pid: 100 + fields.server,
    note: null,
    host: '127.0.0.1',
    port,
    busPort: port + 10_000,
    role: 'follower',
    replicaId: String(fields.server).repeat(40),
    membership: 'voter',
    voters: 3,
    isServing: false,
    term: 2,
    leaderAddress: '127.0.0.1:7001',
    lastIndex: 12,
    commitIndex: 12,
    appliedIndex: 12,
    logBytes: 1_048_576,
    snapshotIndex: 0,
    opsPerSecond: 0,
    memoryBytes: 77_594_624,
    ...fields,
  };
}

export function leaderStatus(fields: Partial<ServerStatus> & { server: number }): ServerStatus {
  return serverStatus({ role: 'leader', isServing: true, ...fields });
}

export function stoppedStatus(server: number, note: string | null = null): ServerStatus {
  return serverStatus({
    server,
    state: 'stopped',
    pid: null,
    note,
    role: null,
    replicaId: null,
    membership: null,
    voters: null,
    term: null,
    leaderAddress: null,
    lastIndex: null,
    commitIndex: null,
    appliedIndex: null,
    logBytes: null,
    snapshotIndex: null,
    opsPerSecond: null,
    memoryBytes: null,
  });
}

export function clusterOf(
  servers: readonly ServerStatus[],
  leader: number | null,
  term: number | null,
): ClusterStatus {
  return {
    directory: 'data',
    clusterId: '00',
    groups: [{ group: 1, leader, term, commitIndex: null, voters: null }],
    servers,
  };
}

// How a cluster is: what the processes are doing, and what each server says of itself in INFO.
//
// Every server is asked for its own view, side by side, and none is waited for longer than
// `answerTimeoutMs`: in the middle of a failover the servers disagree, and showing that is the point.
// Who leads is decided by the servers' answers: the one that serves, in the highest term.

import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { group, type LocalCluster, type LocalServer, readCluster } from './local-cluster.js';
import { RespClient } from './resp-client.js';
import { findProcess } from './server-process.js';

/** The shape of `cluster status --json`, together with `ClusterStatus`. Null: not known. */
export interface ServerStatus {
  readonly server: number;
  readonly state: 'running' | 'paused' | 'stopped';
  readonly pid: number | null;
  /** What is not as it should be. */
  readonly note: string | null;
  readonly host: string;
  readonly port: number;
  readonly busPort: number;
  readonly role: string | null;
  readonly replicaId: string | null;
  /** As the leader says, or without one the server itself. `none`: not yet, or not any more. */
  readonly membership: 'voter' | 'learner' | 'none' | null;
  /** How many voters the group has. */
  readonly voters: number | null;
  /** It leads and takes commands: its own first entry of the term is applied. */
  readonly isServing: boolean;
  readonly term: number | null;
  /** `host:port` of the leader this server knows of. */
  readonly leaderAddress: string | null;
  readonly lastIndex: number | null;
  readonly commitIndex: number | null;
  readonly appliedIndex: number | null;
  readonly logBytes: number | null;
  /** Of the newest snapshot; 0: there is none. */
  readonly snapshotIndex: number | null;
  readonly opsPerSecond: number | null;
  readonly memoryBytes: number | null;
}

export interface GroupStatus {
  readonly group: number;
  /** The number of the server that leads and serves. */
  readonly leader: number | null;
  readonly term: number | null;
  readonly commitIndex: number | null;
  /** How many take part in decisions, wherever they are. */
  readonly voters: number | null;
}

export interface ClusterStatus {
  readonly directory: string;
  readonly clusterId: string;
  readonly groups: readonly GroupStatus[];
  readonly servers: readonly ServerStatus[];
}

/** Of one server, connection and answer together. Less than the pace of the live view. */
const answerTimeoutMs = 800;
/** Long enough for a rate that means something, short enough for a prompt. */
const measureMs = 300;

/** What a server says of itself. */
type Answer = Pick<
  ServerStatus,
  | 'role'
  | 'replicaId'
  | 'membership'
  | 'voters'
  | 'isServing'
  | 'term'
  | 'leaderAddress'
  | 'lastIndex'
  | 'commitIndex'
  | 'appliedIndex'
  | 'logBytes'
  | 'snapshotIndex'
  | 'opsPerSecond'
  | 'memoryBytes'
>;

const noAnswer: Answer = Object.freeze({
  role: null,
  replicaId: null,
  membership: null,
  voters: null,
  isServing: false,
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

/** Everybody whom a server knows of, by replica id. */
type KnownMembers = ReadonlyMap<string, 'voter' | 'learner'>;

/** A connection to one process, and what it had counted when it was asked last. */
interface Contact {
  readonly pid: number;
  readonly client: RespClient;
  isAuthenticated: boolean;
  counted: { readonly commands: number; readonly atMs: number } | undefined;
}

/** Keeps its connections from one look to the next. */
export class ClusterProbe {
  #cluster: LocalCluster;
  readonly #contacts = new Map<number, Contact>();
  /** What each server said last. */
  readonly #members = new Map<number, KnownMembers>();

  constructor(cluster: LocalCluster) {
    this.#cluster = cluster;
  }

  async status(): Promise<ClusterStatus> {
    // Servers are added while others watch.
    this.#cluster = readCluster(this.#cluster.directory) ?? this.#cluster;
    const { directory, clusterId } = this.#cluster;
    const seen = await Promise.all(this.#cluster.servers.map((server) => this.#look(server)));
    const groupNow = groupStatus(seen);
    const members = groupNow.leader === null ? undefined : this.#members.get(groupNow.leader);
    const servers = seen.map((server) => withMembership(server, members));
    return { directory, clusterId, groups: [groupNow], servers };
  }

  close(): void {
    for (const { client } of this.#contacts.values()) client.close();
    this.#contacts.clear();
  }

  async #look(server: LocalServer): Promise<ServerStatus> {
    const { number, host, clientPort: port, busPort } = server;
    const found = findProcess(server);
    const { state } = found;
    const pid = state === 'stopped' ? null : found.pid;
    const note = state === 'stopped' ? (found.stale ?? null) : null;
    const seen = { server: number, state, pid, note, host, port, busPort };
    // A paused one would only let the time limit pass.
    if (state !== 'running') return { ...seen, ...noAnswer };
    try {
      return { ...seen, ...(await this.#ask(server, found.pid)) };
    } catch (error) {
      return { ...seen, note: `does not answer: ${(error as Error).message}`, ...noAnswer };
    }
  }

  async #ask(server: LocalServer, pid: number): Promise<Answer & Pick<ServerStatus, 'note'>> {
    const contact = this.#contact(server, pid);
    if (!contact.isAuthenticated) {
      const secret = password();
      if (secret !== undefined) await contact.client.command('AUTH', secret);
      contact.isAuthenticated = true;
    }
    const info = parseInfo(String(await contact.client.command('INFO', 'raft', 'stats', 'memory')));
    this.#members.set(server.number, knownMembers(info));
    const commands = infoNumber(info, 'total_commands_processed') ?? 0;
    const before = contact.counted;
    contact.counted = { commands, atMs: performance.now() };
    const opsPerSecond =
      before === undefined
        ? infoNumber(info, 'instantaneous_ops_per_sec')
        : opsBetween(before, contact.counted);
    return { ...answerOf(info), opsPerSecond, note: snapshotNote(info) };
  }

  #contact(server: LocalServer, pid: number): Contact {
    const { number, host, clientPort: port } = server;
    const known = this.#contacts.get(number);
    if (known !== undefined && known.pid === pid && !known.client.isClosed) return known;
    known?.client.close();
    const client = new RespClient({ host, port }, answerTimeoutMs);
    const contact = { pid, client, isAuthenticated: false, counted: undefined };
    this.#contacts.set(number, contact);
    return contact;
  }
}

/** One look; the rate is then the server's own, over its last full second. */
export async function clusterStatus(cluster: LocalCluster): Promise<ClusterStatus> {
  const probe = new ClusterProbe(cluster);
  try {
    return await probe.status();
  } finally {
    probe.close();
  }
}

/** Two looks, with rates over the time between them: those do not count our own questions. */
export async function measuredStatus(cluster: LocalCluster): Promise<ClusterStatus> {
  const probe = new ClusterProbe(cluster);
  try {
    await probe.status();
    await sleep(measureMs);
    return await probe.status();
  } finally {
    probe.close();
  }
}

/** Of two that say they lead, the one of the older term has not heard yet. */
export function groupStatus(servers: readonly ServerStatus[]): GroupStatus {
  const serving = servers
    .filter(({ isServing }) => isServing)
    .sort((one, other) => (other.term ?? 0) - (one.term ?? 0))[0];
  return {
    group,
    leader: serving?.server ?? null,
    term: serving?.term ?? null,
    commitIndex: serving?.commitIndex ?? null,
    voters: serving?.voters ?? null,
  };
}

/** `name:value` lines; the value may hold colons. */
export function parseInfo(text: string): Map<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) {
      fields.set(line.slice(0, colon), line.slice(colon + 1));
    }
  }
  return fields;
}

/** Why a server is behind while a snapshot is on its way to it; null: none is. */
export function snapshotNote(info: ReadonlyMap<string, string>): string | null {
  if (info.get('raft_installing') === '1') return 'installs a snapshot';
  const transfer = info.get('raft_snapshot_transfer0') ?? '';
  const found = /^direction=receiving,.*,done=(\d+),total=(\d+)$/.exec(transfer);
  if (found === null) return null;
  const [done, total] = [Number(found[1]), Number(found[2])];
  return `receives a snapshot: ${total === 0 ? 100 : Math.floor((done / total) * 100)} %`;
}

/** All but the rate, which takes two answers. */
export function answerOf(info: ReadonlyMap<string, string>): Answer {
  return {
    role: info.get('raft_role') ?? null,
    replicaId: info.get('raft_replica_id') ?? null,
    membership: membershipOf(info.get('raft_membership')),
    voters: infoNumber(info, 'raft_voters'),
    isServing: info.get('raft_serving') === '1',
    term: infoNumber(info, 'raft_term'),
    leaderAddress: info.get('raft_leader_address') || null,
    lastIndex: infoNumber(info, 'raft_last_index'),
    commitIndex: infoNumber(info, 'raft_commit_index'),
    appliedIndex: infoNumber(info, 'raft_applied_index'),
    logBytes: infoNumber(info, 'raft_log_bytes'),
    snapshotIndex: infoNumber(info, 'raft_snapshot_index'),
    opsPerSecond: null,
    memoryBytes: infoNumber(info, 'used_memory'),
  };
}

function membershipOf(text: string | undefined): ServerStatus['membership'] {
  return text === 'voter' || text === 'learner' || text === 'none' ? text : null;
}

/** Itself, and its `raft_peerN`: `id=…,linked=1,match=7,state=replicate,role=voter`. */
export function knownMembers(info: ReadonlyMap<string, string>): KnownMembers {
  const members = new Map<string, 'voter' | 'learner'>();
  const add = (id: string | undefined, role: string | undefined): void => {
    if (id !== undefined && (role === 'voter' || role === 'learner')) members.set(id, role);
  };
  add(info.get('raft_replica_id'), info.get('raft_membership'));
  for (const [name, value] of info) {
    if (!/^raft_peer\d+$/.test(name)) continue;
    const fields = new Map(
      value.split(',').map((field) => field.split('=', 2) as [string, string]),
    );
    add(fields.get('id'), fields.get('role'));
  }
  return members;
}

/** One that was away when it was removed does not know; the leader does. */
export function withMembership(
  server: ServerStatus,
  leaders: KnownMembers | undefined,
): ServerStatus {
  if (server.replicaId === null || leaders === undefined) return server;
  return { ...server, membership: leaders.get(server.replicaId) ?? 'none' };
}

/** Commands a second between two looks, without the INFO of the second: an idle server has none. */
export function opsBetween(
  before: { readonly commands: number; readonly atMs: number },
  after: { readonly commands: number; readonly atMs: number },
): number {
  const others = Math.max(0, after.commands - before.commands - 1);
  return Math.round((others * 1000) / Math.max(1, after.atMs - before.atMs));
}

function infoNumber(info: ReadonlyMap<string, string>, name: string): number | null {
  const text = info.get(name);
  return text === undefined || text === '' || Number.isNaN(Number(text)) ? null : Number(text);
}

/** Where the servers, which inherit these variables, have theirs from. */
function password(): string | undefined {
  const { HOLT_REQUIREPASS: given, HOLT_REQUIREPASS_FILE: file } = process.env;
  if (given !== undefined) return given;
  if (file === undefined) return undefined;
  return fs.readFileSync(file, 'utf8').split('\n', 1)[0]!.trim();
}

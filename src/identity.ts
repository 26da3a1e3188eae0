// `identity.json`: who a server is, which replicas it hosts, and who the first members were.
//
// Written once, by `holt init` or by a server that joins, with random ids that are never used again.
// The only later changes are the mark that a replica is born, which carries the identity of its vote
// file, and `holt adopt`. Who takes part now is in the log and the snapshots.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import type { FileIdentity, ReplicaId } from '../raft/index.js';
import { writeFileDurably } from './files.js';

export interface GroupMember {
  readonly replicaId: ReplicaId;
  readonly serverNumber: number;
  readonly host: string;
  readonly clientPort: number;
  readonly busPort: number;
  /** Where clients reach it, when that is elsewhere than where it listens and its peers reach it. */
  readonly announced?: { readonly host: string; readonly clientPort: number };
}

/** A server, as `holt init` is told of it. */
export interface ServerAddress {
  readonly host: string;
  readonly basePort: number;
  /** What clients are told instead. */
  readonly announced?: { readonly host: string; readonly basePort: number };
}

export interface HostedReplica {
  readonly group: number;
  readonly replicaId: ReplicaId;
  /** Which file its vote file is; null until the replica has taken part for the first time. */
  readonly born: FileIdentity | null;
  /** Of a server that joined: how the replica is listed once it is added. */
  readonly joinsAs?: GroupMember;
}

export interface Identity {
  readonly format: 1;
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  /** 32 hexadecimal digits. */
  readonly serverId: string;
  /** From 1. */
  readonly serverNumber: number;
  readonly replicas: readonly HostedReplica[];
  /** The members that each group starts with: nobody, where the server joined it later. */
  readonly groups: readonly { readonly group: number; readonly members: readonly GroupMember[] }[];
}

/** What is wrong with a data directory, with what to do about it. */
export class DirectoryError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DirectoryError';
  }
}

/** The bus port of a client port, as Redis Cluster has it. */
export const busPortOffset = 10_000;

export function identityPath(directory: string): string {
  return join(directory, 'identity.json');
}

/** Identities of the servers of a new cluster with one group, one replica of it on each. */
export function newIdentities(addresses: readonly ServerAddress[]): Identity[] {
  const clusterId = randomBytes(16).toString('hex');
  const group = 1;
  const members = addresses.map((address, at) => newMember(group, at + 1, address));
  return members.map((member) => ({
    format: 1,
    clusterId,
    serverId: randomBytes(16).toString('hex'),
    serverNumber: member.serverNumber,
    replicas: [{ group, replicaId: member.replicaId, born: null }],
    groups: [{ group, members }],
  }));
}

/** The identity of a server that joins, with ids of its own. */
export function newJoiningIdentity(cluster: {
  readonly clusterId: string;
  readonly group: number;
  readonly serverNumber: number;
  readonly address: ServerAddress;
}): Identity {
  const { clusterId, group, serverNumber, address } = cluster;
  const joinsAs = newMember(group, serverNumber, address);
  const { replicaId } = joinsAs;
  return {
    format: 1,
    clusterId,
    serverId: randomBytes(16).toString('hex'),
    serverNumber,
    replicas: [{ group, replicaId, born: null, joinsAs }],
    groups: [{ group, members: [] }],
  };
}

function newMember(
  group: number,
  serverNumber: number,
  { host, basePort, announced }: ServerAddress,
): GroupMember {
  return {
    replicaId: randomBytes(20).toString('hex'),
    serverNumber,
    host,
    clientPort: basePort + group,
    busPort: basePort + group + busPortOffset,
    ...(announced !== undefined && {
      announced: { host: announced.host, clientPort: announced.basePort + group },
    }),
  };
}

/** Throws `DirectoryError`. */
export function membersOf(identity: Identity, group: number): readonly GroupMember[] {
  const found = identity.groups.find((candidate) => candidate.group === group);
  if (found === undefined) throw new DirectoryError(`No members are recorded for group ${group}`);
  return found.members;
}

export function hostedReplica(identity: Identity, group: number): HostedReplica {
  return identity.replicas.find((replica) => replica.group === group)!;
}

/** This server's replica of a group, with the ports on which it listens. */
export function ownMember(identity: Identity, group: number): GroupMember {
  const { replicaId, joinsAs } = hostedReplica(identity, group);
  const listed = membersOf(identity, group).find((member) => member.replicaId === replicaId);
  const own = joinsAs ?? listed;
  if (own === undefined) {
    throw new DirectoryError(`Replica ${replicaId} is not among the members of group ${group}`);
  }
  return own;
}

/** Throws `DirectoryError`. */
export function readIdentity(directory: string): Identity {
  const path = identityPath(directory);
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (cause) {
    throw new DirectoryError(
      `Cannot read "${path}": is "${directory}" a directory made by \`holt init\`?`,
      { cause },
    );
  }
  return decodeIdentity(text, path);
}

/** `path` is for the sentence. Throws `DirectoryError`. */
export function decodeIdentity(text: string, path: string): Identity {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new DirectoryError(`Cannot read "${path}": it is not JSON`, { cause });
  }
  if (!isObject(parsed)) throw new DirectoryError(`Cannot read "${path}": it is no object`);
  if (parsed.format !== 1) {
    const found = typeof parsed.format === 'number' ? `format ${parsed.format}` : 'no format';
    throw new DirectoryError(`Cannot read "${path}": it has ${found}, expected 1`);
  }
  if (!isIdentity(parsed) || !canBeWritten(parsed)) {
    throw new DirectoryError(
      `Cannot read "${path}": it has been changed, and what it says makes no sense`,
    );
  }
  return parsed;
}

function isIdentity(value: Record<string, unknown>): value is Record<string, unknown> & Identity {
  const { clusterId, serverId, serverNumber, replicas, groups } = value;
  if (!isId(clusterId, 32) || !isId(serverId, 32) || !isCount(serverNumber)) return false;
  if (!Array.isArray(replicas) || !replicas.every(isHostedReplica)) return false;
  if (!Array.isArray(groups) || !groups.every(isGroup)) return false;
  if (new Set(replicas.map(({ group }) => group)).size < replicas.length) return false;
  return replicas.every(({ group }) => groups.some((each) => each.group === group));
}

/** As the birth of a replica needs. What else somebody put there may be deeper than the stack. */
function canBeWritten(identity: Identity): boolean {
  try {
    return JSON.stringify(identity) !== undefined;
  } catch {
    return false;
  }
}

function isHostedReplica(value: unknown): value is HostedReplica {
  if (!isObject(value)) return false;
  const { group, replicaId, born, joinsAs } = value;
  const isKnownFile =
    born === null ||
    (isObject(born) && [born.device, born.inode, born.birthMs].every(Number.isFinite));
  const isMemberOrNone = joinsAs === undefined || isMember(joinsAs);
  return isCount(group) && isId(replicaId, 40) && isKnownFile && isMemberOrNone;
}

function isGroup(value: unknown): value is Identity['groups'][number] {
  if (!isObject(value) || !isCount(value.group)) return false;
  return Array.isArray(value.members) && value.members.every(isMember);
}

function isMember(value: unknown): value is GroupMember {
  if (!isObject(value)) return false;
  const { replicaId, serverNumber, host, clientPort, busPort, announced } = value;
  if (!isId(replicaId, 40) || !isCount(serverNumber) || !isCount(busPort)) return false;
  return isAddress({ host, clientPort }) && (announced === undefined || isAddress(announced));
}

function isAddress(value: unknown): boolean {
  return isObject(value) && typeof value.host === 'string' && isCount(value.clientPort);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function isId(value: unknown, digits: number): value is string {
  return typeof value === 'string' && value.length === digits && /^[0-9a-f]*$/.test(value);
}

/** Of servers, groups and ports. */
function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

export function writeIdentity(directory: string, identity: Identity): void {
  const bytes = Buffer.from(`${JSON.stringify(identity, undefined, 2)}\n`);
  writeFileDurably(identityPath(directory), bytes);
}

/** Marks the replica of `group` as born with that vote file. Durable on return. */
export function recordBirth(
  directory: string,
  identity: Identity,
  group: number,
  born: FileIdentity,
): Identity {
  const replicas = identity.replicas.map((replica) =>
    replica.group === group ? { ...replica, born } : replica,
  );
  const changed = { ...identity, replicas };
  writeIdentity(directory, changed);
  return changed;
}

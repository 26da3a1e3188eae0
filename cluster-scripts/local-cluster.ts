// A cluster as it lies on this machine's disk: DIR/server-N/identity.json, one per server.
//
// The script keeps no notes of its own. Which servers there are, on which ports, and that they
// belong together, is read from what `holt init` wrote; so a cluster made by hand is as good as one
// made here, and nothing can disagree with what the servers themselves read.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Trouble, UsageError } from './trouble.js';

export interface LocalServer {
  /** From 1. */
  readonly number: number;
  /** Absolute, with symbolic links resolved: what a process's arguments are compared with. */
  readonly directory: string;
  readonly host: string;
  readonly clientPort: number;
  readonly busPort: number;
}

export interface LocalCluster {
  /** As the user gave it. */
  readonly directory: string;
  readonly clusterId: string;
  /** Those whose directories are here, by number. Never empty. */
  readonly servers: readonly LocalServer[];
  /** Servers that the cluster began with and whose directories are not here. */
  readonly missing: readonly number[];
}

/** The group that every server has a replica of. This version has no other. */
export const group = 1;

/** The bus port of a client port, as Redis Cluster has it. */
const busPortOffset = 10_000;
/** Between the base ports of neighbouring servers. */
const basePortStep = 100;
/** The highest base port `holt init` takes: the bus port of its replicas must stay below 65536. */
const basePortMax = 55_000;
/** With more, the client port of a server would be the bus port of an earlier one. */
const serversMax = 99;

/** The `holt` command beside this script. */
export const holtProgram = fileURLToPath(new URL('../src/main.js', import.meta.url));

interface MemberOnDisk {
  readonly serverNumber: number;
  readonly host: string;
  readonly clientPort: number;
  readonly busPort: number;
}

/** What this file reads of `identity.json`. */
interface Identity {
  readonly format: number;
  readonly clusterId: string;
  readonly serverNumber: number;
  readonly replicas: readonly {
    readonly group: number;
    /** Of a server that joined. */
    readonly joinsAs?: MemberOnDisk;
  }[];
  /** Those that the cluster began with, or of which a server that joined was told. */
  readonly groups: readonly { readonly group: number; readonly members: readonly MemberOnDisk[] }[];
}

/** Undefined when there is no server in `directory`. Throws `Trouble` when it makes no sense. */
export function readCluster(directory: string): LocalCluster | undefined {
  const found = recognisedServers(directory);
  if (found.length === 0) return undefined;
  const identities = found.map((name) => readIdentity(join(directory, name)));
  const first = identities[0]!;
  for (const [at, identity] of identities.entries()) {
    if (identity.clusterId !== first.clusterId) {
      throw new Trouble(
        `"${join(directory, found[at]!)}" belongs to another cluster than ` +
          `"${join(directory, found[0]!)}": move one of them away`,
      );
    }
  }
  const members = firstMembers(first);
  const servers = identities.map((identity, at) => {
    const { serverNumber } = identity;
    const member = ownMember(identity);
    if (member === undefined || found[at] !== `server-${serverNumber}`) {
      throw new Trouble(
        `"${join(directory, found[at]!)}" holds server ${serverNumber}: ` +
          `rename it to "server-${serverNumber}"`,
      );
    }
    const { host, clientPort, busPort } = member;
    const real = fs.realpathSync(join(directory, found[at]!));
    return { number: serverNumber, directory: real, host, clientPort, busPort };
  });
  const present = new Set(servers.map(({ number }) => number));
  return {
    directory,
    clusterId: first.clusterId,
    servers: servers.sort((one, other) => one.number - other.number),
    missing: members.map((member) => member.serverNumber).filter((number) => !present.has(number)),
  };
}

function firstMembers({ groups }: Identity): readonly MemberOnDisk[] {
  return groups.find((candidate) => candidate.group === group)?.members ?? [];
}

function ownMember(identity: Identity): MemberOnDisk | undefined {
  const { serverNumber, replicas } = identity;
  const joinsAs = replicas.find((candidate) => candidate.group === group)?.joinsAs;
  return joinsAs ?? firstMembers(identity).find((member) => member.serverNumber === serverNumber);
}

/** Throws `Trouble` when there is no cluster. */
export function requireCluster(directory: string): LocalCluster {
  const cluster = readCluster(directory);
  if (cluster !== undefined) return cluster;
  throw new Trouble(
    `no cluster in "${directory}": \`cluster start\` makes one, --dir names another directory`,
  );
}

/** The server `number`, or all of them when there is no number. Throws `UsageError`. */
export function chosenServers(
  cluster: LocalCluster,
  number: number | undefined,
): readonly LocalServer[] {
  if (number === undefined) return cluster.servers;
  const server = cluster.servers.find((candidate) => candidate.number === number);
  if (server !== undefined) return [server];
  const known = cluster.servers.map((candidate) => candidate.number).join(', ');
  throw new UsageError(
    `no server ${number} in "${cluster.directory}": the servers there are ${known}`,
  );
}

/**
 * Where the next server of a cluster goes: base ports are `basePortStep` apart, as in a new cluster.
 * `numbers`: taken already. Throws `Trouble` when there is no room.
 */
export function nextServer(
  { directory, servers, missing }: LocalCluster,
  numbers: readonly number[],
): LocalServer {
  const first = servers[0]!;
  const number = 1 + Math.max(...servers.map((server) => server.number), ...missing, ...numbers);
  const basePort = first.clientPort - group + (number - first.number) * basePortStep;
  if (number > serversMax || basePort > basePortMax) {
    throw new Trouble(`no room for server ${number}: its base port would be ${basePort}`);
  }
  const clientPort = basePort + group;
  return {
    number,
    directory: join(fs.realpathSync(directory), `server-${number}`),
    host: first.host,
    clientPort,
    busPort: clientPort + busPortOffset,
  };
}

/** Makes the directories of a new cluster on loopback. Throws `Trouble` or `UsageError`. */
export function makeCluster(
  directory: string,
  size: { readonly servers: number; readonly port: number },
): LocalCluster {
  const { servers, port } = size;
  if (!Number.isInteger(servers) || servers < 1 || servers > serversMax) {
    throw new UsageError(`--servers takes a number from 1 to ${serversMax}`);
  }
  const portMax = basePortMax - (servers - 1) * basePortStep;
  if (!Number.isInteger(port) || port < 1 || port > portMax) {
    throw new UsageError(`--port takes a number from 1 to ${portMax} with --servers ${servers}`);
  }
  refuseForeignDirectory(directory);
  const addresses = Array.from({ length: servers }, (_, at) => [
    '--server',
    `127.0.0.1:${port + at * basePortStep}`,
  ]);
  // HOLT_* variables are meant for the servers; `holt init` would refuse those it does not know.
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('HOLT_')),
  );
  const { status, stderr, error } = spawnSync(
    process.execPath,
    [holtProgram, 'init', '--dir', resolve(directory), ...addresses.flat()],
    { env: environment, encoding: 'utf8' },
  );
  if (error !== undefined) throw error;
  if (status !== 0) throw new Trouble(`cannot make a cluster in "${directory}":\n${stderr.trim()}`);
  return requireCluster(directory);
}

/** Names of `server-N` directories with an `identity.json` inside: nothing else is ever touched. */
export function recognisedServers(directory: string): string[] {
  return entriesOf(directory).filter(
    (name) =>
      /^server-[1-9]\d*$/.test(name) && fs.existsSync(join(directory, name, 'identity.json')),
  );
}

function refuseForeignDirectory(directory: string): void {
  const entries = entriesOf(directory).filter((name) => !name.startsWith('.'));
  if (entries.length === 0) return;
  const named = entries.slice(0, 3).join(', ') + (entries.length > 3 ? ', …' : '');
  throw new Trouble(
    `"${directory}" holds something else (${named}) and no cluster: ` +
      'give an empty or a new directory with --dir',
  );
}

/** Empty when there is no such directory. */
function entriesOf(directory: string): string[] {
  try {
    return fs.readdirSync(directory);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return [];
    if (code === 'ENOTDIR') {
      throw new Trouble(`"${directory}" is no directory: give another with --dir`);
    }
    throw error;
  }
}

function readIdentity(directory: string): Identity {
  const path = join(directory, 'identity.json');
  let parsed: Partial<Identity>;
  try {
    parsed = JSON.parse(fs.readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new Trouble(`cannot read "${path}": ${(cause as Error).message}`, { cause });
  }
  if (parsed.format !== 1) {
    throw new Trouble(
      `"${path}" has format ${parsed.format}, this version reads 1: ` +
        'use the version of Holt that made it',
    );
  }
  return parsed as Identity;
}

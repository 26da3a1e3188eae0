// `cluster add | remove`: a cluster that grows and shrinks while it runs.
//
// What decides who takes part is the group, asked by `holt members`; what this script adds is a
// directory, a process and ports. A new server gets the bus secret of its neighbours as a file in its
// directory, where `holt server` looks for it: arguments can be seen by everybody on the machine.

import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Launch } from './launch.js';
import {
  chosenServers,
  group,
  holtProgram,
  type LocalCluster,
  type LocalServer,
  nextServer,
  requireCluster,
} from './local-cluster.js';
import { assertPortsFree } from './ports.js';
import { stopServers } from './server-process.js';
import { clusterStatus } from './status.js';
import { Trouble } from './trouble.js';

/** Elections are over by then. */
const leaderTimeoutMs = 20_000;
const pollMs = 200;

export interface AddArguments {
  readonly dir: string;
  /** It stays a learner. */
  readonly learner: boolean;
}

export interface RemoveArguments {
  readonly dir: string;
  readonly server: number;
  /** Its directory goes, too. */
  readonly clean: boolean;
}

/** Makes the next server and starts it; returns when it is a voter. */
export async function add(args: AddArguments): Promise<void> {
  const cluster = requireCluster(args.dir);
  const leader = await requireLeader(cluster);
  const members = await listMembers(leader);
  const server = nextServer(
    cluster,
    members.map((member) => member.server),
  );
  await startJoining(new Launch(cluster), { cluster, server, leader });
  const learner = args.learner ? ['--learner'] : [];
  try {
    await holtMembers(['add', `${server.host}:${server.clientPort}`, ...learner], leader);
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    throw new Trouble(
      `server ${server.number} runs on port ${server.clientPort}, but: ${error.message}\n` +
        `see \`cluster status\`; \`cluster remove ${server.number} --clean\` undoes it`,
    );
  }
  const role = args.learner ? 'learner' : 'voter';
  say(`server ${server.number} is a ${role} on port ${server.clientPort}`);
}

/** Makes `server`, which holds nothing, and starts it; returns when it waits to be added. */
export async function startJoining(
  launch: Launch,
  to: { readonly cluster: LocalCluster; readonly server: LocalServer; readonly leader: string },
): Promise<void> {
  const { cluster, server, leader } = to;
  await assertPortsFree([server]);
  fs.mkdirSync(server.directory, { recursive: true });
  copyBusSecret(cluster.servers[0]!, server);
  const address = `${server.host}:${server.clientPort - group}`;
  launch.start(server, ['--join', leader, '--join-as', address]);
  await launch.untilServing();
}

/** Removes a server from the group and stops it. One that is no member, or does not run, too. */
export async function remove(args: RemoveArguments): Promise<void> {
  const cluster = requireCluster(args.dir);
  const [server] = chosenServers(cluster, args.server);
  const { number, directory } = server!;
  const leader = await requireLeader(cluster);
  const members = await listMembers(leader);
  if (members.some((member) => member.server === number)) {
    await holtMembers(['remove', String(number)], leader);
    say(`server ${number} is removed from the group`);
  } else say(`server ${number} is no member of the group`);
  await stopServers([server!]);
  if (args.clean) fs.rmSync(directory, { recursive: true });
  say(`server ${number} stopped; its directory ${args.clean ? 'is gone' : `stays: ${directory}`}`);
}

/** The address of the server that leads, which may have to be elected first. Throws `Trouble`. */
async function requireLeader(cluster: LocalCluster): Promise<string> {
  const deadline = performance.now() + leaderTimeoutMs;
  for (;;) {
    const { servers, groups } = await clusterStatus(cluster);
    const leader = servers.find(({ server }) => server === groups[0]!.leader);
    if (leader !== undefined) return `${leader.host}:${leader.port}`;
    const isHopeless = servers.every(({ state }) => state !== 'running');
    if (isHopeless || performance.now() > deadline) {
      throw new Trouble('nobody leads: who takes part can be changed while a majority runs');
    }
    await sleep(pollMs);
  }
}

function copyBusSecret(source: LocalServer, target: LocalServer): void {
  const path = join(source.directory, 'bus-secret');
  if (!fs.existsSync(path)) return;
  const secret = fs.readFileSync(path);
  fs.writeFileSync(join(target.directory, 'bus-secret'), secret, { mode: 0o600 });
}

// ------------------------------------------------------------------------------ holt members

async function listMembers(
  leader: string,
): Promise<readonly { readonly server: number; readonly role: string }[]> {
  return JSON.parse(await holtMembers(['list', '--json'], leader));
}

/** Runs `holt members`, which finds the leader again if it changes. Throws `Trouble`. */
function holtMembers(args: readonly string[], leader: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const all = [holtProgram, 'members', ...args, '--connect', leader];
    execFile(process.execPath, all, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Trouble(stderr.trim().replace(/^holt: /, '') || error.message));
    });
  });
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

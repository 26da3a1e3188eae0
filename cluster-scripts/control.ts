// `cluster stop | restart | kill | pause | resume`: what can be done to servers that are there.

import { setTimeout as sleep } from 'node:timers/promises';
import { Launch } from './launch.js';
import {
  chosenServers,
  type LocalCluster,
  type LocalServer,
  requireCluster,
} from './local-cluster.js';
import { assertPortsFree } from './ports.js';
import { runState } from './process-table.js';
import { hasEnded, signalServer, stopServers } from './server-process.js';
import { type ClusterStatus, clusterStatus } from './status.js';
import { Trouble } from './trouble.js';

export interface ServerArguments {
  readonly dir: string;
  /** All servers when there is none. */
  readonly server: number | undefined;
}

export interface OneServerArguments {
  readonly dir: string;
  readonly server: number;
}

/** A signal takes effect a moment after it was sent. */
const signalPollMs = 10;

/** A leader hands its office over first. Not running is as good as stopped. */
export async function stop(args: ServerArguments): Promise<void> {
  const servers = chosenServers(requireCluster(args.dir), args.server);
  const stopped = await stopServers(servers);
  for (const server of servers) {
    say(server, stopped.includes(server) ? 'stopped' : 'was not running');
  }
}

/**
 * One after another, each only when the one before has applied all that was committed when it was
 * stopped: the group goes on serving. The leader comes last, or it would hand over to a server that
 * is about to be stopped itself.
 */
export async function restart(args: ServerArguments): Promise<void> {
  const cluster = requireCluster(args.dir);
  const chosen = chosenServers(cluster, args.server);
  const { leader } = (await clusterStatus(cluster)).groups[0]!;
  const followersFirst = [...chosen].sort(
    (one, other) => Number(one.number === leader) - Number(other.number === leader),
  );
  for (const server of followersFirst) {
    const before = await clusterStatus(cluster);
    await stopServers([server]);
    await assertPortsFree([server]);
    const launch = new Launch(cluster);
    launch.start(server);
    await launch.untilServing({
      needsLeader: isMajority(cluster, server, before),
      appliedIndex: Math.max(...before.servers.map(({ commitIndex }) => commitIndex ?? 0)),
    });
    say(server, `restarted on port ${server.clientPort}`);
  }
}

/** kill -9. */
export async function kill(args: OneServerArguments): Promise<void> {
  const server = oneServer(args);
  const pid = signalServer(server, 'SIGKILL');
  if (!(await hasEnded(server, pid))) {
    throw new Trouble(
      `server ${server.number} (pid ${pid}) is still there: is it stuck in the kernel?`,
    );
  }
  say(server, `killed (pid ${pid}); \`restart ${server.number}\` brings it back`);
}

/** It keeps its connections and its place, and says nothing: to the others, a stall or a partition. */
export async function pause(args: OneServerArguments): Promise<void> {
  const server = oneServer(args);
  const pid = signalServer(server, 'SIGSTOP');
  await untilState(pid, 'paused');
  say(server, `paused (pid ${pid}); \`resume ${server.number}\` lets it go on`);
}

export async function resume(args: OneServerArguments): Promise<void> {
  const server = oneServer(args);
  const pid = signalServer(server, 'SIGCONT');
  await untilState(pid, 'running');
  say(server, `running (pid ${pid})`);
}

/** Whether with `server` enough run to elect a leader, so that one can be waited for. */
function isMajority(cluster: LocalCluster, server: LocalServer, status: ClusterStatus): boolean {
  const others = status.servers.filter(
    ({ server: number, state, membership }) =>
      number !== server.number && state === 'running' && (membership ?? 'voter') === 'voter',
  );
  const voters = status.groups[0]!.voters ?? cluster.servers.length + cluster.missing.length;
  return others.length + 1 > voters / 2;
}

function oneServer(args: OneServerArguments): LocalServer {
  return chosenServers(requireCluster(args.dir), args.server)[0]!;
}

async function untilState(pid: number, state: 'running' | 'paused'): Promise<void> {
  let now = runState(pid);
  while (now !== state && now !== 'gone') {
    await sleep(signalPollMs);
    now = runState(pid);
  }
}

function say({ number }: LocalServer, text: string): void {
  process.stdout.write(`server ${number} ${text}\n`);
}

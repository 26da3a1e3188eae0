// `cluster start`: makes the cluster when there is none, and starts what does not run.
//
// In the foreground the servers live as long as the command: it ends on Ctrl-C, SIGTERM, SIGHUP (the
// terminal was closed) or an error, and in each case asks its servers to stop first. They are in
// sessions of their own, so no signal reaches them but ours. Only kill -9 of this process leaves them
// running; `cluster stop` finds them. With --detach they outlive it on purpose.

import { Launch } from './launch.js';
import { showCluster } from './live-view.js';
import { type LocalCluster, type LocalServer, makeCluster, readCluster } from './local-cluster.js';
import { assertPortsFree } from './ports.js';
import { findProcess } from './server-process.js';
import { measuredStatus } from './status.js';
import { statusLines, trialLines } from './status-text.js';
import { Trouble, UsageError } from './trouble.js';

export interface StartArguments {
  readonly dir: string;
  readonly servers: number | undefined;
  readonly groups: number;
  /** The base port of server 1. */
  readonly port: number | undefined;
  readonly detach: boolean;
}

export const defaultSize = Object.freeze({ servers: 3, port: 7000 });

/** A Ctrl-C so soon after the first is the same one: npm passes on what the terminal has sent. */
const sameSignalMs = 1000;

export async function start(args: StartArguments): Promise<void> {
  if (args.groups !== 1) {
    throw new UsageError('this version has one group: leave --groups out, or give --groups 1');
  }
  const cluster = openCluster(args);
  const stopped = cluster.servers.filter((server) => findProcess(server).state === 'stopped');
  const running = cluster.servers.filter((server) => !stopped.includes(server));
  if (running.length > 0) say(`${names(running)} running already`);
  if (stopped.length === 0 && !args.detach) {
    throw new Trouble('nothing to start: `cluster watch` shows it, `cluster stop` stops it');
  }
  await assertPortsFree(stopped);
  const launch = new Launch(cluster);
  if (args.detach) await startDetached(launch, stopped, cluster);
  else await runInForeground(launch, stopped, cluster);
}

async function startDetached(
  launch: Launch,
  servers: readonly LocalServer[],
  cluster: LocalCluster,
): Promise<void> {
  for (const server of servers) launch.start(server);
  await launch.untilServing();
  const status = await measuredStatus(cluster);
  const { columns = Number.POSITIVE_INFINITY } = process.stdout;
  for (const line of statusLines(status, { columns, withPid: true })) say(line);
  say('');
  for (const line of trialLines(status)) say(line);
  say('Watch it: cluster-scripts/cluster watch     Stop it: cluster-scripts/cluster stop');
}

async function runInForeground(
  launch: Launch,
  servers: readonly LocalServer[],
  cluster: LocalCluster,
): Promise<void> {
  const ended = new AbortController();
  let endedAtMs = 0;
  function onSignal(): void {
    if (!ended.signal.aborted) {
      endedAtMs = performance.now();
      ended.abort();
    } else if (performance.now() - endedAtMs > sameSignalMs) {
      say('killing them');
      launch.kill();
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal);
  process.on('exit', () => launch.requestStop());
  try {
    for (const server of servers) launch.start(server);
    say(`starting ${names(servers)} in ${cluster.directory}`);
    await launch.untilServing({ ended: ended.signal });
    const hints = [
      'Break it: cluster-scripts/cluster kill 1, then restart 1',
      'Ctrl-C stops the cluster.',
    ];
    await showCluster(cluster, process.stdout, hints, ended.signal);
  } finally {
    say(`stopping ${names(servers)} (Ctrl-C again kills)`);
    await launch.stop();
    say('stopped; the data stays, and `start` goes on from there');
  }
}

/** The cluster that is there, whatever size was asked for; otherwise a new one. */
function openCluster({ dir, servers, port }: StartArguments): LocalCluster {
  const found = readCluster(dir);
  if (found === undefined) {
    return makeCluster(dir, {
      servers: servers ?? defaultSize.servers,
      port: port ?? defaultSize.port,
    });
  }
  const count = found.servers.length + found.missing.length;
  if (servers !== undefined && servers !== count) {
    say(`--servers ${servers} is ignored: the cluster in ${dir} has ${count}`);
  }
  const first = found.servers[0]!;
  // Server N is asked for on base port P + 100 (N - 1), with its replica one above.
  const basePort = first.clientPort - 1 - (first.number - 1) * 100;
  if (port !== undefined && port !== basePort) {
    say(`--port ${port} is ignored: the cluster in ${dir} is on ${basePort}`);
  }
  if (found.missing.length > 0) {
    say(`no directory here of server ${found.missing.join(', ')}: starting the others`);
  }
  return found;
}

function names(servers: readonly LocalServer[]): string {
  const numbers = servers.map(({ number }) => number).join(', ');
  return servers.length === 1 ? `server ${numbers}` : `servers ${numbers}`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

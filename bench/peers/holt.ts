// Three Holt servers on this machine, with default options; the load goes to the leader.

import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Launch } from '../../cluster-scripts/launch.js';
import {
  type LocalCluster,
  type LocalServer,
  makeCluster,
} from '../../cluster-scripts/local-cluster.js';
import { lastLines, readableLine } from '../../cluster-scripts/log-file.js';
import { assertPortsFree } from '../../cluster-scripts/ports.js';
import { logPath } from '../../cluster-scripts/server-process.js';
import { clusterStatus } from '../../cluster-scripts/status.js';
import { Trouble } from '../../cluster-scripts/trouble.js';
import { atEnd } from '../cleanup.js';
import type { Peer, RunningPeer } from './peer.js';

const settledMs = 1000;
const settleTimeoutMs = 30_000;
const linesShown = 8;

export const holt: Peer = {
  title: 'Holt, 3 servers',
  note: 'a write is on the disks of a majority before it is acknowledged, and a read is linearizable',
  async start(directory, basePort) {
    const cluster = makeCluster(directory, { servers: 3, port: basePort });
    await assertPortsFree(cluster.servers);
    const launch = new Launch(cluster);
    const release = atEnd(() => launch.kill());
    for (const server of cluster.servers) launch.start(server);
    await launch.untilServing();
    return {
      ...(await leaderFirst(cluster)),
      version: versionOf(directory),
      lastLogLines: () => cluster.servers.map(lastLogLinesOf).join('\n'),
      async dispose() {
        launch.kill();
        await launch.stop();
        release();
        fs.rmSync(directory, { recursive: true });
      },
    };
  },
};

/**
 * Waits until a leader has stayed one for a second: on a busy machine the first may be replaced
 * before all servers have found each other. A later change is a failure; redis-benchmark ends at the
 * first MOVED.
 */
async function leaderFirst(cluster: LocalCluster): Promise<Pick<RunningPeer, 'port' | 'pids'>> {
  const deadline = performance.now() + settleTimeoutMs;
  let status = await clusterStatus(cluster);
  for (;;) {
    await sleep(settledMs);
    const before = status.groups[0]!;
    status = await clusterStatus(cluster);
    const { leader: number, term } = status.groups[0]!;
    const leader = status.servers.find(({ server }) => server === number);
    const pids = status.servers.flatMap(({ pid }) => pid ?? []);
    const isSettled = number === before.leader && term === before.term;
    if (isSettled && leader !== undefined && pids.length === cluster.servers.length) {
      return {
        port: leader.port,
        pids: [leader.pid!, ...pids.filter((pid) => pid !== leader.pid)],
      };
    }
    if (performance.now() > deadline) {
      throw new Trouble(`no leader of Holt stayed one within ${settleTimeoutMs / 1000} s`);
    }
  }
}

function lastLogLinesOf(server: LocalServer): string {
  const { lines } = lastLines(logPath(server), linesShown);
  return [`server ${server.number}:`, ...lines.map((line) => `  ${readableLine(line)}`)].join('\n');
}

/** SQLite's is the one that wrote the database: bytes 96 to 99 of the file's header. */
function versionOf(directory: string): string {
  const manifest = new URL('../../../package.json', import.meta.url);
  const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as { version: string };
  const file = fs.readFileSync(join(directory, 'server-1/group-1/live.db'));
  const number = file.readUInt32BE(96);
  const sqlite = [number / 1_000_000, (number / 1000) % 1000, number % 1000].map(Math.floor);
  return `Holt ${version} (SQLite ${sqlite.join('.')})`;
}

// How fast a follower that is too far behind gets a whole database, alone and beside a load.

import type { LocalServer } from '../../cluster-scripts/local-cluster.js';
import type { Figures } from '../drive.js';
import type { Figure, Measurement } from './figure.js';
import { fill, keysOf, load, loadFor, loadUntil } from './load.js';
import type { RunningGroup } from './running-group.js';

const mebibyte = 1024 ** 2;
/** Enough to fill log segments that the follower has never seen. */
const missedRequests = 80_000;
const runRequests = 20_000;

export const install: Measurement = {
  name: 'install',
  environment: { HOLT_SNAPSHOT_PERIOD_SECONDS: '86400', HOLT_SNAPSHOT_MIN_LOG_SIZE: '16gb' },
  async run(group, { bytes, seconds }) {
    const keys = keysOf(bytes);
    await fill(group, keys);
    const [follower] = (await group.followers()) as [LocalServer];
    const idle = await installOn(group, follower, keys);

    const before = await loadFor(group, keys, seconds);
    await leaveBehind(group, follower, keys);
    const began = performance.now();
    let endedMs = 0;
    const installed = installing(group, follower).then(() => {
      endedMs = performance.now();
    });
    const runs = await loadUntil(group, keys, runRequests, () => endedMs > 0);
    await installed;
    const busy = await snapshotBytes(group, follower);
    const busySpeed = busy / mebibyte / ((endedMs - began) / 1000);
    return [
      speedFigure(
        'a database sent to a follower, no load',
        idle.bytesPerSecond,
        idle.bytes,
        '≥ 100 MB/s',
      ),
      {
        work: 'the same beside SET 4 KiB of 200 clients, until it has caught up',
        measured: `${busySpeed.toFixed(0)} MiB/s`,
        wanted: '≥ 20 MB/s',
      },
      {
        work: 'the same: requests/s of the load with ÷ without',
        measured: (paceOf(runs) / before.requestsPerSecond).toFixed(2),
        wanted: '≥ 0.7',
      },
    ];
  },
};

async function installOn(
  group: RunningGroup,
  follower: LocalServer,
  keys: number,
): Promise<{ bytes: number; bytesPerSecond: number }> {
  await leaveBehind(group, follower, keys);
  const began = performance.now();
  await installing(group, follower);
  const seconds = (performance.now() - began) / 1000;
  const bytes = await snapshotBytes(group, follower);
  return { bytes, bytesPerSecond: bytes / seconds };
}

/** It is dead while the others write, take snapshots and cut their logs. */
async function leaveBehind(
  group: RunningGroup,
  follower: LocalServer,
  keys: number,
): Promise<void> {
  await group.killServer(follower);
  await load(group, keys, missedRequests);
  await group.snapshot(group.servers.filter((server) => server !== follower));
}

async function installing(group: RunningGroup, follower: LocalServer): Promise<void> {
  await group.startServer(follower);
  await group.untilCaughtUp(follower);
}

async function snapshotBytes(group: RunningGroup, follower: LocalServer): Promise<number> {
  const info = await group.info(follower, 'raft');
  return Number(info.get('raft_snapshot_bytes'));
}

function paceOf(runs: readonly Figures[]): number {
  // Harmonic: runs of equal length in requests.
  return runs.length / runs.reduce((sum, { requestsPerSecond }) => sum + 1 / requestsPerSecond, 0);
}

function speedFigure(work: string, bytesPerSecond: number, bytes: number, wanted: string): Figure {
  return {
    work,
    measured: `${(bytesPerSecond / mebibyte).toFixed(0)} MiB/s (${(bytes / mebibyte).toFixed(0)} MiB)`,
    wanted,
  };
}

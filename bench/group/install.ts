// How fast a server that holds nothing gets a whole database, alone and beside a load.

import type { LocalServer } from '../../cluster-scripts/local-cluster.js';
import type { Figures } from '../drive.js';
import type { Measurement } from './figure.js';
import { fill, keysOf, loadFor, loadUntil } from './load.js';
import type { RunningGroup } from './running-group.js';

const mebibyte = 1024 ** 2;
const runRequests = 20_000;

export const install: Measurement = {
  name: 'install',
  environment: { HOLT_SNAPSHOT_PERIOD_SECONDS: '86400', HOLT_SNAPSHOT_MIN_LOG_SIZE: '16gb' },
  async run(group, { bytes, seconds }) {
    const keys = keysOf(bytes);
    await fill(group, keys);
    // The log is cut, so that an empty server needs the snapshot.
    await group.snapshot(group.servers);
    const idle = await installOn(group);

    const before = await loadFor(group, keys, seconds);
    await group.snapshot(group.servers);
    let isOver = false;
    const installing = installOn(group).finally(() => {
      isOver = true;
    });
    const runs = await loadUntil(group, keys, runRequests, () => isOver);
    const busy = await installing;
    return [
      {
        work: 'a database sent to an empty server, no load, until it has applied all of it',
        measured: `${speed(idle)} MiB/s (${(idle.bytes / mebibyte).toFixed(0)} MiB)`,
        wanted: '≥ 100 MB/s',
      },
      {
        work: 'the same beside SET 4 KiB of 200 clients, until it has caught up',
        measured: `${speed(busy)} MiB/s`,
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

interface Installed {
  readonly bytes: number;
  readonly seconds: number;
}

/** From the moment when an empty server becomes a learner. It is gone afterwards. */
async function installOn(group: RunningGroup): Promise<Installed> {
  const server = await group.startEmptyServer();
  const began = performance.now();
  await group.addLearner(server);
  await group.untilCaughtUp(server);
  const seconds = (performance.now() - began) / 1000;
  const bytes = await snapshotBytes(group, server);
  await group.removeServer(server);
  return { bytes, seconds };
}

async function snapshotBytes(group: RunningGroup, server: LocalServer): Promise<number> {
  const info = await group.info(server, 'raft');
  return Number(info.get('raft_snapshot_bytes'));
}

function paceOf(runs: readonly Figures[]): number {
  // Harmonic: runs of equal length in requests.
  return runs.length / runs.reduce((sum, { requestsPerSecond }) => sum + 1 / requestsPerSecond, 0);
}

function speed({ bytes, seconds }: Installed): string {
  return (bytes / mebibyte / seconds).toFixed(0);
}

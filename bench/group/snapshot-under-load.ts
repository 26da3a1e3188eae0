// What clients feel of a snapshot: the same load without one, and while each of the three servers takes
// one. All three begin at the same moment, as they do by themselves: their logs are equally long.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Figures } from '../drive.js';
import { median } from '../median.js';
import type { Measurement } from './figure.js';
import { fill, keysOf, load, loadUntil } from './load.js';
import type { RunningGroup } from './running-group.js';

const settleMs = 2000;
/** Few, so that the last run ends soon after the last snapshot. */
const runRequests = 10_000;

export const snapshotUnderLoad: Measurement = {
  name: 'snapshot',
  // Only those that the measurement asks for.
  environment: { HOLT_SNAPSHOT_PERIOD_SECONDS: '86400', HOLT_SNAPSHOT_MIN_LOG_SIZE: '16gb' },
  async run(group, { bytes, rounds, seconds }) {
    const keys = keysOf(bytes);
    await fill(group, keys);
    const without: Figures[] = [];
    const during: Figures[] = [];
    const pauses: number[] = [];
    const snapshotSeconds: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await sleep(settleMs);
      await load(group, keys, runRequests);
      const endMs = performance.now() + seconds * 1000;
      const isOver = (): boolean => performance.now() >= endMs;
      without.push(...(await loadUntil(group, keys, runRequests, isOver)));
      await sleep(settleMs);
      await load(group, keys, runRequests);
      await resetPauses(group);
      let left = group.servers.length;
      const snapshots = Promise.all(
        group.servers.map(async (server) => {
          const beganMs = performance.now();
          try {
            await group.snapshot([server]);
          } finally {
            left -= 1;
          }
          snapshotSeconds.push((performance.now() - beganMs) / 1000);
        }),
      );
      const runs = loadUntil(group, keys, runRequests, () => left === 0);
      during.push(...(await Promise.all([runs, snapshots]))[0]);
      pauses.push(await longestPauseMs(group));
    }
    const p99 = (runs: readonly Figures[]): number => median(runs.map(({ p99Ms }) => p99Ms));
    const size = `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
    return [
      {
        work:
          `SET 4 KiB, 200 clients, from when all servers begin a snapshot of ${size} until the last ` +
          'has it: requests/s with ÷ without, over all requests',
        measured: `${(pace(during) / pace(without)).toFixed(2)} (${Math.round(pace(during))} ÷ ${Math.round(pace(without))})`,
        wanted: '≥ 0.8',
      },
      {
        work: `the same: p99 with ÷ without, the median of runs of ${runRequests} requests`,
        measured: `${(p99(during) / p99(without)).toFixed(2)} (${p99(during).toFixed(0)} ÷ ${p99(without).toFixed(0)} ms)`,
        wanted: '≤ 3',
      },
      {
        work: 'the same: longest pause of a server',
        measured: `${Math.max(...pauses)} ms`,
        wanted: '< 120 ms',
      },
      {
        work: 'the same: a snapshot took, median and longest',
        measured: `${median(snapshotSeconds).toFixed(1)} s, ${Math.max(...snapshotSeconds).toFixed(1)} s`,
        wanted: '',
      },
    ];
  },
};

/** Requests per second over all runs, which have the same number of requests: the harmonic mean. */
function pace(runs: readonly Figures[]): number {
  return runs.length / runs.reduce((sum, { requestsPerSecond }) => sum + 1 / requestsPerSecond, 0);
}

async function resetPauses(group: RunningGroup): Promise<void> {
  for (const server of group.servers) {
    await group.command(server, 'CONFIG', 'SET', 'latency-monitor-threshold', '1');
    await group.command(server, 'LATENCY', 'RESET');
  }
}

/** By which a timer of the loop was late, at worst. */
async function longestPauseMs(group: RunningGroup): Promise<number> {
  let longest = 0;
  for (const server of group.servers) {
    const events = (await group.command(server, 'LATENCY', 'LATEST')) as [
      string,
      number,
      number,
      number,
    ][];
    for (const [event, , , maxMs] of events) {
      if (event === 'event-loop') longest = Math.max(longest, maxMs);
    }
  }
  return longest;
}

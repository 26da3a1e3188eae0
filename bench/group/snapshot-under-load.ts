// What clients feel of a snapshot: the same load without one, and while all three servers take one
// after the other without a pause, in turns.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Figures } from '../drive.js';
import { median } from '../median.js';
import type { Measurement } from './figure.js';
import { fill, keysOf, loadFor } from './load.js';
import type { RunningGroup } from './running-group.js';

const settleMs = 2000;

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
    const taken: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      await sleep(settleMs);
      without.push(await loadFor(group, keys, seconds));
      await sleep(settleMs);
      await resetPauses(group);
      let isOver = false;
      const snapshots = snapshotsUntil(group, () => isOver);
      during.push(await loadFor(group, keys, seconds));
      isOver = true;
      taken.push(await snapshots);
      pauses.push(await longestPauseMs(group));
    }
    const pace = (runs: readonly Figures[]): number =>
      median(runs.map(({ requestsPerSecond }) => requestsPerSecond));
    const p99 = (runs: readonly Figures[]): number => median(runs.map(({ p99Ms }) => p99Ms));
    const size = `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
    return [
      {
        work: `SET 4 KiB, 200 clients, while every server takes snapshots of ${size}: requests/s with ÷ without`,
        measured: `${(pace(during) / pace(without)).toFixed(2)} (${Math.round(pace(during))} ÷ ${Math.round(pace(without))})`,
        wanted: '≥ 0.8',
      },
      {
        work: 'the same: p99 with ÷ without',
        measured: `${(p99(during) / p99(without)).toFixed(2)} (${p99(during).toFixed(0)} ÷ ${p99(without).toFixed(0)} ms)`,
        wanted: '≤ 3',
      },
      {
        work: 'the same: longest pause of a server',
        measured: `${Math.max(...pauses)} ms`,
        wanted: '< 120 ms',
      },
      {
        work: 'the same: snapshots taken in a run, by all servers together',
        measured: String(median(taken)),
        wanted: '',
      },
    ];
  },
};

/** How many were taken. */
async function snapshotsUntil(group: RunningGroup, isOver: () => boolean): Promise<number> {
  const counts = await Promise.all(
    group.servers.map(async (server) => {
      let count = 0;
      while (!isOver()) {
        await group.snapshot([server]);
        count += 1;
      }
      return count;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0);
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

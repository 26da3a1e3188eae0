// What clients feel of snapshots: the same load without one, while the servers take one each, one after
// the other, and while all three take one at once. Alone on its machine a server only ever does the
// former to its clients; here all three share one disk.

import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalServer } from '../../cluster-scripts/local-cluster.js';
import type { Figures } from '../drive.js';
import { median } from '../median.js';
import type { Figure, Measurement } from './figure.js';
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
    const inTurn = new During();
    const atOnce = new During();
    const measureWithout = async (): Promise<void> => {
      await settle(group, keys);
      const endMs = performance.now() + seconds * 1000;
      const isOver = (): boolean => performance.now() >= endMs;
      without.push(...(await loadUntil(group, keys, runRequests, isOver)));
    };
    for (let round = 0; round < rounds; round += 1) {
      await measureWithout();
      await inTurn.measure(group, keys, async (take) => {
        for (const server of group.servers) await take(server);
      });
      // On both sides of what it is compared with: the machine is not equally fast all the time.
      await measureWithout();
      await atOnce.measure(group, keys, async (take) => {
        await Promise.all(group.servers.map(take));
      });
    }
    const size = `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
    return [
      ...inTurn.figures(`while the servers take a snapshot of ${size} in turn`, without, wanted),
      ...atOnce.figures('while all three take one at once', without, unasked),
    ];
  },
};

interface Wanted {
  readonly pace: string;
  readonly p99: string;
  readonly pause: string;
}

const wanted: Wanted = { pace: '≥ 0.8', p99: '≤ 3', pause: '< 120 ms' };
const unasked: Wanted = { pace: '', p99: '', pause: '' };

/** What was written before is applied everywhere, and its dirty pages are not the next load's to wait for. */
async function settle(group: RunningGroup, keys: number): Promise<void> {
  for (const server of group.servers) await group.untilCaughtUp(server);
  execFileSync('sync');
  await sleep(settleMs);
  await load(group, keys, runRequests);
}

/** The load beside snapshots, from when the first is begun until the last is there. */
class During {
  readonly #runs: Figures[] = [];
  readonly #pausesMs: number[] = [];
  readonly #snapshotSeconds: number[] = [];

  /** `takeAll` takes a snapshot of each server by what it is given. */
  async measure(
    group: RunningGroup,
    keys: number,
    takeAll: (take: (server: LocalServer) => Promise<void>) => Promise<void>,
  ): Promise<void> {
    await settle(group, keys);
    await resetPauses(group);
    let isOver = false;
    const snapshots = takeAll((server) => this.#take(group, server)).finally(() => {
      isOver = true;
    });
    const runs = loadUntil(group, keys, runRequests, () => isOver);
    this.#runs.push(...(await Promise.all([runs, snapshots]))[0]);
    this.#pausesMs.push(await longestPauseMs(group));
  }

  async #take(group: RunningGroup, server: LocalServer): Promise<void> {
    const beganMs = performance.now();
    await group.snapshot([server]);
    this.#snapshotSeconds.push((performance.now() - beganMs) / 1000);
  }

  figures(when: string, without: readonly Figures[], { pace, p99, pause }: Wanted): Figure[] {
    const runs = this.#runs;
    const seconds = this.#snapshotSeconds;
    return [
      {
        work: `SET 4 KiB, 200 clients, ${when}: requests/s with ÷ without`,
        measured: `${(paceOf(runs) / paceOf(without)).toFixed(2)} (${Math.round(paceOf(runs))} ÷ ${Math.round(paceOf(without))})`,
        wanted: pace,
      },
      {
        work: `the same: p99 with ÷ without, medians of runs of ${runRequests} requests`,
        measured: `${(p99Of(runs) / p99Of(without)).toFixed(2)} (${p99Of(runs).toFixed(0)} ÷ ${p99Of(without).toFixed(0)} ms)`,
        wanted: p99,
      },
      {
        work: 'the same: longest pause of a server',
        measured: `${Math.max(...this.#pausesMs)} ms`,
        wanted: pause,
      },
      {
        work: 'the same: a snapshot took, median and longest',
        measured: `${median(seconds).toFixed(1)} s, ${Math.max(...seconds).toFixed(1)} s`,
        wanted: '',
      },
    ];
  }
}

/** Requests per second over all runs, which have the same number of requests: the harmonic mean. */
function paceOf(runs: readonly Figures[]): number {
  return runs.length / runs.reduce((sum, { requestsPerSecond }) => sum + 1 / requestsPerSecond, 0);
}

function p99Of(runs: readonly Figures[]): number {
  return median(runs.map(({ p99Ms }) => p99Ms));
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

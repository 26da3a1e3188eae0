// How long commands take to execute on this server: from the state's point of view, without the time
// they wait for a majority. SLOWLOG, LATENCY HISTOGRAM and the latency monitor are fed from here.

import type { LatencyMonitor } from './latency-monitor.js';
import type { Session } from './session.js';
import type { SlowLog } from './slow-log.js';

/** Values that may be changed while the server runs; read at each use. */
export interface MonitorSettings {
  /** Execution time that makes a command slow, in microseconds; negative: none is. */
  readonly slowlogLogSlowerThan: number;
  /** Entries kept. */
  readonly slowlogMaxLen: number;
  /** Milliseconds; 0: off. */
  readonly latencyMonitorThreshold: number;
}

export const defaultMonitorSettings: MonitorSettings = {
  slowlogLogSlowerThan: 10_000,
  slowlogMaxLen: 128,
  latencyMonitorThreshold: 0,
};

/** What is known of an executed command. */
interface Executed {
  readonly name: string;
  readonly flags: readonly string[];
}

/** Bucket k holds what took less than 1032 × 2^k nanoseconds; the last one all the rest. */
const bucketCount = 32;
const firstBoundNanoseconds = 1032;
/** In the last bucket. */
const boundsMax = 2 ** (bucketCount - 1) - 1;

export class ExecutionTimes {
  readonly #settings: MonitorSettings;
  readonly #slowLog: SlowLog;
  readonly #latency: LatencyMonitor;
  readonly #nowMs: () => number;
  readonly #histograms = new Map<string, Uint32Array>();

  constructor(options: {
    readonly settings: MonitorSettings;
    readonly slowLog: SlowLog;
    readonly latency: LatencyMonitor;
    readonly nowMs: () => number;
  }) {
    this.#settings = options.settings;
    this.#slowLog = options.slowLog;
    this.#latency = options.latency;
    this.#nowMs = options.nowMs;
  }

  /** Called for every command. Returns whether `addSlow` wants to hear more of it. */
  add(name: string, microseconds: number): boolean {
    let histogram = this.#histograms.get(name);
    if (histogram === undefined) {
      histogram = new Uint32Array(bucketCount);
      this.#histograms.set(name, histogram);
    }
    const bounds = Math.min((microseconds * 1000) / firstBoundNanoseconds, boundsMax);
    histogram[32 - Math.clz32(bounds)]! += 1;
    const { slowlogLogSlowerThan, latencyMonitorThreshold } = this.#settings;
    if (slowlogLogSlowerThan >= 0 && microseconds >= slowlogLogSlowerThan) return true;
    return latencyMonitorThreshold > 0 && microseconds >= latencyMonitorThreshold * 1000;
  }

  addSlow(
    command: Executed,
    microseconds: number,
    session: Session,
    args: readonly Buffer[],
  ): void {
    const at = Math.floor(this.#nowMs() / 1000);
    const isFast = command.flags.includes('fast');
    this.#latency.add(isFast ? 'fast-command' : 'command', at, microseconds / 1000);
    const threshold = this.#settings.slowlogLogSlowerThan;
    if (threshold < 0 || microseconds < threshold || command.flags.includes('skip_slowlog')) return;
    const { address, name: clientName } = session;
    this.#slowLog.add({ at, microseconds: Math.round(microseconds), address, clientName }, args);
  }

  /**
   * By name: how many calls took at most so many microseconds, cumulative, from the first bucket that
   * is not empty to the last, without those that add nothing. The bounds are those of Redis.
   */
  get histograms(): ReadonlyMap<string, readonly (readonly [number, number])[]> {
    return new Map([...this.#histograms].map(([name, counts]) => [name, cumulative(counts)]));
  }

  reset(): void {
    this.#histograms.clear();
  }
}

function cumulative(counts: Uint32Array): [number, number][] {
  const rows: [number, number][] = [];
  let total = 0;
  for (const [bucket, count] of counts.entries()) {
    if (count === 0) continue;
    total += count;
    rows.push([Math.floor((firstBoundNanoseconds * 2 ** bucket - 1) / 1000), total]);
  }
  return rows;
}

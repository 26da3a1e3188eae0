// How long commands take to execute on this server: from the state's point of view, without the time
// they wait for a majority. Each is measured once; its statistics (INFO, LATENCY HISTOGRAM), SLOWLOG
// and the latency monitor are fed from here.

import type { ServerOptions } from '../options.js';
import type { CommandStatistics } from '../statistics.js';
import type { LatencyMonitor } from './latency-monitor.js';
import type { Session } from './session.js';
import type { SlowLog } from './slow-log.js';

/** What is known of an executed command. */
export interface Executed {
  readonly name: string;
  readonly flags: readonly string[];
}

type Thresholds = Pick<ServerOptions, 'slowlogLogSlowerThan' | 'latencyMonitorThreshold'>;

export class ExecutionTimes {
  readonly #settings: Thresholds;
  readonly #slowLog: SlowLog;
  readonly #latency: LatencyMonitor;
  readonly #nowMs: () => number;

  constructor(options: {
    /** Read at each use: CONFIG SET changes them. */
    readonly settings: Thresholds;
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
  add(counts: CommandStatistics, microseconds: number): boolean {
    counts.addTime(microseconds);
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
}

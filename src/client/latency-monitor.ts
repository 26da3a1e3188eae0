// Moments at which this server was slow, by kind of event. LATENCY reads it.
// https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/latency-monitor/

export interface LatencySample {
  /** Seconds since the epoch. */
  readonly at: number;
  readonly milliseconds: number;
}

export interface LatencyEvent {
  readonly name: LatencyEventName;
  /** Oldest first, at most one a second. */
  readonly samples: readonly LatencySample[];
  /** Of all time, in milliseconds. */
  readonly max: number;
}

export type LatencyEventName =
  /** A command took long to execute. */
  | 'command'
  /** The same, of a command that is said to be fast. */
  | 'fast-command'
  /** The event loop came late to a timer: something, whatever it was, held it. */
  | 'event-loop'
  /** A write to the log took long to be on the disk. Redis' name for the same of its log. */
  | 'aof-fsync-always';

const samplesMax = 160;

export class LatencyMonitor {
  readonly #thresholdMs: () => number;
  readonly #events = new Map<LatencyEventName, { samples: LatencySample[]; max: number }>();

  /** Milliseconds from which on a sample counts, asked at each; 0 switches the monitor off. */
  constructor(thresholdMs: () => number) {
    this.#thresholdMs = thresholdMs;
  }

  get isEnabled(): boolean {
    return this.#thresholdMs() > 0;
  }

  get events(): readonly LatencyEvent[] {
    return [...this.#events].map(([name, event]) => ({ name, ...event }));
  }

  find(name: string): LatencyEvent | undefined {
    return this.events.find((event) => event.name === name);
  }

  /** `at` in seconds since the epoch. */
  add(name: LatencyEventName, at: number, milliseconds: number): void {
    const threshold = this.#thresholdMs();
    if (threshold <= 0 || milliseconds < threshold) return;
    const sample = { at, milliseconds: Math.round(milliseconds) };
    let event = this.#events.get(name);
    if (event === undefined) {
      event = { samples: [], max: 0 };
      this.#events.set(name, event);
    }
    event.max = Math.max(event.max, sample.milliseconds);
    const last = event.samples.at(-1);
    if (last?.at === at) {
      if (last.milliseconds < sample.milliseconds) event.samples[event.samples.length - 1] = sample;
      return;
    }
    event.samples.push(sample);
    if (event.samples.length > samplesMax) event.samples.shift();
  }

  /** Forgets these events, or all; returns how many there were. */
  reset(names: readonly string[]): number {
    if (names.length === 0) {
      const count = this.#events.size;
      this.#events.clear();
      return count;
    }
    return names.filter((name) => this.#events.delete(name as LatencyEventName)).length;
  }
}

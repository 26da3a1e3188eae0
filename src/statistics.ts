// What is counted of a replica, since it started or CONFIG RESETSTAT. `metrics.ts` shows it.

import { KeyspaceCounts } from '../sqlite-sm/index.js';
import { TimeHistogram } from './time-histogram.js';

/** Of one command. */
export class CommandStatistics {
  /** Taken: passed the gate. */
  calls = 0;
  /** Time to execute it here, without waiting for disks and peers. */
  microseconds = 0;
  /** Refused by the gate: arity, password, limits, or because it belongs elsewhere. */
  rejectedCalls = 0;
  /** Executed, with an error as its reply. */
  failedCalls = 0;
  /** The same time, by call. */
  readonly histogram = new TimeHistogram();

  /** It was executed. */
  addTime(microseconds: number): void {
    this.microseconds += microseconds;
    this.histogram.add(microseconds);
  }
}

export class Statistics {
  connectionsReceived = 0;
  connectionsRejected = 0;
  commandsProcessed = 0;
  errorReplies = 0;
  protocolErrors = 0;
  netInputBytes = 0;
  netOutputBytes = 0;
  keyspaceReads = 0;
  /** Confirmed here by asking the leader; a read that needs a tick counts twice. */
  followerReads = 0;
  followerReadsRedirected = 0;
  uncertainReplies = 0;
  idleClientsClosed = 0;
  /** By command, in lower case; `container|subcommand` of a server command that has them. */
  readonly commands = new Map<string, CommandStatistics>();
  /** Error replies by their first word. */
  readonly errors = new Map<string, number>();
  /** Of commands that were answered here. */
  readonly keyspace = new KeyspaceCounts();
  #opsPerSecond = 0;
  #sampledCommands = 0;
  #sampledAtMs: number;

  constructor(nowMs: number) {
    this.#sampledAtMs = nowMs;
  }

  /** `name` is from a command table, so there are only so many. */
  of(name: string): CommandStatistics {
    const known = this.commands.get(name);
    if (known !== undefined) return known;
    const added = new CommandStatistics();
    this.commands.set(name, added);
    return added;
  }

  /** `text` as it is sent: `WRONGTYPE Operation against …`. */
  countError(text: string): void {
    this.errorReplies += 1;
    const space = text.indexOf(' ');
    const code = space < 0 ? text : text.slice(0, space);
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }

  /** Commands a second over the last sample period. */
  get opsPerSecond(): number {
    return this.#opsPerSecond;
  }

  /** Called about once a second. */
  sample(nowMs: number): void {
    const elapsedMs = nowMs - this.#sampledAtMs;
    if (elapsedMs <= 0) return;
    const commands = this.commandsProcessed - this.#sampledCommands;
    this.#opsPerSecond = Math.round((commands * 1000) / elapsedMs);
    this.#sampledCommands = this.commandsProcessed;
    this.#sampledAtMs = nowMs;
  }

  /** CONFIG RESETSTAT. */
  reset(): void {
    this.connectionsReceived = 0;
    this.connectionsRejected = 0;
    this.commandsProcessed = 0;
    this.errorReplies = 0;
    this.protocolErrors = 0;
    this.netInputBytes = 0;
    this.netOutputBytes = 0;
    this.keyspaceReads = 0;
    this.followerReads = 0;
    this.followerReadsRedirected = 0;
    this.uncertainReplies = 0;
    this.idleClientsClosed = 0;
    this.commands.clear();
    this.errors.clear();
    this.keyspace.reset();
    this.#opsPerSecond = 0;
    this.#sampledCommands = 0;
  }
}

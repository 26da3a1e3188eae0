// Starting servers and seeing that they serve.
//
// A server that cannot start says why in its log and ends. Whoever started it is not looking at that
// log, so the launch watches the processes it made until a leader serves, and hands the last lines on.

import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalCluster, LocalServer } from './local-cluster.js';
import { lastLines, readableLine } from './log-file.js';
import { hasEnded, logPath, requestStop, spawnServer, stopServers } from './server-process.js';
import { ClusterProbe, type ClusterStatus } from './status.js';
import { Trouble } from './trouble.js';

/** Reading a large log and electing a leader take seconds; this is to say that something is wrong. */
const serveTimeoutMs = 60_000;
const pollMs = 100;
const linesShown = 8;

/** What a launch waits for. */
export interface Goal {
  /** False where too few run to elect one: then only that they answer. */
  readonly needsLeader?: boolean;
  readonly appliedIndex?: number;
  readonly ended?: AbortSignal;
}

interface Launched {
  readonly server: LocalServer;
  readonly child: ChildProcess;
  /** Where this run's part of the log begins. */
  readonly logStart: number;
}

export class Launch {
  readonly #cluster: LocalCluster;
  readonly #launched: Launched[] = [];

  constructor(cluster: LocalCluster) {
    this.#cluster = cluster;
  }

  get servers(): readonly LocalServer[] {
    return this.#launched.map(({ server }) => server);
  }

  /** `more` are arguments of `holt server`. */
  start(server: LocalServer, more: readonly string[] = []): void {
    const logStart = lastLines(logPath(server), 0).end;
    const child = spawnServer(server, more);
    // They need not be waited for: this script may end before they do.
    child.unref();
    this.#launched.push({ server, child, logStart });
  }

  /**
   * Resolves when every server started answers, the group has a leader that serves and the members
   * among those started have applied `appliedIndex`; or when `ended` is aborted. Throws `Trouble` when
   * one of them ends, or time is up.
   */
  async untilServing({ needsLeader = true, appliedIndex = 0, ended }: Goal = {}): Promise<void> {
    const deadline = performance.now() + serveTimeoutMs;
    const probe = new ClusterProbe(this.#cluster);
    try {
      while (ended?.aborted !== true) {
        this.#assertAlive();
        const status = await probe.status();
        const hasLeader = status.groups.every(({ leader }) => leader !== null);
        const applied = this.#appliedIndex(status);
        if (needsLeader ? hasLeader && applied >= appliedIndex : applied >= 0) return;
        if (performance.now() > deadline) {
          throw new Trouble(
            `no leader that serves after ${serveTimeoutMs / 1000} s: ` +
              'see `cluster status` and `cluster logs N`',
          );
        }
        await sleep(pollMs);
      }
    } finally {
      probe.close();
    }
  }

  /** Stops what runs on the directories of the servers started, whoever started it since. */
  async stop(): Promise<void> {
    // One that has not got as far as its pid file is known only here.
    this.requestStop();
    await stopServers(this.servers);
    for (const { server, child } of this.#launched) {
      if (isRunning(child)) await hasEnded(server, child.pid!);
    }
  }

  /** Does not wait: for the end of this process. */
  requestStop(): void {
    for (const { child } of this.#launched) if (isRunning(child)) requestStop(child.pid!);
  }

  /** For those that do not stop. */
  kill(): void {
    for (const { child } of this.#launched) child.kill('SIGKILL');
  }

  /** The least of those started; -1 while one of them does not answer. */
  #appliedIndex(status: ClusterStatus): number {
    const indexes = this.servers.map(({ number }) => {
      const found = status.servers.find(({ server }) => server === number);
      // One that was removed gets no further.
      const isWaitedFor = found?.membership !== 'none' || found.appliedIndex === null;
      return isWaitedFor ? (found?.appliedIndex ?? -1) : Number.POSITIVE_INFINITY;
    });
    return Math.min(...indexes);
  }

  #assertAlive(): void {
    for (const { server, child, logStart } of this.#launched) {
      if (isRunning(child)) continue;
      const { lines } = lastLines(logPath(server), linesShown, logStart);
      const how = child.signalCode ?? `exit code ${child.exitCode}`;
      throw new Trouble(
        [
          `server ${server.number} ended while it was starting (${how}); its last lines:`,
          ...lines.map((line) => `  ${readableLine(line)}`),
          `all of it: \`cluster logs ${server.number}\``,
        ].join('\n'),
      );
    }
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

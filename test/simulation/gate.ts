// The real command layer of a simulated server, from the bytes of a connection to the log and back.
//
// Put together as `src/replica.ts` does it, from the same parts, without its sockets.

import type { Socket } from 'node:net';
import type { RaftNode, Timers } from '../../raft/index.js';
import type { SqliteStateMachine } from '../../sqlite-sm/index.js';
import { BlockedClients } from '../../src/client/blocked-clients.js';
import { serverCommands } from '../../src/client/commands/index.js';
import type { ServerContext } from '../../src/client/commands/table.js';
import { Connection } from '../../src/client/connection.js';
import { Dispatcher } from '../../src/client/dispatcher.js';
import { ExecutionTimes } from '../../src/client/execution-times.js';
import { LatencyMonitor } from '../../src/client/latency-monitor.js';
import { Session } from '../../src/client/session.js';
import { SlowLog } from '../../src/client/slow-log.js';
import { WaitingConnections } from '../../src/client/waiting-connections.js';
import type { Topology } from '../../src/cluster/topology.js';
import { ConfirmedReads } from '../../src/confirmed-reads.js';
import { Replies } from '../../src/replies.js';
import { Settings } from '../../src/settings.js';
import { Statistics } from '../../src/statistics.js';
import type { SimClock } from '../faults/sim-world.js';
import { defaultOptions } from '../src/default-options.js';
import type { SimSocket } from './sim-socket.js';

export interface GateOptions {
  readonly topology: Topology;
  readonly timers: Timers;
  readonly clock: SimClock;
  readonly machine: SqliteStateMachine;
  /** Made after the gate. */
  readonly node: () => RaftNode;
  /** Free room on the disk is below what must stay free. */
  readonly disk: { readonly isLow: boolean };
}

export class Gate {
  readonly replies: Replies;
  readonly times: ExecutionTimes;
  readonly #options: GateOptions;
  readonly #waiting: WaitingConnections;
  readonly #blocked = new BlockedClients();
  readonly #statistics = new Statistics(0);
  readonly #reads: ConfirmedReads;
  #dispatcher: Dispatcher | undefined;
  #connections = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    const { topology, timers, clock, machine, node } = options;
    const monotonicMs = (): number => clock.monotonicMs();
    this.times = new ExecutionTimes({
      settings: defaultOptions,
      slowLog: new SlowLog(() => 0),
      latency: new LatencyMonitor(() => 0),
      nowMs: () => clock.wallMs(),
    });
    this.#waiting = new WaitingConnections({ settings: defaultOptions, timers, monotonicMs });
    this.replies = new Replies({
      node,
      topology,
      waiting: this.#waiting,
      blocked: this.#blocked,
      statistics: this.#statistics,
      settings: defaultOptions,
      timers,
      monotonicMs,
      runReads: (reads) => this.#reads.run(reads),
    });
    this.#reads = new ConfirmedReads({
      machine,
      statistics: this.#statistics,
      times: this.times,
      nowMicroseconds,
      isReadable: () => !node().isInstalling,
      redirect: (pending) => this.replies.onReadsRedirected([pending]),
      settle: (pending, reply) => this.replies.settle(pending, reply),
      requestTick: (pending) => this.replies.requestTick(pending),
      later: (callback) => timers.after(0, callback),
      flush: () => this.#waiting.flush(),
    });
  }

  /** The node is there: commands can be taken. */
  open(): void {
    const { topology, node, disk, clock } = this.#options;
    const settings = new Settings(defaultOptions);
    const slowLog = new SlowLog(() => 0);
    this.#dispatcher = new Dispatcher({
      log: node(),
      topology,
      holds: this.#waiting,
      disk,
      // What the clients of a simulation ask for needs no more.
      context: {
        topology,
        settings,
        serverCommands,
        slowLog,
        pause: this.#waiting.pause,
        statistics: this.#statistics,
      } as Partial<ServerContext> as ServerContext,
      statistics: this.#statistics,
      times: this.times,
      blocked: this.#blocked,
      nowMs: () => clock.wallMs(),
      nowMicroseconds,
    });
  }

  /** Sends what is answered. */
  flush(): void {
    this.#waiting.flush();
  }

  accept(socket: SimSocket): void {
    this.#connections += 1;
    const session = new Session({
      id: this.#connections,
      address: `client:${this.#connections}`,
      localAddress: 'server:7001',
      nowMs: 0,
      isAuthenticated: true,
    });
    new Connection(socket as unknown as Socket, session, {
      dispatch: (from, args) => this.#dispatcher!.dispatch(from, args),
      runQueued: (from, args) => this.#dispatcher!.runQueued(from, args),
      runReads: (reads) => this.#reads.run(reads),
      onClosed: (closed) => {
        this.#waiting.forget(closed);
        this.#blocked.forget(closed);
      },
      onProtocolError: () => {},
      onBytesIn: () => {},
      onBytesOut: () => {},
    });
  }
}

/** Executing takes no time: it is for statistics only, and must not differ between two runs. */
export function nowMicroseconds(): number {
  return 0;
}

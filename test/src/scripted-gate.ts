// The gate between a scripted log and a scripted leadership, with a real state machine behind it.
//
// Nothing happens by itself: `commit` applies what was taken, `confirm` answers the reads, `drop`
// and `lead` move the leadership. So each test says in which order things come about.

import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { okReply, type Reply } from '../../resp/index.js';
import { needsTick, SlicedRead } from '../../sqlite-sm/index.js';
import { BlockedClients } from '../../src/client/blocked-clients.js';
import { ClientPause } from '../../src/client/client-pause.js';
import { serverCommands } from '../../src/client/commands/index.js';
import type { ServerContext } from '../../src/client/commands/table.js';
import { Connection, type HoldReason, type PendingCommand } from '../../src/client/connection.js';
import { Dispatcher } from '../../src/client/dispatcher.js';
import { ExecutionTimes } from '../../src/client/execution-times.js';
import { LatencyMonitor } from '../../src/client/latency-monitor.js';
import { Session } from '../../src/client/session.js';
import { SlowLog } from '../../src/client/slow-log.js';
import { Topology } from '../../src/cluster/topology.js';
import { Settings } from '../../src/settings.js';
import { Statistics } from '../../src/statistics.js';
import { encodeRequest } from '../interop/resp-connection.js';
import { MachineHarness } from '../sqlite-sm/machine-fixture.js';
import { defaultOptions } from './default-options.js';

export const ids = ['a', 'b'].map((letter) => letter.repeat(40));
const members = ids.map((replicaId, at) => ({
  replicaId,
  serverNumber: at + 1,
  host: '127.0.0.1',
  clientPort: 7001 + at * 100,
  busPort: 17001 + at * 100,
}));

class FakeSocket extends EventEmitter {
  readonly writableLength = 0;
  text = '';
  isDestroyed = false;
  write(bytes: Buffer): boolean {
    this.text += bytes.toString('latin1');
    return true;
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  destroySoon(): void {
    this.destroy();
  }
  destroy(): void {
    if (this.isDestroyed) return;
    this.isDestroyed = true;
    this.emit('close');
  }
}

export class Client {
  readonly socket = new FakeSocket();
  readonly connection: Connection;
  lastHold: HoldReason | undefined;

  constructor(gate: Gate, isAuthenticated: boolean) {
    const session = new Session({
      id: 1,
      address: '127.0.0.1:50000',
      localAddress: '127.0.0.1:7001',
      nowMs: 0,
      isAuthenticated,
    });
    this.connection = new Connection(this.socket as unknown as Socket, session, {
      dispatch: (connection, args) => gate.dispatcher.dispatch(connection, args),
      runQueued: (connection, args) => gate.dispatcher.runQueued(connection, args),
      runReads: () => {},
      onClosed: () => {},
      onProtocolError: () => {},
      onBytesIn: () => {},
      onBytesOut: () => {},
    });
  }

  /** Sends the lines in one packet; returns what is answered at once. */
  send(...lines: string[]): string {
    const requests = lines.map((line) => encodeRequest(line.split(' ')));
    this.socket.emit('data', Buffer.concat(requests));
    return this.take();
  }

  /** What was answered since the last time; lines apart, without the line ends. */
  take(): string {
    const { text } = this.socket;
    this.socket.text = '';
    return text.replaceAll('\r\n', ' ').trimEnd();
  }
}

export class Gate {
  readonly harness = new MachineHarness();
  readonly topology = new Topology(1, members, ids[0]!);
  readonly dispatcher: Dispatcher;
  readonly statistics = new Statistics(0);
  readonly settings = new Settings(defaultOptions);
  readonly slowLog = new SlowLog(() => 128);
  /** Ended by hand. */
  readonly pause = new ClientPause({ monotonicMs: () => 0, onEnd: () => {} });
  readonly disk = { isLow: false };
  isServing = true;
  servesFollowerReads = false;
  appliedIndex = 0;
  pendingBytes = 0;
  batchBuffer = Buffer.alloc(4096);
  /** Records taken, each with who waits for it. */
  taken: { readonly record: Buffer; readonly pending: PendingCommand }[] = [];
  reads: PendingCommand[] = [];
  readonly #password: string;

  constructor(password = '') {
    this.#password = password;
    const { settings } = this;
    settings.set(['requirepass', password]);
    this.lead(ids[0]);
    this.dispatcher = new Dispatcher({
      log: this,
      topology: this.topology,
      holds: {
        pause: this.pause,
        hold: (connection, reason) => {
          connection.holdReason = reason;
        },
      },
      disk: this.disk,
      context: {
        topology: this.topology,
        settings,
        serverCommands,
        pause: this.pause,
        statistics: this.statistics,
        slowLog: this.slowLog,
        raft: () => ({ peers: [] }) as unknown as ReturnType<ServerContext['raft']>,
      } as Partial<ServerContext> as ServerContext,
      statistics: this.statistics,
      times: new ExecutionTimes({
        settings: settings.values,
        slowLog: this.slowLog,
        latency: new LatencyMonitor(() => 0),
        nowMs: () => 0,
      }),
      blocked: new BlockedClients(),
      nowMs: () => 0,
      nowMicroseconds: () => 0,
    });
  }

  connect(): Client {
    return new Client(this, this.#password === '');
  }

  reserve(byteLength: number, pending: PendingCommand): number {
    this.batchBuffer = Buffer.alloc(byteLength);
    this.taken.push({ record: this.batchBuffer, pending });
    return 0;
  }

  requestRead(pending: PendingCommand): void {
    this.reads.push(pending);
  }

  /** Applies what was taken as one entry, and answers. */
  commit(): void {
    const taken = this.taken;
    this.taken = [];
    const { machine } = this.harness;
    machine.apply(this.harness.entry(Buffer.concat(taken.map(({ record }) => record))), {
      reply: (position, reply) => this.#settle(taken[position]!.pending, reply),
    });
    for (const { pending } of taken) pending.connection.flush();
  }

  /** Answers the reads, as of now. */
  confirm(): void {
    const { machine, nowMs } = this.harness;
    for (const pending of this.reads.splice(0)) {
      const { watched, record } = pending;
      if (record !== undefined) {
        const reply = machine.readTransaction(record, nowMs);
        assert(reply !== needsTick);
        this.#settle(pending, reply);
      } else if (watched === undefined) {
        const reply = machine.read(pending.database, pending.args, nowMs);
        assert(reply !== needsTick && !(reply instanceof SlicedRead));
        this.#settle(pending, reply);
      } else {
        const names = watched.map(({ name }) => name);
        const versions = machine.readVersions(pending.database, names, nowMs);
        assert(versions !== needsTick);
        for (const [at, key] of watched.entries()) key.version = versions[at]!;
        this.#settle(pending, okReply);
      }
      pending.connection.flush();
    }
  }

  /** Everything under way gets this answer instead of its own. */
  drop(reply: Reply): void {
    const all = [...this.reads.splice(0), ...this.taken.splice(0).map(({ pending }) => pending)];
    for (const pending of all) {
      this.#settle(pending, reply);
      pending.connection.flush();
    }
  }

  /** Undefined: nobody leads. */
  lead(replicaId: string | undefined): void {
    this.isServing = replicaId === ids[0];
    this.topology.onLeadership(replicaId, 1);
  }

  /** The other one leads, and this one answers reads. */
  follow(): void {
    this.lead(ids[1]);
    this.servesFollowerReads = true;
  }

  #settle(pending: PendingCommand, reply: Reply): void {
    pending.connection.settle(pending, reply);
  }
}

// A replica: an island made of plain data. It shares nothing mutable with other replicas of its
// server, so that it can live in a thread of its own one day.
//
//   clients ─▶ ClientPort ─▶ Dispatcher ─▶ RaftNode ─▶ ReplicatedMachine ─▶ SqliteStateMachine
//                  ▲                           │                │
//                  └──────── replies ──────────┴────────────────┘

import type { Logger } from 'pino';
import {
  BufferPool,
  Bus,
  type Fate,
  type FileIdentity,
  nodeChance,
  nodeClock,
  nodeFiles,
  nodeNetwork,
  nodeTimers,
  openStorage,
  RaftNode,
  type RaftOptions,
  type RaftStatus,
  type ReplicaIdentity,
} from '../raft/index.js';
import { isErrorReply, type Reply } from '../resp/index.js';
import { FatalMachineError, needsTick, SqliteStateMachine } from '../sqlite-sm/index.js';
import { BlockedClients } from './client/blocked-clients.js';
import { ClientPort } from './client/client-port.js';
import { serverCommands } from './client/commands/index.js';
import type { ServerContext } from './client/commands/table.js';
import type { PendingCommand } from './client/connection.js';
import {
  type CommandLog,
  clusterDownReply,
  Dispatcher,
  movedReply,
  uncertainReply,
} from './client/dispatcher.js';
import {
  defaultMonitorSettings,
  ExecutionTimes,
  type MonitorSettings,
} from './client/execution-times.js';
import { LatencyMonitor } from './client/latency-monitor.js';
import { SlowLog } from './client/slow-log.js';
import { Topology } from './cluster/topology.js';
import { machineFiles } from './files.js';
import type { GroupMember } from './identity.js';
import { limits } from './options.js';
import { ReplicatedMachine } from './replicated-machine.js';
import { Statistics } from './statistics.js';

export interface ReplicaConfig {
  readonly directory: string;
  readonly clusterId: string;
  readonly group: number;
  readonly replicaId: string;
  readonly born: FileIdentity;
  readonly members: readonly GroupMember[];
  readonly bind: string;
  readonly password: string;
  readonly busSecret: string;
  readonly maxclients: number;
  readonly electionHoldMs: number;
  readonly raft: RaftOptions;
  /** Changes with every start of the operating system. */
  readonly bootId: string;
  readonly process: ServerContext['process'];
}

export interface ReplicaEvents {
  /** The process must end: what this replica would say next could be wrong. */
  onFatal(error: Error): void;
}

interface Stranded {
  readonly pending: PendingCommand;
  /** Monotonic clock, milliseconds. */
  readonly until: number;
}

const sampleMs = 1000;
/** The event loop is late when this timer is. */
const loopCheckMs = 100;
const handOverPollMs = 5;
const MiB = 1024 * 1024;
/** Unused buffers kept for the next entries. */
const poolBytesMax = 16 * MiB;

export class Replica {
  readonly #config: ReplicaConfig;
  readonly #log: Logger;
  readonly #topology: Topology;
  readonly #statistics = new Statistics(nodeClock.monotonicMs());
  readonly #settings: MonitorSettings = defaultMonitorSettings;
  readonly #slowLog = new SlowLog(() => this.#settings.slowlogMaxLen);
  readonly #latency = new LatencyMonitor(() => this.#settings.latencyMonitorThreshold);
  readonly #times = new ExecutionTimes({
    settings: this.#settings,
    slowLog: this.#slowLog,
    latency: this.#latency,
    nowMs: () => nodeClock.wallMs(),
  });
  readonly #blocked = new BlockedClients();
  readonly #clients: ClientPort;
  readonly #machine: SqliteStateMachine;
  readonly #node: RaftNode;
  readonly #sampleTimer: NodeJS.Timeout;
  readonly #loopTimer: NodeJS.Timeout;
  #loopCheckedMs = nodeClock.monotonicMs();
  /** Commands that certainly have no effect, whose clients are told the leader once there is one. */
  #stranded: Stranded[] = [];
  #strandedTimer: NodeJS.Timeout | undefined;

  /** Opens the replica's files, connects it to its peers and to clients. */
  static async start(config: ReplicaConfig, log: Logger, events: ReplicaEvents): Promise<Replica> {
    const pool = new BufferPool(poolBytesMax);
    const bus = await listenOnBus(config, pool, log);
    try {
      const replica = new Replica(config, log, events, bus, pool);
      await replica.#listen();
      return replica;
    } catch (error) {
      bus.stop();
      throw error;
    }
  }

  private constructor(
    config: ReplicaConfig,
    log: Logger,
    events: ReplicaEvents,
    bus: Bus,
    pool: BufferPool,
  ) {
    this.#config = config;
    this.#log = log;
    this.#topology = new Topology(config.group, config.members, config.replicaId);
    const identity = identityOf(config);
    // Before the machine, which makes a new database where it finds one it cannot trust: a directory
    // that is refused stays as it was.
    const storage = openStorage(
      {
        directory: config.directory,
        identity,
        files: nodeFiles,
        chance: nodeChance,
        maxSegmentFileSize: config.raft.maxSegmentFileSize,
        onWarning: (text) => log.warn(text),
      },
      config.born,
    );
    this.#machine = openMachine(config, log, events);
    this.#clients = new ClientPort({
      host: config.bind,
      port: this.#topology.self.clientPort,
      maxclients: config.maxclients,
      password: config.password,
      electionHoldMs: config.electionHoldMs,
      statistics: this.#statistics,
      blocked: this.#blocked,
      nowMs: () => nodeClock.wallMs(),
      monotonicMs: () => nodeClock.monotonicMs(),
      runReads: (reads) => this.#onReadable(reads),
      onEvent: (level, text, fields) => log[level](fields, text),
    });
    this.#node = new RaftNode({
      identity,
      configuration: { voters: config.members.map((member) => member.replicaId), learners: [] },
      options: config.raft,
      ...storage,
      transport: bus,
      machine: new ReplicatedMachine({
        machine: this.#machine,
        settle: (pending, reply) => this.#settle(pending, reply),
        times: this.#times,
        monotonicMs: () => nodeClock.monotonicMs(),
      }),
      pool,
      clock: nodeClock,
      timers: nodeTimers,
      chance: nodeChance,
      events: {
        onLeadershipChange: () => this.#onLeadershipChange(),
        onCommandsDropped: (contexts, fate) => this.#onCommandsDropped(contexts, fate),
        onReadable: (contexts) => this.#onReadable(contexts),
        onReadsDropped: (contexts) => this.#strand(contexts as readonly PendingCommand[]),
        onApplied: () => this.#onApplied(),
        onTurn: () => this.#blocked.check(),
        onFatal: (error) => events.onFatal(error),
        onWarning: (text) => log.warn(text),
      },
    });
    this.#sampleTimer = setInterval(
      () => this.#statistics.sample(nodeClock.monotonicMs()),
      sampleMs,
    );
    this.#loopTimer = setInterval(() => this.#checkLoop(), loopCheckMs);
  }

  async #listen(): Promise<void> {
    const dispatcher = new Dispatcher({
      // The node's own signatures say `unknown` where commands are meant.
      log: this.#node satisfies CommandLog,
      topology: this.#topology,
      holds: this.#clients,
      context: this.#serverContext(),
      statistics: this.#statistics,
      blocked: this.#blocked,
      nowMs: () => nodeClock.wallMs(),
      monotonicMs: () => nodeClock.monotonicMs(),
    });
    await this.#clients.listen(dispatcher);
    this.#node.start();
    const { clientPort, busPort, replicaId } = this.#topology.self;
    const { lastIndex, term } = this.#node.status();
    this.#log.info(
      { clientPort, busPort, replicaId, term, lastIndex, appliedIndex: this.#machine.appliedIndex },
      'replica started',
    );
  }

  status(): RaftStatus & { readonly isServing: boolean } {
    return { ...this.#node.status(), isServing: this.#node.isServing };
  }

  /** Hands over, answers what was taken, closes. */
  async stop(): Promise<void> {
    this.#clients.stopListening();
    await this.#handOver();
    await new Promise<void>((resolve) => this.#node.stop(resolve));
    this.#clients.flush();
    this.#clients.closeAll();
    clearInterval(this.#sampleTimer);
    clearInterval(this.#loopTimer);
    clearInterval(this.#strandedTimer);
    this.#machine.close();
    this.#log.info('replica stopped');
  }

  /**
   * Clients are told who leads before their connections end: one that is closed with a command under
   * way never learns whether it took effect.
   */
  async #handOver(): Promise<void> {
    if (!this.#node.isLeader || !this.#node.transferLeadership()) return;
    const deadline = nodeClock.monotonicMs() + this.#config.raft.electionTimeoutMilliseconds;
    while (this.#topology.leader === this.#topology.self || this.#topology.leader === undefined) {
      if (nodeClock.monotonicMs() >= deadline) return;
      await new Promise<void>((resolve) => nodeTimers.after(handOverPollMs, resolve));
    }
  }

  // ---------------------------------------------------------------------------- replies

  #settle(pending: PendingCommand, reply: Reply): void {
    if (isErrorReply(reply)) this.#statistics.errorReplies += 1;
    pending.connection.settle(pending, reply);
    this.#clients.markDirty(pending.connection);
  }

  #onApplied(): void {
    this.#clients.flush();
    if (this.#node.pendingBytes <= limits.pendingBytesMax / 2) this.#clients.onRoom();
  }

  /** A read may run later than it could: it then sees newer state, of which it may see any. */
  #onReadable(contexts: readonly unknown[]): void {
    for (const context of contexts) this.#read(context as PendingCommand);
    this.#clients.flush();
  }

  #read(pending: PendingCommand): void {
    const { connection } = pending;
    if (connection.isClosed) return this.#settle(pending, null);
    if (!connection.hasRoom) return connection.park(pending);
    // A leadership that ended meanwhile: its clock is no longer ours to ask.
    if (!this.#node.isServing) return this.#strand([pending]);
    const startedMs = nodeClock.monotonicMs();
    const reply = this.#machine.read(pending.database, pending.args, this.#node.nowMs());
    if (reply === needsTick) {
      // The key is due by the leader's clock, but the state's clock has not got there: expiry must
      // not be seen here before every replica agrees on it.
      this.#node.requestTick(pending);
      return;
    }
    this.#statistics.keyspaceReads += 1;
    this.#timeRead(pending, (nodeClock.monotonicMs() - startedMs) * 1000);
    this.#settle(pending, reply);
  }

  #timeRead({ command, connection, args }: PendingCommand, microseconds: number): void {
    if (command === undefined || !this.#times.add(command.name, microseconds)) return;
    this.#times.addSlow(command, microseconds, connection.session, args);
  }

  #checkLoop(): void {
    const nowMs = nodeClock.monotonicMs();
    const lateMs = nowMs - this.#loopCheckedMs - loopCheckMs;
    this.#loopCheckedMs = nowMs;
    this.#latency.add('event-loop', Math.floor(nodeClock.wallMs() / 1000), lateMs);
  }

  // ---------------------------------------------------------------------------- leadership

  #onLeadershipChange(): void {
    const { term, leaderId, isServing } = this.#node;
    this.#topology.onLeadership(leaderId, term);
    this.#log.info({ term, leaderId, isServing }, 'leadership changed');
    if (!this.#node.isLeader) this.#blocked.onDemoted();
    if (this.#topology.leader === undefined) return;
    if (this.#topology.leader === this.#topology.self && !isServing) return;
    this.#resolveStranded();
    this.#clients.onLeader();
    this.#clients.flush();
  }

  #onCommandsDropped(contexts: readonly unknown[], fate: Fate): void {
    const commands = contexts as readonly PendingCommand[];
    // They were counted as pending, and those who wait for room may be waiting for nothing else.
    if (this.#node.pendingBytes <= limits.pendingBytesMax / 2) this.#clients.onRoom();
    if (fate === 'refused') return this.#strand(commands);
    this.#statistics.uncertainReplies += commands.length;
    for (const pending of commands) this.#settle(pending, uncertainReply);
    this.#clients.flush();
  }

  /** They have no effect, for certain: their clients are sent to the leader when it is known. */
  #strand(commands: readonly PendingCommand[]): void {
    const until = nodeClock.monotonicMs() + this.#config.electionHoldMs;
    for (const pending of commands) this.#stranded.push({ pending, until });
    this.#strandedTimer ??= setInterval(() => this.#resolveStranded(), 50);
  }

  #resolveStranded(): void {
    const { leader } = this.#topology;
    const isKnown =
      leader !== undefined && (leader !== this.#topology.self || this.#node.isServing);
    const now = nodeClock.monotonicMs();
    const waiting: Stranded[] = [];
    for (const stranded of this.#stranded) {
      const { pending, until } = stranded;
      if (isKnown) {
        this.#settle(pending, movedReply({ kind: 'moved', slot: pending.slot, to: leader }));
      } else if (until <= now) this.#settle(pending, clusterDownReply);
      else waiting.push(stranded);
    }
    this.#stranded = waiting;
    this.#clients.flush();
    if (waiting.length > 0) return;
    clearInterval(this.#strandedTimer);
    this.#strandedTimer = undefined;
  }

  #serverContext(): ServerContext {
    return {
      topology: this.#topology,
      statistics: this.#statistics,
      process: this.#config.process,
      password: this.#config.password,
      maxclients: this.#config.maxclients,
      nowMs: () => nodeClock.wallMs(),
      raft: () => this.status(),
      keyspace: (database) => ({
        keys: this.#machine.keyCount(database),
        expires: this.#machine.expiresCount(database),
      }),
      keysInSlot: (slot) => this.#machine.keysInSlot(0, slot),
      clients: () => this.#clients.views,
      pause: this.#clients.pause,
      blocked: this.#blocked,
      slowLog: this.#slowLog,
      latency: this.#latency,
      times: this.#times,
      enableDebugCommand: () => 'no',
      sleep: (milliseconds) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
      },
      serverCommands,
    };
  }
}

function identityOf(config: ReplicaConfig): ReplicaIdentity {
  const { clusterId, group, replicaId } = config;
  return { clusterId, group, replicaId };
}

function listenOnBus(config: ReplicaConfig, pool: BufferPool, log: Logger): Promise<Bus> {
  const self = config.members.find((member) => member.replicaId === config.replicaId)!;
  const others = config.members.filter((member) => member !== self);
  const names = new Map(others.map((m) => [m.replicaId, `${m.host}:${m.busPort}`]));
  return new Promise((resolve, reject) => {
    Bus.listen(
      {
        identity: identityOf(config),
        host: config.bind,
        port: self.busPort,
        peers: others.map(({ replicaId, host, busPort }) => ({ replicaId, host, port: busPort })),
        secret: Buffer.from(config.busSecret),
        network: nodeNetwork,
        timers: nodeTimers,
        clock: nodeClock,
        chance: nodeChance,
        pool,
        onEvent: ({ level, text, peer }) =>
          log[level]({ peer: peer === undefined ? undefined : (names.get(peer) ?? peer) }, text),
      },
      (error, bus) => {
        if (error !== undefined) reject(error);
        else resolve(bus!);
      },
    );
  });
}

function openMachine(
  config: ReplicaConfig,
  log: Logger,
  events: ReplicaEvents,
): SqliteStateMachine {
  const machine = SqliteStateMachine.open({
    directory: config.directory,
    bootId: config.bootId,
    files: machineFiles,
    timers: { after: (ms, callback) => nodeTimers.after(ms, guarded(callback, events)) },
    onCommandFailure: (error, commandName) =>
      log.error({ err: error, command: commandName }, 'a command failed by a mistake of ours'),
  });
  const { startedFrom, startReason, appliedIndex } = machine;
  log.info({ startedFrom, startReason, appliedIndex }, 'state opened');
  return machine;
}

/** A commit by timer may meet a full disk: the world's trouble, to be told as such. */
function guarded(callback: () => void, events: ReplicaEvents): () => void {
  return () => {
    try {
      callback();
    } catch (error) {
      if (!(error instanceof FatalMachineError)) throw error;
      events.onFatal(error);
    }
  };
}

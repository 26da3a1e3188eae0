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
import { isErrorReply, okReply, type Reply } from '../resp/index.js';
import {
  FatalMachineError,
  needsTick,
  SlicedRead,
  SqliteStateMachine,
} from '../sqlite-sm/index.js';
import { BlockedClients } from './client/blocked-clients.js';
import { ClientPort, isLoopback } from './client/client-port.js';
import type { CommandLog } from './client/command-log.js';
import { serverCommands } from './client/commands/index.js';
import type { ServerContext } from './client/commands/table.js';
import type { PendingCommand } from './client/connection.js';
import { Dispatcher } from './client/dispatcher.js';
import { clusterDownReply, movedReply, uncertainReply } from './client/error-replies.js';
import { ExecutionTimes } from './client/execution-times.js';
import { LatencyMonitor } from './client/latency-monitor.js';
import { SlowLog } from './client/slow-log.js';
import type { WatchedKey } from './client/watched-keys.js';
import { Topology } from './cluster/topology.js';
import { machineFiles } from './files.js';
import { Housekeeping, InternalCommand } from './housekeeping.js';
import type { GroupMember } from './identity.js';
import { limits, type ServerOptions } from './options.js';
import { type CommandContext, ReplicatedMachine } from './replicated-machine.js';
import { type SettingCheck, Settings } from './settings.js';
import { Statistics } from './statistics.js';

export interface ReplicaConfig {
  readonly directory: string;
  readonly clusterId: string;
  readonly group: number;
  readonly replicaId: string;
  readonly born: FileIdentity;
  readonly members: readonly GroupMember[];
  readonly options: ServerOptions;
  /** The same members at the addresses that clients are told. */
  readonly announced: readonly GroupMember[];
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
  readonly #events: ReplicaEvents;
  readonly #log: Logger;
  readonly #topology: Topology;
  readonly #statistics = new Statistics(nodeClock.monotonicMs());
  readonly #settings: Settings;
  readonly #slowLog = new SlowLog(() => this.#settings.values.slowlogMaxLen);
  readonly #latency = new LatencyMonitor(() => this.#settings.values.latencyMonitorThreshold);
  readonly #times: ExecutionTimes;
  readonly #blocked = new BlockedClients();
  readonly #clients: ClientPort;
  readonly #machine: SqliteStateMachine;
  readonly #node: RaftNode;
  readonly #housekeeping: Housekeeping;
  readonly #sampleTimer: NodeJS.Timeout;
  readonly #loopTimer: NodeJS.Timeout;
  #loopCheckedMs = nodeClock.monotonicMs();
  /** Commands that certainly have no effect, whose clients are told the leader once there is one. */
  #stranded: Stranded[] = [];
  #strandedTimer: NodeJS.Timeout | undefined;
  /** Long reads between two slices. */
  readonly #slicedReads = new WeakMap<PendingCommand, SlicedRead>();

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
    this.#events = events;
    this.#log = log;
    this.#topology = new Topology(config.group, config.announced, config.replicaId);
    this.#settings = new Settings(config.options, checkSettings(config.options.bind), (change) =>
      this.#onSettings(change),
    );
    this.#times = new ExecutionTimes({
      settings: this.#settings.values,
      slowLog: this.#slowLog,
      latency: this.#latency,
      nowMs: () => nodeClock.wallMs(),
    });
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
      host: config.options.bind,
      port: ownMember(config).clientPort,
      settings: this.#settings.values,
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
        settle: (context, reply) => this.#onReply(context, reply),
        times: this.#times,
        nowMicroseconds,
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
    this.#housekeeping = new Housekeeping({
      machine: this.#machine,
      log: this.#node,
      timers: {
        ...nodeTimers,
        after: (ms, callback) => nodeTimers.after(ms, guarded(callback, events)),
        every: (ms, callback) => nodeTimers.every(ms, guarded(callback, events)),
      },
      clock: nodeClock,
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
      times: this.#times,
      nowMicroseconds,
    });
    await this.#clients.listen(dispatcher);
    this.#node.start();
    this.#housekeeping.start();
    const { clientPort, busPort, replicaId } = ownMember(this.#config);
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
    this.#housekeeping.stop();
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

  #onReply(context: CommandContext, reply: Reply): void {
    if (context instanceof InternalCommand) context.done();
    else this.#settle(context, reply);
  }

  #settle(pending: PendingCommand, reply: Reply): void {
    if (isErrorReply(reply)) {
      this.#statistics.countError(reply.text);
      if (pending.statistics !== undefined) pending.statistics.failedCalls += 1;
    }
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
    const startedAt = nowMicroseconds();
    const reply = this.#readNow(pending);
    const microseconds = pending.microseconds + nowMicroseconds() - startedAt;
    if (reply === undefined || reply === needsTick) pending.microseconds = microseconds;
    // Others get their turn, and then the next slice.
    if (reply === undefined) return this.#afterTurn(() => this.#onReadable([pending]));
    if (reply === needsTick) {
      // The key is due by the leader's clock, but the state's clock has not got there: expiry must
      // not be seen here before every replica agrees on it.
      this.#node.requestTick(pending);
      return;
    }
    this.#statistics.keyspaceReads += 1;
    this.#timeRead(pending, microseconds);
    this.#settle(pending, reply);
  }

  #timeRead(pending: PendingCommand, microseconds: number): void {
    const { command, statistics, connection, args } = pending;
    if (command === undefined || statistics === undefined) return;
    if (!this.#times.add(statistics, microseconds)) return;
    this.#times.addSlow(command, microseconds, connection.session, args);
  }

  /** Undefined: there is more to do, in another turn. */
  #readNow(pending: PendingCommand): Reply | typeof needsTick | undefined {
    const { database, args, watched } = pending;
    const nowMs = this.#node.nowMs();
    if (watched !== undefined) return this.#readWatched(database, watched, nowMs);
    const reply = this.#machine.read(database, args, nowMs);
    if (!(reply instanceof SlicedRead)) return reply;
    const read = this.#slicedReads.get(pending) ?? reply;
    const slice = this.#machine.readSlice(database, read, nowMs);
    if (slice === undefined || slice === needsTick) this.#slicedReads.set(pending, read);
    return slice;
  }

  #readWatched(
    database: number,
    watched: readonly WatchedKey[],
    nowMs: number,
  ): Reply | typeof needsTick {
    const names = watched.map(({ name }) => name);
    const versions = this.#machine.readVersions(database, names, nowMs);
    if (versions === needsTick) return needsTick;
    for (const [at, key] of watched.entries()) key.version = versions[at]!;
    return okReply;
  }

  #afterTurn(callback: () => void): void {
    nodeTimers.after(0, guarded(callback, this.#events));
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
    const commands: PendingCommand[] = [];
    for (const context of contexts as readonly CommandContext[]) {
      if (context instanceof InternalCommand) context.done();
      else commands.push(context);
    }
    // They were counted as pending, and those who wait for room may be waiting for nothing else.
    if (this.#node.pendingBytes <= limits.pendingBytesMax / 2) this.#clients.onRoom();
    if (fate === 'refused') return this.#strand(commands);
    this.#statistics.uncertainReplies += commands.length;
    for (const pending of commands) this.#settle(pending, uncertainReply);
    this.#clients.flush();
  }

  /** They have no effect, for certain: their clients are sent to the leader when it is known. */
  #strand(commands: readonly PendingCommand[]): void {
    const until = nodeClock.monotonicMs() + this.#config.options.electionHoldMs;
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

  #onSettings(change: Readonly<Partial<ServerOptions>>): void {
    if (change.requirepass === '') this.#clients.admitAll();
    if (change.logLevel !== undefined) this.#log.level = change.logLevel;
    this.#log.info({ options: Object.keys(change) }, 'options changed');
  }

  #serverContext(): ServerContext {
    return {
      topology: this.#topology,
      statistics: this.#statistics,
      process: this.#config.process,
      settings: this.#settings,
      clientPort: ownMember(this.#config).clientPort,
      committedIndex: () => this.#machine.flushedIndex,
      nowMs: () => nodeClock.wallMs(),
      raft: () => this.status(),
      keyspace: (database) => ({
        keys: this.#machine.keyCount(database),
        expires: this.#machine.expiresCount(database),
      }),
      keysInSlot: (slot) => this.#machine.keysInSlot(0, slot),
      namesInSlot: (slot, limit) => this.#machine.namesInSlot(0, slot, limit),
      clients: () => this.#clients.views,
      pause: this.#clients.pause,
      blocked: this.#blocked,
      slowLog: this.#slowLog,
      latency: this.#latency,
      sleep: (milliseconds) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
      },
      serverCommands,
    };
  }
}

/** Of a monotonic clock. */
function nowMicroseconds(): number {
  return nodeClock.monotonicMs() * 1000;
}

/** This replica's, with the ports that it listens on. */
function ownMember(config: ReplicaConfig): GroupMember {
  return config.members.find((member) => member.replicaId === config.replicaId)!;
}

/** What `checkProtection` refuses at the start must not come about later. */
function checkSettings(bind: string): SettingCheck {
  return ({ requirepass }) =>
    requirepass === '' && !isLoopback(bind)
      ? { option: 'requirepass', reason: `a server that listens on ${bind} needs a password` }
      : undefined;
}

function identityOf(config: ReplicaConfig): ReplicaIdentity {
  const { clusterId, group, replicaId } = config;
  return { clusterId, group, replicaId };
}

function listenOnBus(config: ReplicaConfig, pool: BufferPool, log: Logger): Promise<Bus> {
  const self = ownMember(config);
  const others = config.members.filter((member) => member !== self);
  const names = new Map(others.map((m) => [m.replicaId, `${m.host}:${m.busPort}`]));
  return new Promise((resolve, reject) => {
    Bus.listen(
      {
        identity: identityOf(config),
        host: config.options.bind,
        port: self.busPort,
        peers: others.map(({ replicaId, host, busPort }) => ({ replicaId, host, port: busPort })),
        secret: Buffer.from(config.options.busSecret),
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
    cacheBytes: config.options.sqliteCacheSize,
    files: machineFiles,
    timers: { after: (ms, callback) => nodeTimers.after(ms, guarded(callback, events)) },
    random: () => nodeChance.random(),
    onCommandFailure: (error, commandName) =>
      log.error({ err: error, command: commandName }, 'a command failed by a mistake of ours'),
  });
  const { startedFrom, startReason, appliedIndex } = machine;
  log.info({ startedFrom, startReason, appliedIndex }, 'state opened');
  return machine;
}

/** Work by timer may meet a full disk: the world's trouble, to be told as such. */
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

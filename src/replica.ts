// A replica: an island made of plain data. It shares nothing mutable with other replicas of its
// server, so that it can live in a thread of its own one day.
//
//   clients ─▶ ClientPort ─▶ Dispatcher ─▶ RaftNode ─▶ ReplicatedMachine ─▶ SqliteStateMachine
//                  ▲                           │                │
//                  └──────── replies ──────────┴────────────────┘

import { join } from 'node:path';
import type { Logger } from 'pino';
import {
  BufferPool,
  Bus,
  type FileIdentity,
  findRestorable,
  type Membership,
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
  SnapshotStore,
  type Storage,
  snapshotBytes,
} from '../raft/index.js';
import { FatalMachineError, SqliteStateMachine } from '../sqlite-sm/index.js';
import { exposedHost, networkOn, parseBind } from './bind-addresses.js';
import { BlockedClients } from './client/blocked-clients.js';
import { ClientPort } from './client/client-port.js';
import type { CommandLog } from './client/command-log.js';
import { serverCommands } from './client/commands/index.js';
import type { ServerContext } from './client/commands/table.js';
import { Dispatcher } from './client/dispatcher.js';
import { ExecutionTimes } from './client/execution-times.js';
import { type LatencyEventName, LatencyMonitor } from './client/latency-monitor.js';
import { SlowLog } from './client/slow-log.js';
import { WaitingConnections } from './client/waiting-connections.js';
import { announcedMembers } from './cluster/announced.js';
import { askIntroduction } from './cluster/introduction.js';
import { MemberAdministration } from './cluster/member-administration.js';
import { groupMemberOf } from './cluster/members.js';
import { Topology } from './cluster/topology.js';
import { ConfirmedReads } from './confirmed-reads.js';
import { DiskWatch } from './disk-watch.js';
import { freeBytes, machineFiles } from './files.js';
import { Housekeeping } from './housekeeping.js';
import type { GroupMember } from './identity.js';
import type { ServerOptions } from './options.js';
import { ReplicatedMachine } from './replicated-machine.js';
import { Replies } from './replies.js';
import { restoreProgress } from './restore-progress.js';
import { type SettingCheck, Settings } from './settings.js';
import { SnapshotLeases } from './snapshot-leases.js';
import { logSnapshot } from './snapshot-log.js';
import { Statistics } from './statistics.js';

export interface ReplicaConfig {
  readonly directory: string;
  readonly clusterId: string;
  readonly group: number;
  readonly replicaId: string;
  readonly born: FileIdentity;
  /** This replica, with the ports on which it listens. */
  readonly self: GroupMember;
  /** Who takes part until log or snapshot say otherwise. */
  readonly membership: Membership;
  readonly options: ServerOptions;
  readonly raft: RaftOptions;
  /** Changes with every start of the operating system. */
  readonly bootId: string;
  readonly process: ServerContext['process'];
}

/** Addresses by replica id, for the log. */
type PeerNames = Map<string, string>;

export interface ReplicaEvents {
  /** The process must end: what this replica would say next could be wrong. */
  onFatal(error: Error): void;
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
  readonly #peerNames: PeerNames;
  readonly #statistics = new Statistics(nodeClock.monotonicMs());
  readonly #settings: Settings;
  readonly #slowLog = new SlowLog(() => this.#settings.values.slowlogMaxLen);
  readonly #latency = new LatencyMonitor(() => this.#settings.values.latencyMonitorThreshold);
  readonly #times: ExecutionTimes;
  readonly #blocked = new BlockedClients();
  readonly #disk: DiskWatch;
  readonly #waiting: WaitingConnections;
  readonly #clients: ClientPort;
  readonly #snapshots: SnapshotStore;
  readonly #leases: SnapshotLeases;
  readonly #machine: SqliteStateMachine;
  readonly #reads: ConfirmedReads;
  readonly #replies: Replies;
  readonly #node: RaftNode;
  readonly #housekeeping: Housekeeping;
  readonly #sampleTimer: NodeJS.Timeout;
  readonly #loopTimer: NodeJS.Timeout;
  #loopCheckedMs = nodeClock.monotonicMs();

  /** Opens the replica's files, connects it to its peers and to clients. */
  static async start(config: ReplicaConfig, log: Logger, events: ReplicaEvents): Promise<Replica> {
    const pool = new BufferPool(poolBytesMax);
    const peerNames: PeerNames = new Map();
    const bus = await listenOnBus(config, pool, log, peerNames);
    try {
      const replica = new Replica(config, log, events, bus, pool, peerNames);
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
    peerNames: PeerNames,
  ) {
    this.#config = config;
    this.#events = events;
    this.#log = log;
    this.#peerNames = peerNames;
    this.#topology = new Topology(config.group, this.#announced([config.self]), config.replicaId);
    this.#showMembership(config.membership);
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
    this.#disk = new DiskWatch({
      path: config.directory,
      minFreeBytes: () => this.#settings.values.minFreeDisk,
      freeBytes,
      timers: nodeTimers,
      onChange: (isLow, bytes) => this.#onDiskChange(isLow, bytes),
      onFailed: (error) => log.warn({ err: error }, 'cannot see how much of the disk is free'),
    });
    this.#snapshots = SnapshotStore.open({
      directory: join(config.directory, 'snapshots'),
      identity,
      files: nodeFiles,
      chance: nodeChance,
      clock: nodeClock,
      onWarning: (text) => log.warn(text),
    });
    this.#leases = new SnapshotLeases((snapshot) => this.#snapshots.acquire(snapshot), nodeTimers);
    this.#machine = openMachine(config, this.#statistics, log, events, () =>
      snapshotToRestore(this.#snapshots, storage.journal, log),
    );
    this.#waiting = new WaitingConnections({
      settings: this.#settings.values,
      timers: nodeTimers,
      monotonicMs: () => nodeClock.monotonicMs(),
    });
    this.#clients = new ClientPort({
      addresses: parseBind(config.options.bind),
      port: config.self.clientPort,
      settings: this.#settings.values,
      statistics: this.#statistics,
      blocked: this.#blocked,
      waiting: this.#waiting,
      nowMs: () => nodeClock.wallMs(),
      runReads: (reads) => this.#reads.run(reads),
      onEvent: (level, text, fields) => log[level](fields, text),
    });
    this.#replies = new Replies({
      node: () => this.#node,
      topology: this.#topology,
      waiting: this.#waiting,
      blocked: this.#blocked,
      statistics: this.#statistics,
      settings: config.options,
      timers: nodeTimers,
      monotonicMs: () => nodeClock.monotonicMs(),
      runReads: (reads) => this.#reads.run(reads),
    });
    this.#reads = new ConfirmedReads({
      machine: this.#machine,
      statistics: this.#statistics,
      times: this.#times,
      nowMicroseconds,
      isReadable: () => !this.#node.isInstalling,
      redirect: (pending) => this.#replies.onReadsRedirected([pending]),
      settle: (pending, reply) => this.#replies.settle(pending, reply),
      requestTick: (pending) => this.#replies.requestTick(pending),
      later: (callback) => this.#afterTurn(callback),
      flush: () => this.#waiting.flush(),
    });
    this.#node = new RaftNode({
      identity,
      membership: config.membership,
      options: config.raft,
      ...storage,
      files: nodeFiles,
      snapshots: this.#snapshots,
      transport: bus,
      machine: new ReplicatedMachine({
        machine: this.#machine,
        settle: (context, reply) => this.#replies.onReply(context, reply),
        onBrokenPromise: ({ command }, reply) =>
          log.error(
            { command: command?.name, reply },
            'a write was acknowledged when it was committed, and refused when it was applied',
          ),
        onFatal: (error) => events.onFatal(error),
        times: this.#times,
        nowMicroseconds,
      }),
      pool,
      clock: nodeClock,
      timers: nodeTimers,
      chance: nodeChance,
      events: {
        onLeadershipChange: () => this.#onLeadershipChange(),
        onMembershipChange: (membership) => this.#onMembershipChange(membership),
        onCommandsDropped: (contexts, fate) => this.#replies.onCommandsDropped(contexts, fate),
        onCommitted: (index, contexts) => this.#replies.onCommitted(index, contexts),
        onReadable: (contexts, clockMs) => this.#replies.onReadable(contexts, clockMs),
        onReadsDropped: (contexts) => this.#replies.onReadsDropped(contexts),
        onReadsRedirected: (contexts) => this.#replies.onReadsRedirected(contexts),
        onSnapshot: (event) => logSnapshot(log, event),
        onApplied: () => this.#replies.onApplied(),
        onTurn: () => this.#replies.onTurn(),
        onLogWritten: (milliseconds) => this.#addLatency('aof-fsync-always', milliseconds),
        onFatal: (error) => events.onFatal(error),
        onWarning: (text) => log.warn(text),
        onInfo: (text) => log.info(text),
      },
      whyNoRoom: () => {
        const bytes = machineFiles.stat(join(config.directory, 'live.db'))?.byteLength ?? 0;
        return this.#disk.whyNoRoomFor(bytes);
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
      holds: this.#waiting,
      disk: this.#disk,
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
    this.#disk.start();
    const { clientPort, busPort, replicaId } = this.#config.self;
    const { lastIndex, term } = this.#node.status();
    this.#log.info(
      { clientPort, busPort, replicaId, term, lastIndex, appliedIndex: this.#machine.appliedIndex },
      'replica started',
    );
    if (!this.#topology.isMember) this.#log.info('waiting to be added: no member of the group');
  }

  status(): RaftStatus & { readonly isServing: boolean } {
    return { ...this.#node.status(), isServing: this.#node.isServing };
  }

  /** Hands over, answers what was taken, closes. */
  async stop(): Promise<void> {
    this.#clients.stopListening();
    await this.#handOver();
    await new Promise<void>((resolve) => this.#node.stop(resolve));
    this.#waiting.flush();
    this.#clients.closeAll();
    clearInterval(this.#sampleTimer);
    clearInterval(this.#loopTimer);
    this.#replies.stop();
    this.#leases.stop();
    this.#housekeeping.stop();
    this.#disk.stop();
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

  #afterTurn(callback: () => void): void {
    nodeTimers.after(0, guarded(callback, this.#events));
  }

  #checkLoop(): void {
    const nowMs = nodeClock.monotonicMs();
    const lateMs = nowMs - this.#loopCheckedMs - loopCheckMs;
    this.#loopCheckedMs = nowMs;
    this.#addLatency('event-loop', lateMs);
  }

  #addLatency(event: LatencyEventName, milliseconds: number): void {
    this.#latency.add(event, Math.floor(nodeClock.wallMs() / 1000), milliseconds);
  }

  // ---------------------------------------------------------------------------- members

  #onMembershipChange(membership: Membership): void {
    const wasMember = this.#topology.isMember;
    this.#showMembership(membership);
    const { voters, learners, isMember } = this.#topology;
    const { index } = membership;
    const numbersOf = (members: readonly GroupMember[]): number[] =>
      members.map(({ serverNumber }) => serverNumber);
    this.#log.info(
      { index, voters: numbersOf(voters), learners: numbersOf(learners) },
      'membership in effect',
    );
    if (!wasMember || isMember) return;
    this.#log.warn(
      { index },
      'removed from the group: this server takes no part any more, and may be stopped',
    );
  }

  #showMembership({ voters, learners }: Membership): void {
    this.#topology.onMembership(
      this.#announced(voters.map(groupMemberOf)),
      this.#announced(learners.map(groupMemberOf)),
    );
    for (const { replicaId, host, port } of [...voters, ...learners]) {
      this.#peerNames.set(replicaId, `${host}:${port}`);
    }
  }

  /** At the addresses that clients are told. */
  #announced(members: readonly GroupMember[]): readonly GroupMember[] {
    return announcedMembers(members, this.#config, this.#config.options);
  }

  // ---------------------------------------------------------------------------- leadership

  #onLeadershipChange(): void {
    const { term, leaderId, isServing } = this.#node;
    this.#log.info({ term, leaderId, isServing }, 'leadership changed');
    this.#replies.onLeadershipChange();
  }

  #onSettings(change: Readonly<Partial<ServerOptions>>): void {
    if (change.requirepass === '') this.#clients.admitAll();
    if (change.logLevel !== undefined) this.#log.level = change.logLevel;
    if (change.minFreeDisk !== undefined) this.#disk.look();
    this.#log.info({ options: Object.keys(change) }, 'options changed');
  }

  #onDiskChange(isLow: boolean, bytes: number): void {
    const figures = { freeBytes: bytes, minFreeDisk: this.#settings.values.minFreeDisk };
    if (isLow)
      this.#log.warn(figures, 'the disk is nearly full: writes that need room are refused');
    else this.#log.info(figures, 'there is room on the disk again: writes are taken');
  }

  #serverContext(): ServerContext {
    return {
      topology: this.#topology,
      statistics: this.#statistics,
      process: this.#config.process,
      settings: this.#settings,
      clientPort: this.#config.self.clientPort,
      committedIndex: () => this.#machine.flushedIndex,
      nowMs: () => nodeClock.wallMs(),
      disk: this.#disk,
      raft: () => this.status(),
      keyspace: (database) => ({
        keys: this.#machine.keyCount(database),
        expires: this.#machine.expiresCount(database),
      }),
      keysInSlot: (slot) => this.#machine.keysInSlot(0, slot),
      namesInSlot: (slot, limit) => this.#machine.namesInSlot(0, slot, limit),
      clients: () => this.#clients.views,
      pause: this.#waiting.pause,
      blocked: this.#blocked,
      slowLog: this.#slowLog,
      latency: this.#latency,
      members: this.#memberAdministration(),
      snapshots: {
        status: () => this.#node.snapshotStatus,
        take: (done) => this.#node.takeSnapshot(done),
        hold: (snapshot, done) =>
          this.#snapshots.hold(snapshot, (error) => {
            done(error);
            this.#blocked.check();
          }),
      },
      leases: this.#leases,
      sleep: (milliseconds) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
      },
      serverCommands,
    };
  }

  #memberAdministration(): MemberAdministration {
    const { clusterId, self, options } = this.#config;
    const { busSecret, electionTimeoutMs, electionHoldMs } = options;
    return new MemberAdministration(
      {
        log: this.#node,
        topology: this.#topology,
        clusterId,
        self,
        askIntroduction: (address) =>
          askIntroduction(address, { password: this.#settings.values.requirepass, busSecret }),
        monotonicMs: () => nodeClock.monotonicMs(),
        sleep: (ms) => new Promise((resolve) => nodeTimers.after(ms, resolve)),
        electionTimeoutMs,
        electionHoldMs,
      },
      busSecret,
    );
  }
}

/** Of a monotonic clock. */
function nowMicroseconds(): number {
  return nodeClock.monotonicMs() * 1000;
}

/** What `checkProtection` refuses at the start must not come about later. */
function checkSettings(bind: string): SettingCheck {
  const exposed = exposedHost(parseBind(bind));
  return ({ requirepass }) =>
    requirepass === '' && exposed !== undefined
      ? { option: 'requirepass', reason: `a server that listens on ${exposed} needs a password` }
      : undefined;
}

function identityOf(config: ReplicaConfig): ReplicaIdentity {
  const { clusterId, group, replicaId } = config;
  return { clusterId, group, replicaId };
}

function listenOnBus(
  config: ReplicaConfig,
  pool: BufferPool,
  log: Logger,
  names: PeerNames,
): Promise<Bus> {
  const addresses = parseBind(config.options.bind);
  return new Promise((resolve, reject) => {
    Bus.listen(
      {
        identity: identityOf(config),
        host: addresses[0]!.host,
        port: config.self.busPort,
        secret: Buffer.from(config.options.busSecret),
        network: networkOn(addresses, nodeNetwork, (host, reason) =>
          log.warn(
            { host, port: config.self.busPort, reason },
            'passing over an address for peers',
          ),
        ),
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

/** The directory that the state is to begin with, when the database cannot be trusted. */
function snapshotToRestore(
  snapshots: SnapshotStore,
  journal: Storage['journal'],
  log: Logger,
): string | undefined {
  const snapshot = findRestorable(snapshots, journal, (text) => log.error(text));
  if (snapshot === undefined) return undefined;
  const { index } = snapshot.manifest;
  log.info({ index, bytes: snapshotBytes(snapshot.manifest) }, 'the state begins with a snapshot');
  return snapshot.path;
}

function openMachine(
  config: ReplicaConfig,
  statistics: Statistics,
  log: Logger,
  events: ReplicaEvents,
  restoreFrom: () => string | undefined,
): SqliteStateMachine {
  const machine = SqliteStateMachine.open({
    directory: config.directory,
    bootId: config.bootId,
    cacheBytes: config.options.sqliteCacheSize,
    files: machineFiles,
    timers: { after: (ms, callback) => nodeTimers.after(ms, guarded(callback, events)) },
    clock: nodeClock,
    random: () => nodeChance.random(),
    counts: statistics.keyspace,
    onRestoreProgress: restoreProgress((fields) => log.info(fields, 'restoring a snapshot')),
    restoreFrom,
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

// A simulated machine with one server: disk, clock, boot id, and at times a process.
//
// What outlives the process is here; `sim-process.ts` is one life of it.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Message } from '../../raft/core/index.js';
import {
  type CommittedEntry,
  createStorage,
  type FileIdentity,
  type Membership,
  RaftError,
  type RaftNode,
  type RaftOptions,
  type ReplicaIdentity,
  type SnapshotEvent,
} from '../../raft/index.js';
import type { SqliteStateMachine } from '../../sqlite-sm/index.js';
import type { GroupMember } from '../../src/identity.js';
import { FaultyFiles, PowerLost } from '../faults/faulty-files.js';
import type { SimNetwork } from '../faults/sim-network.js';
import { SimClock, type SimWorld } from '../faults/sim-world.js';
import { describeMessage } from '../raft/core/describe-message.js';
import { MachineDisk } from './machine-disk.js';
import { SimProcess } from './sim-process.js';
import type { SimSocket } from './sim-socket.js';
import type { Transcript } from './transcript.js';

const root = '/holt';
const directory = `${root}/group-1`;
const clusterId = '0'.repeat(32);

/** Whoever looks at the servers while they run. */
export interface Watcher {
  onStarted(server: SimServer): void;
  onLeadershipChange(server: SimServer, node: RaftNode): void;
  /** Commands of this server are in the entry that is committed at `index`. */
  onOwnCommitted(server: SimServer, index: number): void;
  /** `isOwn`: with commands of this server, whose clients are answered. */
  onApplied(
    server: SimServer,
    entry: CommittedEntry,
    machine: SqliteStateMachine,
    isOwn: boolean,
  ): void;
  onTurn(server: SimServer, process: SimProcess): void;
}

export interface SimServerOptions {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly transcript: Transcript;
  readonly watcher: Watcher;
  readonly raft: Partial<RaftOptions>;
  readonly maxSegmentFileSize: number;
  /** Milliseconds that most operations of the disk take at most. */
  readonly diskMsMax: number;
  /** Real, on a file system in memory. */
  readonly scratch: string;
  readonly member: GroupMember;
  /** Who takes part at the beginning; nobody for one that joins. */
  readonly initial: Membership;
  /** Its process is no more, for whatever reason. */
  readonly onDown: (server: SimServer) => void;
}

export class SimServer {
  readonly identity: ReplicaIdentity;
  readonly disk: FaultyFiles;
  readonly machineDisk: MachineDisk;
  readonly clock: SimClock;
  readonly born: FileIdentity;
  readonly #options: SimServerOptions;
  #boots = 1;
  #process: SimProcess | undefined;
  #isStopping = false;
  /** Snapshots that were taken here, and those whose state became the one here. */
  snapshotCount = 0;
  restoreCount = 0;
  /** Milliseconds that every operation of the disk takes on top. */
  slowMs = 0;
  /** Less room is left than must stay free. */
  isLow = false;
  /** What goes wrong on the real files of the state machine. */
  machineFault: (operation: 'sync' | 'copy') => Error | undefined = () => undefined;

  constructor(options: SimServerOptions) {
    this.#options = options;
    const { world, member, diskMsMax } = options;
    this.identity = { clusterId, group: 1, replicaId: member.replicaId };
    const draw = (): number => {
      // Most operations are quick; now and then one takes as long as a disk's cache flush.
      const slow = world.random() < 0.02 ? 10 : 1;
      return 0.05 + this.slowMs + world.random() * diskMsMax * slow;
    };
    const later = (callback: () => void): void => {
      const process = this.#process;
      world.after(draw(), () => {
        if (process === undefined) callback();
        else process.timers.run(callback);
      });
    };
    this.disk = new FaultyFiles({
      later,
      onCut: () => {
        this.tell('the power goes in the middle of an operation of the disk');
        world.after(0, () => this.#onCut());
      },
    });
    const ownDirectory = join(options.scratch, String(this.number));
    fs.mkdirSync(ownDirectory);
    this.machineDisk = new MachineDisk({
      directory: ownDirectory,
      disk: this.disk,
      diskRoot: root,
      later,
      fault: (operation) => this.machineFault(operation),
    });
    this.clock = new SimClock(world, world.integer(1_000, 1_000_000));
    this.born = createStorage({
      ...this.storageOptions,
      chance: world.chance(),
      onWarning: () => {},
    });
  }

  get name(): string {
    return `server ${this.number}`;
  }

  get number(): number {
    return this.#options.member.serverNumber;
  }

  get id(): string {
    return this.identity.replicaId;
  }

  get member(): GroupMember {
    return this.#options.member;
  }

  get initial(): Membership {
    return this.#options.initial;
  }

  get world(): SimWorld {
    return this.#options.world;
  }

  get network(): SimNetwork {
    return this.#options.network;
  }

  get raft(): Partial<RaftOptions> {
    return this.#options.raft;
  }

  get bootId(): string {
    return `boot ${this.#boots} of ${this.name}`;
  }

  get storageOptions() {
    const { maxSegmentFileSize } = this.#options;
    return { directory, identity: this.identity, files: this.disk, maxSegmentFileSize };
  }

  get isRunning(): boolean {
    return this.#process?.isAlive === true;
  }

  /** There is a process; it may be about to end. */
  get isUp(): boolean {
    return this.#process !== undefined;
  }

  /** Only while it is running. */
  get process(): SimProcess {
    assert(this.#process !== undefined, `${this.name} does not run`);
    return this.#process;
  }

  get node(): RaftNode {
    return this.process.node;
  }

  // ---------------------------------------------------------------------------- life

  /**
   * Starts the server. False when it stopped at once, for want of a disk that does as it is told; then
   * it may be tried again. Throws when it refuses to start, which only damage should make it do.
   */
  boot(): boolean {
    assert(this.#process === undefined, `${this.name} runs already`);
    this.tell('starts');
    this.#process = new SimProcess(this);
    try {
      this.#process.start();
    } catch (error) {
      if (error instanceof PowerLost) return false;
      if (!isOfTheDisk(error)) throw error;
      this.tell(`stops at the start: ${(error as Error).message}`);
      this.kill();
      return false;
    }
    this.#options.watcher.onStarted(this);
    return true;
  }

  /** The process dies, the kernel does not. */
  kill(): void {
    this.tell('dies');
    this.#die();
    this.disk.kill(this.world.random);
  }

  /** Memory is gone, and what no disk had. */
  losePower(): void {
    this.tell('loses power');
    this.#die();
    this.disk.powerCut(this.world.random);
    this.machineDisk.losePower(this.world.random);
    this.#boots += 1;
  }

  /** SIGSTOP. */
  pause(): void {
    this.tell('is paused');
    this.process.timers.pause();
  }

  /** SIGCONT. Does nothing to a process that is not paused. */
  resume(): void {
    if (this.#process?.timers.isPaused !== true) return;
    this.tell('goes on');
    this.#process.timers.resume();
  }

  /** As its owner stops it: it hands over, answers what was taken, and closes its files. */
  stop(): void {
    if (this.#isStopping || !this.isRunning) return;
    this.tell('is told to stop');
    this.#isStopping = true;
    const { process } = this;
    process.stop(() => {
      if (this.#process !== process) return;
      this.tell('has stopped');
      this.#die();
      this.disk.kill(this.world.random);
    });
  }

  #onCut(): void {
    if (!this.disk.isDead) return;
    if (this.world.random() < 0.5) this.losePower();
    else this.kill();
  }

  #die(): void {
    const process = this.#process;
    this.#process = undefined;
    this.#isStopping = false;
    process?.die();
    this.#options.onDown(this);
  }

  accept(socket: SimSocket): void {
    this.process.accept(socket);
  }

  // ---------------------------------------------------------------------------- what it hears

  tell(text: string): void {
    this.#options.transcript.tell(`${this.name} ${text}`);
  }

  onLeadershipChange(node: RaftNode): void {
    const { term, leaderId, isServing } = node;
    const leader = leaderId?.slice(0, 1) ?? 'nobody';
    this.tell(`hears that ${leader} leads in term ${term}${isServing ? ', and serves' : ''}`);
    this.#options.watcher.onLeadershipChange(this, node);
  }

  onMembershipChange(membership: Membership): void {
    const digits = (members: Membership['voters']): string =>
      members.map(({ replicaId }) => replicaId.slice(0, 1)).join('');
    const { index, voters, learners } = membership;
    this.tell(`membership of ${index}: voters ${digits(voters)}, learners ${digits(learners)}`);
  }

  onSnapshot(event: SnapshotEvent): void {
    if (event.kind === 'begun') this.tell(`begins a snapshot at ${event.appliedIndex}`);
    else if (event.kind === 'failed') this.tell(`has no snapshot: ${event.error.message}`);
    else {
      this.snapshotCount += 1;
      this.tell(`has a snapshot of ${event.snapshot.manifest.index}`);
    }
  }

  /** A snapshot as a directory that SQLite can look into, to become the state. */
  exportSnapshot(snapshotDirectory: string): string {
    this.restoreCount += 1;
    return this.machineDisk.export(snapshotDirectory);
  }

  /** Signs of life are left out: they would fill the transcript. */
  onSent(message: Message): void {
    if (message.kind === 'heartbeat' || message.kind === 'heartbeatReply') return;
    const from = message.from.slice(0, 1);
    const to = message.to.slice(0, 1);
    this.#options.transcript.tell(describeMessage({ ...message, from, to }));
  }

  onOwnCommitted(index: number): void {
    this.#options.watcher.onOwnCommitted(this, index);
  }

  onApplied(entry: CommittedEntry, machine: SqliteStateMachine, isOwn: boolean): void {
    this.#options.watcher.onApplied(this, entry, machine, isOwn);
  }

  onTurn(process: SimProcess): void {
    this.#options.watcher.onTurn(this, process);
  }

  onViolation(text: string): never {
    throw new Violation(`${this.name}: ${text}`);
  }

  /** It cannot go on. The owner of a real one ends the process, and so does this. */
  onFatal(error: Error): void {
    const process = this.#process;
    // Whoever lost its disk or failed already finds all kinds of things wrong.
    if (process === undefined || !process.isAlive) return;
    // Checks that fail inside `apply` come by here, too: of the simulator, or Holt's own.
    if (!isOfTheDisk(error)) throw error;
    this.tell(`cannot go on: ${error.message}`);
    process.silence();
    this.world.after(0, () => {
      if (this.#process === process) this.kill();
    });
  }
}

/** Something that must never be, was. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

/** Whether an error comes from what the simulator did to a disk. Damage never does. */
function isOfTheDisk(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && (at.code === 'EIO' || at.code === 'ENOSPC')) return true;
    if (at instanceof RaftError && at.code !== 'DISK') return false;
  }
  return false;
}

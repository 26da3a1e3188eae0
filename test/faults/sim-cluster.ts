// Three real replicas in one simulated world: real loop, real core, real log on faulty files.
//
// The state machine is a list that commands append to. What the cluster checks by itself, all the
// time and across crashes:
//   - every replica applies the same entry at the same index, ever (State Machine Safety),
//   - indices are applied one by one, stamps never go back,
//   - a command is answered at most once: acknowledged, refused or unknown,
//   - a value is in a list at most once, and never after it was refused.
// A test breaks things and asks at the end whether everything acknowledged is there
// (`assertNothingLost`).

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { ReplicaId } from '../../raft/core/index.js';
import type { FileIdentity } from '../../raft/effects.js';
import type { ReplicaIdentity } from '../../raft/identity.js';
import type { Member, Membership } from '../../raft/membership.js';
import type { MembershipChange, MembershipChangeResult } from '../../raft/membership-changes.js';
import { type Fate, RaftNode, type RaftNodeEvents } from '../../raft/node.js';
import { type RaftOptions, resolveRaftOptions } from '../../raft/options.js';
import { findRestorable, type SnapshotEvent, SnapshotStore } from '../../raft/snapshot/index.js';
import type { CommittedEntry, SnapshotEnd, StateMachine } from '../../raft/state-machine.js';
import {
  createStorage,
  openStorage,
  type Storage,
  type StorageOptions,
} from '../../raft/storage.js';
import { FaultyFiles, PowerLost } from './faulty-files.js';
import { GarblingPool } from './garbling-pool.js';
import { SimNetwork, type SimTransport } from './sim-network.js';
import { SimClock, type SimWorld } from './sim-world.js';

const KiB = 1024;
const directory = '/holt/group-1';

export interface SimClusterOptions {
  /** How many of a, b and c the group begins with. 3 if left out. */
  readonly voters?: number;
  /** Small, so that segments change often. Bytes. */
  readonly maxSegmentFileSize?: number;
  readonly raft?: Partial<RaftOptions>;
  /** Milliseconds that a file operation takes at most. */
  readonly diskMsMax?: number;
}

/** A client's command. Its fate is decided once. */
export interface Command {
  readonly value: string;
  fate: 'pending' | 'acknowledged' | Fate;
  /** A majority has it, as its proposer was told; it may be answered from here on. */
  committedAt: number | undefined;
}

export interface SimRead {
  fate: 'pending' | 'readable' | 'dropped' | 'redirected';
  /** What came with it, and what the state was then. */
  clockMs: number;
  values: readonly string[];
}

export interface PendingChange {
  result: MembershipChangeResult | undefined;
}

/** Another time or another replica may say otherwise. */
const passingRefusals: readonly string[] = ['notLeader', 'busy', 'notReady', 'notCaughtUp', 'lost'];

function isMadeBefore(code: string): boolean {
  return code === 'alreadyMember' || code === 'unknownMember';
}

function isAlive(asked: { readonly leader: SimReplica; readonly node: RaftNode }): boolean {
  return asked.leader.isRunning && asked.leader.node === asked.node;
}

/** The member whose id is 40 times that digit. */
export function memberOf(digit: string): Member {
  const port = 7000 + Number.parseInt(digit, 16);
  return { replicaId: digit.repeat(40), host: 'sim', port, attributes: { name: digit } };
}

export class SimCluster {
  readonly world: SimWorld;
  readonly network: SimNetwork;
  readonly options: SimClusterOptions;
  /** Also those that do not belong to the group yet, or any more. */
  readonly replicas: SimReplica[];
  readonly commands: Command[] = [];
  /** What was applied anywhere, by index. */
  readonly #history = new Map<number, string>();
  #values = 0;

  constructor(world: SimWorld, options: SimClusterOptions = {}) {
    this.world = world;
    this.options = options;
    this.network = new SimNetwork(world);
    const voters = ['a', 'b', 'c'].slice(0, options.voters ?? 3).map(memberOf);
    const membership = { index: 0, voters, learners: [] };
    this.replicas = voters.map(({ replicaId }) => new SimReplica(this, replicaId, membership));
  }

  /** Boots a replica with an empty disk, which belongs to no group yet. `digit` is hexadecimal. */
  addReplica(digit: string): SimReplica {
    const membership = { index: 0, voters: [], learners: [] };
    const replica = new SimReplica(this, memberOf(digit).replicaId, membership);
    this.replicas.push(replica);
    replica.boot();
    return replica;
  }

  boot(): void {
    for (const replica of this.replicas) replica.boot();
  }

  /** Those of the leader's membership; everybody while there is no leader. */
  get members(): readonly SimReplica[] {
    const membership = this.leader?.node.membership;
    if (membership === undefined) return this.replicas;
    const ids = [...membership.voters, ...membership.learners].map(({ replicaId }) => replicaId);
    return this.replicas.filter(({ id }) => ids.includes(id));
  }

  /** Asks the leader for the change; undefined until it is made or refused. */
  change(change: MembershipChange, leader = this.untilLeader()): PendingChange {
    const pending: PendingChange = { result: undefined };
    leader.node.changeMembership(change, (result) => {
      assert.equal(pending.result, undefined, 'A change was answered twice');
      pending.result = result;
    });
    return pending;
  }

  /** Asks whoever leads, again and again, as a patient administrator does. */
  untilChanged(change: MembershipChange, msMax = 120_000): void {
    let asked: { leader: SimReplica; node: RaftNode; pending: PendingChange } | undefined;
    /** Somebody was asked and did not live to tell. */
    let mayBeDone = false;
    const isChanged = (): boolean => {
      const result = asked?.pending.result;
      if (result?.kind === 'done') return true;
      if (result?.kind === 'refused') {
        if (mayBeDone && isMadeBefore(result.code)) return true;
        const isPassing = passingRefusals.includes(result.code);
        assert(isPassing, `${change.kind} was refused: ${result.text}`);
        mayBeDone ||= result.code === 'lost';
        asked = undefined;
      } else if (asked !== undefined && !isAlive(asked)) {
        mayBeDone = true;
        asked = undefined;
      }
      const { leader } = this;
      if (asked === undefined && leader !== undefined) {
        asked = { leader, node: leader.node, pending: this.change(change, leader) };
      }
      return false;
    };
    assert(this.world.run(msMax, isChanged), `${change.kind} never happened`);
  }

  /** The one that takes commands and has the highest term. */
  get leader(): SimReplica | undefined {
    return this.replicas
      .filter((replica) => replica.isRunning && replica.node.isServing)
      .sort((x, y) => y.node.term - x.node.term)[0];
  }

  untilLeader(msMax = 60_000): SimReplica {
    assert(
      this.world.run(msMax, () => this.leader !== undefined),
      'No leader was elected',
    );
    return this.leader!;
  }

  /** Proposes a new value of about `byteLength` bytes at that replica, which must be serving. */
  propose(replica: SimReplica, byteLength: number): Command {
    this.#values += 1;
    const command: Command = {
      value: `v${this.#values}`,
      fate: 'pending',
      committedAt: undefined,
    };
    this.commands.push(command);
    const filler = Buffer.alloc(byteLength, this.#values);
    const bytes = Buffer.concat([Buffer.from(`${command.value}:`), filler]);
    const offset = replica.node.reserve(4 + bytes.length, command);
    replica.node.batchBuffer.writeUInt32LE(bytes.length, offset);
    bytes.copy(replica.node.batchBuffer, offset + 4);
    return command;
  }

  requestRead(replica: SimReplica): SimRead {
    const read: SimRead = { fate: 'pending', clockMs: 0, values: [] };
    replica.node.requestRead(read);
    return read;
  }

  requestTick(replica: SimReplica): SimRead {
    const read: SimRead = { fate: 'pending', clockMs: 0, values: [] };
    assert(replica.node.requestTick(read), 'It neither leads nor knows a leader');
    return read;
  }

  /** Everything is committed and applied everywhere, proven by one more value. */
  settle(msMax = 60_000): void {
    let last: Command | undefined;
    const isSettled = (): boolean => {
      // A leader may fall while its command waits: then another one is proposed.
      if (last === undefined || last.fate === 'refused' || last.fate === 'unknown') {
        const { leader } = this;
        last = leader === undefined ? undefined : this.propose(leader, 10);
      }
      if (last?.fate !== 'acknowledged') return false;
      const { value } = last;
      return this.members.every(({ isRunning, machine }) => isRunning && machine.has(value));
    };
    assert(this.world.run(msMax, isSettled), 'The cluster did not settle');
  }

  /** After `settle`: the lists are equal and have every acknowledged value, in the order it was given. */
  assertNothingLost(): void {
    const [first, ...others] = this.members;
    for (const other of others) assert.deepEqual(other.machine.values, first!.machine.values);
    const at = new Map(first!.machine.values.map((value, index) => [value, index]));
    assert.equal(at.size, first!.machine.values.length, 'A value was applied twice');
    for (const { value, fate, committedAt } of this.commands) {
      if (fate === 'acknowledged') assert(at.has(value), `Acknowledged ${value} is lost`);
      // Its client may have been told OK, whatever its proposer heard later.
      if (committedAt !== undefined) assert(at.has(value), `Committed ${value} is lost`);
      if (fate === 'refused') assert(!at.has(value), `Refused ${value} took effect`);
    }
  }

  onCommitted(index: number, contexts: readonly unknown[]): void {
    for (const command of contexts as readonly Command[]) {
      assert.equal(command.fate, 'pending', `${command.value} is committed after its fate`);
      assert.equal(command.committedAt, undefined, `${command.value} is committed twice`);
      command.committedAt = index;
    }
  }

  onApply(entry: CommittedEntry): void {
    const digest = `${entry.term}/${entry.kind}/${entry.stamp}/${crc32(entry.payload)}`;
    const known = this.#history.get(entry.index);
    this.#history.set(entry.index, digest);
    if (known !== undefined) assert.equal(digest, known, `Index ${entry.index} was applied before`);
  }
}

/**
 * The state: a list. Its memory is gone with the power, not with the process's kernel; then it begins
 * with a snapshot.
 */
export class ListMachine implements StateMachine {
  appliedIndex = 0;
  lastStamp = 0;
  #appliedTerm = 0;
  readonly values: string[] = [];
  readonly #present = new Set<string>();
  readonly #cluster: SimCluster;
  readonly #files: FaultyFiles;

  constructor(cluster: SimCluster, files: FaultyFiles) {
    this.#cluster = cluster;
    this.#files = files;
  }

  get flushedIndex(): number {
    return this.appliedIndex;
  }

  has(value: string): boolean {
    return this.#present.has(value);
  }

  apply(entry: CommittedEntry, contexts: readonly unknown[] | undefined): void {
    assert.equal(entry.index, this.appliedIndex + 1);
    assert(entry.stamp >= this.lastStamp, 'Stamps never go back');
    this.#cluster.onApply(entry);
    this.appliedIndex = entry.index;
    this.#appliedTerm = entry.term;
    this.lastStamp = entry.stamp;
    if (entry.kind !== 'command') return;
    let position = 0;
    for (let at = 0; position < entry.payload.length; at += 1) {
      const end = position + 4 + entry.payload.readUInt32LE(position);
      const value = valueIn(entry.payload.subarray(position + 4, end));
      this.values.push(value);
      this.#present.add(value);
      if (contexts !== undefined) acknowledge(contexts[at] as Command, value);
      position = end;
    }
  }

  /** Nothing is synced: that is not its business. */
  writeSnapshot(
    directory: string,
    done: (error: Error | undefined, at: SnapshotEnd | undefined) => void,
  ): void {
    const end = { index: this.appliedIndex, term: this.#appliedTerm, stamp: this.lastStamp };
    const bytes = Buffer.from(JSON.stringify({ ...end, values: this.values }));
    try {
      const file = this.#files.open(`${directory}/${listName}`, 'create');
      file.write([bytes], 0, (error) => {
        file.closeSync();
        done(error, error === undefined ? end : undefined);
      });
    } catch (error) {
      if (error instanceof PowerLost) throw error;
      done(error as Error, undefined);
    }
  }

  readSnapshot(directory: string, done: (error: Error | undefined) => void): void {
    this.load(directory);
    done(undefined);
  }

  load(directory: string): void {
    const path = `${directory}/${listName}`;
    const bytes = Buffer.alloc(this.#files.stat(path)!.byteLength);
    const file = this.#files.open(path, 'read');
    file.readSync(bytes, 0);
    file.closeSync();
    const state = JSON.parse(bytes.toString()) as SnapshotEnd & { values: string[] };
    this.appliedIndex = state.index;
    this.#appliedTerm = state.term;
    this.lastStamp = state.stamp;
    this.values.length = 0;
    this.#present.clear();
    for (const value of state.values) {
      this.values.push(value);
      this.#present.add(value);
    }
  }
}

const listName = 'list.json';

function valueIn(bytes: Buffer): string {
  const colon = bytes.indexOf(':');
  const value = bytes.toString('latin1', 0, colon);
  const filler = bytes.subarray(colon + 1);
  const expected = Buffer.alloc(filler.length, filler[0]);
  assert(filler.equals(expected), `The bytes of ${value} are damaged`);
  return value;
}

function acknowledge(command: Command, value: string): void {
  assert.equal(command.value, value);
  assert.equal(command.fate, 'pending', `${value} was answered twice`);
  command.fate = 'acknowledged';
}

export class SimReplica {
  readonly identity: ReplicaIdentity;
  readonly files: FaultyFiles;
  readonly clock: SimClock;
  readonly warnings: string[] = [];
  readonly infos: string[] = [];
  readonly snapshotEvents: SnapshotEvent[] = [];
  readonly #cluster: SimCluster;
  readonly #initial: Membership;
  #machine: ListMachine;
  #recorded: FileIdentity | undefined;
  #storage: Storage | undefined;
  #snapshots: SnapshotStore | undefined;
  #node: RaftNode | undefined;
  #transport: SimTransport | undefined;
  #life = 0;
  pool = new GarblingPool(4 * 1024 * KiB);
  fatal: Error | undefined;
  /** Operations on files with this in their path take `slowMs`. */
  slowPath = ' ';
  slowMs = 0;
  leadershipChanges = 0;
  /** How long writes to the log took, in milliseconds. */
  readonly logWriteMs: number[] = [];
  /** What it was told is in effect, since it was booted. */
  memberships: Membership[] = [];

  constructor(cluster: SimCluster, replicaId: ReplicaId, initial: Membership) {
    this.#cluster = cluster;
    this.#initial = initial;
    this.identity = { clusterId: '0'.repeat(32), group: 1, replicaId };
    const { world, options } = cluster;
    const diskMsMax = options.diskMsMax ?? 2;
    this.files = new FaultyFiles({
      // Most operations are quick; now and then one takes as long as a disk's cache flush.
      later: (callback, path) => {
        const slow = world.random() < 0.02 ? 10 : 1;
        const ms = 0.05 + world.random() * diskMsMax * slow;
        world.after(path.includes(this.slowPath) ? this.slowMs : ms, callback);
      },
    });
    this.clock = new SimClock(world, world.integer(1_000, 1_000_000));
    this.#machine = new ListMachine(cluster, this.files);
  }

  get id(): ReplicaId {
    return this.identity.replicaId;
  }

  get isRunning(): boolean {
    return this.#node !== undefined && this.fatal === undefined && !this.files.isDead;
  }

  get node(): RaftNode {
    assert(this.#node !== undefined, 'The replica does not run');
    return this.#node;
  }

  get machine(): ListMachine {
    return this.#machine;
  }

  get storage(): Storage {
    assert(this.#storage !== undefined, 'The replica does not run');
    return this.#storage;
  }

  get snapshots(): SnapshotStore {
    assert(this.#snapshots !== undefined, 'The replica does not run');
    return this.#snapshots;
  }

  /** Starts the process. Throws when the replica refuses to. */
  boot(): void {
    assert(this.#node === undefined);
    const { world, network, options } = this.#cluster;
    const chance = world.chance();
    const storageOptions: StorageOptions = {
      directory,
      identity: this.identity,
      files: this.files,
      chance,
      maxSegmentFileSize: options.maxSegmentFileSize ?? 64 * KiB,
      onWarning: (text) => this.warnings.push(text),
    };
    this.#recorded ??= createStorage(storageOptions);
    this.#storage = openStorage(storageOptions, this.#recorded);
    this.#snapshots = SnapshotStore.open({
      ...storageOptions,
      directory: `${directory}/snapshots`,
      clock: this.clock,
    });
    if (this.#machine.appliedIndex === 0) this.#restore(this.#snapshots, this.#storage);
    this.#life += 1;
    const life = this.#life;
    const timers = world.timersFor(() => this.#life === life && !this.files.isDead);
    this.pool = new GarblingPool(4 * 1024 * KiB);
    const transport = network.transport({
      identity: this.identity,
      pool: this.pool,
      clock: this.clock,
    });
    this.#transport = transport;
    this.fatal = undefined;
    this.memberships = [];
    this.#node = new RaftNode({
      ...this.#storage,
      files: this.files,
      identity: this.identity,
      membership: this.#initial,
      snapshots: this.#snapshots,
      options: resolveRaftOptions({ entryBytesMax: 64 * KiB, ...options.raft }),
      transport,
      machine: this.#machine,
      pool: this.pool,
      clock: this.clock,
      timers,
      chance,
      events: this.#events(life),
    });
    this.#node.start();
  }

  #restore(snapshots: SnapshotStore, { journal }: Storage): void {
    const snapshot = findRestorable(snapshots, journal, (text) => this.warnings.push(text));
    if (snapshot !== undefined) this.#machine.load(snapshot.path);
  }

  /** The process dies, the kernel does not. */
  kill(): void {
    this.#die();
    this.files.kill(this.#cluster.world.random);
  }

  /** The machine loses power: memory, and what no disk had. */
  powerCut(survivors?: 'some' | 'none'): void {
    this.#die();
    this.files.powerCut(this.#cluster.world.random, survivors);
    this.#machine = new ListMachine(this.#cluster, this.files);
  }

  /** Stops as an owner does. The process is gone when it has. */
  stop(): void {
    const { node } = this;
    const { world } = this.#cluster;
    let isStopped = false;
    node.stop(() => {
      isStopped = true;
    });
    assert(
      world.run(10_000, () => isStopped),
      'The replica did not stop',
    );
    this.#die();
    this.files.kill(world.random);
  }

  #die(): void {
    this.#life += 1;
    this.#node = undefined;
    this.#storage = undefined;
    this.#snapshots = undefined;
    this.#transport?.stop();
    this.#transport = undefined;
  }

  #events(life: number): RaftNodeEvents {
    const ifAlive = (action: () => void): void => {
      assert.equal(life, this.#life, 'A dead process speaks');
      assert.equal(this.fatal, undefined, 'A replica spoke after its fatal error');
      action();
    };
    return {
      onLeadershipChange: () =>
        ifAlive(() => {
          this.leadershipChanges += 1;
        }),
      onCommandsDropped: (contexts, fate) =>
        ifAlive(() => {
          for (const command of contexts as Command[]) {
            assert.equal(command.fate, 'pending', `${command.value} was answered twice`);
            command.fate = fate;
          }
        }),
      onCommitted: (index, contexts) => ifAlive(() => this.#cluster.onCommitted(index, contexts)),
      onReadable: (contexts, clockMs) =>
        ifAlive(() => {
          for (const read of contexts as SimRead[]) {
            read.clockMs = clockMs;
            read.values = [...this.machine.values];
          }
          settleReads(contexts as SimRead[], 'readable');
        }),
      onReadsDropped: (contexts) => ifAlive(() => settleReads(contexts as SimRead[], 'dropped')),
      onReadsRedirected: (contexts) =>
        ifAlive(() => settleReads(contexts as SimRead[], 'redirected')),
      onMembershipChange: (membership) => ifAlive(() => this.memberships.push(membership)),
      onSnapshot: (event) => ifAlive(() => this.snapshotEvents.push(event)),
      onApplied: () => ifAlive(() => {}),
      onTurn: () => ifAlive(() => {}),
      onLogWritten: (milliseconds) => ifAlive(() => void this.logWriteMs.push(milliseconds)),
      onFatal: (error) =>
        ifAlive(() => {
          // A check that failed inside `apply`, of this file or of the replica itself.
          if (error instanceof assert.AssertionError) throw error;
          this.fatal = error;
        }),
      onWarning: (text) => this.warnings.push(text),
      onInfo: (text) => this.infos.push(text),
    };
  }
}

function settleReads(reads: readonly SimRead[], fate: SimRead['fate']): void {
  for (const read of reads) {
    assert.equal(read.fate, 'pending', 'A read was answered twice');
    read.fate = fate;
  }
}

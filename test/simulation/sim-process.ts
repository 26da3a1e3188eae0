// One life of a server: what is lost when its process dies.
//
//   clients ─▶ Gate ─▶ RaftNode ─▶ ReplicatedMachine ─▶ SqliteStateMachine
//
// Everything in it is Holt's own code on simulated effects.

import assert from 'node:assert/strict';
import {
  type CommittedEntry,
  findRestorable,
  openStorage,
  RaftNode,
  resolveRaftOptions,
  type SnapshotEnd,
  SnapshotStore,
  type StateMachine,
  type Storage,
} from '../../raft/index.js';
import { FatalMachineError, SqliteStateMachine } from '../../sqlite-sm/index.js';
import { groupMemberOf } from '../../src/cluster/members.js';
import { Topology } from '../../src/cluster/topology.js';
import { Housekeeping } from '../../src/housekeeping.js';
import { ReplicatedMachine } from '../../src/replicated-machine.js';
import { GarblingPool } from '../faults/garbling-pool.js';
import type { SimTransport } from '../faults/sim-network.js';
import { AwakeTimers } from './awake-timers.js';
import { AwakeTransport } from './awake-transport.js';
import { Gate, nowMicroseconds } from './gate.js';
import type { SimServer } from './sim-server.js';
import type { SimSocket } from './sim-socket.js';

const poolBytesMax = 4 * 1024 * 1024;

export class SimProcess {
  readonly #server: SimServer;
  readonly timers: AwakeTimers;
  readonly #sockets = new Set<SimSocket>();
  #isAlive = true;
  #transport: SimTransport | undefined;
  #storage: Storage | undefined;
  #snapshots: SnapshotStore | undefined;
  #machine: SqliteStateMachine | undefined;
  #node: RaftNode | undefined;
  #gate: Gate | undefined;
  #housekeeping: Housekeeping | undefined;

  constructor(server: SimServer) {
    this.#server = server;
    this.timers = new AwakeTimers(server.world, () => this.isAlive);
  }

  /** Nobody hears of a process whose disk is gone, either. */
  get isAlive(): boolean {
    return this.#isAlive && !this.#server.disk.isDead;
  }

  get node(): RaftNode {
    assert(this.#node !== undefined, 'The process has not started');
    return this.#node;
  }

  get machine(): SqliteStateMachine {
    assert(this.#machine !== undefined, 'The process has not started');
    return this.#machine;
  }

  get storage(): Storage {
    assert(this.#storage !== undefined, 'The process has not started');
    return this.#storage;
  }

  get snapshots(): SnapshotStore {
    assert(this.#snapshots !== undefined, 'The process has not started');
    return this.#snapshots;
  }

  /** Throws when the server refuses to start, or dies while it does. */
  start(): void {
    const server = this.#server;
    const { world, identity, disk, clock, member, initial } = server;
    const { timers } = this;
    const chance = world.chance();
    const onWarning = (text: string): void => server.tell(`warns: ${text}`);
    const storageOptions = { ...server.storageOptions, chance, onWarning };
    const storage = openStorage(storageOptions, server.born);
    this.#storage = storage;
    const snapshots = SnapshotStore.open({
      ...storageOptions,
      directory: `${storageOptions.directory}/snapshots`,
      clock,
    });
    this.#snapshots = snapshots;
    const machine = this.#openMachine(storage, snapshots, chance.random);
    const topology = new Topology(identity.group, [member], identity.replicaId);
    const node = (): RaftNode => this.node;
    const gate = new Gate({ topology, timers, clock, machine, node, disk: server });
    this.#gate = gate;
    const pool = new GarblingPool(poolBytesMax);
    this.#transport = server.network.transport({ identity, pool, clock });
    this.#node = new RaftNode({
      ...storage,
      identity,
      membership: initial,
      options: resolveRaftOptions(server.raft),
      snapshots,
      files: disk,
      transport: new AwakeTransport(this.#transport, timers, (message) => server.onSent(message)),
      machine: this.#replicate(machine, gate),
      pool,
      clock,
      timers,
      chance,
      events: {
        onLeadershipChange: () => {
          server.onLeadershipChange(this.node);
          gate.replies.onLeadershipChange();
        },
        onMembershipChange: (membership) => {
          const { voters, learners } = membership;
          topology.onMembership(voters.map(groupMemberOf), learners.map(groupMemberOf));
          server.onMembershipChange(membership);
        },
        onCommandsDropped: (contexts, fate) => gate.replies.onCommandsDropped(contexts, fate),
        onCommitted: (index, contexts) => {
          server.onOwnCommitted(index);
          gate.replies.onCommitted(index, contexts);
        },
        onReadable: (contexts, clockMs) => gate.replies.onReadable(contexts, clockMs),
        onReadsDropped: (contexts) => gate.replies.onReadsDropped(contexts),
        onReadsRedirected: (contexts) => gate.replies.onReadsRedirected(contexts),
        onSnapshot: (event) => server.onSnapshot(event),
        onApplied: () => gate.replies.onApplied(),
        onTurn: () => {
          gate.replies.onTurn();
          server.onTurn(this);
        },
        onFatal: (error) => server.onFatal(error),
        onWarning,
        onInfo: (text) => server.tell(text),
      },
    });
    gate.open();
    this.#node.start();
    this.#housekeeping = new Housekeeping({
      machine,
      log: this.#node,
      timers: {
        after: (ms, callback) => timers.after(ms, this.#guarded(callback)),
        every: (ms, callback) => timers.every(ms, this.#guarded(callback)),
        atTurnEnd: (callback) => timers.atTurnEnd(callback),
      },
      clock,
    });
    this.#housekeeping.start();
  }

  /** Work by timer may find the state machine out of order, as in `src/replica.ts`. */
  #guarded(callback: () => void): () => void {
    return () => {
      try {
        callback();
      } catch (error) {
        if (!(error instanceof FatalMachineError)) throw error;
        this.#server.onFatal(error);
      }
    };
  }

  #openMachine(
    { journal }: Storage,
    snapshots: SnapshotStore,
    random: () => number,
  ): SqliteStateMachine {
    const server = this.#server;
    this.#machine = SqliteStateMachine.open({
      directory: server.machineDisk.directory,
      bootId: server.bootId,
      cacheBytes: 256 * 1024,
      files: server.machineDisk.files,
      timers: { after: (ms, callback) => this.timers.after(ms, this.#guarded(callback)) },
      clock: server.clock,
      random,
      restoreFrom: () => {
        const snapshot = findRestorable(snapshots, journal, (text) => server.tell(text));
        return snapshot === undefined ? undefined : server.exportSnapshot(snapshot.path);
      },
      onCommandFailure: (error) => {
        throw new Error('A command failed by a mistake of its own', { cause: error });
      },
    });
    const { startedFrom, startReason, appliedIndex } = this.#machine;
    server.tell(`the state starts from ${startedFrom} at ${appliedIndex}: ${startReason}`);
    return this.#machine;
  }

  #replicate(machine: SqliteStateMachine, gate: Gate): StateMachine {
    const server = this.#server;
    const replicated = new ReplicatedMachine({
      machine,
      settle: (context, reply) => gate.replies.onReply(context, reply),
      onBrokenPromise: ({ command }, reply) =>
        server.onViolation(`${command?.name} was answered OK and came to ${JSON.stringify(reply)}`),
      onFatal: (error) => server.onFatal(error),
      times: gate.times,
      nowMicroseconds,
    });
    return {
      get appliedIndex() {
        return replicated.appliedIndex;
      },
      get flushedIndex() {
        return replicated.flushedIndex;
      },
      get lastStamp() {
        return replicated.lastStamp;
      },
      apply: (entry: CommittedEntry, contexts) => {
        replicated.apply(entry, contexts);
        server.onApplied(entry, machine, contexts !== undefined);
      },
      writeSnapshot: (
        directory: string,
        done: (error: Error | undefined, at: SnapshotEnd | undefined) => void,
      ) => replicated.writeSnapshot(directory, done),
      readSnapshot: (directory: string, done: (error: Error | undefined) => void) =>
        replicated.readSnapshot(server.exportSnapshot(directory), done),
    };
  }

  /** Connects a client. */
  accept(socket: SimSocket): void {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    this.#gate!.accept(socket);
  }

  /** Hands over, answers what was taken, closes; `done` when nothing is left to be done. */
  stop(done: () => void): void {
    this.node.stop(() => {
      this.#gate!.flush();
      this.#housekeeping!.stop();
      this.machine.close();
      done();
    });
  }

  /** It says and does nothing any more. */
  silence(): void {
    this.#isAlive = false;
  }

  /** It is no more. What the kernel keeps is in place afterwards. */
  die(): void {
    this.silence();
    this.#transport?.stop();
    this.#server.machineDisk.kill(() => this.#machine?.close());
    for (const socket of this.#sockets) socket.abandon();
    this.#sockets.clear();
  }
}

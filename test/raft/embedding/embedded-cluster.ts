// Embedded replicas in this process: real sockets on loopback, real files in temporary directories.
//
// The state is a list of texts; a command appends one, and its result is the list's new length. A
// test may have a machine wait or throw.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import {
  foundCluster,
  joinCluster,
  type Member,
  openRaft,
  type Raft,
  type RaftConfig,
  type ReplicatedCommand,
  type ReplicatedStateMachine,
} from '../../../raft/index.js';
import { eventually } from '../../interop/eventually.js';
import { freeBasePorts } from '../../interop/free-ports.js';

const deadlineMs = 20_000;

export class ListMachine implements ReplicatedStateMachine<number> {
  texts: string[] = [];
  stamps: number[] = [];
  /** Runs first; may wait, or throw. */
  before: ((commands: readonly ReplicatedCommand[]) => Promise<void> | void) | undefined;

  apply(commands: readonly ReplicatedCommand[]): number[] | Promise<number[]> {
    const waiting = this.before?.(commands);
    if (waiting === undefined) return this.#append(commands);
    return waiting.then(() => this.#append(commands));
  }

  #append(commands: readonly ReplicatedCommand[]): number[] {
    return commands.map(({ data, stamp }) => {
      this.stamps.push(stamp);
      return this.texts.push(data.toString());
    });
  }

  async writeSnapshot(directory: string): Promise<void> {
    const text = JSON.stringify({ texts: this.texts, stamps: this.stamps });
    await fs.promises.writeFile(join(directory, 'list.json'), text);
  }

  async readSnapshot(directory: string): Promise<void> {
    const text = await fs.promises.readFile(join(directory, 'list.json'), 'utf8');
    const { texts, stamps } = JSON.parse(text);
    this.texts = texts;
    this.stamps = stamps;
  }
}

export type OpenOptions = Partial<Omit<RaftConfig<number>, 'directory' | 'events'>> & {
  readonly machine?: ListMachine;
};

/** A replica and its lives. */
export class EmbeddedReplica {
  readonly directory: string;
  readonly warnings: string[] = [];
  readonly fatals: Error[] = [];
  readonly leaders: (string | undefined)[] = [];
  #machine: ListMachine | undefined;
  #raft: Raft<number> | undefined;

  constructor(directory: string) {
    this.directory = directory;
  }

  get raft(): Raft<number> {
    assert(this.#raft !== undefined, 'The replica is not open');
    return this.#raft;
  }

  get machine(): ListMachine {
    return this.#machine!;
  }

  get isOpen(): boolean {
    return this.#raft !== undefined;
  }

  async open({ machine = new ListMachine(), options, ...more }: OpenOptions = {}): Promise<void> {
    assert(this.#raft === undefined, 'The replica is open');
    this.#machine = machine;
    this.#raft = await openRaft({
      directory: this.directory,
      machine,
      events: {
        onFatal: (error) => this.fatals.push(error),
        onLeadershipChange: ({ leader }) => this.leaders.push(leader?.replicaId),
        onWarning: (text) => this.warnings.push(text),
      },
      options: {
        electionTimeoutMilliseconds: 150,
        heartbeatPeriodMilliseconds: 50,
        uncertainAfterMilliseconds: 300,
        ...options,
      },
      ...more,
    });
  }

  async stop(): Promise<void> {
    const raft = this.#raft;
    this.#raft = undefined;
    await raft?.stop();
  }
}

export class EmbeddedCluster {
  readonly #parent: string;
  readonly replicas: EmbeddedReplica[];

  /** Founded, and not open yet. */
  static async found(count: number, host = '127.0.0.1'): Promise<EmbeddedCluster> {
    const ports = await freeBasePorts(count);
    const parent = fs.mkdtempSync(join(os.tmpdir(), 'holt-raft-'));
    const directories = ports.map((_, at) => join(parent, `replica-${at + 1}`));
    foundCluster(directories.map((directory, at) => ({ directory, host, port: ports[at]! })));
    return new EmbeddedCluster(parent, directories);
  }

  private constructor(parent: string, directories: readonly string[]) {
    this.#parent = parent;
    this.replicas = directories.map((directory) => new EmbeddedReplica(directory));
  }

  async open(options: OpenOptions = {}): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.open(options)));
  }

  /** One more, open and set up to join; nobody has added it yet. */
  async join(): Promise<{ readonly replica: EmbeddedReplica; readonly member: Member }> {
    const [port] = await freeBasePorts(1);
    const directory = join(this.#parent, `replica-${this.replicas.length + 1}`);
    const { clusterId } = (await this.leader()).raft;
    const member = joinCluster({ directory, host: '127.0.0.1', port: port! }, clusterId);
    const replica = new EmbeddedReplica(directory);
    this.replicas.push(replica);
    await replica.open();
    return { replica, member };
  }

  /** The one that takes commands; waits for it. */
  leader(): Promise<EmbeddedReplica> {
    return eventually('a replica that serves', deadlineMs, () =>
      this.replicas.find((replica) => replica.isOpen && replica.raft.status().isServing),
    );
  }

  async followers(): Promise<EmbeddedReplica[]> {
    const leader = await this.leader();
    return this.replicas.filter((replica) => replica !== leader && replica.isOpen);
  }

  /** Waits until all open replicas have the same list, with `text` in it. */
  async converged(text: string): Promise<void> {
    const open = this.replicas.filter(({ isOpen }) => isOpen);
    await eventually(`${text} on all replicas`, deadlineMs, () =>
      open.every(({ machine }) => machine.texts.includes(text)),
    );
    for (const { machine } of open) assert.deepEqual(machine.texts, open[0]!.machine.texts);
  }

  async dispose(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.stop()));
    fs.rmSync(this.#parent, { recursive: true, force: true });
  }
}

// One replica that is a group by itself, on real files: the real log, vote file, snapshots and
// database, opened in the order in which `src/replica.ts` opens them.
//
// The state that it must have is known without it: what each entry makes of a handful of keys is told
// by a `Ledger`. Appending and counting show an entry that was applied twice, or not at all.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { attempt } from '../../raft/errors.js';
import {
  BufferPool,
  createStorage,
  defaultRaftOptions,
  type FileIdentity,
  findRestorable,
  nodeChance,
  nodeClock,
  nodeFiles,
  nodeTimers,
  openStorage,
  RaftNode,
  type RaftNodeEvents,
  SnapshotStore,
  type StateMachine,
  type Storage,
  type Transport,
} from '../../raft/index.js';
import {
  commandByteLength,
  encodeCommand,
  FatalMachineError,
  SqliteStateMachine,
  writeKind,
} from '../../sqlite-sm/index.js';
import { machineFiles } from '../../src/files.js';
import { readWhole, show } from '../sqlite-sm/machine-fixture.js';

const KiB = 1024;

export const identity = { clusterId: '0'.repeat(32), group: 1, replicaId: 'a'.repeat(40) };
const self = { replicaId: identity.replicaId, host: '127.0.0.1', port: 1, attributes: {} };
const membership = { index: 0, voters: [self], learners: [] };

/** Nobody to wait for: elections and segments are as short as they can be. */
const options = {
  ...defaultRaftOptions,
  electionTimeoutMilliseconds: 12,
  heartbeatPeriodMilliseconds: 4,
  maxSegmentFileSize: 64 * KiB,
  snapshotsKept: 2,
};

const startMsMax = 20_000;

const nobody: Transport = {
  start() {},
  setPeers() {},
  send() {},
  flush() {},
  isLinked: () => false,
  connectForSnapshot: (_to, done) => done(new Error('nobody is there'), undefined),
  stop() {},
};

export type Words = readonly string[];

/** What the keys must hold, and held after each entry. */
export class Ledger {
  readonly #values = new Map<string, string>();
  readonly #byIndex = new Map<number, readonly (string | null)[]>();
  #lastIndex = 0;
  #entries = 0;

  /** Commands of the next entry, and what they make of the keys. */
  next(byteLength: number): readonly Words[] {
    this.#entries += 1;
    const list = `list:${this.#entries % listCount}`;
    const key = `key:${this.#entries % keyCount}`;
    const value = `${this.#entries}:`.padEnd(byteLength, 'v');
    const counter = Number(this.#values.get('counter') ?? 0) + 1;
    this.#values.set(list, `${this.#values.get(list) ?? ''}${this.#entries},`);
    this.#values.set(key, value);
    this.#values.set('counter', String(counter));
    return [
      ['APPEND', list, `${this.#entries},`],
      ['SET', key, value],
      ['INCR', 'counter'],
    ];
  }

  /** The entry of `next` is that of `index`; those between it and the one before changed nothing. */
  onAcknowledged(index: number): void {
    this.#lastIndex = index;
    this.#byIndex.set(
      index,
      allKeys.map((key) => this.#values.get(key) ?? null),
    );
  }

  get lastIndex(): number {
    return this.#lastIndex;
  }

  /** As `ReplicaOnDisk.values`. */
  at(index: number): readonly (string | null)[] {
    for (let at = index; at > 0; at -= 1) {
      const values = this.#byIndex.get(at);
      if (values !== undefined) return values;
    }
    return allKeys.map(() => null);
  }
}

const listCount = 7;
const keyCount = 20;
const allKeys = [
  ...Array.from({ length: listCount }, (_, at) => `list:${at}`),
  ...Array.from({ length: keyCount }, (_, at) => `key:${at}`),
  'counter',
];

export interface StartOptions {
  readonly directory: string;
  /** Which file the vote file is. */
  readonly recorded: FileIdentity;
  readonly bootId: string;
}

/** Creates the files of a replica. Returns which file the vote file is. */
export function createReplica(directory: string): FileIdentity {
  return createStorage(storageOptions(directory, []));
}

function storageOptions(directory: string, warnings: string[]) {
  return {
    directory,
    identity,
    files: nodeFiles,
    chance: nodeChance,
    maxSegmentFileSize: options.maxSegmentFileSize,
    onWarning: (text: string) => void warnings.push(text),
  };
}

/** Why a replica does not start, with what it warned of before. */
export class Refused extends Error {
  override readonly name = 'Refused';

  constructor(cause: unknown, warnings: readonly string[]) {
    super([...warnings, (cause as Error).message].join('\n'), { cause });
  }
}

/** What there is of a start that may have failed half way. */
interface Opened {
  storage?: Storage;
  machine?: SqliteStateMachine;
  node?: RaftNode;
}

export class ReplicaOnDisk {
  readonly warnings: readonly string[];
  readonly #storage: Storage;
  readonly #machine: SqliteStateMachine;
  readonly #node: RaftNode;

  /** Leads, and has applied all that its log holds. Rejects with `Refused`. */
  static async start(start: StartOptions): Promise<ReplicaOnDisk> {
    const warnings: string[] = [];
    const opened: Opened = {};
    try {
      await open(start, opened, warnings);
      return new ReplicaOnDisk(opened as Required<Opened>, warnings);
    } catch (error) {
      closeAll(opened);
      throw error instanceof TooSlow ? error : new Refused(error, warnings);
    }
  }

  private constructor({ storage, machine, node }: Required<Opened>, warnings: string[]) {
    this.warnings = warnings;
    this.#storage = storage;
    this.#machine = machine;
    this.#node = node;
  }

  get startedFrom(): SqliteStateMachine['startedFrom'] {
    return this.#machine.startedFrom;
  }

  get baseIndex(): number {
    return this.#storage.journal.baseIndex;
  }

  /** Of all keys, in the order of the `Ledger`. */
  get values(): readonly (string | null)[] {
    const args = ['MGET', ...allKeys].map((word) => Buffer.from(word));
    const reply = readWhole(this.#machine, args, 0);
    assert(typeof reply !== 'symbol', 'No key expires');
    return show(reply) as (string | null)[];
  }

  /** In one entry. Resolves with its index when it is applied. */
  async run(commands: readonly Words[]): Promise<number> {
    const indexes = await Promise.all(commands.map((words) => this.#propose(words)));
    assert.equal(new Set(indexes).size, 1, 'What comes in one turn is one entry');
    return indexes[0]!;
  }

  #propose(words: Words): Promise<number> {
    const args = words.map((word) => Buffer.from(word));
    return new Promise((resolve) => {
      const offset = this.#node.reserve(commandByteLength(args), resolve);
      encodeCommand(this.#node.batchBuffer, offset, writeKind, 0, args);
    });
  }

  takeSnapshot(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#node.takeSnapshot((error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  }

  /** As far as that works: the process ends. */
  abandon(): void {
    closeAll({ storage: this.#storage, machine: this.#machine, node: this.#node });
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#node.stop(resolve));
    this.#machine.close();
  }
}

/** A bug of the replica or of the test: it must do the one or the other. */
class TooSlow extends Error {
  constructor() {
    super('The replica neither leads nor refuses to');
  }
}

/** Fills `opened` as it goes. */
function open(start: StartOptions, opened: Opened, warnings: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const timeout = setTimeout(() => reject(new TooSlow()), startMsMax);
    function fail(error: unknown): void {
      clearTimeout(timeout);
      reject(error);
    }
    const { directory, recorded, bootId } = start;
    const given = storageOptions(directory, warnings);
    try {
      const storage = openStorage(given, recorded);
      opened.storage = storage;
      const snapshots = SnapshotStore.open({
        ...given,
        directory: join(directory, 'snapshots'),
        clock: nodeClock,
      });
      const machine = SqliteStateMachine.open({
        directory,
        bootId,
        files: machineFiles,
        timers: { after: (ms, callback) => nodeTimers.after(ms, () => orFail(callback, fail)) },
        clock: nodeClock,
        random: () => 0,
        cacheBytes: 256 * KiB,
        restoreFrom: () =>
          findRestorable(snapshots, storage.journal, (text) => warnings.push(text))?.path,
      });
      opened.machine = machine;
      const node: RaftNode = new RaftNode({
        ...storage,
        identity,
        membership,
        options,
        files: nodeFiles,
        snapshots,
        transport: nobody,
        machine: replicated(machine, fail),
        pool: new BufferPool(4 * KiB * KiB),
        clock: nodeClock,
        timers: nodeTimers,
        chance: nodeChance,
        events: {
          ...nothingHappens,
          onFatal: fail,
          onWarning: (text) => warnings.push(text),
          onApplied: () => {
            if (!node.isServing) return;
            clearTimeout(timeout);
            resolve();
          },
        },
      });
      opened.node = node;
      node.start();
    } catch (error) {
      fail(error);
    }
  });
}

function orFail(action: () => void, fail: (error: unknown) => void): void {
  try {
    action();
  } catch (error) {
    fail(error);
  }
}

/** What `src/replicated-machine.ts` is to clients: whoever proposed hears the index. */
function replicated(machine: SqliteStateMachine, fail: (error: unknown) => void): StateMachine {
  return {
    get appliedIndex() {
      return machine.appliedIndex;
    },
    get flushedIndex() {
      return machine.flushedIndex;
    },
    get lastStamp() {
      return machine.lastStamp;
    },
    apply(entry, contexts) {
      machine.apply(entry);
      for (const resolve of (contexts ?? []) as ((index: number) => void)[]) resolve(entry.index);
    },
    writeSnapshot(directory, done) {
      machine.writeSnapshot(directory, (error, at) => {
        if (error instanceof FatalMachineError) fail(error);
        else done(error, at);
      });
    },
    readSnapshot: (directory, done) => machine.readSnapshot(directory, done),
  };
}

const nothingHappens: RaftNodeEvents = {
  onLeadershipChange() {},
  onCommandsDropped() {},
  onCommitted() {},
  onReadable() {},
  onReadsDropped() {},
  onReadsRedirected() {},
  onMembershipChange() {},
  onSnapshot() {},
  onApplied() {},
  onTurn() {},
  onFatal() {},
  onWarning() {},
  onInfo() {},
};

/** As far as that works: the process would end here. */
function closeAll({ storage, machine, node }: Opened): void {
  node?.fail(new Error('The start has failed'));
  for (const part of [storage?.journal, storage?.voteFile]) {
    attempt(() => part?.closeSync());
  }
  attempt(() => machine?.close());
}

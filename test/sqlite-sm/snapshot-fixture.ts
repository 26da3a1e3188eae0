// A state machine that is made to write snapshots, and what is known of them afterwards.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { crc32 } from 'node:zlib';
import type {
  DataCommand,
  MachineEntry,
  MachineOptions,
  SnapshotPoint,
  SqliteStateMachine,
  WrittenSnapshot,
} from '../../sqlite-sm/index.js';
import { encodeBatch, makeDirectory, openMachine, type SeededRandom } from './machine-fixture.js';

/** Writes and throws: what was applied since the last commit is rolled back and applied again. */
export const breakdown: DataCommand = {
  name: 'breakdown',
  arity: 1,
  flags: ['write'],
  categories: ['@write'],
  keySpecs: [],
  tips: [],
  group: 'generic',
  since: '1.0.0',
  summary: '',
  complexity: '',
  run(keyspace) {
    keyspace.insertString(Buffer.from('undone'), Buffer.alloc(100_000), null);
    throw new TypeError('a mistake');
  },
};

/** A value of as many bytes as asked for, none like another. */
export function makeValue(random: SeededRandom, byteLength: number): Buffer {
  return Buffer.alloc(byteLength, `${random.below(2 ** 30)} `);
}

/** Writes of many pages all over the table, and now and then something of every other kind. */
export function makeEntry(random: SeededRandom, index: number, keyCount: number): MachineEntry {
  const key = (): string => `key:${random.below(keyCount)}`;
  const batch: (string | Buffer)[][] = [];
  for (let i = 0; i < 15; i++) {
    const kind = random.below(20);
    if (kind === 0) batch.push(['DEL', key()]);
    else if (kind === 3 && random.below(100) === 0) batch.push(['BREAKDOWN']);
    else if (kind === 1) batch.push(['INCR', 'counter']);
    else if (kind === 2) batch.push(['SET', key(), 'short', 'PX', String(1 + random.below(5000))]);
    else batch.push(['SET', key(), makeValue(random, 500 + random.below(6000))]);
  }
  const db = random.below(8) === 0 ? 1 : 0;
  if (random.below(60) === 0) batch.push(['FLUSHDB']);
  return {
    index,
    term: 1 + Math.floor(index / 100),
    stamp: 1_000_000 + index * 10,
    kind: 'command',
    payload: encodeBatch(batch, { db }),
  };
}

export interface SnapshotResult {
  readonly directory: string;
  /** Both undefined while it is under way. */
  error: Error | undefined;
  at: SnapshotPoint | undefined;
  isDone: boolean;
}

export function startSnapshot(machine: SqliteStateMachine): SnapshotResult {
  const result: SnapshotResult = {
    directory: makeDirectory(),
    error: undefined,
    at: undefined,
    isDone: false,
  };
  machine.writeSnapshot(result.directory, (error, written) => {
    assert(!result.isDone, 'done was called twice');
    assert((error === undefined) !== (written === undefined));
    const at = written === undefined ? undefined : pointOf(result.directory, written);
    Object.assign(result, { error, at, isDone: true });
  });
  assert(!result.isDone, 'done was called before writeSnapshot returned');
  return result;
}

/** A snapshot with nothing else going on. */
export function takeSnapshot(machine: SqliteStateMachine): Promise<SnapshotResult> {
  return new Promise((resolve, reject) => {
    const directory = makeDirectory();
    machine.writeSnapshot(directory, (error, written) => {
      if (written === undefined) reject(error);
      else resolve({ directory, error, at: pointOf(directory, written), isDone: true });
    });
  });
}

/** Its sums are those of all files. */
function pointOf(directory: string, { sums, ...at }: WrittenSnapshot): SnapshotPoint {
  assert.deepEqual([...sums.keys()], fs.readdirSync(directory));
  for (const [name, sum] of sums) {
    const bytes = fs.readFileSync(path.join(directory, name));
    assert.deepEqual(sum, { byteLength: bytes.length, crc32: crc32(bytes) });
  }
  return at;
}

export function readSnapshot(machine: SqliteStateMachine, directory: string): Promise<void> {
  return new Promise((resolve, reject) => {
    machine.readSnapshot(directory, (error) => (error === undefined ? resolve() : reject(error)));
  });
}

/** A machine in a directory of its own, with the state of the snapshot. */
export function openFromSnapshot(
  snapshotDirectory: string,
  options: Partial<MachineOptions> = {},
): SqliteStateMachine {
  const machine = openMachine(makeDirectory(), {
    restoreFrom: () => snapshotDirectory,
    commands: [breakdown],
    ...options,
  });
  assert.equal(machine.startedFrom, 'snapshot');
  return machine;
}

/** The snapshot is the state after these entries up to the one that it names, and nothing else. */
export function assertHolds(snapshot: SnapshotResult, entries: readonly MachineEntry[]): void {
  assert.equal(snapshot.error, undefined);
  const { at } = snapshot;
  assert(at !== undefined);
  assert.deepEqual(fs.readdirSync(snapshot.directory), ['data.db']);
  const restored = openFromSnapshot(snapshot.directory);
  const replayed = openMachine(makeDirectory(), { commands: [breakdown] });
  for (const entry of entries.slice(0, at.index)) replayed.apply(entry);
  for (const machine of [restored, replayed]) {
    const { appliedIndex: index, appliedTerm: term, lastStamp: stamp } = machine;
    assert.deepEqual({ index, term, stamp }, at);
  }
  assert.equal(restored.digest(), replayed.digest());
  assert.equal(restored.keyCount(0), replayed.keyCount(0));
  assert.equal(restored.expiresCount(0), replayed.expiresCount(0));
  restored.close();
  replayed.close();
}

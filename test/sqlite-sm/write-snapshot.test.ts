import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import BetterSqlite3 from 'better-sqlite3';
import {
  FatalMachineError,
  type MachineEntry,
  type MachineOptions,
  type SqliteStateMachine,
} from '../../sqlite-sm/index.js';
import { markerPath } from '../../sqlite-sm/marker.js';
import { GatedFiles, type Operation } from './gated-files.js';
import {
  makeDirectory,
  openMachine,
  realFiles,
  removeDirectories,
  SeededRandom,
} from './machine-fixture.js';
import {
  assertHolds,
  breakdown,
  makeEntry,
  type SnapshotResult,
  startSnapshot,
  takeSnapshot,
} from './snapshot-fixture.js';

const keyCount = 900;
/** A thousand pages, and the transaction that goes beyond. */
const walBytesMax = 6 * 1024 * 1024;

/** A machine with some megabytes of state, and every entry that it has applied. */
class SnapshotHarness {
  readonly gate = new GatedFiles();
  readonly directory = makeDirectory();
  readonly machine: SqliteStateMachine;
  readonly entries: MachineEntry[] = [];
  readonly random: SeededRandom;

  constructor(seed = 1, entryCount = 100, options: Partial<MachineOptions> = {}) {
    this.random = new SeededRandom(seed);
    this.machine = openMachine(this.directory, {
      files: this.gate.files,
      commands: [breakdown],
      ...options,
    });
    for (let i = 0; i < entryCount; i++) this.apply();
    this.machine.flush();
  }

  apply(): void {
    const entry = makeEntry(this.random, this.machine.appliedIndex + 1, keyCount);
    this.entries.push(entry);
    this.machine.apply(entry);
  }

  /** Applies so much that SQLite checkpoints several times, if anybody has it do so. */
  applyMuch(): void {
    for (let i = 0; i < 60; i++) {
      this.apply();
      this.machine.flush();
    }
  }

  /** Goes on applying: so many entries, more or less, for a step of the copy. */
  applyUntilDone(snapshot: SnapshotResult, entriesPerStep = 4): void {
    while (!snapshot.isDone) {
      this.apply();
      if (this.random.below(2) === 0) this.machine.flush();
      if (this.random.below(3) === 0) this.machine.reclaim(20);
      if (this.random.below(entriesPerStep) === 0)
        this.gate.step(this.random.below(this.gate.pending));
    }
  }

  finish(snapshot: SnapshotResult): void {
    this.gate.finish();
    assert(snapshot.isDone);
  }

  get walBytes(): number {
    return fs.statSync(`${this.directory}/live.db-wal`).size;
  }

  count(operation: Operation): number {
    return this.gate.counts.get(`${operation} data.db`) ?? 0;
  }
}

describe('writeSnapshot', () => {
  let harness: SnapshotHarness | undefined;
  const open = (...args: ConstructorParameters<typeof SnapshotHarness>): SnapshotHarness => {
    harness = new SnapshotHarness(...args);
    return harness;
  };
  afterEach(() => {
    harness?.machine.close();
    harness?.gate.finish();
    harness = undefined;
    removeDirectories();
  });

  for (let seed = 1; seed <= 3; seed++) {
    it(`holds the state at the entry it names, whatever is applied meanwhile (seed ${seed})`, () => {
      const test = open(seed);
      const before = test.machine.appliedIndex;
      const snapshot = startSnapshot(test.machine);
      test.applyUntilDone(snapshot, 20);
      const at = snapshot.at;
      assert(at !== undefined && at.index >= before);
      // Or the test has not met what it is about.
      assert(test.machine.appliedIndex > at.index + 20, `${test.machine.appliedIndex}`);
      assert(test.count('writeSync') > 20, `${test.count('writeSync')} kept`);
      // More was written than the WAL has ever held: checkpoints went on.
      const applied = test.entries.slice(at.index).reduce((sum, { payload }) => {
        return sum + payload.length;
      }, 0);
      assert(applied > test.walBytes, `${applied} bytes applied, ${test.walBytes} in the WAL`);
      assert(test.walBytes < walBytesMax, `The WAL has ${test.walBytes} bytes`);
      assertHolds(snapshot, test.entries);

      // The machine itself has not suffered either.
      const replayed = openMachine(makeDirectory(), { commands: [breakdown] });
      for (const entry of test.entries) replayed.apply(entry);
      assert.equal(test.machine.digest(), replayed.digest());
      replayed.close();
    });
  }

  it('copies as much as what is applied meanwhile lets it, while the clock stands still', () => {
    const due = new Set<() => void>();
    const timers = {
      after(_milliseconds: number, callback: () => void): () => void {
        due.add(callback);
        return () => due.delete(callback);
      },
    };
    const test = open(1, 200, { timers, clock: { monotonicMs: () => 0 } });
    const before = test.machine.appliedIndex;
    const goOn = (): void => {
      test.gate.finish();
      for (const callback of [...due]) if (due.delete(callback)) callback();
      test.gate.finish();
    };
    const snapshot = startSnapshot(test.machine);
    for (let i = 0; i < 5; i++) goOn();
    assert.equal(test.count('write'), 0);
    while (!snapshot.isDone) {
      test.apply();
      goOn();
    }
    const copied = fs.statSync(`${snapshot.directory}/data.db`).size;
    const applied = test.entries.slice(before).reduce((sum, { payload }) => {
      return sum + payload.length;
    }, 0);
    assert(Math.abs(2 * applied - copied) < 256 * 1024, `${applied} applied, ${copied} copied`);
    assertHolds(snapshot, test.entries);
  });

  it('includes what was applied before its file was synced', () => {
    const test = open(1, 10);
    const snapshot = startSnapshot(test.machine);
    test.apply();
    test.gate.step();
    test.apply();
    test.finish(snapshot);
    assert.equal(snapshot.at?.index, 11);
    assertHolds(snapshot, test.entries);
  });

  it('holds an empty state, and one that nothing happens to', () => {
    const test = open(1, 0);
    const empty = startSnapshot(test.machine);
    test.finish(empty);
    assert.deepEqual(empty.at, { index: 0, term: 0, stamp: 0 });
    assertHolds(empty, test.entries);
    for (let i = 0; i < 40; i++) test.apply();
    const idle = startSnapshot(test.machine);
    test.finish(idle);
    assert.equal(idle.at?.index, 40);
    assertHolds(idle, test.entries);
  });

  it('works with the files as they are', async () => {
    const directory = makeDirectory();
    const machine = openMachine(directory, { files: realFiles, commands: [breakdown] });
    const random = new SeededRandom(3);
    const entries = Array.from({ length: 100 }, (_, i) => makeEntry(random, i + 1, keyCount));
    for (const entry of entries) machine.apply(entry);
    const snapshot = await takeSnapshot(machine);
    machine.close();
    assertHolds(snapshot, entries);
  });

  it('leaves a plain database, which is read without a trace', () => {
    const test = open();
    const snapshot = startSnapshot(test.machine);
    test.finish(snapshot);
    const path = `${snapshot.directory}/data.db`;
    const bytes = fs.readFileSync(path);
    const file = new BetterSqlite3(path, { readonly: true });
    assert.equal(file.pragma('journal_mode', { simple: true }), 'delete');
    assert.equal(file.pragma('integrity_check', { simple: true }), 'ok');
    assert.equal(
      file.prepare('SELECT applied_index FROM meta').pluck().get(),
      test.machine.appliedIndex,
    );
    assert.deepEqual(fs.readdirSync(snapshot.directory), ['data.db']);
    file.close();
    assert.deepEqual(fs.readdirSync(snapshot.directory), ['data.db']);
    assert(fs.readFileSync(path).equals(bytes));
  });

  it('is one at a time', () => {
    const test = open(1, 5);
    const first = startSnapshot(test.machine);
    assert.throws(() => test.machine.writeSnapshot(makeDirectory(), () => {}), /One snapshot/);
    test.finish(first);
    const second = startSnapshot(test.machine);
    test.finish(second);
    assertHolds(second, test.entries);
  });

  it('leaves the lock on live.db with the process', () => {
    const test = open();
    assertLocked(test.directory);
    const snapshot = startSnapshot(test.machine);
    test.gate.step();
    assertLocked(test.directory);
    test.applyUntilDone(snapshot);
    assert(snapshot.at !== undefined);
    assertLocked(test.directory);
  });

  const noSpace = new Error('ENOSPC: no space left on device');
  const ioError = new Error('EIO: i/o error');
  for (const [title, operation, name, error] of [
    ['the copy cannot be created', 'open', 'data.db', noSpace],
    ['the WAL cannot be opened', 'open', 'live.db-wal', ioError],
    ['live.db cannot be read', 'read', 'live.db', ioError],
    ['the disk is full', 'write', 'data.db', noSpace],
    ['the disk is full when a page is kept', 'writeSync', 'data.db', noSpace],
    ['the copy cannot be read again', 'read', 'data.db', ioError],
  ] as const) {
    it(`fails and leaves the machine as it was: ${title}`, () => {
      const test = open();
      let isFaulty = true;
      test.gate.fault = (actual, actualName) => {
        return isFaulty && actual === operation && actualName === name ? error : undefined;
      };
      const failed = startSnapshot(test.machine);
      test.applyUntilDone(failed, name === 'data.db' ? 20 : 4);
      assert.equal(failed.error?.message, `Cannot write the snapshot: ${error.message}`);
      assert.equal(failed.error?.cause, error);
      assert.equal(test.gate.pending, 0);
      isFaulty = false;
      assertAsBefore(test);
    });
  }

  it('fails when somebody else has written live.db', () => {
    for (const moment of ['before a checkpoint', 'before the end']) {
      const test = open();
      const snapshot = startSnapshot(test.machine);
      test.gate.step();
      fs.utimesSync(`${test.directory}/live.db`, 1, 1);
      if (moment === 'before a checkpoint') test.applyUntilDone(snapshot, 20);
      else test.finish(snapshot);
      assert.match(snapshot.error?.message ?? '', /live\.db was written to while it was copied/);
      assertAsBefore(test);
      test.machine.close();
    }
  });

  it('discards live.db when it cannot be synced: the next start begins with a snapshot', () => {
    const test = open();
    const good = startSnapshot(test.machine);
    test.finish(good);
    test.apply();
    test.gate.fault = (operation) => (operation === 'sync' ? ioError : undefined);
    const failed = startSnapshot(test.machine);
    test.finish(failed);
    assert(failed.error instanceof FatalMachineError);
    assert.equal(failed.error.code, 'resource');
    assert.match(failed.error.message, /^Cannot trust live\.db: Error: EIO/);
    assert(!fs.existsSync(markerPath(`${test.directory}/live.db`)));
    assert.throws(() => test.machine.flush(), isFailed);
    assert.deepEqual(fs.readdirSync(failed.directory), []);
    test.machine.close();

    const again = openMachine(test.directory, { restoreFrom: () => good.directory });
    assert.equal(again.startedFrom, 'snapshot');
    assert.equal(again.startReason, 'there is no marker');
    assert.equal(again.appliedIndex, good.at?.index);
    again.close();
  });

  it('ends when the machine fails', () => {
    const test = open();
    const snapshot = startSnapshot(test.machine);
    test.gate.step();
    const unknown = { ...test.entries[0]!, ...nextEntry(test), payload: Buffer.from([1, 2, 3]) };
    assert.throws(() => test.machine.apply(unknown), FatalMachineError);
    test.finish(snapshot);
    assert(snapshot.error instanceof FatalMachineError);
    assert.equal(snapshot.error.code, 'corruptEntry');
  });

  for (const steps of [0, 1, 4]) {
    it(`ends when the machine is closed, after ${steps} steps; what was applied is there`, () => {
      const test = open();
      const snapshot = startSnapshot(test.machine);
      for (let i = 0; i < steps; i++) test.gate.step();
      test.apply();
      const digest = test.machine.digest();
      test.machine.close();
      test.finish(snapshot);
      assert.match(snapshot.error?.message ?? '', /the state machine was closed/);
      const again = openMachine(test.directory);
      assert.equal(again.startedFrom, 'live');
      assert.equal(again.digest(), digest);
      again.close();
    });
  }
});

/** Checkpoints are SQLite's again, and the next snapshot is good. */
function assertAsBefore(test: SnapshotHarness): void {
  test.applyMuch();
  assert(test.walBytes < walBytesMax, `The WAL has ${test.walBytes} bytes`);
  const next = startSnapshot(test.machine);
  test.finish(next);
  assertHolds(next, test.entries);
}

/** Another process is refused the database. */
function assertLocked(directory: string): void {
  const script = `
    const Database = require('better-sqlite3');
    try {
      new Database(process.argv[1], { timeout: 0 }).prepare('SELECT * FROM meta').get();
      console.log('opened');
    } catch (error) {
      console.log(error.code);
    }`;
  const { stdout } = spawnSync(process.execPath, ['-e', script, `${directory}/live.db`], {
    encoding: 'utf8',
  });
  assert.equal(stdout.trim(), 'SQLITE_BUSY');
}

function nextEntry(test: SnapshotHarness): Pick<MachineEntry, 'index' | 'term' | 'stamp'> {
  const { appliedIndex, appliedTerm: term, lastStamp: stamp } = test.machine;
  return { index: appliedIndex + 1, term, stamp };
}

function isFailed(error: unknown): boolean {
  return error instanceof FatalMachineError && error.code === 'failed';
}

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import BetterSqlite3 from 'better-sqlite3';
import { FatalMachineError, type SqliteStateMachine } from '../../sqlite-sm/index.js';
import { markerPath } from '../../sqlite-sm/marker.js';
import { GatedFiles } from './gated-files.js';
import { KilledFiles, type Moment } from './killed-files.js';
import {
  copyTrustedAsAfterKill,
  MachineHarness,
  ManualTimers,
  makeDirectory,
  openMachine,
  realFiles,
  removeDirectories,
} from './machine-fixture.js';
import { openFromSnapshot, readSnapshot, startSnapshot, takeSnapshot } from './snapshot-fixture.js';

/** What installing does to the disk, in its order. */
const installSteps = [
  'unlink live.db.marker',
  'unlink live.db-wal',
  'unlink live.db-shm',
  'unlink live.db-journal',
  'unlink live.db',
  'copy data.db live.db',
  'write live.db.marker',
];

describe('A snapshot', () => {
  /** Of a state that expires, has been flushed and has garbage, at index 6. */
  let snapshotDirectory: string;
  let snapshotDigest: string;
  /** The machine that wrote it, which has gone on. */
  let origin: MachineHarness;
  const machines: SqliteStateMachine[] = [];

  beforeEach(async () => {
    origin = new MachineHarness();
    machines.push(origin.machine);
    origin.runIn(3, 'SET', 'flushed', 'x');
    origin.runIn(3, 'FLUSHDB');
    origin.run('SET', 'gone', 'x');
    origin.run('FLUSHALL');
    origin.run('SET', 'a', 'snapshot', 'PX', '5000');
    origin.run('SET', 'b', Buffer.alloc(20_000, 'snapshot'));
    snapshotDigest = origin.machine.digest();
    snapshotDirectory = (await takeSnapshot(origin.machine)).directory;
    origin.run('SET', 'a', 'later');
  });
  afterEach(() => {
    for (const machine of machines.splice(0)) machine.close();
    removeDirectories();
  });

  /** A machine with another state at index 2. */
  function openOther(options: Parameters<typeof openMachine>[1] = {}): MachineHarness {
    const other = new MachineHarness(options);
    machines.push(other.machine);
    other.run('SET', 'a', 'other');
    other.run('SET', 'c', 'other', 'PX', '1');
    return other;
  }

  function open(...args: Parameters<typeof openMachine>): SqliteStateMachine {
    const machine = openMachine(...args);
    machines.push(machine);
    return machine;
  }

  function assertSnapshotState(machine: SqliteStateMachine): void {
    assert.equal(machine.digest(), snapshotDigest);
    assert.equal(machine.appliedIndex, 6);
    assert.equal(machine.flushedIndex, 6);
    assert.equal(machine.appliedTerm, 1);
    assert.equal(machine.lastStamp, origin.nowMs);
    assert.equal(machine.keyCount(0), 2);
    assert.equal(machine.expiresCount(0), 1);
    assert(machine.hasGarbage);
  }

  describe('that is installed', () => {
    it('takes the place of the state, for good', async () => {
      const other = openOther();
      await readSnapshot(other.machine, snapshotDirectory);
      assertSnapshotState(other.machine);
      assert.equal(other.run('GET', 'c'), null);
      other.machine.close();
      const again = open(other.directory);
      assert.equal(again.startedFrom, 'live');
      assert.equal(again.appliedIndex, 7);
      assert.equal(again.keyCount(0), 2);
    });

    it('is gone on from as by the machine that wrote it', async () => {
      const other = openOther();
      await readSnapshot(other.machine, snapshotDirectory);
      other.machine.apply(origin.lastEntry());
      for (const commands of [[['INCR', 'n']], [['FLUSHALL']], [['SET', 'n', '1']]]) {
        origin.runBatch(commands);
        other.machine.apply(origin.lastEntry());
      }
      while (other.machine.hasGarbage) other.machine.reclaim(10);
      assert.equal(other.machine.digest(), origin.machine.digest());
      other.reopen();
      machines.push(other.machine);
      assert.equal(other.machine.digest(), origin.machine.digest());
    });

    it('stays as it is, and can be installed again', async () => {
      const bytes = fs.readFileSync(`${snapshotDirectory}/data.db`);
      const other = openOther();
      for (let i = 0; i < 2; i++) {
        await readSnapshot(other.machine, snapshotDirectory);
        assertSnapshotState(other.machine);
        other.run('SET', 'd', 'x');
      }
      assert.deepEqual(fs.readdirSync(snapshotDirectory), ['data.db']);
      assert(fs.readFileSync(`${snapshotDirectory}/data.db`).equals(bytes));
    });

    it('may be snapshot in turn', async () => {
      const other = openOther();
      await readSnapshot(other.machine, snapshotDirectory);
      const second = await takeSnapshot(other.machine);
      const third = openFromSnapshot(second.directory);
      machines.push(third);
      assertSnapshotState(third);
    });

    it('is all there is meanwhile: nothing may be applied or read', () => {
      const gate = new GatedFiles();
      const timers = new ManualTimers();
      const { machine } = openOther({ files: gate.files, timers });
      assert(timers.isPending);
      const results: unknown[] = [];
      machine.readSnapshot(snapshotDirectory, (error) => results.push(error));
      assert(machine.isInstalling);
      assert(!timers.isPending);
      const args = [Buffer.from('GET'), Buffer.from('a')];
      const { appliedIndex } = machine;
      for (const use of [
        () => machine.apply({ ...origin.lastEntry(), index: appliedIndex + 1 }),
        () => machine.read(0, args, origin.nowMs),
        () => machine.readVersions(0, args, origin.nowMs),
        () => machine.flush(),
        () => machine.reclaim(1),
        () => machine.digest(),
        () => machine.writeSnapshot(makeDirectory(), () => {}),
        () => machine.readSnapshot(snapshotDirectory, () => {}),
      ]) {
        assert.throws(use, /The state is being replaced by a snapshot/);
      }
      // Housekeeping and clients who count keys ask at any time.
      assert(!machine.hasGarbage);
      assert(!machine.hasDueKeys(Number.MAX_SAFE_INTEGER));
      assert.deepEqual(machine.namesInSlot(0, 0, 10), []);
      assert.equal(typeof machine.keyCount(0), 'number');
      assert.deepEqual(results, []);
      gate.finish();
      assert.deepEqual(results, [undefined]);
      assert(!machine.isInstalling);
      assertSnapshotState(machine);
    });

    it('ends the writing of another, which says so first', () => {
      const gate = new GatedFiles();
      const { machine } = openOther({ files: gate.files });
      const writing = startSnapshot(machine);
      gate.step();
      const results: unknown[] = [];
      machine.readSnapshot(snapshotDirectory, (error) => results.push(error, writing.error));
      gate.finish();
      assert.equal(results[0], undefined);
      assert.match(String(results[1]), /another snapshot is being installed/);
      assertSnapshotState(machine);
    });

    for (const isWriting of [false, true]) {
      const title = isWriting ? ', and one was being written' : '';
      it(`is told when the machine is closed meanwhile${title}`, async () => {
        const gate = new GatedFiles();
        const { machine, directory } = openOther({ files: gate.files });
        if (isWriting) startSnapshot(machine);
        const results: unknown[] = [];
        machine.readSnapshot(snapshotDirectory, (error) => results.push(error));
        machine.close();
        gate.finish();
        await Promise.resolve();
        assert.match(String(results[0]), /the machine was closed/);
        const again = open(directory, { restoreFrom: () => snapshotDirectory });
        // Nothing had been touched yet, where the end of the other one was waited for.
        assert.equal(again.startedFrom, isWriting ? 'live' : 'snapshot');
      });
    }
  });

  describe('that cannot be used', () => {
    const cases: [string, () => void, RegExp][] = [
      [
        'of a newer schema',
        () => change('schema_version = 1000000'),
        /: Cannot read the snapshot: its schema version is 1000000, this program reads 2$/,
      ],
      [
        'of an older schema',
        () => change('schema_version = 1'),
        /: Cannot read the snapshot: its schema version is 1, this program reads 2$/,
      ],
      [
        'with commands of a newer program',
        () => change('apply_version = 1000000'),
        /: Cannot apply to the snapshot: its apply version is 1000000, this program knows 1$/,
      ],
      [
        'that is no database',
        () => fs.writeFileSync(`${snapshotDirectory}/data.db`, Buffer.alloc(8192, 0x5a)),
        /file is not a database/,
      ],
      ['without its file', () => fs.rmSync(`${snapshotDirectory}/data.db`), /unable to open/],
    ];

    function change(assignment: string): void {
      const file = new BetterSqlite3(`${snapshotDirectory}/data.db`);
      file.exec(`UPDATE meta SET ${assignment}`);
      file.close();
    }

    for (const [title, spoil, message] of cases) {
      it(`is refused before anything is touched: ${title}`, async () => {
        spoil();
        const killed = new KilledFiles();
        const other = openOther({ files: killed.files });
        const digest = other.machine.digest();
        killed.steps.length = 0;
        await assert.rejects(readSnapshot(other.machine, snapshotDirectory), message);
        assert.deepEqual(killed.steps, []);
        assert.equal(other.machine.digest(), digest);
        assert.equal(other.run('GET', 'a'), 'other');
        other.machine.close();

        const restoreFrom = (): string => snapshotDirectory;
        assert.equal(open(other.directory, { restoreFrom }).startedFrom, 'live');
        machines.pop()?.close();
        killed.steps.length = 0;
        assert.throws(
          () => open(other.directory, { restoreFrom, bootId: 'another', files: killed.files }),
          message,
        );
        assert.deepEqual(killed.steps, []);
      });
    }

    it('is known by the class of the error, when a newer program wrote it', async () => {
      change('schema_version = 1000000');
      const other = openOther();
      await assert.rejects(
        readSnapshot(other.machine, snapshotDirectory),
        (error) => error instanceof FatalMachineError && error.code === 'unsupportedVersion',
      );
    });
  });

  describe('on a full disk', () => {
    it('ends the machine; the next start begins with the snapshot', async () => {
      const noSpace = new Error('ENOSPC: no space left on device');
      const other = openOther({
        files: { ...realFiles, copy: (_source, _target, done) => setImmediate(done, noSpace) },
      });
      await assert.rejects(
        readSnapshot(other.machine, snapshotDirectory),
        (error) =>
          error instanceof FatalMachineError &&
          error.code === 'resource' &&
          error.message === 'Cannot install a snapshot: Error: ENOSPC: no space left on device',
      );
      assert.throws(
        () => other.machine.flush(),
        (error) => error instanceof FatalMachineError && error.code === 'failed',
      );
      other.machine.close();
      const again = open(other.directory, { restoreFrom: () => snapshotDirectory });
      assert.equal(again.startedFrom, 'snapshot');
      assertSnapshotState(again);
    });
  });

  describe('and a process that is killed', () => {
    /** Every step and moment of `installSteps`. */
    const points = installSteps.flatMap((step, at) => {
      const moments: Moment[] = step.startsWith('copy')
        ? ['before', 'halfway', 'after']
        : ['before', 'after'];
      return moments.map((moment) => ({ step, at, moment }));
    });

    it('takes these steps', async () => {
      const killed = new KilledFiles();
      const other = openOther({ files: killed.files });
      killed.steps.length = 0;
      await readSnapshot(other.machine, snapshotDirectory);
      assert.deepEqual(killed.steps, installSteps);
      other.machine.close();
      killed.steps.length = 0;
      const restoreFrom = (): string => snapshotDirectory;
      open(other.directory, { files: killed.files, bootId: 'another', restoreFrom });
      assert.deepEqual(killed.steps, installSteps);
    });

    for (const { step, at, moment } of points) {
      it(`opens after it was installing: ${moment} ${step}`, async () => {
        const other = openOther();
        other.machine.flush();
        const otherDigest = other.machine.digest();
        other.machine.close();
        const killed = new KilledFiles(at, moment);
        const machine = open(other.directory, { files: killed.files });
        await assert.rejects(readSnapshot(machine, snapshotDirectory), /killed/);
        assert.equal(killed.steps.at(-1), step);

        const directory = copyTrustedAsAfterKill(other.directory);
        const again = open(directory, { restoreFrom: () => snapshotDirectory });
        const isOld = at === 0 && moment === 'before';
        const isNew = at === installSteps.length - 1 && moment === 'after';
        assert.equal(again.startedFrom, isOld || isNew ? 'live' : 'snapshot');
        if (isOld) assert.equal(again.digest(), otherDigest);
        else assertSnapshotState(again);
        assertReopens(again, directory);
      });

      it(`opens after it was starting from it: ${moment} ${step}`, () => {
        const other = openOther();
        other.machine.close();
        // Power was lost: what is there is not to be believed, whatever becomes of the start.
        fs.rmSync(markerPath(`${other.directory}/live.db`));
        const killed = new KilledFiles(at, moment);
        const restoreFrom = (): string => snapshotDirectory;
        assert.throws(() => open(other.directory, { files: killed.files, restoreFrom }), /killed/);
        assert.equal(killed.steps.at(-1), step);

        const directory = copyTrustedAsAfterKill(other.directory);
        const again = open(directory, { restoreFrom });
        const isNew = at === installSteps.length - 1 && moment === 'after';
        assert.equal(again.startedFrom, isNew ? 'live' : 'snapshot');
        assertSnapshotState(again);
        assertReopens(again, directory);
      });
    }

    function assertReopens(machine: SqliteStateMachine, directory: string): void {
      const digest = machine.digest();
      machine.close();
      const again = open(directory, { restoreFrom: unwanted });
      assert.equal(again.startedFrom, 'live');
      assert.equal(again.digest(), digest);
    }
  });

  describe('that a machine starts from', () => {
    it('is asked for only when there is no state to be trusted', () => {
      const other = openOther();
      other.machine.close();
      assert.equal(open(other.directory, { restoreFrom: unwanted }).startedFrom, 'live');
      machines.pop()?.close();
      const progress: number[] = [];
      const restored = open(other.directory, {
        bootId: 'another',
        restoreFrom: () => snapshotDirectory,
        onRestoreProgress: (copied, total) => progress.push(copied / total),
      });
      assert.equal(restored.startedFrom, 'snapshot');
      assert.equal(restored.startReason, 'the marker is of another boot');
      assertSnapshotState(restored);
      // None where the file system shares the blocks.
      if (progress.length > 0) assert.equal(progress.at(-1), 1);
    });

    it('is not there: it starts empty', () => {
      const machine = open(makeDirectory(), { restoreFrom: () => undefined });
      assert.equal(machine.startedFrom, 'empty');
      assert.equal(machine.appliedIndex, 0);
    });

    it('takes the place of a database that SQLite cannot read', () => {
      const other = openOther();
      other.machine.close();
      const path = `${other.directory}/live.db`;
      const descriptor = fs.openSync(path, 'r+');
      fs.writeSync(descriptor, Buffer.alloc(fs.statSync(path).size, 0x5a));
      fs.closeSync(descriptor);
      const restored = open(other.directory, { restoreFrom: () => snapshotDirectory });
      assert.equal(restored.startedFrom, 'snapshot');
      assert.equal(restored.startReason, 'the database is damaged');
      assertSnapshotState(restored);
    });

    it('is not mixed with a journal that a killed start has left', () => {
      const other = openOther();
      other.machine.close();
      fs.rmSync(markerPath(`${other.directory}/live.db`));
      writeHotJournal(`${other.directory}/live.db-journal`);
      const restored = open(other.directory, { restoreFrom: () => snapshotDirectory });
      assertSnapshotState(restored);
    });
  });
});

function unwanted(): never {
  throw new Error('There was a state to be trusted');
}

/** Rolls a page of nonsense into the database beside it, when SQLite finds it. */
function writeHotJournal(path: string): void {
  const directory = makeDirectory();
  const file = new BetterSqlite3(`${directory}/data.db`);
  file.exec('CREATE TABLE nonsense (value); PRAGMA cache_size = 1; PRAGMA synchronous = OFF');
  file.exec('BEGIN; INSERT INTO nonsense VALUES (zeroblob(1000000))');
  fs.copyFileSync(`${directory}/data.db-journal`, path);
  file.exec('ROLLBACK');
  file.close();
}

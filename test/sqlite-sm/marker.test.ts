import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import { Database } from '../../sqlite-sm/database.js';
import type { FileIdentity, MachineFiles } from '../../sqlite-sm/index.js';
import { checkMarker, markerPath, writeMarker } from '../../sqlite-sm/marker.js';
import {
  bootId,
  copyAsAfterKill,
  MachineHarness,
  openMachine,
  realFiles,
  removeDirectories,
} from './machine-fixture.js';

describe('The marker beside live.db', () => {
  let directory: string;

  beforeEach(() => {
    const harness = new MachineHarness();
    harness.run('SET', 'key', 'value');
    harness.machine.close();
    directory = harness.directory;
  });
  afterEach(removeDirectories);

  const database = (): string => `${directory}/live.db`;
  const marker = (): string => markerPath(database());

  function assertTrusted(): void {
    const machine = openMachine(directory);
    assert.equal(machine.startedFrom, 'live');
    assert.equal(machine.appliedIndex, 1);
    assert.equal(machine.keyCount(0), 1);
    machine.close();
  }

  function assertDiscarded(reason: string, options: Parameters<typeof openMachine>[1] = {}): void {
    const machine = openMachine(directory, options);
    assert.equal(machine.startReason, reason);
    assert.equal(machine.startedFrom, 'empty');
    assert.equal(machine.appliedIndex, 0);
    assert.equal(machine.keyCount(0), 0);
    machine.close();
    // The new database is trusted in turn.
    const again = openMachine(directory, options);
    assert.equal(again.startedFrom, 'live');
    again.close();
  }

  it('is believed after a clean stop', () => assertTrusted());

  it('is believed after a kill, up to the last commit', () => {
    const harness = new MachineHarness();
    harness.run('SET', 'key', 'value');
    harness.machine.flush();
    harness.run('SET', 'lost', 'value');
    directory = copyAsAfterKill(harness.directory);
    writeMarker(realFiles, database(), bootId);
    harness.machine.close();
    assertTrusted();
  });

  it('is missing: a fresh directory', () => {
    fs.rmSync(database());
    fs.rmSync(marker());
    assertDiscarded('there is no database yet');
  });

  it('is missing beside a database', () => {
    fs.rmSync(marker());
    assertDiscarded('there is no marker');
  });

  it('stands without a database', () => {
    fs.rmSync(database());
    assertDiscarded('there is a marker but no database');
  });

  it('is of another boot', () => {
    assertDiscarded('the marker is of another boot', { bootId: 'another' });
  });

  it('is of another file: the directory was copied', () => {
    directory = copyAsAfterKill(directory);
    assertDiscarded('the marker is of another inode');
  });

  for (const [field, word] of [
    ['device', 'device'],
    ['inode', 'inode'],
    ['birthMs', 'birth time'],
  ] as const) {
    it(`is of another ${word}`, () => {
      assertDiscarded(`the marker is of another ${word}`, { files: changedIdentity(field) });
    });
  }

  it('is of another format', () => {
    const text = fs.readFileSync(marker(), 'latin1');
    fs.writeFileSync(marker(), text.replace('marker 1', 'marker 2'));
    assertDiscarded('the marker is of another format');
  });

  it('is half-written', () => {
    const whole = fs.readFileSync(marker());
    fs.writeFileSync(marker(), whole.subarray(0, whole.length - 1));
    assertDiscarded('the marker is damaged');
  });

  it('is half-written, at whatever byte', () => {
    const whole = fs.readFileSync(marker());
    let bytes = whole;
    const files: MachineFiles = { ...realFiles, readFile: () => bytes };
    assert(checkMarker(files, database(), bootId).isTrusted);
    for (let length = 0; length < whole.length; length++) {
      bytes = whole.subarray(0, length);
      assert(!checkMarker(files, database(), bootId).isTrusted, `${length} bytes`);
      // A block of which only the beginning reached the disk.
      bytes = Buffer.concat([whole.subarray(0, length), Buffer.alloc(whole.length - length)]);
      assert(!checkMarker(files, database(), bootId).isTrusted, `${length} bytes, then zeros`);
    }
  });

  it('fits a database that SQLite cannot read', () => {
    const bytes = fs.readFileSync(database());
    const descriptor = fs.openSync(database(), 'r+');
    fs.writeSync(descriptor, Buffer.alloc(bytes.length, 0x5a));
    fs.closeSync(descriptor);
    assertDiscarded('the database is damaged');
  });

  it('fits a database that has lost what it held', () => {
    const executed = (sql: string) => () => {
      const opened = Database.open(database(), { cacheBytes: 64 * 1024 });
      opened.execute(sql);
      opened.close();
    };
    for (const spoil of [
      () => fs.truncateSync(database(), 0),
      executed('DELETE FROM meta'),
      executed('DROP TABLE meta'),
      executed('DROP TABLE keys'),
    ]) {
      spoil();
      assertDiscarded('the database is damaged');
    }
  });

  it('goes before the database is deleted, and comes when the new one is whole', () => {
    const steps: string[] = [];
    fs.writeFileSync(`${database()}-wal`, 'a WAL that must not be played back');
    const files: MachineFiles = {
      ...realFiles,
      unlinkDurably(name) {
        steps.push(`delete ${name.slice(directory.length + 1)}`);
        realFiles.unlinkDurably(name);
      },
      writeFileDurably(name, bytes) {
        steps.push(
          `write ${name.slice(directory.length + 1)}, ${fs.statSync(database()).size > 0}`,
        );
        realFiles.writeFileDurably(name, bytes);
      },
    };
    openMachine(directory, { files, bootId: 'another' }).close();
    assert.deepEqual(steps, [
      'delete live.db.marker',
      'delete live.db-wal',
      'delete live.db-shm',
      'delete live.db-journal',
      'delete live.db',
      'write live.db.marker, true',
    ]);
  });

  it('is absent when creating the database did not come to its end', () => {
    const files: MachineFiles = {
      ...realFiles,
      writeFileDurably() {
        throw new Error('killed before the marker');
      },
    };
    assert.throws(() => openMachine(directory, { files, bootId: 'another' }), /killed/);
    assert(fs.existsSync(database()));
    assertDiscarded('there is no marker', { bootId: 'another' });
  });
});

/** Files where the database seems to be another one until it is deleted. */
function changedIdentity(field: keyof FileIdentity): MachineFiles {
  let isChanged = true;
  return {
    ...realFiles,
    unlinkDurably(name) {
      isChanged = false;
      realFiles.unlinkDurably(name);
    },
    stat(name) {
      const identity = realFiles.stat(name);
      if (identity === undefined || !isChanged) return identity;
      const value = identity[field];
      return { ...identity, [field]: typeof value === 'bigint' ? value + 1n : value + 1 };
    },
  };
}

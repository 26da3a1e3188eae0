// The log begins anew behind a snapshot: what was there before is void, whatever crash comes when.
//
// Checklist: 33, 35, 58, 62, 64.

import assert from 'node:assert/strict';
import type { Journal } from '../../../raft/log/index.js';
import { PowerLost } from '../../faults/faulty-files.js';
import {
  append,
  Disk,
  entriesOf,
  logDirectory,
  openJournal,
  readAll,
  readRange,
  segmentFile,
} from './journals.js';

const KiB = 1024;
const segmentBytes = 16 * KiB;
const snapshot = { index: 100, term: 7 };

function open(disk: Disk): Journal {
  return openJournal(disk, { maxSegmentFileSize: segmentBytes });
}

/** Three entries in a segment. */
function filled(disk: Disk, count: number): Journal {
  const journal = open(disk);
  for (let index = 1; index <= count; index += 1) {
    append(disk, journal, entriesOf(index, index, 1, 3000));
  }
  return journal;
}

function reset(disk: Disk, journal: Journal): void {
  let error: Error | undefined | 'waiting' = 'waiting';
  journal.reset(snapshot.index, snapshot.term, (given) => {
    error = given;
  });
  assert(journal.isWriting);
  disk.drain();
  assert.equal(error, undefined);
}

function segments(disk: Disk): string[] {
  return disk.files.list(logDirectory).filter((name) => name.endsWith('.log'));
}

function assertBegunAnew(journal: Journal): void {
  assert.equal(journal.baseIndex, snapshot.index);
  assert.equal(journal.lastIndex, snapshot.index);
  assert.equal(journal.terms().lastTerm, snapshot.term);
}

describe('Journal reset', () => {
  it('leaves an empty log behind the snapshot, before and after a power cut', () => {
    const disk = new Disk();
    const journal = filled(disk, 8);
    reset(disk, journal);
    assertBegunAnew(journal);
    assert.equal(segments(disk).length, 1);
    disk.powerCut('none');
    const again = open(disk);
    assertBegunAnew(again);
    append(disk, again, entriesOf(101, 103, 7));
    disk.powerCut('none');
    assert.deepEqual(readAll(disk, open(disk)), entriesOf(101, 103, 7));
  });

  it('goes back as well as forth: the snapshot decides', () => {
    const disk = new Disk();
    const journal = filled(disk, 8);
    journal.reset(5, 3, () => {});
    disk.drain();
    assert.equal(journal.lastIndex, 5);
    append(disk, journal, entriesOf(6, 7, 3));
    disk.powerCut();
    const again = open(disk);
    assert.equal(again.baseIndex, 5);
    assert.deepEqual(readAll(disk, again), entriesOf(6, 7, 3));
  });

  it('begins small again where a segment has to be made: there may be little room', () => {
    for (const isAtStart of [false, true]) {
      const disk = new Disk();
      const options = { maxSegmentFileSize: 8 * 1024 * KiB };
      const journal = openJournal(disk, options);
      for (let index = 1; journal.segmentCount < 2; index += 1) {
        append(disk, journal, entriesOf(index, index, 1, 200 * KiB));
      }
      assert(
        disk.files.list(logDirectory).every((name) => name.endsWith('.log')),
        'a spare',
      );
      if (isAtStart) {
        disk.kill();
        openJournal(disk, options).resetSync(snapshot.index, snapshot.term);
      } else reset(disk, journal);
      assert.equal(disk.files.stat(segmentFile(3))?.byteLength, 1024 * KiB);
    }
  });

  it('does the same at a start, synchronously', () => {
    const disk = new Disk();
    filled(disk, 8);
    disk.kill();
    const journal = open(disk);
    journal.resetSync(snapshot.index, snapshot.term);
    assertBegunAnew(journal);
    disk.powerCut('none');
    assertBegunAnew(open(disk));
    assert.equal(segments(disk).length, 1);
  });

  it('reads what was asked for before it', () => {
    const disk = new Disk();
    const journal = filled(disk, 8);
    let found: readonly unknown[] = [];
    journal.read(1, 8, (error, entries) => {
      assert.equal(error, undefined);
      found = entries;
    });
    reset(disk, journal);
    assert.deepEqual(found, entriesOf(1, 8, 1, 3000));
  });

  it('does not mind damage in what is void', () => {
    const disk = new Disk();
    const journal = filled(disk, 8);
    const isWaiting = (): boolean => segments(disk).length < 4;
    journal.reset(snapshot.index, snapshot.term, () => {});
    while (isWaiting()) assert(disk.step());
    // The new segment has its name, and the void ones are all there.
    disk.files.syncDirectorySync(logDirectory);
    disk.kill();
    disk.files.flip(segmentFile(1), 20);
    disk.files.flip(segmentFile(2), 9000, 500);
    assertBegunAnew(open(disk));
    assert.equal(segments(disk).length, 1);
  });

  it('is compacted and recycled as any other log', () => {
    const disk = new Disk();
    const journal = filled(disk, 8);
    reset(disk, journal);
    for (let index = 101; index <= 120; index += 1) {
      append(disk, journal, entriesOf(index, index, 7, 3000));
    }
    assert(journal.compactTo(115) > 110);
    disk.drain();
    disk.powerCut();
    const again = open(disk);
    assert.equal(again.baseIndex, journal.baseIndex);
    assert.deepEqual(readAll(disk, again), entriesOf(again.baseIndex + 1, 120, 7, 3000));
  });

  it('reports a failure, and the old log is still what counts', () => {
    for (const operation of ['write', 'rename', 'syncDirectory'] as const) {
      const disk = new Disk();
      const journal = filled(disk, 8);
      disk.files.fail({ operation, nth: 1, code: 'EIO' });
      let error: Error | undefined;
      journal.reset(snapshot.index, snapshot.term, (given) => {
        error = given;
      });
      disk.drain();
      assert.match(error?.message ?? '', /^Cannot begin the log anew: EIO/, operation);
      assert.equal(journal.lastIndex, 8);
    }
  });

  for (const how of ['the power goes', 'the process dies, and then the power goes'] as const) {
    it(`is whole, old or new, when ${how} in the middle of any operation`, () => {
      let operations = 0;
      for (let nth = 1; ; nth += 1) {
        let wasCut = false;
        for (let seed = 1; seed <= 12; seed += 1) {
          const disk = new Disk(seed * 1000 + nth);
          filled(disk, 8);
          disk.powerCut();
          wasCut = cutDuringReset(disk, nth, how !== 'the power goes');
        }
        if (!wasCut) break;
        operations = nth;
      }
      assert(operations >= 12, `${operations} operations`);
    });
  }
});

/** False when all was over before the nth operation. */
function cutDuringReset(disk: Disk, nth: number, isKilledFirst: boolean): boolean {
  let isReset = false;
  let acknowledged = 0;
  disk.files.cutAt(nth);
  try {
    const journal = open(disk);
    journal.reset(snapshot.index, snapshot.term, (error) => {
      isReset = error === undefined;
    });
    disk.drain();
    for (let index = 101; index <= 106 && isReset && !disk.files.isDead; index += 1) {
      journal.append(entriesOf(index, index, 7, 3000), undefined, (error) => {
        if (error === undefined) acknowledged = index;
      });
      disk.drain();
    }
  } catch (error) {
    if (!(error instanceof PowerLost)) throw error;
  }
  const wasCut = disk.files.isDead;
  if (isKilledFirst) {
    // What the page cache shows is taken for true, and built on.
    disk.kill();
    const journal = open(disk);
    if (journal.baseIndex === snapshot.index) {
      const next = journal.lastIndex + 1;
      append(disk, journal, entriesOf(next, next, 7, 3000));
      acknowledged = next;
      isReset = true;
    }
  }
  disk.powerCut();
  const journal = open(disk);
  if (isReset) assert.equal(journal.baseIndex, snapshot.index, `operation ${nth}`);
  if (journal.baseIndex === snapshot.index) {
    assert(journal.lastIndex >= acknowledged, `operation ${nth}`);
    if (acknowledged > 0) {
      assert.deepEqual(
        readRange(disk, journal, 101, acknowledged),
        entriesOf(101, acknowledged, 7, 3000),
      );
    }
  } else {
    assert.deepEqual(readAll(disk, journal), entriesOf(1, 8, 1, 3000), `operation ${nth}`);
  }
  const next = journal.lastIndex + 1;
  append(disk, journal, entriesOf(next, next, 9));
  return wasCut;
}

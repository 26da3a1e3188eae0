import assert from 'node:assert/strict';
import { entryRowBytes } from '../../../raft/entry.js';
import {
  frameAlignment,
  frameBytes,
  frameHeaderBytes,
  writeEntryRows,
} from '../../../raft/log/index.js';
import {
  append,
  Disk,
  entriesOf,
  entry,
  logDirectory,
  openJournal,
  raftError,
  readAll,
  readRange,
} from './journals.js';

const KiB = 1024;

function names(disk: Disk): string[] {
  return disk.files.list(logDirectory).sort();
}

describe('Journal', () => {
  it('gives back what was appended, before and after it is opened again', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    const entries = [...entriesOf(1, 3, 1), entry(4, 2, '', 'noop'), ...entriesOf(5, 9, 2, 3000)];
    append(disk, journal, entries.slice(0, 2));
    append(disk, journal, entries.slice(2, 3));
    append(disk, journal, entries.slice(3));
    assert.deepEqual(readAll(disk, journal), entries);
    assert.deepEqual(readRange(disk, journal, 2, 5), entries.slice(1, 5));
    disk.kill();
    const again = openJournal(disk, { mustExist: true });
    assert.deepEqual(readAll(disk, again), entries);
    assert.equal(again.terms().termAt(4), 2);
  });

  it('goes on in the next segment when a frame does not fit', () => {
    const disk = new Disk();
    const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
    for (let index = 1; index <= 20; index += 1) {
      append(disk, journal, entriesOf(index, index, 1, 3000));
    }
    assert(journal.segmentCount >= 6, `${journal.segmentCount} segments`);
    assert.deepEqual(readAll(disk, journal), entriesOf(1, 20, 1, 3000));
    disk.powerCut();
    assert.deepEqual(readAll(disk, openJournal(disk)), entriesOf(1, 20, 1, 3000));
  });

  it('gives an entry larger than any segment a segment of its own', () => {
    const disk = new Disk();
    const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
    append(disk, journal, entriesOf(1, 1, 1));
    append(disk, journal, entriesOf(2, 2, 1, 300 * KiB));
    append(disk, journal, entriesOf(3, 3, 1));
    disk.powerCut();
    const again = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
    const expected = [1, 2, 3].flatMap((at) => entriesOf(at, at, 1, at === 2 ? 300 * KiB : 20));
    assert.deepEqual(readAll(disk, again), expected);
  });

  it('takes a later entry at an index for the end of what was there', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 6, 1));
    append(disk, journal, entriesOf(4, 5, 2));
    const expected = [...entriesOf(1, 3, 1), ...entriesOf(4, 5, 2)];
    assert.equal(journal.lastIndex, 5);
    assert.deepEqual(readAll(disk, journal), expected);
    disk.powerCut();
    assert.deepEqual(readAll(disk, openJournal(disk)), expected);
  });

  it('forgets a truncated entry also when the log was longer before (scenarios 22, 24)', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 6, 1));
    append(disk, journal, entriesOf(2, 2, 2));
    append(disk, journal, entriesOf(3, 3, 2));
    disk.powerCut();
    const expected = [...entriesOf(1, 1, 1), ...entriesOf(2, 3, 2)];
    assert.deepEqual(readAll(disk, openJournal(disk)), expected);
  });

  it('writes a buffer that is a frame already as it is, with the same bytes', () => {
    const plain = new Disk();
    const inPlace = new Disk();
    const entries = entriesOf(1, 3, 1, 700);
    append(plain, openJournal(plain), entries);

    const frame = Buffer.alloc(frameBytes(entries), 0xaa);
    writeEntryRows(frame, frameHeaderBytes, entries);
    let end = frameHeaderBytes + 3 * entryRowBytes;
    for (const { payload } of entries) end += payload.copy(frame, end);
    let isDone = false;
    openJournal(inPlace).append(entries, frame, () => {
      isDone = true;
    });
    inPlace.drain();
    assert(isDone);
    const path = `${logDirectory}/0000000000000001.log`;
    assert(inPlace.files.contents(path).equals(plain.files.contents(path)));
  });

  it('is done only when the frame is durable', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    let isDone = false;
    journal.append(entriesOf(1, 1, 1), undefined, () => {
      isDone = true;
    });
    assert(!isDone);
    assert(journal.isWriting);
    assert.throws(() => journal.append(entriesOf(1, 1, 1), undefined, () => {}), /one write/);
    disk.drain();
    assert(isDone);
    disk.powerCut('none');
    assert.deepEqual(readAll(disk, openJournal(disk)), entriesOf(1, 1, 1));
  });

  it('asserts that nothing leaves a gap', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 2, 1));
    assert.throws(() => journal.append(entriesOf(4, 4, 1), undefined, () => {}), /gap/);
  });

  it('reads a long run of entries without a payload', () => {
    const disk = new Disk();
    const journal = openJournal(disk, { maxSegmentFileSize: 4096 * KiB });
    const noops = Array.from({ length: 20_000 }, (_, at) => entry(at + 1, 1, '', 'noop'));
    append(disk, journal, noops);
    assert.equal(readAll(disk, journal).length, 20_000);
  });

  it('reads what was asked for although the log is truncated meanwhile', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 6, 1));
    let found: readonly unknown[] = [];
    journal.read(1, 6, (_error, entries) => {
      found = entries;
    });
    journal.append(entriesOf(2, 2, 2), undefined, () => {});
    disk.drain();
    assert.deepEqual(found, entriesOf(1, 6, 1));
    assert.equal(journal.lastIndex, 2);
  });

  it('tells of an entry that has changed on the disk when it is read', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 3, 1));
    const { offset } = journal.at(2);
    disk.files.flip(`${logDirectory}/0000000000000001.log`, offset);
    let error: Error | undefined;
    journal.read(1, 3, (given) => {
      error = given;
    });
    disk.drain();
    assert.match(error?.message ?? '', /entry 2 in segment 1 has changed on the disk/);
  });

  it('finds the entries of a kind at a start, and tells of one that has changed', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    const first = entry(2, 1, 'one', 'configuration');
    const voided = entry(4, 1, 'two', 'configuration');
    const second = entry(5, 2, 'three', 'configuration');
    append(disk, journal, [entry(1, 1), first, entry(3, 1)]);
    append(disk, journal, [voided]);
    append(disk, journal, [entry(4, 2), second, entry(6, 2)]);
    disk.powerCut();
    const again = openJournal(disk);
    assert.deepEqual(again.readKindSync('configuration'), [first, second]);
    assert.deepEqual(again.readKindSync('noop'), []);
    disk.files.flip(`${logDirectory}/0000000000000001.log`, again.at(2).offset);
    assert.throws(
      () => again.readKindSync('configuration'),
      raftError('DAMAGED', /entry 2 in segment 1 has changed on the disk/),
    );
  });

  describe('compactTo', () => {
    function filled(disk: Disk): ReturnType<typeof openJournal> {
      const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
      for (let index = 1; index <= 20; index += 1) {
        append(disk, journal, entriesOf(index, index, 1, 3000));
      }
      return journal;
    }

    it('drops whole segments and keeps what is above the index', () => {
      const disk = new Disk();
      const journal = filled(disk);
      const base = journal.compactTo(10);
      assert(base > 0 && base <= 10, `base ${base}`);
      assert.deepEqual(readAll(disk, journal), entriesOf(base + 1, 20, 1, 3000));
      disk.powerCut();
      const again = openJournal(disk);
      assert.equal(again.baseIndex, base);
      assert.equal(again.terms().termAt(base), 1);
      assert.deepEqual(readAll(disk, again), entriesOf(base + 1, 20, 1, 3000));
    });

    it('never accepts frames of the former life of a recycled segment (scenario 64)', () => {
      const disk = new Disk();
      let journal = filled(disk);
      let last = 20;
      for (let life = 0; life < 6; life += 1) {
        // Without a spare the dropped segment becomes one: rotate at once, into stale frames.
        for (const name of names(disk)) {
          if (name.startsWith('spare')) disk.files.remove(`${logDirectory}/${name}`);
        }
        disk.kill();
        journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
        journal.compactTo(last - 3);
        for (let count = 0; count < 7; count += 1) {
          last += 1;
          append(disk, journal, entriesOf(last, last, 1, 3000));
        }
        disk.powerCut();
        journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
        assert.equal(journal.lastIndex, last);
        const first = journal.baseIndex + 1;
        assert.deepEqual(readAll(disk, journal), entriesOf(first, last, 1, 3000));
      }
    });

    it('knows the term at the base when a later segment replaced that entry', () => {
      const disk = new Disk();
      const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
      append(disk, journal, entriesOf(1, 3, 1, 3000));
      // Segment 2 begins behind (3, term 1), and then 2 and 3 come again in term 2.
      append(disk, journal, entriesOf(2, 3, 2, 3000));
      assert.equal(journal.segmentCount, 2);
      assert.equal(journal.compactTo(3), 3);
      assert.equal(journal.terms().lastTerm, 2);
      disk.drain();
      disk.powerCut();
      const again = openJournal(disk);
      assert.equal(again.baseIndex, 3);
      assert.equal(again.terms().lastTerm, 2);
    });

    it('drops a segment that begins behind the base', () => {
      const disk = new Disk();
      const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
      append(disk, journal, entriesOf(1, 3, 1, 3000));
      append(disk, journal, entriesOf(2, 2, 2, 9000));
      append(disk, journal, entriesOf(3, 5, 2, 3000));
      assert.equal(journal.segmentCount, 3);
      assert.equal(journal.compactTo(3), 3);
      assert.deepEqual(readAll(disk, journal), entriesOf(4, 5, 2, 3000));
      disk.powerCut();
      assert.deepEqual(readRange(disk, openJournal(disk), 4, 5), entriesOf(4, 5, 2, 3000));
    });

    it('keeps a file that is being read open until it was read', () => {
      const disk = new Disk();
      const journal = filled(disk);
      let found: readonly unknown[] = [];
      journal.read(1, 3, (error, entries) => {
        assert.equal(error, undefined);
        found = entries;
      });
      journal.compactTo(10);
      disk.drain();
      assert.deepEqual(found, entriesOf(1, 3, 1, 3000));
    });
  });

  describe('recycling', () => {
    const segmentBytes = 32 * KiB;
    /** Frames of 4 KiB: seven in a segment. */
    function fill(disk: Disk, journal: ReturnType<typeof openJournal>, count: number): void {
      const first = journal.lastIndex + 1;
      for (let index = first; index < first + count; index += 1) {
        append(disk, journal, entriesOf(index, index, 1, 3000));
      }
    }

    function spares(disk: Disk): string[] {
      return names(disk).filter((name) => name.startsWith('spare'));
    }

    it('makes no new file while what a snapshot freed is there', () => {
      const disk = new Disk();
      const journal = openJournal(disk, { maxSegmentFileSize: segmentBytes });
      fill(disk, journal, 22);
      assert.equal(journal.segmentCount, 4);
      journal.compactTo(21);
      disk.drain();
      // Three of them recycled, and one that was made before.
      assert.equal(spares(disk).length, 4);
      disk.files.fail({ operation: 'create', nth: 1, code: 'ENOSPC' });
      fill(disk, journal, 26);
      assert.equal(journal.segmentCount, 4);
      assert.equal(spares(disk).length, 1);
      assert.deepEqual(
        readAll(disk, journal),
        entriesOf(journal.baseIndex + 1, journal.lastIndex, 1, 3000),
      );
    });

    it('keeps no more than the log is likely to need, and nothing that it has outgrown', () => {
      const disk = new Disk();
      const journal = openJournal(disk, { maxSegmentFileSize: 2048 * KiB });
      // The first segment has 1 MiB, the others two.
      for (let index = 1; index <= 160; index += 1) {
        append(disk, journal, entriesOf(index, index, 1, 200 * KiB));
      }
      assert(journal.segmentCount > 11, `${journal.segmentCount} segments`);
      journal.compactTo(159);
      disk.drain();
      const lengths = spares(disk).map(
        (name) => disk.files.stat(`${logDirectory}/${name}`)!.byteLength,
      );
      assert.deepEqual([...new Set(lengths)], [2048 * KiB]);
      assert.equal(lengths.length, 8);
    });

    it('does not write to a file that is being read', () => {
      const disk = new Disk();
      const journal = openJournal(disk, { maxSegmentFileSize: segmentBytes });
      fill(disk, journal, 22);
      let found: readonly unknown[] = [];
      journal.read(1, 21, (error, entries) => {
        assert.equal(error, undefined);
        found = entries;
      });
      journal.compactTo(21);
      let index = 23;
      const next = (): void => {
        if (index > 45) return;
        journal.append(entriesOf(index, index, 1, 3000), undefined, (error) => {
          assert.equal(error, undefined);
          index += 1;
          next();
        });
      };
      next();
      disk.drain();
      assert.deepEqual(found, entriesOf(1, 21, 1, 3000));
      assert.equal(journal.lastIndex, 45);
    });

    it('says at the next append that a segment could not be removed', () => {
      for (const operation of ['rename', 'syncDirectory'] as const) {
        const disk = new Disk();
        const journal = openJournal(disk, { maxSegmentFileSize: segmentBytes });
        fill(disk, journal, 22);
        disk.files.fail({ operation, nth: 1, code: 'EIO' });
        journal.compactTo(21);
        disk.drain();
        let error: Error | undefined;
        journal.append(entriesOf(23, 23, 1), undefined, (given) => {
          error = given;
        });
        disk.drain();
        assert.match(error?.message ?? '', /^Cannot remove a log segment: EIO/, operation);
        disk.powerCut();
        const again = openJournal(disk, { maxSegmentFileSize: segmentBytes });
        assert.deepEqual(readRange(disk, again, 22, 22), entriesOf(22, 22, 1, 3000));
      }
    });

    it('counts the bytes of the log behind an index', () => {
      const disk = new Disk();
      const journal = openJournal(disk, { maxSegmentFileSize: segmentBytes });
      assert.equal(journal.bytesBehind(0), 0);
      fill(disk, journal, 22);
      const frame = 4 * KiB;
      assert.equal(journal.bytesBehind(22), 0);
      // From the payload of entry 22 to the end of its frame.
      assert(journal.bytesBehind(21) <= frame && journal.bytesBehind(21) > frame - 300);
      assert(journal.bytesBehind(14) > 7 * frame && journal.bytesBehind(14) <= 10 * frame);
      journal.compactTo(21);
      assert.equal(journal.bytesBehind(0), journal.bytesBehind(journal.baseIndex));
    });
  });

  it('ends in an empty frame when told to', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 2, 1));
    assert(!journal.endsInEmptyFrame);
    journal.appendEmptySync();
    assert(journal.endsInEmptyFrame);
    disk.powerCut();
    const again = openJournal(disk);
    assert(again.endsInEmptyFrame);
    assert.deepEqual(readAll(disk, again), entriesOf(1, 2, 1));
  });

  it('gives up after a failed write and never says that it is durable (scenarios 60, 61)', () => {
    for (const code of ['EIO', 'ENOSPC'] as const) {
      for (const isShort of [false, true]) {
        const disk = new Disk();
        const journal = openJournal(disk);
        disk.drain();
        append(disk, journal, entriesOf(1, 2, 1));
        disk.files.fail({ operation: 'write', nth: 1, code, isShort });
        let error: Error | undefined;
        journal.append(entriesOf(3, 3, 1), undefined, (given) => {
          error = given;
        });
        disk.drain();
        assert.match(error?.message ?? '', new RegExp(`Cannot write to the log: ${code}`));
        assert.equal(journal.lastIndex, 2);
        disk.powerCut();
        const again = openJournal(disk);
        assert(again.lastIndex >= 2);
        assert.deepEqual(readRange(disk, again, 1, 2), entriesOf(1, 2, 1));
      }
    }
  });

  it('reports every failure on the way to a new segment to the append that needs it', () => {
    const operations = ['create', 'write', 'sync', 'rename', 'syncDirectory'] as const;
    for (const operation of operations) {
      const disk = new Disk();
      const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
      disk.drain();
      // Too large for the spare: it is made anew, with everything that can go wrong.
      disk.files.fail({ operation, nth: 1, code: 'ENOSPC' });
      let error: Error | undefined;
      journal.append(entriesOf(1, 1, 1, 40 * KiB), undefined, (given) => {
        error = given;
      });
      disk.drain();
      assert.match(error?.message ?? '', /^Cannot .*ENOSPC/, operation);
      disk.powerCut();
      assert.equal(openJournal(disk).lastIndex, 0);
    }
  });

  it('never lets two frames share a sector', () => {
    assert.equal(frameBytes(entriesOf(1, 1, 1)) % frameAlignment, 0);
    assert.equal(frameBytes(entriesOf(1, 3, 1, 5000)) % frameAlignment, 0);
  });
});

// What a replica does with the log that a crash or a bad disk left: design cases one by one, then
// damage everywhere. Checklist: 58, 59, 63, 64.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type Entry, entryRowBytes } from '../../../raft/entry.js';
import { RaftError } from '../../../raft/errors.js';
import { frameAlignment, frameHeaderBytes } from '../../../raft/log/index.js';
import type { FaultyFiles } from '../../faults/faulty-files.js';
import {
  append,
  Disk,
  entriesOf,
  identity,
  logDirectory,
  openJournal,
  raftError,
  readAll,
  segmentFile,
} from './journals.js';

const KiB = 1024;
const headerBytes = 4096;

/** A disk with frames of one small entry each. */
function diskWith(frameCount: number, maxSegmentFileSize = 32 * KiB): Disk {
  const disk = new Disk();
  const journal = openJournal(disk, { maxSegmentFileSize });
  for (let index = 1; index <= frameCount; index += 1) {
    append(disk, journal, entriesOf(index, index, 1));
  }
  disk.powerCut('none');
  return disk;
}

function frameAt(number: number): number {
  return headerBytes + (number - 1) * frameAlignment;
}

function assertRefused(disk: Disk, message: RegExp): void {
  assert.throws(() => openJournal(disk), raftError('DAMAGED', message));
}

describe('Journal recovery', () => {
  it('drops a torn last frame, with a warning', () => {
    const disk = diskWith(3);
    // Cut in the middle: the header is there, the payload is not.
    disk.files.flip(segmentFile(1), frameAt(3) + 240, 5);
    const warnings: string[] = [];
    const journal = openJournal(disk, { warnings });
    assert.deepEqual(readAll(disk, journal), entriesOf(1, 2, 1));
    assert.match(warnings.join(), /^Dropped frame 3, which was being written/);
  });

  it('says nothing when the last frame is whole', () => {
    const warnings: string[] = [];
    openJournal(diskWith(3), { warnings });
    assert.deepEqual(warnings, []);
  });

  it('goes on behind a dropped frame, over a power cut', () => {
    const disk = diskWith(3);
    disk.files.flip(segmentFile(1), frameAt(3));
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(3, 5, 2));
    disk.powerCut();
    const expected = [...entriesOf(1, 2, 1), ...entriesOf(3, 5, 2)];
    assert.deepEqual(readAll(disk, openJournal(disk)), expected);
  });

  it('refuses damage that a later frame proves', () => {
    for (const damaged of [1, 2, 3]) {
      const disk = diskWith(4);
      disk.files.flip(segmentFile(1), frameAt(damaged) + 8);
      assertRefused(disk, new RegExp(`frame ${damaged} at byte .* was durable`));
    }
  });

  it('refuses damage behind which another frame is unreadable, too', () => {
    const disk = diskWith(5);
    disk.files.flip(segmentFile(1), frameAt(2), 2 * frameAlignment);
    assertRefused(disk, /frame 2 at byte .*frame 4 follows it/);
  });

  it('refuses damage that an empty frame proves', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 1, 1));
    append(disk, journal, entriesOf(2, 2, 1));
    journal.appendEmptySync();
    disk.powerCut('none');
    disk.files.flip(segmentFile(1), frameAt(2));
    assertRefused(disk, /frame 2 .* was durable/);
  });

  it('refuses damage before a segment that expects the frame after it', () => {
    const disk = diskWith(7, 16 * KiB);
    // Three frames fit beside the header.
    disk.files.flip(segmentFile(1), frameAt(3));
    assertRefused(disk, /frame 3 .* was durable .*goes on with frame 4/);
  });

  it('goes on in a segment that expects the frame which the one before does not have', () => {
    const disk = new Disk();
    const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
    append(disk, journal, entriesOf(1, 1, 1));
    // Does not fit beside it: the rest of segment 1 is never used.
    append(disk, journal, entriesOf(2, 2, 1, 10 * KiB));
    disk.powerCut('none');
    const again = openJournal(disk);
    assert.deepEqual(readAll(disk, again), [
      ...entriesOf(1, 1, 1),
      ...entriesOf(2, 2, 1, 10 * KiB),
    ]);
  });

  it('refuses a frame that leaves a gap, whatever its sums say', () => {
    const disk = diskWith(2);
    changeRow(disk, 2, (row) => row.writeUInt32LE(4, 0));
    assertRefused(disk, /frame 2 leaves a gap before entry 4/);
  });

  it('takes no frame for sound whose numbers nobody can count with', () => {
    for (const at of [0, 8, 16]) {
      const disk = diskWith(2);
      changeRow(disk, 2, (row) => row.writeUInt32LE(2 ** 21, at + 4));
      const journal = openJournal(disk);
      assert.deepEqual(readAll(disk, journal), entriesOf(1, 1, 1));
    }
  });

  it('refuses a segment whose header has such a number', () => {
    const disk = diskWith(1);
    const header = disk.files.contents(segmentFile(1)).subarray(0, headerBytes);
    header.writeUInt32LE(2 ** 21, 96 + 4);
    header.writeUInt32LE(crc32(header.subarray(0, headerBytes - 4)), headerBytes - 4);
    disk.files.overwrite(segmentFile(1), 0, header);
    assertRefused(disk, /a number that nobody can count with/);
  });

  it('refuses when a segment in the middle is missing', () => {
    const disk = diskWith(10, 16 * KiB);
    disk.files.remove(segmentFile(2));
    assertRefused(disk, /segment 2 of the log is missing/);
  });

  it('refuses a named segment with a bad header', () => {
    for (const at of [0, 56, 72, 80, 88, 96, 104, headerBytes - 1]) {
      const disk = diskWith(2);
      disk.files.flip(segmentFile(1), at);
      assertRefused(disk, /its header is damaged/);
    }
  });

  it('refuses a segment under the number of another', () => {
    const disk = diskWith(4, 16 * KiB);
    disk.files.rename(segmentFile(1), segmentFile(9));
    assertRefused(disk, /is number 1/);
  });

  it('refuses the log of another cluster, group or replica', () => {
    for (const [part, value] of [
      ['clusterId', 'f'.repeat(32)],
      ['group', 2],
      ['replicaId', 'b'.repeat(40)],
    ] as const) {
      assert.throws(
        () => openJournal(diskWith(2), { identity: { ...identity, [part]: value } }),
        raftError('FOREIGN', new RegExp(`its ${part} is`)),
      );
    }
  });

  it('refuses a segment of an unknown version', () => {
    const disk = diskWith(1);
    const header = disk.files.contents(segmentFile(1)).subarray(0, headerBytes);
    header.writeUInt32LE(3, 8);
    header.writeUInt32LE(crc32(header.subarray(0, headerBytes - 4)), headerBytes - 4);
    disk.files.overwrite(segmentFile(1), 0, header);
    assert.throws(() => openJournal(disk), raftError('VERSION', /it has version 3/));
  });

  it('reads segments of version 1, which had neither flags nor a length', () => {
    const disk = diskWith(5, 16 * KiB);
    for (const number of [1, 2]) {
      const header = disk.files.contents(segmentFile(number)).subarray(0, headerBytes);
      header.writeUInt32LE(1, 8);
      header.fill(0, 112, 120);
      header.writeUInt32LE(crc32(header.subarray(0, headerBytes - 4)), headerBytes - 4);
      disk.files.overwrite(segmentFile(number), 0, header);
    }
    assert.deepEqual(readAll(disk, openJournal(disk)), entriesOf(1, 5, 1));
  });

  it('refuses a segment that has lost its end', () => {
    const disk = diskWith(2);
    // Nothing is missing of what is used, but nobody could know.
    disk.files.truncate(segmentFile(1), 31 * KiB);
    assertRefused(disk, /has 31744 of its 32768 bytes/);
  });

  it('refuses to begin a new log where one must exist', () => {
    assert.throws(
      () => openJournal(new Disk(), { mustExist: true }),
      raftError('MISSING', /it is empty, but this replica has taken part/),
    );
  });

  it('writes the last frame again before anything else, durably', () => {
    const disk = diskWith(3);
    openJournal(disk);
    disk.powerCut('none');
    // Whichever copy is readable counts, and each start makes another one.
    for (let copy = 3; copy <= 5; copy += 1) {
      disk.files.flip(segmentFile(1), frameAt(copy));
      const warnings: string[] = [];
      assert.deepEqual(readAll(disk, openJournal(disk, { warnings })), entriesOf(1, 3, 1));
      assert.deepEqual(warnings, []);
      disk.powerCut('none');
    }
  });

  it('refuses when every copy of a frame is unreadable that a later one proves', () => {
    const disk = diskWith(3);
    append(disk, openJournal(disk), entriesOf(4, 4, 1));
    disk.powerCut('none');
    disk.files.flip(segmentFile(1), frameAt(3));
    disk.files.flip(segmentFile(1), frameAt(4));
    assertRefused(disk, /frame 3 at byte .* was durable .*frame 4 follows it/);
  });

  it('goes on in a segment that was begun behind the last frame and holds nothing yet', () => {
    const disk = new Disk();
    const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
    for (let index = 1; index <= 3; index += 1) append(disk, journal, entriesOf(index, index, 1));
    // The header of the segment arrives, of the frame the first half.
    disk.files.fail({ operation: 'write', nth: 2, code: 'EIO', isShort: true });
    journal.append(entriesOf(4, 4, 1, 9000), undefined, () => {});
    disk.drain();
    assert.equal(journal.segmentCount, 2);
    disk.kill();
    const again = openJournal(disk);
    assert.deepEqual(readAll(disk, again), entriesOf(1, 3, 1));
    append(disk, again, entriesOf(4, 4, 2));
    disk.powerCut('none');
    const expected = [...entriesOf(1, 3, 1), ...entriesOf(4, 4, 2)];
    assert.deepEqual(readAll(disk, openJournal(disk)), expected);
  });

  it('has what a killed process wrote, and keeps it when the power goes next', () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const disk = new Disk(seed);
      const journal = openJournal(disk);
      append(disk, journal, entriesOf(1, 2, 1));
      // Under way, never acknowledged: whatever arrived in the page cache counts from the start on.
      journal.append(entriesOf(3, 3, 1, 6000), undefined, () => {});
      disk.kill();
      const second = openJournal(disk);
      const found = readAll(disk, second);
      append(disk, second, entriesOf(second.lastIndex + 1, second.lastIndex + 1, 2));
      disk.powerCut();
      assert.deepEqual(readAll(disk, openJournal(disk)).slice(0, found.length), found);
    }
  });

  it('is complete when a write failed, the process began again and the power went', () => {
    // The page cache shows a frame that no disk has. Scenario 60.
    for (let seed = 1; seed <= 50; seed += 1) {
      const disk = new Disk(seed);
      const journal = openJournal(disk);
      append(disk, journal, entriesOf(1, 2, 1));
      disk.files.fail({ operation: 'write', nth: 1, code: 'EIO' });
      journal.append(entriesOf(3, 3, 1), undefined, () => {});
      disk.drain();
      disk.kill();
      const second = openJournal(disk);
      append(disk, second, entriesOf(second.lastIndex + 1, second.lastIndex + 1, 2));
      const acknowledged = readAll(disk, second);
      assert.equal(acknowledged.length, 4);
      disk.powerCut();
      assert.deepEqual(readAll(disk, openJournal(disk)), acknowledged);
    }
  });

  it('never loses an acknowledged entry silently, whichever byte is damaged', () => {
    const { files: pristine, frames } = filesWithThreeSegments();
    const acknowledged = entriesOf(1, 8, 1);
    let refused = 0;
    for (const { path, offset } of frames.slice(0, -1)) {
      for (let at = offset; at < offset + frameAlignment; at += 1) {
        // Zeros behind the payload are nobody's bytes, but they are flipped all the same: in steps.
        if (at - offset > 300 && at % 61 !== 0) continue;
        const copy = new Disk(1, pristine);
        copy.files.flip(path, at, 1, 1 << (at % 8));
        if (assertRefusedOrComplete(copy, acknowledged)) refused += 1;
      }
    }
    assert(refused > frames.length * 200);
  });

  it('never loses an acknowledged entry silently, whichever sectors are damaged', () => {
    const { files: pristine, frames } = filesWithThreeSegments();
    const acknowledged = entriesOf(1, 8, 1);
    for (const { path, offset } of frames.slice(0, -1)) {
      for (let sectors = 1; sectors < 2 ** 3; sectors += 1) {
        const copy = new Disk(1, pristine);
        for (let sector = 0; sector < 8; sector += 1) {
          if ((sectors & (1 << (sector % 3))) !== 0)
            copy.files.flip(path, offset + sector * 512, 512);
        }
        // Entries are small: everything of theirs lies in the frame's first sector.
        const isRefused = assertRefusedOrComplete(copy, acknowledged);
        assert.equal(isRefused, (sectors & 1) !== 0, `${path} at ${offset}, sectors ${sectors}`);
      }
    }
  });
});

/** Of the frame of one entry, whose sums fit again then. */
function changeRow(disk: Disk, frameNumber: number, change: (row: Buffer) => void): void {
  const offset = frameAt(frameNumber);
  const frame = disk.files.contents(segmentFile(1)).subarray(offset, offset + frameAlignment);
  const row = frame.subarray(frameHeaderBytes, frameHeaderBytes + entryRowBytes);
  change(row);
  const crc = crc32(row, crc32(frame.subarray(0, frameHeaderBytes - 4)));
  frame.writeUInt32LE(crc, frameHeaderBytes - 4);
  disk.files.overwrite(segmentFile(1), offset, frame);
}

interface FramePlace {
  readonly path: string;
  readonly offset: number;
}

/** Segments of which the last one ends in an empty frame, with every frame's place. */
function filesWithThreeSegments(): { files: FaultyFiles; frames: FramePlace[] } {
  const disk = new Disk();
  const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
  const frames: FramePlace[] = [];
  for (let index = 1; index <= 8; index += 1) {
    append(disk, journal, entriesOf(index, index, 1));
    const { segmentNumber, offset } = journal.at(index);
    const start = Math.floor(offset / frameAlignment) * frameAlignment;
    frames.push({ path: segmentFile(segmentNumber), offset: start });
  }
  journal.appendEmptySync();
  const last = frames.at(-1)!;
  frames.push({ path: last.path, offset: last.offset + frameAlignment });
  assert.equal(journal.segmentCount, 3);
  disk.files.syncDirectorySync(logDirectory);
  disk.kill();
  return { files: disk.files, frames };
}

/** True when the log was refused. Fails when it opened with less than was acknowledged. */
function assertRefusedOrComplete(disk: Disk, acknowledged: readonly Entry[]): boolean {
  try {
    const journal = openJournal(disk);
    const entries = readAll(disk, journal);
    assert.deepEqual(entries.slice(0, acknowledged.length), acknowledged);
    return false;
  } catch (error) {
    assert(error instanceof RaftError, String(error));
    assert.equal(error.code, 'DAMAGED');
    return true;
  }
}

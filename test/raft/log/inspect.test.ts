// Looking at log and vote file: what a start would find, and nothing is changed.

import assert from 'node:assert/strict';
import {
  inspectLog,
  inspectVoteFile,
  type LogContents,
  VoteFile,
} from '../../../raft/log/index.js';
import type { Operation } from '../../faults/faulty-files.js';
import {
  append,
  Disk,
  entriesOf,
  identity,
  logDirectory,
  openJournal,
  raftError,
  segmentFile,
} from './journals.js';

const KiB = 1024;
const headerBytes = 4096;
const frameAlignment = 4096;
const votePath = '/holt/vote';

/** Frames of one small entry each. */
function diskWith(frameCount: number, maxSegmentFileSize = 32 * KiB): Disk {
  const disk = new Disk();
  const journal = openJournal(disk, { maxSegmentFileSize });
  for (let index = 1; index <= frameCount; index += 1) {
    append(disk, journal, entriesOf(index, index, 1));
  }
  disk.powerCut('none');
  return disk;
}

/** Whatever changes a file or a directory fails. */
function freeze(disk: Disk): Disk {
  const operations: Operation[] = ['create', 'write', 'sync', 'rename', 'remove', 'syncDirectory'];
  for (const operation of operations) disk.files.fail({ operation, nth: 1, code: 'EIO' });
  return disk;
}

function inspect(disk: Disk, as = identity): LogContents {
  return inspectLog({ directory: logDirectory, identity: as, files: disk.files });
}

describe('Looking at a log', () => {
  it('tells segments, frames and entries, and writes nothing', () => {
    const disk = diskWith(7, 16 * KiB);
    const { spareCount, ...contents } = inspect(disk);
    assert.deepEqual(contents, {
      segmentCount: 3,
      byteLength: 3 * 16 * KiB,
      frameCount: 7,
      baseIndex: 0,
      lastIndex: 7,
      lastTerm: 1,
      tornFrame: undefined,
    });
    disk.files.open(`${logDirectory}/spare-0a.tmp`, 'create').closeSync();
    assert.deepEqual(inspect(freeze(disk)), { ...contents, spareCount: spareCount + 1 });
  });

  it('of a new replica has nothing in it', () => {
    const { frameCount, lastIndex, lastTerm } = inspect(freeze(diskWith(0)));
    assert.deepEqual([frameCount, lastIndex, lastTerm], [0, 0, 0]);
  });

  it('counts an entry that voids others once', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 5, 1));
    append(disk, journal, entriesOf(3, 4, 2));
    disk.powerCut('none');
    const { frameCount, lastIndex, lastTerm } = inspect(freeze(disk));
    assert.deepEqual([frameCount, lastIndex, lastTerm], [2, 4, 2]);
  });

  it('finds what a start finds, and the frame that a start drops', () => {
    for (let frameCount = 1; frameCount <= 5; frameCount += 1) {
      const disk = diskWith(frameCount);
      disk.files.flip(segmentFile(1), headerBytes + (frameCount - 1) * frameAlignment + 240, 5);
      const contents = inspect(freeze(new Disk(1, disk.files)));
      assert.equal(contents.tornFrame, frameCount);
      assert.equal(contents.lastIndex, openJournal(disk).lastIndex);
    }
  });

  it('refuses what a start refuses', () => {
    const damaged = diskWith(3);
    damaged.files.flip(segmentFile(1), headerBytes + 8);
    assert.throws(() => inspect(damaged), raftError('DAMAGED', /frame 1 at byte .* was durable/));
    const header = diskWith(1);
    header.files.flip(segmentFile(1), 80);
    assert.throws(() => inspect(header), raftError('DAMAGED', /its header is damaged/));
    const gap = diskWith(10, 16 * KiB);
    gap.files.remove(segmentFile(2));
    assert.throws(() => inspect(gap), raftError('DAMAGED', /segment 2 of the log is missing/));
    const foreign = { ...identity, replicaId: 'b'.repeat(40) };
    assert.throws(() => inspect(diskWith(1), foreign), raftError('FOREIGN', /its replicaId is/));
    assert.throws(() => inspect(new Disk()), raftError('MISSING', /There is no log in/));
  });
});

describe('Looking at a vote file', () => {
  function votedDisk(): Disk {
    const disk = new Disk();
    disk.files.makeDirectory('/holt');
    VoteFile.create({ path: votePath, identity, files: disk.files });
    const file = VoteFile.open({ path: votePath, identity, files: disk.files });
    file.write({ term: 7, votedFor: 'b'.repeat(40) }, (error) => assert.equal(error, undefined));
    disk.drain();
    return disk;
  }

  function inspectVote(disk: Disk): ReturnType<typeof inspectVoteFile> {
    return inspectVoteFile({ path: votePath, identity, files: disk.files });
  }

  it('tells term and vote, and writes nothing', () => {
    assert.deepEqual(inspectVote(freeze(votedDisk())), {
      term: 7,
      votedFor: 'b'.repeat(40),
      soundCopies: 2,
    });
  });

  it('tells when one copy is damaged, and refuses when both are, or when it is missing', () => {
    for (const at of [64, 4096 + 64]) {
      const disk = votedDisk();
      disk.files.flip(votePath, at);
      const { term, soundCopies } = inspectVote(freeze(new Disk(1, disk.files)));
      assert.deepEqual([term, soundCopies], [7, 1]);
      disk.files.flip(votePath, 4096 + 64 - at + 64);
      assert.throws(() => inspectVote(disk), raftError('DAMAGED', /both copies are damaged/));
    }
    assert.throws(() => inspectVote(new Disk()), raftError('MISSING', /it is missing/));
  });
});

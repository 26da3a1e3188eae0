// The log of a stopped replica, entry by entry: what a start would find, and nothing is changed.

import assert from 'node:assert/strict';
import { LogView } from '../../../raft/log/index.js';
import { encodeMembership, type Membership } from '../../../raft/membership.js';
import type { Operation } from '../../faults/faulty-files.js';
import {
  append,
  Disk,
  entriesOf,
  entry,
  identity,
  logDirectory,
  openJournal,
  raftError,
  readAll,
  segmentFile,
} from './journals.js';

const KiB = 1024;
const headerBytes = 4096;

function membership(index: number): Membership {
  const member = { replicaId: 'a'.repeat(40), host: 'one.example', port: 17001, attributes: {} };
  return { index, voters: [member], learners: [] };
}

function openView(disk: Disk): LogView {
  return LogView.open({ directory: logDirectory, identity, files: disk.files });
}

/** On a disk on which whatever changes a file or a directory fails. */
function view(disk: Disk): LogView {
  const operations: Operation[] = ['create', 'write', 'sync', 'rename', 'remove', 'syncDirectory'];
  for (const operation of operations) disk.files.fail({ operation, nth: 1, code: 'EIO' });
  return openView(disk);
}

describe('A view of a log', () => {
  it('has the entries that a start has, over several segments', () => {
    const disk = new Disk();
    const journal = openJournal(disk, { maxSegmentFileSize: 16 * KiB });
    for (let index = 1; index <= 9; index += 3) {
      append(disk, journal, entriesOf(index, index + 2, 1, 5000));
    }
    append(disk, journal, entriesOf(6, 8, 2));
    const expected = readAll(disk, journal);
    disk.powerCut('none');

    const log = view(disk);
    assert.deepEqual([log.baseIndex, log.lastIndex], [0, 8]);
    assert.deepEqual([...log.entries(1)], expected);
    assert.deepEqual([...log.entries(7)], expected.slice(6));
    assert.deepEqual([...log.entries(9)], []);
    log.close();
  });

  it('begins behind the snapshot that stands for what was before', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 5, 1));
    journal.reset(20, 3, (error) => assert.equal(error, undefined));
    disk.drain();
    append(disk, journal, entriesOf(21, 22, 3));
    disk.powerCut('none');

    const log = view(disk);
    assert.deepEqual([log.baseIndex, log.lastIndex], [20, 22]);
    assert.deepEqual(
      [...log.entries(21)].map(({ index, term }) => [index, term]),
      [
        [21, 3],
        [22, 3],
      ],
    );
    log.close();
  });

  it('tells the newest membership that was not voided', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, entriesOf(1, 1, 1));
    assert.equal(openView(disk).membership, undefined);
    append(disk, journal, [
      entry(2, 1, encodeMembership(membership(2)), 'configuration'),
      entry(3, 1),
      entry(4, 1, encodeMembership(membership(4)), 'configuration'),
    ]);
    append(disk, journal, entriesOf(4, 5, 2));
    disk.powerCut('none');
    assert.deepEqual(view(disk).membership, membership(2));
  });

  it('refuses an entry that has changed on the disk', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, [entry(1, 1, Buffer.alloc(2000, 1))]);
    disk.powerCut('none');
    const log = view(disk);
    disk.files.flip(segmentFile(1), headerBytes + 1000);
    assert.throws(() => [...log.entries(1)], raftError('DAMAGED', /Entry 1 in .* is damaged/));
    log.close();
  });

  it('refuses a log that is damaged or missing', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    for (let index = 1; index <= 3; index += 1) append(disk, journal, entriesOf(index, index, 1));
    disk.powerCut('none');
    disk.files.flip(segmentFile(1), headerBytes + 8);
    assert.throws(() => view(disk), raftError('DAMAGED', /was durable/));
    assert.throws(() => view(new Disk()), raftError('MISSING', /There is no log in/));
  });
});

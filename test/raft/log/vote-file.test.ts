import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { HardState } from '../../../raft/core/index.js';
import type { ReplicaIdentity } from '../../../raft/identity.js';
import { VoteFile } from '../../../raft/log/index.js';
import { PowerLost } from '../../faults/faulty-files.js';
import { Disk, identity, raftError } from './journals.js';

const path = '/holt/vote';
const slotBytes = 4096;
const voted: HardState = { term: 7, votedFor: 'b'.repeat(40) };
const next: HardState = { term: 8, votedFor: 'c'.repeat(40) };

function open(disk: Disk, as: ReplicaIdentity = identity): VoteFile {
  return VoteFile.open({ path, identity: as, files: disk.files });
}

function createdDisk(seed = 1): Disk {
  const disk = new Disk(seed);
  disk.files.makeDirectory('/holt');
  VoteFile.create({ path, identity, files: disk.files });
  return disk;
}

/** A disk whose replica voted in term 7. */
function votedDisk(seed = 1): Disk {
  const disk = createdDisk(seed);
  write(disk, open(disk), voted);
  return disk;
}

function write(disk: Disk, file: VoteFile, hardState: HardState): void {
  let isDone = false;
  file.write(hardState, (error) => {
    assert.equal(error, undefined);
    isDone = true;
  });
  disk.drain();
  assert(isDone);
}

describe('VoteFile', () => {
  it('begins in term 0 without a vote', () => {
    assert.deepEqual(open(createdDisk()).hardState, { term: 0, votedFor: undefined });
  });

  it('remembers term and vote over a power cut', () => {
    const disk = votedDisk();
    disk.powerCut('none');
    assert.deepEqual(open(disk).hardState, voted);
    write(disk, open(disk), { term: 9, votedFor: undefined });
    disk.powerCut('none');
    assert.deepEqual(open(disk).hardState, { term: 9, votedFor: undefined });
  });

  it('is done only when both slots are durable', () => {
    const disk = votedDisk();
    const file = open(disk);
    let isDone = false;
    file.write(next, () => {
      isDone = true;
    });
    assert(disk.step());
    assert(!isDone);
    assert(disk.step());
    assert(isDone);
    for (const slot of [0, 1]) {
      const copy = new Disk(1, disk.files);
      copy.files.flip(path, slot * slotBytes + 64);
      assert.deepEqual(open(copy).hardState, next);
    }
  });

  it('has the old state or the new one when the power goes during a write (scenario 2)', () => {
    const seen = new Set<number>();
    for (let seed = 1; seed <= 200; seed += 1) {
      const disk = votedDisk(seed);
      const file = open(disk);
      file.write(next, () => assert.fail('The power went before'));
      if (seed % 2 === 0) disk.step();
      disk.powerCut();
      const { hardState } = open(disk);
      assert.deepEqual(hardState, hardState.term === 8 ? next : voted);
      // Whatever it is after the first start, it stays: somebody may have been told.
      disk.powerCut();
      assert.deepEqual(open(disk).hardState, hardState);
      seen.add(hardState.term);
    }
    assert.deepEqual([...seen].sort(), [7, 8]);
  });

  it('survives the power going at any moment of a start', () => {
    for (let nth = 1; nth <= 2; nth += 1) {
      for (let seed = 1; seed <= 50; seed += 1) {
        const disk = votedDisk(seed);
        disk.files.cutAt(nth);
        assert.throws(() => open(disk), PowerLost);
        disk.powerCut();
        assert.deepEqual(open(disk).hardState, voted);
      }
    }
  });

  it('survives damage to any byte of either slot', () => {
    const pristine = votedDisk().files;
    for (const slot of [0, 1]) {
      for (let at = 0; at < slotBytes; at += at < 100 ? 1 : 37) {
        const copy = new Disk(1, pristine);
        copy.files.flip(path, slot * slotBytes + at);
        assert.deepEqual(open(copy).hardState, voted);
      }
    }
  });

  it('is refused when both slots are damaged', () => {
    const disk = votedDisk();
    disk.files.flip(path, 60);
    disk.files.flip(path, slotBytes + 60);
    assert.throws(() => open(disk), raftError('DAMAGED', /both copies are damaged/));
  });

  it('does not count on from a number that is too large', () => {
    for (const at of [56, 64]) {
      const disk = votedDisk();
      const slot = disk.files.contents(path).subarray(0, slotBytes);
      slot.writeUInt32LE(2 ** 21, at + 4);
      slot.writeUInt32LE(crc32(slot.subarray(0, slotBytes - 4)), slotBytes - 4);
      disk.files.overwrite(path, 0, slot);
      assert.deepEqual(open(disk).hardState, voted);
    }
  });

  it('is refused when it is cut short', () => {
    const disk = new Disk();
    disk.files.open(path, 'create').writeSync(Buffer.alloc(100), 0);
    assert.throws(() => open(disk), raftError('DAMAGED', /both copies are damaged/));
  });

  it('is refused when it is missing', () => {
    assert.throws(() => open(new Disk()), raftError('MISSING', /it is missing, but this replica/));
  });

  it('is refused when it belongs to somebody else', () => {
    const other = { ...identity, replicaId: 'd'.repeat(40) };
    assert.throws(() => open(votedDisk(), other), raftError('FOREIGN', /its replicaId is/));
  });

  it('is refused when its version is unknown', () => {
    const disk = votedDisk();
    const slot = disk.files.contents(path).subarray(0, slotBytes);
    slot.writeUInt32LE(2, 8);
    slot.writeUInt32LE(crc32(slot.subarray(0, slotBytes - 4)), slotBytes - 4);
    disk.files.overwrite(path, 0, slot);
    assert.throws(() => open(disk), raftError('VERSION', /it has version 2/));
  });

  it('counts every start and every write', () => {
    const disk = votedDisk();
    const first = open(disk);
    const { incarnation } = first;
    write(disk, first, next);
    assert(first.incarnation > incarnation);
    assert(open(disk).incarnation > first.incarnation);
  });

  it('never takes a lower term', () => {
    const file = open(votedDisk());
    assert.throws(() => file.write({ term: 6, votedFor: undefined }, () => {}), /never decreases/);
  });

  it('reports a failed write of either slot (scenarios 60, 61)', () => {
    for (const nth of [1, 2]) {
      const disk = votedDisk();
      const file = open(disk);
      disk.files.fail({ operation: 'write', nth, code: 'EIO' });
      let error: Error | undefined;
      file.write(next, (given) => {
        error = given;
      });
      disk.drain();
      assert.match(error?.message ?? '', /Cannot write the vote file: EIO/);
    }
  });

  it('is made anew when a start ended before the replica was born', () => {
    const disk = votedDisk();
    VoteFile.create({ path, identity, files: disk.files });
    assert.deepEqual(open(disk).hardState, { term: 0, votedFor: undefined });
  });
});

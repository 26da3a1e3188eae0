// The segments of a log, as a start, `holt verify` and `holt restore --until` read them.
//
// Checked: all three take the log or refuse it with a `RaftError`, and agree; a start changes nothing
// about what there is, so the next one finds the same; and the log can be written to behind it.
//
// The input is the segments one behind the other, each of the same size, as their numbers say.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type Entry, entryRowBytes } from '../../../raft/entry.js';
import { RaftError } from '../../../raft/errors.js';
import {
  frameAlignment,
  frameHeaderBytes,
  inspectLog,
  type Journal,
  LogView,
} from '../../../raft/log/index.js';
import { randomBytes, randomInteger } from '../../faults/seeded-random.js';
import {
  append,
  Disk,
  entry,
  identity,
  logDirectory,
  openJournal,
  readAll,
  segmentFile,
} from '../../raft/log/journals.js';
import { mutated, pick, type Random } from '../mutate.js';
import { raftResultOf } from '../raft-result.js';
import type { FuzzTarget, Verdict } from '../target.js';

const segmentBytes = 16 * 1024;
const segmentHeaderBytes = frameAlignment;
const segmentNumberOffset = 72;
const previousCrcOffsets = { segment: 88, frame: 32 };
const frameMagic = 0x4d52_4648;

function make(random: Random): Buffer {
  const valid = validLog(random);
  if (random() < 0.05) return valid;
  const bytes = mutated(random, valid);
  return random() < 0.5 ? resummed(bytes) : bytes;
}

/** Written by a replica that is replaced by others now and then, and gets a snapshot. */
function validLog(random: Random): Buffer {
  const disk = new Disk(randomInteger(random, 1, 1_000_000));
  let journal = openJournal(disk, { maxSegmentFileSize: segmentBytes });
  let term = 1;
  for (let left = randomInteger(random, 0, 7); left > 0; left -= 1) {
    const action = random();
    if (action < 0.1) journal.appendEmptySync();
    else if (action < 0.2) {
      disk.kill();
      journal = openJournal(disk, { maxSegmentFileSize: segmentBytes });
    } else if (action < 0.3) {
      journal.reset(journal.lastIndex + randomInteger(random, 1, 9), term, (error) => {
        assert.equal(error, undefined);
      });
      disk.drain();
    } else {
      const isReplacing = random() < 0.2 && journal.lastIndex > journal.baseIndex;
      if (isReplacing) term += 1;
      const first = isReplacing
        ? randomInteger(random, journal.baseIndex + 1, journal.lastIndex)
        : journal.lastIndex + 1;
      append(disk, journal, entriesFrom(random, first, term));
    }
  }
  const segments = disk.files.list(logDirectory).filter((name) => name.endsWith('.log'));
  return Buffer.concat(
    segments.toSorted().map((name) => disk.files.contents(`${logDirectory}/${name}`)),
  );
}

function entriesFrom(random: Random, first: number, term: number): Entry[] {
  return Array.from({ length: randomInteger(random, 1, 4) }, (_, at) => {
    const kind = pick(random, ['command', 'command', 'noop', 'configuration'] as const);
    const byteLength = kind === 'noop' ? 0 : randomInteger(random, 0, pick(random, [30, 2000]));
    return entry(first + at, term, randomBytes(random, byteLength), kind);
  });
}

/** Every sum in it fits again, and the chain of frames: somebody wrote this on purpose. */
function resummed(bytes: Buffer): Buffer {
  let previousCrc: number | undefined;
  for (let start = 0; start < bytes.length; start += segmentBytes) {
    const segment = bytes.subarray(start, start + segmentBytes);
    if (segment.length < segmentHeaderBytes) break;
    if (previousCrc !== undefined) segment.writeUInt32LE(previousCrc, previousCrcOffsets.segment);
    sumInto(segment, segmentHeaderBytes - 4);
    previousCrc = segment.readUInt32LE(previousCrcOffsets.segment);
    for (let at = segmentHeaderBytes; at + frameAlignment <= segment.length; at += frameAlignment) {
      previousCrc = resumFrame(segment.subarray(at), previousCrc) ?? previousCrc;
    }
  }
  return bytes;
}

/** Returns its crc; undefined: no frame begins here. */
function resumFrame(frame: Buffer, previousCrc: number): number | undefined {
  const entryCount = frame.readUInt32LE(36);
  const rowsEnd = frameHeaderBytes + entryCount * entryRowBytes;
  if (frame.readUInt32LE(0) !== frameMagic || rowsEnd > frame.length) return undefined;
  let offset = rowsEnd;
  for (let row = frameHeaderBytes; row < rowsEnd; row += entryRowBytes) {
    const end = offset + frame.readUInt32LE(row + 28);
    if (end > frame.length) break;
    frame.writeUInt32LE(crc32(frame.subarray(offset, end)), row + 32);
    offset = end;
  }
  frame.writeUInt32LE(previousCrc, previousCrcOffsets.frame);
  const rows = frame.subarray(frameHeaderBytes, rowsEnd);
  const crc = crc32(rows, crc32(frame.subarray(0, frameHeaderBytes - 4)));
  frame.writeUInt32LE(crc, frameHeaderBytes - 4);
  return crc;
}

function sumInto(bytes: Buffer, offset: number): void {
  bytes.writeUInt32LE(crc32(bytes.subarray(0, offset)), offset);
}

function check(input: Buffer, random: Random): Verdict {
  const disk = diskWith(input);
  const options = { directory: logDirectory, identity, files: disk.files };
  const inspected = raftResultOf(() => inspectLog(options));
  const viewed = raftResultOf(() => entriesOfView(LogView.open(options)));
  const journal = raftResultOf(() => openJournal(disk, { mustExist: true }));
  if (journal instanceof RaftError) {
    for (const result of [inspected, viewed]) {
      assert(result instanceof RaftError, 'A start refuses it');
      assert.equal(result.code, journal.code);
      // Of a log that is not there, each says it in its own words.
      if (journal.code !== 'MISSING') assert.equal(result.message, journal.message);
    }
    return 'refused';
  }
  assert(!(inspected instanceof RaftError) && !(viewed instanceof RaftError), 'A start takes it');
  const { baseIndex, lastIndex } = journal;
  assert.deepEqual([baseIndex, lastIndex], [inspected.baseIndex, inspected.lastIndex]);
  if (lastIndex > baseIndex) assert.equal(journal.termAt(lastIndex), inspected.lastTerm);
  const entries = [...readAll(disk, journal)];
  for (const { payload, checksum } of entries) assert.equal(crc32(payload), checksum);
  assert.deepEqual(viewed, entries);
  assertGoesOn(disk, journal, entries, random);
  return 'accepted';
}

function diskWith(input: Buffer): Disk {
  const disk = new Disk();
  disk.files.makeDirectory(logDirectory);
  const first = firstNumberOf(input);
  for (let start = 0, number = first; start < input.length; start += segmentBytes, number += 1) {
    const file = disk.files.open(segmentFile(number), 'create');
    file.writeSync(input.subarray(start, start + segmentBytes), 0);
    file.syncSync();
    file.closeSync();
  }
  disk.files.syncDirectorySync(logDirectory);
  return disk;
}

/** As the first header says, when that is a number that a file can have. */
function firstNumberOf(input: Buffer): number {
  if (input.length < segmentHeaderBytes) return 1;
  const number = Number(input.readBigUInt64LE(segmentNumberOffset));
  return number > 0 && number < 1_000_000 ? number : 1;
}

function entriesOfView(view: LogView): Entry[] {
  try {
    return [...view.entries(view.baseIndex + 1)];
  } finally {
    view.close();
  }
}

/** Over a kill, and over another one behind a new entry. */
function assertGoesOn(
  disk: Disk,
  journal: Journal,
  entries: readonly Entry[],
  random: Random,
): void {
  if (random() < 0.5) {
    disk.kill();
    journal = openJournal(disk, { mustExist: true });
    assert.deepEqual([...readAll(disk, journal)], entries);
  }
  const next = journal.lastIndex + 1;
  if (!Number.isSafeInteger(next)) return;
  const added = entry(next, 9, randomBytes(random, 20));
  append(disk, journal, [added]);
  disk.kill();
  const again = openJournal(disk, { mustExist: true });
  assert.deepEqual([...readAll(disk, again)], [...entries, added]);
}

export const log: FuzzTarget = { name: 'log', runsInTest: 1000, make, check };

// The files of the log.
//
// A segment is written full of zeros before it is used, so that a frame's durable write changes the
// data alone and no metadata of the file system (twice as many writes a second). It begins with a
// header block:
//
//     0  magic "HOLTLOG1"     8  format version u32    12  group u32
//    16  cluster id (16)     32  replica id (20)       52  zero u32
//    56  segment id (16)     72  segment number u64    80  number of the first frame u64
//    88  crc of the frame before it u32                92  flags u32
//    96  index before it u64                          104  term before it u64
//   112  byte length of the file u64
//  4092  crc u32
//
// Flag 1: all earlier segments are void. A snapshot of the index and term before it stands for them.
// Version 1 had neither flags nor length, and zeros there.
//
//   spare-….tmp ──header durable──▶ 0000000000000012.log ──all behind a snapshot──▶ spare-….tmp
//
// A segment gets its final name only once its header is durable, so a named segment with a bad
// header is damage, never a torn write. A file never changes its length while it has such a name:
// one that is shorter has lost its end, which may have held frames.

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { LogIndex, Term } from '../core/index.js';
import type { Done, FileHandle, Files } from '../effects.js';
import { readUint64, writeUint64 } from '../entry.js';
import { RaftError } from '../errors.js';
import type { ReplicaIdentity } from '../identity.js';
import { checkIdentityBytes, identityBytesLength, writeIdentityBytes } from '../identity.js';
import { frameAlignment } from './frame.js';

export const segmentHeaderBytes = frameAlignment;
export const segmentIdBytes = 16;

const magic = Buffer.from('HOLTLOG1', 'latin1');
const formatVersion = 2;
const formatVersionMin = 1;
const voidsEarlierFlag = 1;
const crcOffset = segmentHeaderBytes - 4;

export interface SegmentHeader {
  readonly segmentId: Buffer;
  /** Counts the segments of this log from 1. */
  readonly segmentNumber: number;
  /** The number its first frame will have. */
  readonly firstFrameNumber: number;
  /** Of the frame before its first; 0 when there is none. */
  readonly previousCrc: number;
  /** Of the last entry before it. */
  readonly previousIndex: LogIndex;
  readonly previousTerm: Term;
  /** Whatever earlier segments hold does not count any more: a snapshot stands for it. */
  readonly voidsEarlier: boolean;
  /** Of the whole file. As it was decoded: 0 when the header is of version 1. */
  readonly byteLength: number;
}

export interface Segment extends SegmentHeader {
  readonly path: string;
  /** Open for durable writes on the newest segment, for reading on the others. */
  readonly file: FileHandle;
  /** The highest index any of its frames holds; 0 when none. */
  indexMax: LogIndex;
}

export function segmentPath(directory: string, segmentNumber: number): string {
  return join(directory, `${String(segmentNumber).padStart(16, '0')}.log`);
}

/** Undefined when the name is not a segment's. */
export function segmentNumberOf(name: string): number | undefined {
  return /^\d{16}\.log$/.test(name) ? Number.parseInt(name, 10) : undefined;
}

export function sparePath(directory: string, random: Buffer): string {
  return join(directory, `spare-${random.toString('hex')}.tmp`);
}

export function isSpareName(name: string): boolean {
  return /^spare-[0-9a-f]+\.tmp$/.test(name);
}

export function encodeSegmentHeader(identity: ReplicaIdentity, header: SegmentHeader): Buffer {
  const block = Buffer.alloc(segmentHeaderBytes);
  magic.copy(block, 0);
  block.writeUInt32LE(formatVersion, 8);
  writeIdentityBytes(block, 12, identity);
  header.segmentId.copy(block, 56);
  writeUint64(block, 72, header.segmentNumber);
  writeUint64(block, 80, header.firstFrameNumber);
  block.writeUInt32LE(header.previousCrc, 88);
  block.writeUInt32LE(header.voidsEarlier ? voidsEarlierFlag : 0, 92);
  writeUint64(block, 96, header.previousIndex);
  writeUint64(block, 104, header.previousTerm);
  writeUint64(block, 112, header.byteLength);
  block.writeUInt32LE(crc32(block.subarray(0, crcOffset)), crcOffset);
  return block;
}

/** Throws `RaftError` when the block is damaged, foreign or of an unknown version. */
export function decodeSegmentHeader(
  block: Buffer,
  identity: ReplicaIdentity,
  path: string,
): SegmentHeader {
  if (
    block.length < segmentHeaderBytes ||
    block.compare(magic, 0, magic.length, 0, magic.length) !== 0 ||
    crc32(block.subarray(0, crcOffset)) !== block.readUInt32LE(crcOffset)
  ) {
    throw new RaftError('DAMAGED', `Cannot open log segment "${path}": its header is damaged`);
  }
  const version = block.readUInt32LE(8);
  if (version < formatVersionMin || version > formatVersion) {
    throw new RaftError('VERSION', `Cannot open log segment "${path}": it has version ${version}`);
  }
  checkIdentityBytes(block.subarray(12, 12 + identityBytesLength), identity, path);
  const header: SegmentHeader = {
    segmentId: Buffer.from(block.subarray(56, 56 + segmentIdBytes)),
    segmentNumber: readUint64(block, 72),
    firstFrameNumber: readUint64(block, 80),
    previousCrc: block.readUInt32LE(88),
    previousIndex: readUint64(block, 96),
    previousTerm: readUint64(block, 104),
    voidsEarlier: (block.readUInt32LE(92) & voidsEarlierFlag) !== 0,
    byteLength: readUint64(block, 112),
  };
  const { segmentNumber, firstFrameNumber, previousIndex, previousTerm, byteLength } = header;
  const numbers = [segmentNumber, firstFrameNumber, previousIndex, previousTerm, byteLength];
  if (numbers.every(Number.isSafeInteger)) return header;
  const what = 'its header has a number that nobody can count with';
  throw new RaftError('DAMAGED', `Cannot open log segment "${path}": ${what}`);
}

const zeroChunk = Buffer.alloc(1024 * 1024);

/** Writes a new file full of zeros, a MiB at a time so that log writes get their turn. */
export function createSpare(files: Files, path: string, byteLength: number, done: Done): void {
  let file: FileHandle;
  try {
    file = files.open(path, 'create');
  } catch (error) {
    return done(error as Error);
  }
  let position = 0;
  function finish(error: Error | undefined): void {
    file.closeSync();
    done(error);
  }
  function next(error: Error | undefined): void {
    if (error !== undefined) return finish(error);
    if (position >= byteLength) return finish(undefined);
    const chunk = zeroChunk.subarray(0, Math.min(zeroChunk.length, byteLength - position));
    const at = position;
    position += chunk.length;
    file.write([chunk], at, (writeError) => {
      if (writeError !== undefined) finish(writeError);
      else file.sync(next);
    });
  }
  next(undefined);
}

/** As `createSpare`, for the first segment of a log, when nobody waits yet. */
export function createSpareSync(files: Files, path: string, byteLength: number): void {
  const file = files.open(path, 'create');
  for (let position = 0; position < byteLength; position += zeroChunk.length) {
    file.writeSync(
      zeroChunk.subarray(0, Math.min(zeroChunk.length, byteLength - position)),
      position,
    );
  }
  file.syncSync();
  file.closeSync();
}

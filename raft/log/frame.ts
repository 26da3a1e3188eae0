// One write to the log: a frame that proves itself.
//
//   0                 192                                                   multiple of 4096
//   ├─ frame header ──┼─ a row per entry ─┼─ payloads, one after another ─┼─ zeros ─┤
//
//   frame header (192 bytes, little endian)
//     0  magic "HFRM"        4  format version u16      6  zero u16
//     8  segment id (16)    24  frame number u64
//    32  crc of the previous frame u32                 36  entry count u32
//    40  bytes of rows and payloads u32                44  zero …
//   188  crc u32 over bytes 0–187 and the rows
//
// The crc covers the rows, the rows hold the payloads' checksums, and each header names the crc
// before it: a chain over everything ever written. The segment id is random, so nothing a client
// stores, and nothing left over in a recycled segment, can pass for a frame.
//
// The header takes exactly the room of a bus header (`raft/net/wire.ts`), so a received append
// becomes a frame in place.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  type Entry,
  type EntryRow,
  entryCountMax,
  entryRowBytes,
  readEntryRow,
  readUint64,
  writeEntryRow,
  writeUint64,
} from '../entry.js';
import { RaftError } from '../errors.js';

export const frameHeaderBytes = 192;
/** Frames begin and end on these, so no write touches a sector of another frame. */
export const frameAlignment = 4096;

const magic = 0x4d52_4648;
const formatVersion = 1;
const crcOffset = frameHeaderBytes - 4;

export interface FrameHeader {
  readonly segmentId: Buffer;
  /** Counts the frames of this log from 1, across segments. */
  readonly frameNumber: number;
  readonly previousCrc: number;
  readonly entryCount: number;
  /** Rows and payloads. */
  readonly bodyBytes: number;
}

export interface DecodedFrame extends FrameHeader {
  readonly crc: number;
  readonly rows: readonly EntryRow[];
  /** Where the first payload begins, from the frame's start. */
  readonly payloadOffset: number;
  /** With header and padding. */
  readonly byteLength: number;
}

export function alignFrame(byteLength: number): number {
  return Math.ceil(byteLength / frameAlignment) * frameAlignment;
}

export function frameBytes(entries: readonly Entry[]): number {
  let bytes = frameHeaderBytes + entries.length * entryRowBytes;
  for (const entry of entries) bytes += entry.payload.length;
  return alignFrame(bytes);
}

export function writeEntryRows(target: Buffer, offset: number, entries: readonly Entry[]): void {
  for (const entry of entries) {
    writeEntryRow(target, offset, entry);
    offset += entryRowBytes;
  }
}

/** Writes the header before rows that are already at `frameHeaderBytes`. Returns the frame's crc. */
export function writeFrameHeader(target: Buffer, header: FrameHeader): number {
  assert(header.entryCount <= entryCountMax);
  target.fill(0, 0, frameHeaderBytes);
  target.writeUInt32LE(magic, 0);
  target.writeUInt16LE(formatVersion, 4);
  header.segmentId.copy(target, 8);
  writeUint64(target, 24, header.frameNumber);
  target.writeUInt32LE(header.previousCrc, 32);
  target.writeUInt32LE(header.entryCount, 36);
  target.writeUInt32LE(header.bodyBytes, 40);
  const crc = headerCrc(target, header.entryCount);
  target.writeUInt32LE(crc, crcOffset);
  return crc;
}

function headerCrc(frame: Buffer, entryCount: number): number {
  const rowsEnd = frameHeaderBytes + entryCount * entryRowBytes;
  return crc32(frame.subarray(frameHeaderBytes, rowsEnd), crc32(frame.subarray(0, crcOffset)));
}

/**
 * The frame at the start of `bytes`, which reach to the end of the segment; undefined when there is
 * no whole and sound frame of that segment. Throws only for a sound frame of an unknown version.
 */
export function decodeFrame(bytes: Buffer, segmentId: Buffer): DecodedFrame | undefined {
  const header = decodeFrameHeader(bytes, segmentId);
  return header !== undefined && arePayloadsSound(bytes, header) ? header : undefined;
}

/** The rest of `decodeFrame`, for the header at the start of `bytes`. */
export function arePayloadsSound(bytes: Buffer, { rows, payloadOffset }: DecodedFrame): boolean {
  let offset = payloadOffset;
  for (const row of rows) {
    const payload = bytes.subarray(offset, offset + row.byteLength);
    if (crc32(payload) !== row.checksum) return false;
    offset += row.byteLength;
  }
  return true;
}

/** Whether somebody began to write a frame of that segment here, sound or not. */
export function beginsFrame(bytes: Buffer, segmentId: Buffer): boolean {
  if (bytes.length < frameAlignment || bytes.readUInt32LE(0) !== magic) return false;
  return bytes.compare(segmentId, 0, segmentId.length, 8, 24) === 0;
}

/** As `decodeFrame`, without looking at the payloads. */
export function decodeFrameHeader(bytes: Buffer, segmentId: Buffer): DecodedFrame | undefined {
  if (!beginsFrame(bytes, segmentId)) return undefined;
  const entryCount = bytes.readUInt32LE(36);
  const bodyBytes = bytes.readUInt32LE(40);
  const byteLength = alignFrame(frameHeaderBytes + bodyBytes);
  if (entryCount > entryCountMax || entryCount * entryRowBytes > bodyBytes) return undefined;
  if (byteLength > bytes.length) return undefined;
  const crc = bytes.readUInt32LE(crcOffset);
  if (headerCrc(bytes, entryCount) !== crc) return undefined;

  // From here on the header is what somebody wrote on purpose.
  const version = bytes.readUInt16LE(4);
  if (version !== formatVersion) {
    throw new RaftError('VERSION', `Cannot read the log: its frames have version ${version}`);
  }
  const frameNumber = readUint64(bytes, 24);
  if (!Number.isSafeInteger(frameNumber)) return undefined;
  const rows: EntryRow[] = [];
  let payloadBytes = 0;
  for (let at = 0; at < entryCount; at += 1) {
    const row = readEntryRow(bytes, frameHeaderBytes + at * entryRowBytes);
    if (row === undefined) {
      throw new RaftError('VERSION', 'Cannot read the log: it has entries of an unknown kind');
    }
    // Nobody could count on from there: the sums fit by accident.
    if (!isCountable(row)) return undefined;
    rows.push(row);
    payloadBytes += row.byteLength;
  }
  if (entryCount * entryRowBytes + payloadBytes !== bodyBytes) return undefined;
  return {
    segmentId,
    frameNumber,
    previousCrc: bytes.readUInt32LE(32),
    entryCount,
    bodyBytes,
    crc,
    rows,
    payloadOffset: frameHeaderBytes + entryCount * entryRowBytes,
    byteLength,
  };
}

function isCountable({ index, term, stamp }: EntryRow): boolean {
  return Number.isSafeInteger(index) && Number.isSafeInteger(term) && Number.isSafeInteger(stamp);
}

// Reads a log back after a stop, a crash or a power cut.
//
// Frames are numbered without gaps, chained by their crcs, and at most one was ever being written.
// So let w be the last good frame of the unbroken sequence:
//
//     … w-1  w  ✗          nothing good behind: w+1 was being written, it was never acknowledged,
//                          and is dropped (with a warning)
//     … w-1  w  ✗  w+2     w+2 was written only after w+1 was durable, so w+1 has been damaged
//                          since: refuse
//     … w-1  w  ✗ │ segment that expects w+2      the same
//     … w-1  w  ✗ │ segment that expects w+1      the rest of the segment was never used
//
// A start writes the last frame again (`Journal.#repeatLastFrame`), because what the page cache shows
// of it may be on no disk. When the power goes later, any copy but the last may be gone:
//
//     … w-1  w  w  w+1     copies in one segment are the same bytes: the chain goes on from each
//     … w-1  ✗  w  w+1     the first was never on the disk: it is not missed
//     … w-1  w  │ segment that expects w          the copy is there, or was never acknowledged
//
// Nothing is truncated on a guess, and nothing is read of what a snapshot stands for: segments before
// one that voids them are removed first. Damage confined to the very last frame cannot be told from a
// torn write; an idle log therefore ends in an empty frame.

import type { LogIndex } from '../core/index.js';
import type { FileHandle } from '../effects.js';
import type { EntryRow } from '../entry.js';
import { RaftError, rejoinAdvice } from '../errors.js';
import {
  arePayloadsSound,
  beginsFrame,
  type DecodedFrame,
  decodeFrameHeader,
  frameAlignment,
} from './frame.js';
import { type SegmentHeader, segmentHeaderBytes } from './segment.js';

export interface ScannedSegment extends SegmentHeader {
  readonly path: string;
  readonly file: FileHandle;
}

export interface ScannedFrame {
  readonly segment: ScannedSegment;
  /** Of the frame, from the start of the segment. */
  readonly offset: number;
  readonly frame: DecodedFrame;
}

export interface ScanResult {
  /** The last good frame, or the last copy of it; undefined when there is none yet. */
  readonly last: ScannedFrame | undefined;
  /** Where the next frame of the last segment goes. */
  readonly nextOffset: number;
  readonly nextFrameNumber: number;
  readonly previousCrc: number;
  /** Frame w+1 was begun and is dropped. */
  readonly isTornFrameDropped: boolean;
}

/** Calls `onFrame` for every good frame in order, also for copies. Throws `RaftError` DAMAGED. */
export function scanSegments(
  segments: readonly ScannedSegment[],
  onFrame: (found: ScannedFrame) => void,
): ScanResult {
  const first = segments[0]!;
  let expected = first.firstFrameNumber;
  let previousCrc = first.previousCrc;
  let last: ScannedFrame | undefined;
  let nextOffset = segmentHeaderBytes;
  let isTornFrameDropped = false;

  for (const [at, segment] of segments.entries()) {
    if (last !== undefined && repeats(segment, last.frame)) {
      expected = last.frame.frameNumber;
      previousCrc = last.frame.previousCrc;
    }
    checkSegmentFollows(segments[at - 1], segment, expected, previousCrc);
    const bytes = readSegment(segment);
    nextOffset = segmentHeaderBytes;
    for (let offset = segmentHeaderBytes; offset < bytes.length; ) {
      const block = bytes.subarray(offset);
      const frame = decodeFrameHeader(block, segment.segmentId);
      if (frame !== undefined && frame.frameNumber > expected) {
        throw unreadable(segment, nextOffset, expected, frame.frameNumber);
      }
      if (
        frame === undefined ||
        !isNextOrCopy(frame, expected, previousCrc) ||
        !arePayloadsSound(block, frame)
      ) {
        offset += frameAlignment;
        continue;
      }
      last = { segment, offset, frame };
      onFrame(last);
      expected = frame.frameNumber + 1;
      previousCrc = frame.crc;
      offset += frame.byteLength;
      nextOffset = offset;
    }
    // In a recycled segment there may be frames of its former life; those are nobody's remains.
    const rest = bytes.subarray(nextOffset);
    isTornFrameDropped = beginsFrame(rest, segment.segmentId);
  }
  return { last, nextOffset, nextFrameNumber: expected, previousCrc, isTornFrameDropped };
}

/** A copy in the same segment has the same crc; one that has not is no copy, but remains. */
function isNextOrCopy(frame: DecodedFrame, expected: number, previousCrc: number): boolean {
  const { frameNumber, crc } = frame;
  if (frameNumber === expected) return frame.previousCrc === previousCrc;
  return frameNumber === expected - 1 && crc === previousCrc;
}

/** Begun by a start for another copy of that frame, which had no room in the segment before. */
function repeats(segment: ScannedSegment, { frameNumber, previousCrc }: DecodedFrame): boolean {
  return segment.firstFrameNumber === frameNumber && segment.previousCrc === previousCrc;
}

function readSegment(segment: ScannedSegment): Buffer {
  const bytes = Buffer.allocUnsafeSlow(segment.byteLength);
  const read = segment.file.readSync(bytes, 0);
  return bytes.subarray(0, read);
}

function checkSegmentFollows(
  previous: ScannedSegment | undefined,
  segment: ScannedSegment,
  expected: number,
  previousCrc: number,
): void {
  if (previous === undefined) return;
  if (segment.segmentNumber !== previous.segmentNumber + 1) {
    throw damaged(`segment ${previous.segmentNumber + 1} of the log is missing`);
  }
  if (segment.firstFrameNumber !== expected || segment.previousCrc !== previousCrc) {
    throw damaged(
      `frame ${expected} in "${previous.path}" was durable and is unreadable now ` +
        `("${segment.path}" goes on with frame ${segment.firstFrameNumber})`,
    );
  }
}

function unreadable(
  { path }: ScannedSegment,
  offset: number,
  expected: number,
  found: number,
): RaftError {
  return damaged(
    `frame ${expected} at byte ${offset} of "${path}" was durable and is unreadable now ` +
      `(frame ${found} follows it)`,
  );
}

/** Throws `RaftError` when an entry of the frame leaves a gap behind the last one. */
export function checkFollows(index: LogIndex, lastIndex: LogIndex, frameNumber: number): void {
  if (index <= lastIndex + 1) return;
  throw damaged(`frame ${frameNumber} leaves a gap before entry ${index}`);
}

function damaged(what: string): RaftError {
  return new RaftError('DAMAGED', `Cannot trust the log: ${what}. ${rejoinAdvice}`);
}

/** The rows of a frame with the place of each payload in the segment. */
export function* locateEntries(
  found: ScannedFrame,
): Generator<{ readonly row: EntryRow; readonly offset: number }> {
  let offset = found.offset + found.frame.payloadOffset;
  for (const row of found.frame.rows) {
    yield { row, offset };
    offset += row.byteLength;
  }
}

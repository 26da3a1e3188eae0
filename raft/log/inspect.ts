// Looks at the log of a stopped replica, and changes nothing.
//
// A start does more: it removes what is half-made and writes the last frame again, since the page
// cache may show what no disk has. Whoever only asks what is there must leave all that to it.

import type { LogIndex, Term } from '../core/index.js';
import { RaftError, rejoinAdvice } from '../errors.js';
import { readOnly } from '../read-only-files.js';
import { type JournalOptions, openSegments } from './journal.js';
import { checkFollows, type ScannedSegment, scanSegments } from './recovery.js';
import { isSpareName, segmentNumberOf } from './segment.js';

/** A log that is whole. */
export interface LogContents {
  /** Without those that a snapshot stands for. */
  readonly segmentCount: number;
  /** Bytes of the segments. */
  readonly byteLength: number;
  /** Good frames. */
  readonly frameCount: number;
  /** Entries up to here are behind a snapshot and gone. */
  readonly baseIndex: LogIndex;
  readonly lastIndex: LogIndex;
  /** Of the last entry, or of the one at the base as the first segment knows it. */
  readonly lastTerm: Term;
  /** The frame that was being written at the end, which a start drops: nobody was told of it. */
  readonly tornFrame: number | undefined;
  /** Files that wait to become segments, or were half-made. */
  readonly spareCount: number;
}

type InspectOptions = Pick<JournalOptions, 'directory' | 'identity' | 'files'>;

/** Reads all of it. Throws `RaftError` when it is damaged, missing or another replica's. */
export function inspectLog(given: InspectOptions): LogContents {
  const { segments, spareCount } = openForReading(given);
  try {
    return { ...scan(segments), spareCount };
  } finally {
    for (const { file } of segments) file.closeSync();
  }
}

/** The segments that count, ascending. Throws `RaftError` when there is none. */
export function openForReading(given: InspectOptions): {
  readonly segments: readonly ScannedSegment[];
  readonly spareCount: number;
} {
  const options = { ...given, files: readOnly(given.files) };
  const { directory, files } = options;
  const names = files.stat(directory) === undefined ? [] : files.list(directory);
  const numbers = names.map(segmentNumberOf).filter((number) => number !== undefined);
  if (numbers.length === 0) {
    throw new RaftError('MISSING', `There is no log in "${directory}". ${rejoinAdvice}`);
  }
  const segments = openSegments(options, numbers);
  return { segments, spareCount: names.filter(isSpareName).length };
}

function scan(segments: readonly ScannedSegment[]): Omit<LogContents, 'spareCount'> {
  const { previousIndex: baseIndex, previousTerm } = segments[0]!;
  let lastIndex = baseIndex;
  let lastTerm = previousTerm;
  let frameCount = 0;
  const result = scanSegments(segments, ({ frame }) => {
    frameCount += 1;
    for (const { index, term } of frame.rows) {
      // A frame repeated at a start may reach back behind a snapshot.
      if (index <= baseIndex) continue;
      checkFollows(index, lastIndex, frame.frameNumber);
      // It voids whatever was there and behind it.
      lastIndex = index;
      lastTerm = term;
    }
  });
  return {
    segmentCount: segments.length,
    byteLength: segments.reduce((sum, { byteLength }) => sum + byteLength, 0),
    frameCount,
    baseIndex,
    lastIndex,
    lastTerm,
    tornFrame: result.isTornFrameDropped ? result.nextFrameNumber : undefined,
  };
}

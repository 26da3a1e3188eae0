// What a disk does to bytes that nobody writes any more, and where the frames of a log are.

import fs from 'node:fs';
import { join } from 'node:path';
import { decodeFrame } from '../../raft/log/frame.js';
import { frameAlignment, frameHeaderBytes } from '../../raft/log/index.js';
import { randomBytes, randomInteger } from '../faults/seeded-random.js';

export type Random = () => number;

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[randomInteger(random, 0, items.length - 1)]!;
}

/** A part of a file, from `start` to before `end`. */
export interface Part {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

export function wholeOf(path: string): Part {
  return { path, start: 0, end: fs.statSync(path).size };
}

/** Flips a bit, or spoils or zeroes some or all bytes of the part. False when that changed nothing. */
export function damage(random: Random, { path, start, end }: Part): boolean {
  const bytes = fs.readFileSync(path);
  const before = Buffer.from(bytes);
  const from = randomInteger(random, start, end - 1);
  const to = Math.min(end, from + randomInteger(random, 1, pick(random, [1, 32, 4096])));
  const kind = random();
  if (kind < 0.4) bytes[from]! ^= 1 << randomInteger(random, 0, 7);
  else if (kind < 0.6) randomBytes(random, to - from).copy(bytes, from);
  else if (kind < 0.8) bytes.fill(0, from, to);
  else bytes.fill(0, start, end);
  // The same file: a replica tells a copy from it.
  fs.writeFileSync(path, bytes);
  return !bytes.equals(before);
}

/** At any place before its end. */
export function cut(random: Random, path: string): void {
  fs.truncateSync(path, randomInteger(random, 0, fs.statSync(path).size - 1));
}

/** A frame of the log: header, rows and payloads. Behind it, to its padding's end, nothing counts. */
export interface FramePart extends Part {
  readonly paddingEnd: number;
  /** Of the first entry in it; undefined: it has none. */
  readonly firstIndex: number | undefined;
}

/** Of all segments, in order. */
export function segmentPaths(directory: string): string[] {
  const log = join(directory, 'log');
  const names = fs.readdirSync(log).filter((name) => name.endsWith('.log'));
  return names.toSorted().map((name) => join(log, name));
}

export function framesOf(path: string): FramePart[] {
  const bytes = fs.readFileSync(path);
  const segmentId = bytes.subarray(56, 72);
  const frames: FramePart[] = [];
  for (let start = frameAlignment; start < bytes.length; ) {
    const frame = decodeFrame(bytes.subarray(start), segmentId);
    if (frame === undefined) break;
    const { rows, bodyBytes, byteLength } = frame;
    frames.push({
      path,
      start,
      end: start + frameHeaderBytes + bodyBytes,
      paddingEnd: start + byteLength,
      firstIndex: rows[0]?.index,
    });
    start += byteLength;
  }
  return frames;
}

/** The moment before an idle log got its empty frame: the last one has entries. */
export function removeEmptyFrames(directory: string): void {
  const frames = segmentPaths(directory).flatMap(framesOf);
  for (const { path, start, paddingEnd, firstIndex } of frames.toReversed()) {
    if (firstIndex !== undefined) break;
    const bytes = fs.readFileSync(path);
    fs.writeFileSync(path, bytes.fill(0, start, paddingEnd));
  }
}

// Ways to change bytes that meant something, so that they nearly do.
//
// Random bytes are refused at the first magic number. What gets deep into a reader is a valid input
// with a few wrong places; and behind a checksum, one whose sums were made right again, which each
// target does for its own format.

import { randomBytes, randomInteger } from '../faults/seeded-random.js';

/** Uniform in [0, 1). */
export type Random = () => number;

/** The edges of everything that is a length, a count or a code somewhere. */
const edges = [0, 1, 2, 3, 4, 7, 8, 16, 39, 40, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff];
const largeEdges = [0x10000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** What a change makes of an input is never longer. */
const byteLengthMax = 128 * 1024;

export function pick<Item>(random: Random, items: readonly Item[]): Item {
  return items[randomInteger(random, 0, items.length - 1)]!;
}

/** Changed in one to four places. `input` stays as it is. */
export function mutated(random: Random, input: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(input);
  for (let left = randomInteger(random, 1, 4); left > 0; left -= 1) {
    bytes = pick(random, bytes.length === 0 ? [insertNoise] : changes)(random, bytes);
    if (bytes.length > byteLengthMax) bytes = bytes.subarray(0, byteLengthMax);
  }
  return bytes;
}

type Change = (random: Random, bytes: Buffer) => Buffer;

/** Those in place come up most: the others shift what follows, and little of it is reached. */
const changes: readonly Change[] = [
  flipBit,
  flipBit,
  setByte,
  setInteger,
  setInteger,
  setInteger,
  clearRange,
  setDigit,
  insertNoise,
  removeRange,
  repeatRange,
  moveRange,
  cutEnd,
];

function flipBit(random: Random, bytes: Buffer): Buffer {
  bytes[placeIn(random, bytes)]! ^= 1 << randomInteger(random, 0, 7);
  return bytes;
}

function setByte(random: Random, bytes: Buffer): Buffer {
  bytes[placeIn(random, bytes)] = randomInteger(random, 0, 255);
  return bytes;
}

/** Little-endian, of 1, 2, 4 or 8 bytes, where headers have theirs most of the time. */
function setInteger(random: Random, bytes: Buffer): Buffer {
  const byteLength = pick(random, [1, 2, 4, 4, 4, 8]);
  if (bytes.length < byteLength) return bytes;
  const last = Math.floor((bytes.length - byteLength) / 4);
  const at = 4 * randomInteger(random, 0, random() < 0.7 ? Math.min(last, 60) : last);
  const value = BigInt(
    random() < 0.2 ? bytes.length + randomInteger(random, -8, 8) : pick(random, allEdges),
  );
  const whole = Buffer.alloc(8);
  whole.writeBigInt64LE(byteLength === 8 && random() < 0.3 ? -1n - value : value);
  whole.copy(bytes, at, 0, byteLength);
  return bytes;
}

const allEdges = [...edges, ...largeEdges];

function clearRange(random: Random, bytes: Buffer): Buffer {
  const { start, end } = rangeOf(random, bytes);
  return bytes.fill(0, start, end);
}

/** Lengths that are text. */
function setDigit(random: Random, bytes: Buffer): Buffer {
  const from = placeIn(random, bytes);
  for (let at = from; at < bytes.length; at += 1) {
    if (bytes[at]! < 0x30 || bytes[at]! > 0x39) continue;
    bytes[at] = pick(random, [0x30, 0x31, 0x39, 0x2d, 0x2e, 0x65, 0x20]);
    break;
  }
  return bytes;
}

function insertNoise(random: Random, bytes: Buffer): Buffer {
  const at = randomInteger(random, 0, bytes.length);
  const noise = randomBytes(random, randomInteger(random, 1, 12));
  return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
}

function removeRange(random: Random, bytes: Buffer): Buffer {
  const { start, end } = rangeOf(random, bytes);
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
}

function repeatRange(random: Random, bytes: Buffer): Buffer {
  const { start, end } = rangeOf(random, bytes);
  return Buffer.concat([bytes.subarray(0, end), bytes.subarray(start)]);
}

/** Over what is there: a sector that was written to the wrong place. */
function moveRange(random: Random, bytes: Buffer): Buffer {
  const { start, end } = rangeOf(random, bytes);
  Buffer.from(bytes.subarray(start, end)).copy(bytes, placeIn(random, bytes));
  return bytes;
}

function cutEnd(random: Random, bytes: Buffer): Buffer {
  return bytes.subarray(0, randomInteger(random, 0, bytes.length));
}

/** In its beginning, half of the time: there the headers are. */
function placeIn(random: Random, bytes: Buffer): number {
  const most = random() < 0.5 ? Math.min(bytes.length, 256) : bytes.length;
  return randomInteger(random, 0, most - 1);
}

function rangeOf(random: Random, bytes: Buffer): { readonly start: number; readonly end: number } {
  const start = placeIn(random, bytes);
  const most = random() < 0.7 ? 16 : bytes.length;
  return { start, end: Math.min(bytes.length, start + randomInteger(random, 1, most)) };
}

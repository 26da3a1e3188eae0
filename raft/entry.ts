// An entry, and the table that describes entries in a frame.
//
// The log file and the bus use the same bytes: a row per entry, then the payloads, in order. So a
// follower can write to its log what it received, and nobody computes a payload's checksum twice.
//
//   row (40 bytes, little endian)
//   ┌───────┬──────┬───────┬──────┬──────┬────────┬──────────┬──────┐
//   │ index │ term │ stamp │ kind │ zero │ length │ checksum │ zero │
//   │ u64   │ u64  │ u64   │ u8   │ 3    │ u32    │ u32      │ u32  │
//   └───────┴──────┴───────┴──────┴──────┴────────┴──────────┴──────┘

import type { EntryHead, EntryKind, LogIndex } from './core/index.js';

export interface Entry extends EntryHead {
  readonly index: LogIndex;
  readonly kind: EntryKind;
  /** The leader's clock, milliseconds since the epoch. Never decreases along the log. */
  readonly stamp: number;
  readonly payload: Buffer;
  /** CRC-32 of the payload, computed once by the leader and carried end to end. */
  readonly checksum: number;
}

export type EntryRow = Omit<Entry, 'payload'>;

export const entryRowBytes = 40;

/** Payload bytes an entry may have: the largest command (64 MiB) and its frame. */
export const entryPayloadBytesMax = 65 * 1024 * 1024;

/** Entries in one frame. */
export const entryCountMax = 65_536;

const kindCodes: Record<EntryKind, number> = { noop: 1, command: 2, configuration: 3 };
const kindsByCode = new Map(
  Object.entries(kindCodes).map(([kind, code]) => [code, kind as EntryKind]),
);

export function writeEntryRow(target: Buffer, offset: number, entry: Entry): void {
  writeUint64(target, offset, entry.index);
  writeUint64(target, offset + 8, entry.term);
  writeUint64(target, offset + 16, entry.stamp);
  target.writeUInt32LE(kindCodes[entry.kind], offset + 24);
  target.writeUInt32LE(entry.byteLength, offset + 28);
  target.writeUInt32LE(entry.checksum, offset + 32);
  target.writeUInt32LE(0, offset + 36);
}

/** Undefined when the row's kind is unknown here: it was written by a newer version. */
export function readEntryRow(source: Buffer, offset: number): EntryRow | undefined {
  const kind = kindsByCode.get(source.readUInt8(offset + 24));
  if (kind === undefined) return undefined;
  return {
    index: readUint64(source, offset),
    term: readUint64(source, offset + 8),
    stamp: readUint64(source, offset + 16),
    kind,
    byteLength: source.readUInt32LE(offset + 28),
    checksum: source.readUInt32LE(offset + 32),
  };
}

/** `value` is an integer of 0 … 2^53 - 1. */
export function writeUint64(target: Buffer, offset: number, value: number): void {
  const high = Math.floor(value / 0x1_0000_0000);
  target.writeUInt32LE(value - high * 0x1_0000_0000, offset);
  target.writeUInt32LE(high, offset + 4);
}

export function readUint64(source: Buffer, offset: number): number {
  return source.readUInt32LE(offset + 4) * 0x1_0000_0000 + source.readUInt32LE(offset);
}

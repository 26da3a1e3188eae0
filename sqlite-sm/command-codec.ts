// The bytes of one client command inside a Raft entry.
//
// An entry carries a batch: records like this one, back to back. The same bytes stand in the log
// file and travel between replicas, so the format is a promise to files already written: it changes
// only together with the entry's own version.
//
//    0        4      5     6       8           12
//   ┌────────┬──────┬─────┬───────┬───────────┬────────┬───────┬────────┬───────┬─
//   │ length │ kind │ db  │ zero  │ arguments │ length │ bytes │ length │ bytes │ …
//   │ u32    │ u8   │ u8  │ u16   │ u32       │ u32    │       │ u32    │       │
//   └────────┴──────┴─────┴───────┴───────────┴────────┴───────┴────────┴───────┴─
//
// All numbers are little-endian. The first length counts the whole record, itself included. The
// command's name is the first argument.
//
// Decoding trusts nothing: the checksum of an entry says that the bytes are those the leader sent,
// not that the leader's encoder was right. There is no sensible answer to a record that does not
// add up (skipping it would make this replica differ from one that can read it), so it is fatal.
//
// The leader limits an entry to 1024 commands; nothing here depends on it.

import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { FatalMachineError } from './errors.js';

/** A command that may change state: every replica runs it. */
export const writeKind = 1;
/** A read that must see the writes before it: only the replica that answers runs it. */
export const readKind = 2;
export type CommandKind = typeof writeKind | typeof readKind;

/** Databases that SELECT can choose, 0 to 15, as in Redis' default configuration. */
export const databaseCount = 16;

const headBytes = 12;
const argumentLengthBytes = 4;

export interface DecodedCommand {
  readonly kind: CommandKind;
  /** 0 to `databaseCount - 1`. */
  readonly db: number;
  /** Name first. Views into the payload: valid only as long as it is. */
  readonly args: readonly Buffer[];
  /** Where the next record starts. */
  readonly end: number;
}

/** Bytes that `encodeCommand` will write. */
export function commandByteLength(args: readonly Uint8Array[]): number {
  let length = headBytes;
  for (const arg of args) length += argumentLengthBytes + arg.length;
  return length;
}

/**
 * Writes one record and returns the offset after it. The target must have room for
 * `commandByteLength(args)` bytes at `offset`; nothing is allocated.
 */
export function encodeCommand(
  target: Buffer,
  offset: number,
  kind: CommandKind,
  db: number,
  args: readonly Uint8Array[],
): number {
  assert(args.length > 0, 'A command has at least its name');
  assert(db >= 0 && db < databaseCount, 'Database number out of range');
  let position = offset + headBytes;
  for (const arg of args) {
    position = target.writeUInt32LE(arg.length, position);
    target.set(arg, position);
    position += arg.length;
  }
  target.writeUInt32LE(position - offset, offset);
  target[offset + 4] = kind;
  target[offset + 5] = db;
  target[offset + 6] = 0;
  target[offset + 7] = 0;
  target.writeUInt32LE(args.length, offset + 8);
  return position;
}

/**
 * Reads the record at `offset`. Throws `FatalMachineError` (`corruptEntry`) when the bytes are not
 * exactly one well-formed record.
 */
export function decodeCommand(payload: Buffer, offset: number): DecodedCommand {
  if (payload.length - offset < headBytes) {
    throw malformed(offset, `${payload.length - offset} bytes are left, less than a record's head`);
  }
  const length = payload.readUInt32LE(offset);
  const end = offset + length;
  if (length < headBytes || end > payload.length) {
    throw malformed(offset, `its length is ${length} in a payload of ${payload.length} bytes`);
  }
  const kind = payload[offset + 4];
  if (kind !== writeKind && kind !== readKind) throw malformed(offset, `its kind is ${kind}`);
  const db = payload[offset + 5] as number;
  if (db >= databaseCount) throw malformed(offset, `its database number is ${db}`);
  if (payload.readUInt16LE(offset + 6) !== 0) throw malformed(offset, 'its reserved bytes are set');
  const count = payload.readUInt32LE(offset + 8);
  // The count bounds an allocation, so it is checked against the bytes before it is believed.
  if (count === 0 || count > (length - headBytes) / argumentLengthBytes) {
    throw malformed(offset, `it claims ${count} arguments in ${length} bytes`);
  }

  const args = new Array<Buffer>(count);
  let position = offset + headBytes;
  for (let i = 0; i < count; i++) {
    const start = position + argumentLengthBytes;
    if (start > end) throw malformed(offset, `argument ${i} starts behind its end`);
    position = start + payload.readUInt32LE(position);
    if (position > end) throw malformed(offset, `argument ${i} ends behind its end`);
    args[i] = payload.subarray(start, position);
  }
  if (position !== end) throw malformed(offset, `${end - position} bytes follow its arguments`);
  return { kind, db, args, end };
}

function malformed(offset: number, reason: string): FatalMachineError {
  return new FatalMachineError(
    'corruptEntry',
    `Cannot decode the command at byte ${offset} of an entry: ${reason}`,
  );
}

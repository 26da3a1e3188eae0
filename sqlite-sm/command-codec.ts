// The bytes of client commands inside a Raft entry: single ones and transactions.
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
// What MULTI … EXEC made one is one record: the keys that the client watches, each with the version
// that it saw, and behind them the commands as records of their own. A database number stands with
// each key and each command, for both may be of several.
//
//    0        4      5       8           12
//   ┌────────┬──────┬───────┬───────────┬──────┬───────────────────────────────┬─────┬──────────┬─
//   │ length │ kind │ zero  │ commands  │ keys │ version │ db │ length │ bytes │ …   │ commands │ …
//   │ u32    │ u8   │ u24   │ u32       │ u32  │ u64     │ u8 │ u32    │       │     │          │
//   └────────┴──────┴───────┴───────────┴──────┴───────────────────────────────┴─────┴──────────┴─
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
/** Commands that take effect together, or not at all when a watched key has changed. */
export const transactionKind = 3;
export type CommandKind = typeof writeKind | typeof readKind;

/** Databases that SELECT can choose, 0 to 15, as in Redis' default configuration. */
export const databaseCount = 16;

const headBytes = 12;
const argumentLengthBytes = 4;
const transactionHeadBytes = 16;
const watchedHeadBytes = 13;

/** A key as a client saw it. */
export interface WatchedVersion {
  /** 0 to `databaseCount - 1`. */
  readonly db: number;
  readonly name: Uint8Array;
  /** As `SqliteStateMachine.readVersions` gives it; 0: there was no such key. */
  readonly version: number;
}

export interface DecodedTransaction {
  readonly kind: typeof transactionKind;
  /** Names are views into the payload: valid only as long as it is. */
  readonly watched: readonly (WatchedVersion & { readonly name: Buffer })[];
  /** In their order; there may be none. */
  readonly commands: readonly DecodedCommand[];
  /** Where the next record starts. */
  readonly end: number;
}

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

/** Another database for an encoded command; `offset` is that of its record. */
export function setCommandDatabase(target: Buffer, offset: number, db: number): void {
  assert(db >= 0 && db < databaseCount, 'Database number out of range');
  target[offset + 5] = db;
}

/** Bytes that `encodeTransaction` will write, for commands of `commandBytes` bytes together. */
export function transactionByteLength(
  watched: readonly WatchedVersion[],
  commandBytes: number,
): number {
  let length = transactionHeadBytes + commandBytes;
  for (const { name } of watched) length += watchedByteLength(name);
  return length;
}

/** Bytes that a watched key takes in a transaction. */
export function watchedByteLength(name: Uint8Array): number {
  return watchedHeadBytes + name.length;
}

/**
 * Writes one transaction and returns the offset after it. `commands` are `commandCount` records of
 * `encodeCommand`, back to back. The target must have room for `transactionByteLength` bytes.
 */
export function encodeTransaction(
  target: Buffer,
  offset: number,
  watched: readonly WatchedVersion[],
  commandCount: number,
  commands: Uint8Array,
): number {
  let position = offset + transactionHeadBytes;
  for (const { db, name, version } of watched) {
    assert(db >= 0 && db < databaseCount, 'Database number out of range');
    position = target.writeBigUInt64LE(BigInt(version), position);
    position = target.writeUInt8(db, position);
    position = target.writeUInt32LE(name.length, position);
    target.set(name, position);
    position += name.length;
  }
  target.set(commands, position);
  position += commands.length;
  target.writeUInt32LE(position - offset, offset);
  target.writeUInt32LE(transactionKind, offset + 4);
  target.writeUInt32LE(commandCount, offset + 8);
  target.writeUInt32LE(watched.length, offset + 12);
  return position;
}

/**
 * Reads the record at `offset`, a command or a transaction. Throws `FatalMachineError`
 * (`corruptEntry`) when the bytes are not exactly one well-formed record.
 */
export function decodeRecord(payload: Buffer, offset: number): DecodedCommand | DecodedTransaction {
  return payload[offset + 4] === transactionKind
    ? decodeTransaction(payload, offset)
    : decodeCommand(payload, offset);
}

function decodeTransaction(payload: Buffer, offset: number): DecodedTransaction {
  const end = recordEnd(payload, offset, transactionHeadBytes);
  if (payload.readUIntLE(offset + 5, 3) !== 0) {
    throw malformed(offset, 'its reserved bytes are set');
  }
  const commandCount = payload.readUInt32LE(offset + 8);
  const watchedCount = payload.readUInt32LE(offset + 12);
  const bytesMin = commandCount * headBytes + watchedCount * watchedHeadBytes;
  if (bytesMin > end - offset - transactionHeadBytes) {
    throw malformed(
      offset,
      `it claims ${commandCount} commands and ${watchedCount} keys in ${end - offset} bytes`,
    );
  }

  let position = offset + transactionHeadBytes;
  const watched = Array.from({ length: watchedCount }, (_, at) => {
    const start = position + watchedHeadBytes;
    if (start > end) throw malformed(offset, `watched key ${at} starts behind its end`);
    const version = Number(payload.readBigUInt64LE(position));
    const db = payload[position + 8] as number;
    position = start + payload.readUInt32LE(position + 9);
    if (position > end) throw malformed(offset, `watched key ${at} ends behind its end`);
    if (!Number.isSafeInteger(version)) throw malformed(offset, `a version is ${version}`);
    if (db >= databaseCount) throw malformed(offset, `a watched key's database number is ${db}`);
    return { db, name: payload.subarray(start, position), version };
  });
  // Cut off at the end, so that no command reaches beyond it. A transaction inside is not decoded.
  const own = payload.subarray(0, end);
  const commands = Array.from({ length: commandCount }, () => {
    const command = decodeCommand(own, position);
    position = command.end;
    return command;
  });
  if (position !== end) throw malformed(offset, `${end - position} bytes follow its commands`);
  return { kind: transactionKind, watched, commands, end };
}

/**
 * Reads the command at `offset`. Throws `FatalMachineError` (`corruptEntry`) when the bytes are not
 * exactly one well-formed command.
 */
export function decodeCommand(payload: Buffer, offset: number): DecodedCommand {
  const end = recordEnd(payload, offset, headBytes);
  const kind = payload[offset + 4];
  if (kind !== writeKind && kind !== readKind) throw malformed(offset, `its kind is ${kind}`);
  const db = payload[offset + 5] as number;
  if (db >= databaseCount) throw malformed(offset, `its database number is ${db}`);
  if (payload.readUInt16LE(offset + 6) !== 0) throw malformed(offset, 'its reserved bytes are set');
  const count = payload.readUInt32LE(offset + 8);
  // The count bounds an allocation, so it is checked against the bytes before it is believed.
  if (count === 0 || count > (end - offset - headBytes) / argumentLengthBytes) {
    throw malformed(offset, `it claims ${count} arguments in ${end - offset} bytes`);
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

/** Where the record at `offset` ends, by the length it gives. */
function recordEnd(payload: Buffer, offset: number, recordHeadBytes: number): number {
  const left = payload.length - offset;
  if (left < recordHeadBytes) {
    throw malformed(offset, `${left} bytes are left, less than a record's head`);
  }
  const length = payload.readUInt32LE(offset);
  if (length < recordHeadBytes || length > left) {
    throw malformed(offset, `its length is ${length} in a payload of ${payload.length} bytes`);
  }
  return offset + length;
}

function malformed(offset: number, reason: string): FatalMachineError {
  return new FatalMachineError(
    'corruptEntry',
    `Cannot decode the command at byte ${offset} of an entry: ${reason}`,
  );
}

// Term and vote, in a small file of their own that nothing else ever rewrites.
//
//   0 ┌──────────────┐ 4096 ┌──────────────┐
//     │ slot A       │      │ slot B       │      the newest sound slot counts
//     └──────────────┘      └──────────────┘
//
//   slot (little endian)
//     0  magic "HOLTVOTE"   8  format version u32   12  identity (40)   52  zero u32
//    56  sequence u64      64  term u64             72  has vote u8     73  zero (3)
//    76  voted for (20)  4092  crc u32
//
// A change is written to both slots, one after the other, each durable before the next. A crash in
// between leaves one sound slot: the old one, and nobody was answered yet, or the new one. A sector
// that rots later leaves its twin.
//
// The sequence rises with every write, and every start writes: it serves as the replica's
// incarnation.

import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import type { HardState } from '../core/index.js';
import type { Done, FileHandle, FileIdentity, Files } from '../effects.js';
import { readUint64, writeUint64 } from '../entry.js';
import { RaftError, rejoinAdvice } from '../errors.js';
import {
  checkIdentityBytes,
  identityBytesLength,
  type ReplicaIdentity,
  writeIdentityBytes,
} from '../identity.js';

const slotBytes = 4096;
const slotCount = 2;
const magic = Buffer.from('HOLTVOTE', 'latin1');
const formatVersion = 1;
const crcOffset = slotBytes - 4;

export interface VoteFileOptions {
  readonly path: string;
  readonly identity: ReplicaIdentity;
  readonly files: Files;
}

interface Slot extends HardState {
  readonly sequence: number;
}

/** What a vote file holds. */
export interface VoteFileContents extends HardState {
  /** Of the two copies; one is enough. */
  readonly soundCopies: 1 | 2;
}

export class VoteFile {
  readonly #identity: ReplicaIdentity;
  readonly #file: FileHandle;
  #sequence: number;
  #hardState: HardState;
  #isWriting = false;

  /** Creates the file of a replica that has never taken part, in term 0 without a vote. Durable. */
  static create(options: VoteFileOptions): void {
    const { files, path, identity } = options;
    // From a start that ended before the replica was born; nobody was answered.
    if (files.stat(path) !== undefined) files.remove(path);
    const file = files.open(path, 'create');
    const slot = encodeSlot(identity, { sequence: 1, term: 0, votedFor: undefined });
    for (let at = 0; at < slotCount; at += 1) file.writeSync(slot, at * slotBytes);
    file.syncSync();
    file.closeSync();
    files.syncDirectorySync(dirname(path));
  }

  /**
   * Opens the file and writes it again, so that what counts is on the disk and not only in the page
   * cache. Synchronous. Throws `RaftError`.
   */
  static open(options: VoteFileOptions): VoteFile {
    assertExists(options);
    const file = options.files.open(options.path, 'durable');
    const newest = newestOf(readSlots(file, options), options.path);
    const voteFile = new VoteFile(options.identity, file, newest);
    voteFile.#writeSync();
    return voteFile;
  }

  private constructor(identity: ReplicaIdentity, file: FileHandle, newest: Slot) {
    this.#identity = identity;
    this.#file = file;
    this.#sequence = newest.sequence;
    this.#hardState = { term: newest.term, votedFor: newest.votedFor };
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  /** Rises with every start. */
  get incarnation(): number {
    return this.#sequence;
  }

  get isWriting(): boolean {
    return this.#isWriting;
  }

  /** `done` when both slots are durable. At most one at a time. */
  write(hardState: HardState, done: Done): void {
    assert(!this.#isWriting, 'At most one write in flight');
    assert(hardState.term >= this.#hardState.term, 'A term never decreases');
    this.#isWriting = true;
    this.#hardState = hardState;
    this.#sequence += 1;
    const slot = encodeSlot(this.#identity, { ...hardState, sequence: this.#sequence });
    const writeSlot = (at: number): void => {
      this.#file.write([slot], at * slotBytes, (error) => {
        if (error === undefined && at + 1 < slotCount) return writeSlot(at + 1);
        this.#isWriting = false;
        if (error === undefined) return done(undefined);
        done(
          new RaftError('DISK', `Cannot write the vote file: ${error.message}`, { cause: error }),
        );
      });
    };
    writeSlot(0);
  }

  closeSync(): void {
    assert(!this.#isWriting, 'A write is in flight');
    this.#file.closeSync();
  }

  #writeSync(): void {
    this.#sequence += 1;
    const slot = encodeSlot(this.#identity, { ...this.#hardState, sequence: this.#sequence });
    for (let at = 0; at < slotCount; at += 1) this.#file.writeSync(slot, at * slotBytes);
  }
}

/** Whether the vote file is still the one that was recorded when the replica was born. */
export function isSameFile(a: FileIdentity, b: FileIdentity): boolean {
  return a.device === b.device && a.inode === b.inode && a.birthMs === b.birthMs;
}

/** Looks at the file of a stopped replica, and changes nothing. Throws `RaftError`. */
export function inspectVoteFile(options: VoteFileOptions): VoteFileContents {
  assertExists(options);
  const file = options.files.open(options.path, 'read');
  try {
    const slots = readSlots(file, options);
    const { term, votedFor } = newestOf(slots, options.path);
    return { term, votedFor, soundCopies: slots.length === slotCount ? 2 : 1 };
  } finally {
    file.closeSync();
  }
}

function assertExists({ files, path }: VoteFileOptions): void {
  if (files.stat(path) !== undefined) return;
  throw new RaftError(
    'MISSING',
    `Cannot open the vote file "${path}": it is missing, but this replica has taken part before. ` +
      rejoinAdvice,
  );
}

/** Those that are sound. */
function readSlots(file: FileHandle, options: VoteFileOptions): Slot[] {
  const slots: Slot[] = [];
  for (let at = 0; at < slotCount; at += 1) {
    const block = Buffer.alloc(slotBytes);
    const read = file.readSync(block, at * slotBytes);
    const slot = decodeSlot(block.subarray(0, read), options);
    if (slot !== undefined) slots.push(slot);
  }
  return slots;
}

function newestOf(slots: readonly Slot[], path: string): Slot {
  const [first, second] = slots;
  if (first === undefined) {
    throw new RaftError(
      'DAMAGED',
      `Cannot trust the vote file "${path}": both copies are damaged. ${rejoinAdvice}`,
    );
  }
  return second !== undefined && second.sequence > first.sequence ? second : first;
}

function encodeSlot(identity: ReplicaIdentity, slot: Slot): Buffer {
  const block = Buffer.alloc(slotBytes);
  magic.copy(block, 0);
  block.writeUInt32LE(formatVersion, 8);
  writeIdentityBytes(block, 12, identity);
  writeUint64(block, 56, slot.sequence);
  writeUint64(block, 64, slot.term);
  if (slot.votedFor !== undefined) {
    block.writeUInt8(1, 72);
    block.write(slot.votedFor, 76, 'hex');
  }
  block.writeUInt32LE(crc32(block.subarray(0, crcOffset)), crcOffset);
  return block;
}

/** Undefined when the slot is damaged. */
function decodeSlot(block: Buffer, options: VoteFileOptions): Slot | undefined {
  if (block.length < slotBytes) return undefined;
  if (block.compare(magic, 0, magic.length, 0, magic.length) !== 0) return undefined;
  if (crc32(block.subarray(0, crcOffset)) !== block.readUInt32LE(crcOffset)) return undefined;
  const version = block.readUInt32LE(8);
  if (version !== formatVersion) {
    throw new RaftError('VERSION', `Cannot open "${options.path}": it has version ${version}`);
  }
  checkIdentityBytes(block.subarray(12, 12 + identityBytesLength), options.identity, options.path);
  const sequence = readUint64(block, 56);
  const term = readUint64(block, 64);
  // Nobody could count on from there.
  if (!Number.isSafeInteger(sequence) || !Number.isSafeInteger(term)) return undefined;
  return {
    sequence,
    term,
    votedFor: block.readUInt8(72) === 1 ? block.toString('hex', 76, 96) : undefined,
  };
}

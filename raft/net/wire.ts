// Messages as bytes: a header of fixed size, and for an append the entries as the log writes them.
//
//     0  magic "HMSG"         4  version u8   5  kind u8        6  zero u16
//     8  group u32           12  cluster id (16)               28  from (20)   48  to (20)
//    68  zero u32            72  term u64                      80  sender's wall clock, ms u64
//    88  five fields u64, by kind                             128  entry count u32
//   132  bytes of rows and payloads u32                       136  crc of the rows u32
//   140  zero …                                               188  crc u32 over bytes 0–187
//
// Everything is checked before it is believed: the header before anything is allocated for its
// body, the rows by their crc, each payload by the checksum that its leader computed.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Block, BufferPool } from '../buffer-pool.js';
import type { Configuration, LogIndex, Message, MessageKind } from '../core/index.js';
import {
  type Entry,
  entryCountMax,
  entryPayloadBytesMax,
  entryRowBytes,
  readEntryRow,
  readUint64,
  writeUint64,
} from '../entry.js';
import { RaftError } from '../errors.js';
import { type ReplicaIdentity, readIdentityBytes, writeIdentityBytes } from '../identity.js';
import { frameAlignment, frameHeaderBytes, writeEntryRows } from '../log/index.js';
import { configurationOf, decodeMembership } from '../membership.js';

/** As large as a frame's header, so that a received body lies where the log wants it. */
export const messageHeaderBytes = frameHeaderBytes;

const magic = 0x4753_4d48;
/** 2: with questions for a read index. */
const version = 2;
const crcOffset = messageHeaderBytes - 4;
/** Term, wall clock and fields by kind: all that is a u64 in a header. */
const numbersOffset = 72;
const numbersEnd = 128;
const bodyBytesMax = entryPayloadBytesMax + entryCountMax * entryRowBytes;

/** `appendReply` has a code for each outcome: its other fields fill the header. */
const kindCodes = {
  preVote: 1,
  preVoteReply: 2,
  vote: 3,
  voteReply: 4,
  append: 5,
  appendReply: 6,
  heartbeat: 8,
  heartbeatReply: 9,
  timeoutNow: 10,
  readIndex: 11,
  readIndexReply: 12,
} as const satisfies Record<MessageKind, number>;
const appendRejectedCode = 7;

/** A message as it arrived. */
export interface Packet {
  readonly message: Message;
  /** The sender's wall clock when it was sent, in milliseconds since the epoch. */
  readonly wallMs: number;
  /** With an append: the entries, whose payloads lie in `block`. */
  readonly entries: readonly Entry[];
  /** To be released by the receiver. Rows and payloads begin at `messageHeaderBytes`. */
  readonly block: Block | undefined;
}

export interface PacketHead {
  readonly identity: ReplicaIdentity;
  readonly wallMs: number;
}

/** The rows of the entries follow the header in the same buffer; the payloads follow on the wire. */
export function encodeHeaderAndRows(
  message: Message,
  entries: readonly Entry[],
  head: PacketHead,
): Buffer {
  const rowsBytes = entries.length * entryRowBytes;
  const target = Buffer.alloc(messageHeaderBytes + rowsBytes);
  writeEntryRows(target, messageHeaderBytes, entries);
  const payloadBytes = entries.reduce((sum, entry) => sum + entry.byteLength, 0);
  writeHeader(target, message, head, {
    entryCount: entries.length,
    bodyBytes: rowsBytes + payloadBytes,
    rowsCrc: crc32(target.subarray(messageHeaderBytes)),
  });
  return target;
}

interface BodyHead {
  readonly entryCount: number;
  readonly bodyBytes: number;
  readonly rowsCrc: number;
}

function writeHeader(target: Buffer, message: Message, head: PacketHead, body: BodyHead): void {
  assert.equal(message.from, head.identity.replicaId);
  target.writeUInt32LE(magic, 0);
  target.writeUInt8(version, 4);
  target.writeUInt8(kindCode(message), 5);
  writeIdentityBytes(target, 8, head.identity);
  target.write(message.to, 48, 'hex');
  writeUint64(target, 72, message.term);
  writeUint64(target, 80, head.wallMs);
  const fields = messageFields(message);
  for (const [at, field] of fields.entries()) writeUint64(target, 88 + at * 8, field);
  target.writeUInt32LE(body.entryCount, 128);
  target.writeUInt32LE(body.bodyBytes, 132);
  target.writeUInt32LE(body.rowsCrc, 136);
  target.writeUInt32LE(crc32(target.subarray(0, crcOffset)), crcOffset);
}

function kindCode(message: Message): number {
  if (message.kind === 'appendReply' && message.rejected) return appendRejectedCode;
  return kindCodes[message.kind];
}

function messageFields(message: Message): readonly number[] {
  switch (message.kind) {
    case 'preVote':
      return [message.lastIndex, message.lastTerm];
    case 'vote':
      return [message.lastIndex, message.lastTerm, Number(message.isTransfer)];
    case 'preVoteReply':
    case 'voteReply':
      return [Number(message.granted)];
    case 'append':
      return [message.prevIndex, message.prevTerm, message.commit];
    case 'appendReply':
      return [
        message.index,
        message.hintIndex,
        message.hintTerm,
        message.lastIndex,
        message.incarnation,
      ];
    case 'heartbeat':
      return [message.commit, message.round];
    case 'heartbeatReply':
      return [message.round];
    case 'timeoutNow':
      return [];
    case 'readIndex':
      return [message.sequence, message.incarnation, Number(message.needsTick)];
    case 'readIndexReply':
      return [
        message.sequence,
        message.incarnation,
        Number(message.needsTick),
        message.index,
        message.clockMs,
      ];
  }
}

function decodeMessage(header: Buffer, entries: readonly Entry[]): Message | undefined {
  const envelope = {
    from: header.toString('hex', 28, 48),
    to: header.toString('hex', 48, 68),
    term: readUint64(header, 72),
  };
  const field = (at: number): number => readUint64(header, 88 + at * 8);
  const code = header.readUInt8(5);
  switch (code) {
    case kindCodes.preVote:
      return { ...envelope, kind: 'preVote', lastIndex: field(0), lastTerm: field(1) };
    case kindCodes.preVoteReply:
      return { ...envelope, kind: 'preVoteReply', granted: field(0) === 1 };
    case kindCodes.vote:
      return {
        ...envelope,
        kind: 'vote',
        lastIndex: field(0),
        lastTerm: field(1),
        isTransfer: field(2) === 1,
      };
    case kindCodes.voteReply:
      return { ...envelope, kind: 'voteReply', granted: field(0) === 1 };
    case kindCodes.append:
      return {
        ...envelope,
        kind: 'append',
        prevIndex: field(0),
        prevTerm: field(1),
        commit: field(2),
        entries,
      };
    case kindCodes.appendReply:
    case appendRejectedCode:
      return {
        ...envelope,
        kind: 'appendReply',
        rejected: code === appendRejectedCode,
        index: field(0),
        hintIndex: field(1),
        hintTerm: field(2),
        lastIndex: field(3),
        incarnation: field(4),
      };
    case kindCodes.heartbeat:
      return { ...envelope, kind: 'heartbeat', commit: field(0), round: field(1) };
    case kindCodes.heartbeatReply:
      return { ...envelope, kind: 'heartbeatReply', round: field(0) };
    case kindCodes.timeoutNow:
      return { ...envelope, kind: 'timeoutNow' };
    case kindCodes.readIndex:
      return {
        ...envelope,
        kind: 'readIndex',
        sequence: field(0),
        incarnation: field(1),
        needsTick: field(2) === 1,
      };
    case kindCodes.readIndexReply:
      return {
        ...envelope,
        kind: 'readIndexReply',
        sequence: field(0),
        incarnation: field(1),
        needsTick: field(2) === 1,
        index: field(3),
        clockMs: field(4),
      };
    default:
      return undefined;
  }
}

/**
 * Takes a byte stream apart into packets. A large body is gathered once, in the buffer from which
 * the log will write it. Returns what is wrong with the stream, after which it is of no more use.
 */
export class PacketReader {
  readonly #pool: BufferPool;
  readonly #onPacket: (packet: Packet) => void;
  readonly #expected: ReplicaIdentity;
  readonly #peer: ReplicaIdentity;
  readonly #header = Buffer.alloc(messageHeaderBytes);
  #headerFilled = 0;
  #block: Block | undefined;
  #bodyFilled = 0;

  /** `self` and `peer` are what the handshake established: every message must repeat them. */
  constructor(options: {
    readonly pool: BufferPool;
    readonly self: ReplicaIdentity;
    readonly peer: ReplicaIdentity;
    readonly onPacket: (packet: Packet) => void;
  }) {
    this.#pool = options.pool;
    this.#expected = options.self;
    this.#peer = options.peer;
    this.#onPacket = options.onPacket;
  }

  feed(chunk: Buffer): string | undefined {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#headerFilled < messageHeaderBytes) {
        const taken = chunk.copy(this.#header, this.#headerFilled, offset);
        this.#headerFilled += taken;
        offset += taken;
        if (this.#headerFilled < messageHeaderBytes) return undefined;
        const wrong = this.#checkHeader();
        if (wrong !== undefined) return wrong;
      }
      const bodyBytes = this.#header.readUInt32LE(132);
      if (bodyBytes > 0) {
        this.#block ??= this.#pool.take(alignedRoom(bodyBytes));
        const missing = bodyBytes - this.#bodyFilled;
        const end = Math.min(chunk.length, offset + missing);
        const target = messageHeaderBytes + this.#bodyFilled;
        const taken = chunk.copy(this.#block.buffer, target, offset, end);
        this.#bodyFilled += taken;
        offset += taken;
        if (this.#bodyFilled < bodyBytes) return undefined;
      }
      const wrong = this.#finishPacket();
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  #checkHeader(): string | undefined {
    const header = this.#header;
    if (header.readUInt32LE(0) !== magic) return 'a message without its magic number';
    if (crc32(header.subarray(0, crcOffset)) !== header.readUInt32LE(crcOffset)) {
      return 'a message with a damaged header';
    }
    if (header.readUInt8(4) !== version) return `messages of version ${header.readUInt8(4)}`;
    const from = readIdentityBytes(header.subarray(8, 48));
    const to = header.toString('hex', 48, 68);
    if (
      from.clusterId !== this.#peer.clusterId ||
      from.group !== this.#peer.group ||
      from.replicaId !== this.#peer.replicaId ||
      to !== this.#expected.replicaId
    ) {
      return `a message from ${from.replicaId} to ${to}, which are not at the ends of this connection`;
    }
    for (let at = numbersOffset; at < numbersEnd; at += 8) {
      if (!Number.isSafeInteger(readUint64(header, at))) {
        return 'a message with a number that nobody can count with';
      }
    }
    const entryCount = header.readUInt32LE(128);
    const bodyBytes = header.readUInt32LE(132);
    if (entryCount > entryCountMax || bodyBytes > bodyBytesMax)
      return 'a message beyond the limits';
    if (entryCount * entryRowBytes > bodyBytes) return 'a message shorter than its entries';
    // Before room is made for it.
    if (entryCount === 0 && bodyBytes > 0) return 'a message longer than its entries';
    if (entryCount > 0 && header.readUInt8(5) !== kindCodes.append) {
      return 'entries in a message that has none';
    }
    return undefined;
  }

  #finishPacket(): string | undefined {
    const block = this.#block;
    const bodyBytes = this.#bodyFilled;
    this.#block = undefined;
    this.#headerFilled = 0;
    this.#bodyFilled = 0;
    const entries = block === undefined ? [] : this.#decodeEntries(block.buffer, bodyBytes);
    if (typeof entries === 'string') return entries;
    const message = decodeMessage(this.#header, entries);
    if (message === undefined) {
      return `a message of the unknown kind ${this.#header.readUInt8(5)}`;
    }
    this.#onPacket({ message, wallMs: readUint64(this.#header, 80), entries, block });
    return undefined;
  }

  #decodeEntries(body: Buffer, bodyBytes: number): Entry[] | string {
    const entryCount = this.#header.readUInt32LE(128);
    const rowsEnd = messageHeaderBytes + entryCount * entryRowBytes;
    if (crc32(body.subarray(messageHeaderBytes, rowsEnd)) !== this.#header.readUInt32LE(136)) {
      return 'a message with damaged rows';
    }
    const entries: Entry[] = [];
    const end = messageHeaderBytes + bodyBytes;
    const firstIndex = readUint64(this.#header, 88) + 1;
    const messageTerm = readUint64(this.#header, 72);
    let previousTerm = readUint64(this.#header, 96);
    let offset = rowsEnd;
    for (let at = 0; at < entryCount; at += 1) {
      const row = readEntryRow(body, messageHeaderBytes + at * entryRowBytes);
      if (row === undefined) return 'an entry of an unknown kind';
      if (row.index !== firstIndex + at) return 'entries out of order';
      if (!Number.isSafeInteger(row.index) || !Number.isSafeInteger(row.stamp)) {
        return 'an entry with a number that nobody can count with';
      }
      if (row.term < previousTerm || row.term > messageTerm) return 'entries of impossible terms';
      previousTerm = row.term;
      if (offset + row.byteLength > end) return 'a message shorter than its entries';
      const payload = body.subarray(offset, offset + row.byteLength);
      if (crc32(payload) !== row.checksum) return `entry ${row.index} damaged on the way`;
      if (row.kind === 'configuration') {
        const configuration = readConfiguration(payload, row.index);
        if (typeof configuration === 'string') return configuration;
        entries.push({ ...row, payload, configuration });
      } else {
        entries.push({ ...row, payload });
      }
      offset += row.byteLength;
    }
    return offset === end ? entries : 'a message longer than its entries';
  }
}

/** Or what is wrong with it. */
function readConfiguration(payload: Buffer, index: LogIndex): Configuration | string {
  try {
    return configurationOf(decodeMembership(payload, index));
  } catch (error) {
    if (!(error instanceof RaftError)) throw error;
    return `a membership that makes no sense here: ${error.message}`;
  }
}

/** Room for the header of a log frame before the body, and for its padding behind it. */
function alignedRoom(bodyBytes: number): number {
  return Math.ceil((messageHeaderBytes + bodyBytes) / frameAlignment) * frameAlignment;
}

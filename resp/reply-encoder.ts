// From replies to bytes, for RESP2 and RESP3.
//
// A busy connection answers many small commands in one turn of the event loop, and every socket
// write is a system call. So replies are written behind one another into one piece of memory, which
// goes to the socket as a whole at the end of the turn. A large value would only be copied for
// nothing: it is put between the pieces as it is.
//
//   chunk   [+OK..$5..hello..$100000..|:1..+OK..      free ]
//            └───── piece 1 ─────────┘└─ piece 3 ─┘
//   value    [100000 bytes ──────────]                          piece 2, not copied
//
// Ownership (load-bearing): what `take` returns belongs to the socket. This file never writes into
// it again; it may go on in the free rest of the same chunk, which no piece covers. No memory is used a
// second time, so it does not matter when a socket is done with it. In the other direction, a value
// appended as bytes must not be changed until it is written.
//
// What the two protocols make of a value is told in reply.ts; the wire format:
// https://redis.io/docs/latest/develop/reference/protocol-spec/

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { doubleText } from './double-text.js';
import { okReply, pongReply, queuedReply, type Reply, type TaggedReply } from './reply.js';

/** The version of the protocol a client speaks: 2 until it says HELLO 3. */
export type ProtocolVersion = 2 | 3;

/**
 * Values of at least this many bytes are handed out as they are. On a loopback socket a turn with
 * one value took as long either way from 1 to 16 KiB: there a copy is as dear as two more buffers
 * in a vectored write. What decides is memory, of which the copy needs twice as much.
 */
const passThroughBytesMin = 16 * 1024;

/** The first chunk of a turn; it doubles when replies keep coming. Holds some fifty `+OK`. */
const chunkBytesMin = 256;

/** A chunk grows up to here, then the next begins: copying a larger one would cost more than it saves. */
const chunkBytesMax = 64 * 1024;

/**
 * Small chunks are cut from slabs, as Node does below 4 KiB: with memory of its own for every chunk,
 * one reply of 4 KiB took 3.8 µs to encode, and 0.8 µs from a slab. A slab lives as long as any chunk
 * cut from it, so a client that does not read may hold 64 KiB for a few bytes. By asking for large
 * replies it may hold far more.
 */
const slabBytes = 64 * 1024;
const slabChunkBytesMax = 16 * 1024;

/** What an idle connection may keep. Larger chunks are given up when their replies are taken. */
const idleChunkBytesMax = 1024;

/** Type byte, the digits of a 64-bit number with sign, line end. */
const headerBytesMax = 1 + 20 + 2;

const carriageReturn = 0x0d;
const lineFeed = 0x0a;

const type = Object.freeze({
  simple: byteOf('+'),
  error: byteOf('-'),
  integer: byteOf(':'),
  bulk: byteOf('$'),
  array: byteOf('*'),
  double: byteOf(','),
  bigNumber: byteOf('('),
  verbatim: byteOf('='),
  map: byteOf('%'),
  set: byteOf('~'),
  push: byteOf('>'),
});

// The replies without variable parts, encoded once.
const okBytes = Buffer.from('+OK\r\n');
const pongBytes = Buffer.from('+PONG\r\n');
const queuedBytes = Buffer.from('+QUEUED\r\n');
const nullBytes = { 2: Buffer.from('$-1\r\n'), 3: Buffer.from('_\r\n') };
const nullArrayBytes = { 2: Buffer.from('*-1\r\n'), 3: Buffer.from('_\r\n') };
const trueBytes = { 2: Buffer.from(':1\r\n'), 3: Buffer.from('#t\r\n') };
const falseBytes = { 2: Buffer.from(':0\r\n'), 3: Buffer.from('#f\r\n') };

const noBytes = Buffer.alloc(0);

/** The encoded replies of one connection, from one `take` to the next. */
export class ReplyBuffer {
  /** Complete, in order. */
  #pieces: Buffer[] = [];
  #piecesBytes = 0;

  // The piece being written is chunk[start..end); what is before `start` belongs to pieces already
  // complete or taken, what is behind `end` is free. Invariant: 0 <= start <= end <= chunk.length.
  #chunk: Buffer = noBytes;
  #start = 0;
  #end = 0;

  /** Bytes appended and not taken. */
  get byteLength(): number {
    return this.#piecesBytes + (this.#end - this.#start);
  }

  /**
   * Encodes `reply` behind the others.
   *
   * Bulk values of 16 KiB and more are kept by reference until taken and written. A number that is
   * no safe integer, and a bigint beyond 64 bits, are mistakes of the caller and fail an assertion:
   * such values are tagged `double` or `bigNumber`.
   */
  append(reply: Reply, protocol: ProtocolVersion): void {
    if (reply === okReply) {
      this.#copy(okBytes);
      return;
    }
    switch (typeof reply) {
      case 'string':
        this.#appendText(reply);
        return;
      case 'number':
        if (!Number.isSafeInteger(reply)) assert.fail(`Cannot encode ${reply} as an integer`);
        this.#appendHeader(type.integer, reply);
        return;
      case 'bigint':
        if (BigInt.asIntN(64, reply) !== reply) assert.fail(`Cannot encode ${reply} in 64 bits`);
        this.#appendHeader(type.integer, reply);
        return;
      case 'boolean':
        this.#copy(reply ? trueBytes[protocol] : falseBytes[protocol]);
        return;
    }
    if (reply === null) this.#copy(nullBytes[protocol]);
    else if (reply instanceof Uint8Array) this.#appendBulk(reply);
    else if (isArray(reply)) this.#appendElements(type.array, reply, protocol);
    else this.#appendTagged(reply, protocol);
  }

  /** Begins an array; the caller appends its `length` elements, each with the protocol of its own. */
  appendArrayHeader(length: number): void {
    this.#reserve(headerBytesMax);
    this.#appendHeader(type.array, length);
  }

  /**
   * Hands out what was appended, oldest first, and is empty afterwards. Write all of it in one go
   * (`cork`, `write`, `uncork`, or a plain `write` when it is one buffer).
   *
   * The buffers are never written into again and must not be by the receiver.
   */
  take(): Buffer[] {
    this.#seal();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#piecesBytes = 0;
    if (this.#chunk.length > idleChunkBytesMax) {
      this.#chunk = noBytes;
      this.#start = 0;
      this.#end = 0;
    }
    return pieces;
  }

  #appendTagged(reply: TaggedReply, protocol: ProtocolVersion): void {
    const isResp3 = protocol === 3;
    switch (reply.kind) {
      case 'simple':
        if (reply === pongReply) this.#copy(pongBytes);
        else if (reply === queuedReply) this.#copy(queuedBytes);
        else this.#appendLine(type.simple, reply.text);
        return;
      case 'error':
        this.#appendLine(type.error, reply.text);
        return;
      case 'nullArray':
        this.#copy(nullArrayBytes[protocol]);
        return;
      case 'double':
        this.#appendLineOrBulk(isResp3, type.double, doubleText(reply.value));
        return;
      case 'bigNumber':
        this.#appendLineOrBulk(isResp3, type.bigNumber, String(reply.value));
        return;
      case 'verbatim':
        if (isResp3) this.#appendText(`${reply.format}:${reply.text}`, type.verbatim);
        else this.#appendText(reply.text);
        return;
      case 'map':
        if (isResp3) this.#appendHeader(type.map, reply.entries.length);
        else this.#appendHeader(type.array, reply.entries.length * 2);
        for (const [key, value] of reply.entries) {
          this.append(key, protocol);
          this.append(value, protocol);
        }
        return;
      case 'set':
        this.#appendElements(isResp3 ? type.set : type.array, reply.members, protocol);
        return;
      case 'push':
        this.#appendElements(isResp3 ? type.push : type.array, reply.items, protocol);
        return;
      default:
        unreachable(reply);
    }
  }

  #appendElements(kind: number, elements: readonly Reply[], protocol: ProtocolVersion): void {
    this.#appendHeader(kind, elements.length);
    for (const element of elements) this.append(element, protocol);
  }

  #appendLineOrBulk(isLine: boolean, kind: number, text: string): void {
    if (isLine) this.#appendLine(kind, text);
    else this.#appendText(text);
  }

  /** A text that cannot hold line ends on the wire: as Redis does, they become spaces. */
  #appendLine(kind: number, text: string): void {
    const line = text.replace(/[\r\n]/g, ' ');
    this.#reserve(Buffer.byteLength(line) + 3);
    this.#chunk[this.#end] = kind;
    this.#end += 1;
    this.#end += this.#chunk.write(line, this.#end);
    this.#endLine();
  }

  #appendText(text: string, kind: number = type.bulk): void {
    if (text.length >= passThroughBytesMin) {
      // A long one is encoded once, into memory of its own, and then passed through.
      this.#appendBulk(Buffer.from(text), kind);
      return;
    }
    const byteLength = Buffer.byteLength(text);
    this.#reserve(headerBytesMax + byteLength + 2);
    this.#appendHeader(kind, byteLength);
    this.#end += this.#chunk.write(text, this.#end);
    this.#endLine();
  }

  #appendBulk(bytes: Uint8Array, kind: number = type.bulk): void {
    const length = bytes.length;
    if (length >= passThroughBytesMin) {
      this.#appendHeader(kind, length);
      this.#seal();
      this.#pieces.push(Buffer.from(bytes.buffer, bytes.byteOffset, length));
      this.#piecesBytes += length;
      this.#reserve(2);
    } else {
      this.#reserve(headerBytesMax + length + 2);
      this.#appendHeader(kind, length);
      this.#chunk.set(bytes, this.#end);
      this.#end += length;
    }
    this.#endLine();
  }

  /** A type byte, a number and a line end: a length, or an integer as a whole. */
  #appendHeader(kind: number, value: number | bigint): void {
    this.#reserve(headerBytesMax);
    const chunk = this.#chunk;
    let end = this.#end;
    chunk[end++] = kind;
    // Digit by digit: for so few characters a call into native code costs more than the loop.
    const digits = String(value);
    for (let i = 0; i < digits.length; i += 1) chunk[end++] = digits.charCodeAt(i);
    this.#end = end;
    this.#endLine();
  }

  /** The line end, for which the caller has reserved. */
  #endLine(): void {
    this.#chunk[this.#end] = carriageReturn;
    this.#chunk[this.#end + 1] = lineFeed;
    this.#end += 2;
  }

  #copy(bytes: Buffer): void {
    this.#reserve(bytes.length);
    const chunk = this.#chunk;
    let end = this.#end;
    for (let i = 0; i < bytes.length; i += 1) chunk[end++] = bytes[i]!;
    this.#end = end;
  }

  /** Makes room for `bytes` more in the piece being written. */
  #reserve(bytes: number): void {
    if (this.#chunk.length - this.#end >= bytes) return;
    if (this.#end - this.#start + bytes > chunkBytesMax) this.#seal();
    const written = this.#end - this.#start;
    const size = Math.max(chunkBytesMin, written + bytes, Math.min(2 * written, chunkBytesMax));
    const larger = allocate(size);
    this.#chunk.copy(larger, 0, this.#start, this.#end);
    this.#chunk = larger;
    this.#start = 0;
    this.#end = written;
  }

  /** Completes the piece being written. The free rest of the chunk stays in use. */
  #seal(): void {
    if (this.#start === this.#end) return;
    this.#pieces.push(this.#chunk.subarray(this.#start, this.#end));
    this.#piecesBytes += this.#end - this.#start;
    this.#start = this.#end;
  }
}

/** One reply in memory of its own. For tests and tools; a connection uses a `ReplyBuffer`. */
export function encodeReply(reply: Reply, protocol: ProtocolVersion): Buffer {
  const buffer = new ReplyBuffer();
  buffer.append(reply, protocol);
  return Buffer.concat(buffer.take());
}

/** What is left of the slab that small chunks are cut from. */
let slab = noBytes;

/** Memory nobody has written to, for one chunk. */
function allocate(bytes: number): Buffer {
  if (bytes > slabChunkBytesMax) return Buffer.allocUnsafeSlow(bytes);
  if (bytes > slab.length) slab = Buffer.allocUnsafeSlow(slabBytes);
  const chunk = slab.subarray(0, bytes);
  slab = slab.subarray(bytes);
  return chunk;
}

/** `Array.isArray` does not narrow readonly arrays. */
function isArray(reply: readonly Reply[] | TaggedReply): reply is readonly Reply[] {
  return Array.isArray(reply);
}

function byteOf(character: string): number {
  return character.charCodeAt(0);
}

function unreachable(reply: never): never {
  throw new Error(`Cannot encode reply ${JSON.stringify(reply)}`);
}

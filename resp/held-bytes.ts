// The beginning of a request whose end has not arrived.
//
// Three things must not happen while we wait. Memory must follow what arrived and not what was
// announced: so nothing is allocated from a length in a header. A large value must not be copied
// again with every chunk: so chunks are kept as they came and joined once. And few bytes must not
// keep much memory alive, neither a hundred bytes their 64 KiB chunk, nor a byte in a buffer of its
// own the hundred-odd bytes that a buffer object costs: so small pieces are copied together.
//
//   pieces   [chunk 64 KiB] [gathered 300 B] [chunk 64 KiB] …      oldest first
//   gather   [used ▓▓▓▓▓▓░░░░ free]                               behind the last piece
//
// Invariant: memory held <= 2 × byteLength, plus one smallest gather buffer and a list element for
// each `pieceBytesMin` bytes.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';

/**
 * A piece of at least this many bytes is kept as it is. Also the size at which a gather buffer
 * counts as full. A socket reads up to 64 KiB at once, so a value that streams in is never copied.
 */
const pieceBytesMin = 16 * 1024;

/** Most requests cut in two by a chunk's end are small; the buffer doubles when this is not enough. */
const gatherBytesMin = 256;

const empty = Buffer.alloc(0);

/** Bytes in order of arrival, joined when complete. */
export class HeldBytes {
  #pieces: Buffer[] = [];
  #gather: Buffer = empty;
  #gatherUsed = 0;
  #byteLength = 0;

  get byteLength(): number {
    return this.#byteLength;
  }

  /** How many buffers hold the bytes. */
  get bufferCount(): number {
    return this.#pieces.length + (this.#gatherUsed > 0 ? 1 : 0);
  }

  /** Keeps `bytes`, by reference when they are many and most of the memory behind them. */
  push(bytes: Buffer): void {
    this.#byteLength += bytes.length;
    if (bytes.length < pieceBytesMin) {
      this.#append(bytes);
      return;
    }
    this.#seal();
    const isMostOfItsMemory = bytes.length * 2 >= bytes.buffer.byteLength;
    this.#pieces.push(isMostOfItsMemory ? bytes : copyOf(bytes));
  }

  /** All that is held and `rest` behind it, in one new buffer. Holds nothing afterwards. */
  joinWith(rest: Buffer): Buffer {
    this.#seal();
    this.#pieces.push(rest);
    const joined = Buffer.concat(this.#pieces, this.#byteLength + rest.length);
    this.clear();
    return joined;
  }

  clear(): void {
    this.#pieces = [];
    this.#gather = empty;
    this.#gatherUsed = 0;
    this.#byteLength = 0;
  }

  #append(bytes: Buffer): void {
    const used = this.#gatherUsed + bytes.length;
    if (used > this.#gather.length) this.#grow(used);
    bytes.copy(this.#gather, this.#gatherUsed);
    this.#gatherUsed = used;
    if (used >= pieceBytesMin) this.#seal();
  }

  #grow(used: number): void {
    assert(used < 2 * pieceBytesMin);
    const larger = Buffer.allocUnsafeSlow(Math.max(gatherBytesMin, used, 2 * this.#gather.length));
    this.#gather.copy(larger, 0, 0, this.#gatherUsed);
    this.#gather = larger;
  }

  /** Turns what was gathered into a piece, so that what comes next stands behind it. */
  #seal(): void {
    if (this.#gatherUsed === 0) return;
    this.#pieces.push(this.#gather.subarray(0, this.#gatherUsed));
    this.#gather = empty;
    this.#gatherUsed = 0;
  }
}

/** Memory of its own: `Buffer.from` would take small ones from a pool shared with others. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  bytes.copy(copy);
  return copy;
}

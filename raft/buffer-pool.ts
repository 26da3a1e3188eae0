// Large buffers, used again.
//
// A busy replica fills a hundred megabytes of entries a second. Fresh memory for each of them costs
// page faults and garbage collections; a handful of buffers that go round costs nothing.
//
// A block counts who still needs it: the cache of entries, and every socket that has not sent it
// yet. Whoever forgets to release a block costs memory only (the garbage collector has it), whoever
// releases it twice is stopped by the assertion: somebody else's bytes would be overwritten.

import assert from 'node:assert/strict';

const classBytesMin = 8 * 1024;
const classBytesMax = 4 * 1024 * 1024;

export class Block {
  readonly buffer: Buffer;
  readonly #pool: BufferPool;
  #users = 1;

  constructor(buffer: Buffer, pool: BufferPool) {
    this.buffer = buffer;
    this.#pool = pool;
  }

  retain(): void {
    assert(this.#users > 0, 'A released block cannot be used again');
    this.#users += 1;
  }

  release(): void {
    assert(this.#users > 0, 'A block was released twice');
    this.#users -= 1;
    if (this.#users === 0) this.#pool.give(this.buffer);
  }

  /** Nobody can say when its bytes stop being used: it never returns to the pool. */
  abandon(): void {
    this.retain();
  }
}

export class BufferPool {
  readonly #free = new Map<number, Buffer[]>();
  readonly #bytesMax: number;
  #freeBytes = 0;

  /** Keeps at most `bytesMax` unused bytes. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A block of at least `byteLength` bytes (a multiple of 4096), with anything in it. */
  take(byteLength: number): Block {
    const size = sizeClass(byteLength);
    const free = this.#free.get(size)?.pop();
    if (free !== undefined) this.#freeBytes -= size;
    return new Block(free ?? Buffer.allocUnsafeSlow(size), this);
  }

  give(buffer: Buffer): void {
    const size = buffer.length;
    if (size > classBytesMax || this.#freeBytes + size > this.#bytesMax) return;
    let free = this.#free.get(size);
    if (free === undefined) {
      free = [];
      this.#free.set(size, free);
    }
    free.push(buffer);
    this.#freeBytes += size;
  }
}

/** Powers of two up to 4 MiB, exact multiples of 4096 above: those are rare and not kept. */
function sizeClass(byteLength: number): number {
  if (byteLength > classBytesMax) return Math.ceil(byteLength / 4096) * 4096;
  let size = classBytesMin;
  while (size < byteLength) size *= 2;
  return size;
}

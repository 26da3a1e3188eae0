// The open entry, in which commands gather.
//
// A command is copied once, from where it was parsed to its place in this buffer; the same bytes go
// to the log file and to the followers. The buffer has room in front for a frame's header and the
// entry's row, and behind for the padding, so that it *is* the frame:
//
//     ├─ header ─┼─ row ─┼─ payload: command, command, … ─▶            ┼─ padding ─┤
//                                                         ^ end

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Block, BufferPool } from './buffer-pool.js';
import type { EntryKind, LogIndex, Term } from './core/index.js';
import { type Entry, entryRowBytes, writeEntryRow } from './entry.js';
import { frameAlignment, frameHeaderBytes } from './log/index.js';

export const payloadOffset = frameHeaderBytes + entryRowBytes;

/** A batch that fills less than this share of its buffer moves to a smaller one when closed. */
const wastefulShare = 1 / 4;

export class Batch {
  readonly #pool: BufferPool;
  #block: Block;
  #end = payloadOffset;
  /** What the owner wants back with each command, in order. */
  readonly contexts: unknown[] = [];

  constructor(pool: BufferPool, payloadBytes: number) {
    this.#pool = pool;
    this.#block = pool.take(payloadOffset + payloadBytes + frameAlignment);
  }

  get buffer(): Buffer {
    return this.#block.buffer;
  }

  get payloadBytes(): number {
    return this.#end - payloadOffset;
  }

  fits(byteLength: number): boolean {
    return this.#end + byteLength + frameAlignment <= this.#block.buffer.length;
  }

  /** Room for one command. Returns its offset in `buffer`; the caller fills it at once. */
  reserve(byteLength: number, context: unknown): number {
    assert(this.fits(byteLength));
    const offset = this.#end;
    this.#end += byteLength;
    this.contexts.push(context);
    return offset;
  }

  /** Closes the batch. The block belongs to the caller. */
  seal(
    kind: EntryKind,
    head: { readonly index: LogIndex; readonly term: Term; readonly stamp: number },
  ): { readonly entry: Entry; readonly block: Block } {
    const needed = this.#end + frameAlignment;
    let block = this.#block;
    if (needed < block.buffer.length * wastefulShare) {
      block = this.#pool.take(needed);
      this.#block.buffer.copy(block.buffer, payloadOffset, payloadOffset, this.#end);
      this.#block.release();
    }
    const payload = block.buffer.subarray(payloadOffset, this.#end);
    const entry: Entry = {
      index: head.index,
      term: head.term,
      kind,
      stamp: head.stamp,
      byteLength: payload.length,
      payload,
      checksum: crc32(payload),
    };
    writeEntryRow(block.buffer, frameHeaderBytes, entry);
    return { entry, block };
  }

  /** Nobody takes the batch: its buffer goes back. */
  drop(): void {
    this.#block.release();
  }
}

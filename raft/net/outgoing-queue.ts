// What waits to leave on one connection: bytes, and the blocks that their payloads lie in.
//
// All messages of a turn leave in one write, and a block is held until the bytes have left or are
// given up.

import type { Block } from '../buffer-pool.js';
import type { OutgoingMessage } from '../transport.js';
import { encodeHeaderAndRows, type PacketHead } from './wire.js';

export interface Departure {
  readonly buffers: readonly Buffer[];
  readonly byteLength: number;
  /** To be called once when the bytes have left, or never will. */
  release(): void;
}

export class OutgoingQueue {
  #buffers: Buffer[] = [];
  #blocks: Block[] = [];

  push(outgoing: OutgoingMessage, head: PacketHead): void {
    this.#buffers.push(encodeHeaderAndRows(outgoing.message, outgoing.entries, head));
    for (const entry of outgoing.entries) {
      if (entry.byteLength > 0) this.#buffers.push(entry.payload);
    }
    for (const block of outgoing.blocks) {
      block.retain();
      this.#blocks.push(block);
    }
  }

  /** Everything, to be written in one go; undefined when nothing waits. */
  take(): Departure | undefined {
    if (this.#buffers.length === 0) return undefined;
    const buffers = this.#buffers;
    const blocks = this.#blocks;
    this.#buffers = [];
    this.#blocks = [];
    return {
      buffers,
      byteLength: buffers.reduce((sum, buffer) => sum + buffer.length, 0),
      release: () => {
        for (const block of blocks) block.release();
      },
    };
  }

  /** Nothing of it will leave. */
  drop(): void {
    this.take()?.release();
  }
}

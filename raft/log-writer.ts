// What is to be written to the log next, and the one write under way.
//
// The leader's entry lies in a buffer that is a frame already; so does a follower's received
// message. One waiting buffer is written as it is. Several that piled up behind a slow write are
// gathered into one frame, because one durable write costs more than copying the table.

import type { Block } from './buffer-pool.js';
import type { LogIndex } from './core/index.js';
import { type Entry, entryCountMax } from './entry.js';
import type { Journal } from './log/index.js';

interface QueuedEntries {
  readonly entries: readonly Entry[];
  /** Rows and payloads of exactly these entries, laid out as a frame. */
  readonly block: Block | undefined;
  readonly generation: number;
}

export interface LogWriterEvents {
  onPersisted(generation: number, lastIndex: LogIndex): void;
  /** An empty frame is durable: what gathered meanwhile can be written. */
  onEmptyFrame(): void;
  onFailed(error: Error): void;
}

const gatheredBytesMax = 4 * 1024 * 1024;

export class LogWriter {
  readonly #journal: Journal;
  readonly #events: LogWriterEvents;
  #queue: QueuedEntries[] = [];

  constructor(journal: Journal, events: LogWriterEvents) {
    this.#journal = journal;
    this.#events = events;
  }

  get isBusy(): boolean {
    return this.#journal.isWriting || this.#queue.length > 0;
  }

  queue(entries: readonly Entry[], block: Block | undefined, generation: number): void {
    this.#queue.push({ entries, block, generation });
  }

  /** Entries above `lastIndex` that are still waiting need not be written any more. */
  truncateAfter(lastIndex: LogIndex): void {
    const kept: QueuedEntries[] = [];
    for (const queued of this.#queue) {
      const entries = queued.entries.filter((entry) => entry.index <= lastIndex);
      if (entries.length === queued.entries.length) kept.push(queued);
      else if (entries.length > 0) kept.push({ ...queued, entries, block: undefined });
    }
    this.#queue = kept;
  }

  maybeWrite(): void {
    if (this.#journal.isWriting) return;
    const first = this.#queue.shift();
    if (first === undefined) return;
    const entries = [...first.entries];
    let { generation, block } = first;
    let byteLength = bytesOf(first.entries);
    while (this.#queue.length > 0) {
      const next = this.#queue[0]!;
      byteLength += bytesOf(next.entries);
      if (byteLength > gatheredBytesMax) break;
      if (entries.length + next.entries.length > entryCountMax) break;
      this.#queue.shift();
      entries.push(...next.entries);
      generation = next.generation;
      block = undefined;
    }
    this.#append(entries, block, generation);
  }

  /** Says that the frame before it was whole. Only when nothing waits. */
  writeEmptyFrame(): void {
    this.#journal.append([], undefined, (error) => {
      if (error !== undefined) this.#events.onFailed(error);
      else this.#events.onEmptyFrame();
    });
  }

  #append(entries: readonly Entry[], block: Block | undefined, generation: number): void {
    const lastIndex = entries.at(-1)!.index;
    this.#journal.append(entries, block?.buffer, (error) => {
      if (error !== undefined) return this.#events.onFailed(error);
      this.#events.onPersisted(generation, lastIndex);
    });
  }
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entry.byteLength, 0);
}

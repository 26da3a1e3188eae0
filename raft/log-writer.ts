// What is to be written to the log next, and the one write under way.
//
// The leader's entry lies in a buffer that is a frame already; so does a follower's received
// message. One waiting buffer is written as it is. Several that piled up behind a slow write are
// gathered into one frame, because one durable write costs more than copying the table.

import assert from 'node:assert/strict';
import type { Block } from './buffer-pool.js';
import type { LogIndex, Term } from './core/index.js';
import type { Clock } from './effects.js';
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
  /** A write was durable after this long, the making of a new segment included. */
  onTimed(milliseconds: number): void;
}

/** The log is to begin anew behind a snapshot. */
interface Reset {
  readonly index: LogIndex;
  readonly term: Term;
  readonly done: () => void;
}

const gatheredBytesMax = 4 * 1024 * 1024;

export class LogWriter {
  readonly #journal: Journal;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #events: LogWriterEvents;
  #queue: QueuedEntries[] = [];
  #reset: Reset | undefined;
  #isResetting = false;

  constructor(journal: Journal, clock: Pick<Clock, 'monotonicMs'>, events: LogWriterEvents) {
    this.#journal = journal;
    this.#clock = clock;
    this.#events = events;
  }

  get isBusy(): boolean {
    return this.#journal.isWriting || this.#reset !== undefined || this.#queue.length > 0;
  }

  queue(entries: readonly Entry[], block: Block | undefined, generation: number): void {
    assert(this.#reset === undefined, 'The log is being replaced');
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

  /**
   * Once what is under way is written, the log begins anew behind (index, term); what waits need not
   * be written any more. Until `done` nothing may be queued.
   */
  reset(index: LogIndex, term: Term, done: () => void): void {
    assert(this.#reset === undefined, 'At most one reset at a time');
    this.#queue = [];
    this.#reset = { index, term, done };
    this.maybeWrite();
  }

  maybeWrite(): void {
    if (this.#journal.isWriting || this.#isResetting) return;
    if (this.#reset !== undefined) return this.#resetNow(this.#reset);
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
    this.#write([], undefined, () => this.#events.onEmptyFrame());
  }

  #resetNow({ index, term, done }: Reset): void {
    this.#isResetting = true;
    this.#journal.reset(index, term, (error) => {
      this.#isResetting = false;
      this.#reset = undefined;
      if (error !== undefined) return this.#events.onFailed(error);
      done();
    });
  }

  #append(entries: readonly Entry[], block: Block | undefined, generation: number): void {
    const lastIndex = entries.at(-1)!.index;
    this.#write(entries, block, () => this.#events.onPersisted(generation, lastIndex));
  }

  #write(entries: readonly Entry[], block: Block | undefined, done: () => void): void {
    const startedAt = this.#clock.monotonicMs();
    this.#journal.append(entries, block?.buffer, (error) => {
      if (error !== undefined) return this.#events.onFailed(error);
      this.#events.onTimed(this.#clock.monotonicMs() - startedAt);
      done();
    });
  }
}

function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + entry.byteLength, 0);
}

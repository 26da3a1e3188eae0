// The newest entries, in memory.
//
// Between its arrival and the moment when it is durable, applied and at every follower, an entry is
// needed several times; it stays here for that long. A follower that falls behind further than that
// is served from the log file.
//
//     log    1 … … … … … … … … … │ 90 91 92 93 94 95
//                          evicted │ cached        ^ last
//
// Invariant: the cached entries are the last ones of the log, without gaps. An append at index i
// drops everything at or above i first, whatever else happens: an entry that was truncated away
// must never be sent or applied from here.

import assert from 'node:assert/strict';
import type { Block } from './buffer-pool.js';
import type { LogIndex } from './core/index.js';
import type { Entry } from './entry.js';

interface CachedEntry {
  readonly entry: Entry;
  /** Where the payload lies; shared by the entries that arrived in one message. */
  readonly block: Block | undefined;
  /** What the first entry of a block is charged for: a small entry keeps all of it in use. */
  readonly blockBytes: number;
}

export class EntryCache {
  #entries: CachedEntry[] = [];
  /** Evicted entries are skipped at the front and cut off now and then. */
  #head = 0;
  #lastIndex: LogIndex;
  #byteLength = 0;

  constructor(lastIndex: LogIndex) {
    this.#lastIndex = lastIndex;
  }

  get lastIndex(): LogIndex {
    return this.#lastIndex;
  }

  /** The lowest index that is cached; lastIndex + 1 when none is. */
  get firstIndex(): LogIndex {
    return this.#lastIndex + 1 - (this.#entries.length - this.#head);
  }

  /** Bytes of the buffers that the entries keep from being used again, about. */
  get byteLength(): number {
    return this.#byteLength;
  }

  push(entry: Entry, block: Block | undefined): void {
    assert(entry.index === this.#lastIndex + 1, 'Cached entries have no gaps');
    block?.retain();
    const isShared = block === undefined || block === this.#entries.at(-1)?.block;
    const blockBytes = isShared ? 0 : block.buffer.length;
    this.#entries.push({ entry, block, blockBytes });
    this.#byteLength += blockBytes;
    this.#lastIndex = entry.index;
  }

  get(index: LogIndex): Entry | undefined {
    return this.#at(index)?.entry;
  }

  blockOf(index: LogIndex): Block | undefined {
    return this.#at(index)?.block;
  }

  /** Drops what a new leader's log contradicts. */
  truncateAfter(lastIndex: LogIndex): void {
    while (this.#lastIndex > lastIndex) {
      const dropped = this.#entries.length > this.#head ? this.#entries.pop()! : undefined;
      this.#lastIndex -= 1;
      if (dropped === undefined) continue;
      this.#byteLength -= dropped.blockBytes;
      // It may be in the middle of being written: nobody may fill its buffer again.
      dropped.block?.abandon();
    }
  }

  /** Forgets everything: the log begins anew behind `index`. */
  reset(index: LogIndex): void {
    // Some may be read still by whoever applied them: nobody may fill their buffers again.
    for (const cached of this.#entries.slice(this.#head)) cached.block?.abandon();
    this.#entries = [];
    this.#head = 0;
    this.#byteLength = 0;
    this.#lastIndex = index;
  }

  /** Forgets everything up to `index`. */
  evictTo(index: LogIndex): void {
    while (this.#head < this.#entries.length && this.firstIndex <= index) {
      const evicted = this.#entries[this.#head]!;
      this.#byteLength -= evicted.blockBytes;
      evicted.block?.release();
      // Holds no payload alive until the front is cut off.
      this.#entries[this.#head] = undefined as unknown as CachedEntry;
      this.#head += 1;
    }
    if (this.#head > 1024 && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  #at(index: LogIndex): CachedEntry | undefined {
    if (index < this.firstIndex || index > this.#lastIndex) return undefined;
    return this.#entries[this.#head + index - this.firstIndex];
  }
}

// Entries to be sent or applied, from the cache or else from the files.
//
// Reading a file takes a while, and what is sent to a follower must stay in order: while entries
// are read for it, later messages for it wait behind them. The log may be compacted meanwhile: a
// message whose entries are gone is not sent. The follower then misses them, says so, and gets a
// snapshot.

import type { Block } from './buffer-pool.js';
import type { LogIndex, ReplicaId } from './core/index.js';
import type { Entry } from './entry.js';
import type { EntryCache } from './entry-cache.js';
import type { Journal } from './log/index.js';

/** `isLate`: the entries were read from files, in a later turn than they were asked for. */
type Collected = (entries: readonly Entry[], blocks: readonly Block[], isLate: boolean) => void;

export class LogReader {
  readonly #cache: EntryCache;
  readonly #journal: Journal;
  readonly #onFailed: (error: Error) => void;
  /** Per follower, what waits behind the reading that is under way. */
  readonly #waiting = new Map<ReplicaId, (() => void)[]>();
  #loads = 0;

  constructor(cache: EntryCache, journal: Journal, onFailed: (error: Error) => void) {
    this.#cache = cache;
    this.#journal = journal;
    this.#onFailed = onFailed;
  }

  get isBusy(): boolean {
    return this.#loads > 0;
  }

  isLoadingFor(peer: ReplicaId): boolean {
    return this.#waiting.has(peer);
  }

  /** The entries first … last for `peer`, at once when they are cached and nothing waits. */
  collect(peer: ReplicaId, firstIndex: LogIndex, lastIndex: LogIndex, done: Collected): void {
    const waiting = this.#waiting.get(peer);
    if (waiting !== undefined) {
      waiting.push(() => this.#collectLate(peer, firstIndex, lastIndex, done));
      return;
    }
    if (firstIndex >= this.#cache.firstIndex) return this.#give(firstIndex, lastIndex, [], done);
    this.#waiting.set(peer, []);
    this.#collectLate(peer, firstIndex, lastIndex, done);
  }

  /** The entries first … last from the files. */
  load(firstIndex: LogIndex, lastIndex: LogIndex, done: (entries: readonly Entry[]) => void): void {
    this.#loads += 1;
    this.#journal.read(firstIndex, lastIndex, (error, entries) => {
      this.#loads -= 1;
      if (error !== undefined) this.#onFailed(error);
      else done(entries);
    });
  }

  #collectLate(peer: ReplicaId, firstIndex: LogIndex, lastIndex: LogIndex, done: Collected): void {
    // A truncation meanwhile: the leadership that wanted them is over.
    if (lastIndex > this.#cache.lastIndex) return this.#next(peer);
    if (firstIndex <= this.#journal.baseIndex) return this.#next(peer);
    const loadEnd = Math.min(lastIndex, this.#cache.firstIndex - 1);
    if (firstIndex > loadEnd) {
      this.#give(firstIndex, lastIndex, [], (entries, blocks) => done(entries, blocks, true));
      return this.#next(peer);
    }
    this.load(firstIndex, loadEnd, (loaded) => {
      // What was cached before may have been evicted while the files were read.
      const isRestCached = loadEnd === lastIndex || loadEnd + 1 >= this.#cache.firstIndex;
      if (lastIndex <= this.#cache.lastIndex && isRestCached) {
        this.#give(loadEnd + 1, lastIndex, loaded, (entries, blocks) =>
          done(entries, blocks, true),
        );
        this.#next(peer);
      } else {
        this.#collectLate(peer, firstIndex, lastIndex, done);
      }
    });
  }

  #next(peer: ReplicaId): void {
    const waiting = this.#waiting.get(peer)!;
    const next = waiting.shift();
    if (next === undefined) this.#waiting.delete(peer);
    else next();
  }

  #give(
    firstIndex: LogIndex,
    lastIndex: LogIndex,
    before: readonly Entry[],
    done: Collected,
  ): void {
    const entries = [...before];
    const blocks: Block[] = [];
    for (let index = firstIndex; index <= lastIndex; index += 1) {
      entries.push(this.#cache.get(index)!);
      const block = this.#cache.blockOf(index);
      if (block !== undefined && blocks.at(-1) !== block) blocks.push(block);
    }
    done(entries, blocks, false);
  }
}

// Files that wait to become the next segment, so that the log never waits for one.
//
//   zeros ──────────────┐
//                       ├──▶ spare-….tmp ──take──▶ a segment ──all behind a snapshot──┐
//   a dropped segment ──┘                                                             │
//          ▲──────────────────────────────recycle────────────────────────────────────┘
//
// Writing zeros costs as many bytes as the log then writes over them. Where snapshots free segments
// as fast as the log fills them, none have to be written: what is freed is kept, and a new file is
// made only when a part of the current segment is used and nothing was freed by then.

import type { Chance, Files } from '../effects.js';
import { attempt } from '../errors.js';
import { createSpare, sparePath } from './segment.js';

/** A file full of zeros or of stale frames. */
export interface Spare {
  readonly path: string;
  readonly byteLength: number;
}

type Taken = (error: Error | undefined, spare: Spare | undefined) => void;

interface Waiter {
  readonly byteLength: number;
  readonly currentByteLength: number;
  readonly done: Taken;
}

export interface SparesOptions {
  readonly directory: string;
  readonly files: Files;
  readonly chance: Pick<Chance, 'bytes'>;
  readonly maxSegmentFileSize: number;
}

/**
 * Spares that are kept of what a snapshot freed, in segments of the full size: what a log of the
 * usual length before a snapshot (512 MiB) takes, so that it goes on without a new one.
 */
const keptMax = 8;
/** Zeros are written as fast as frames are, so the rest of the segment is time enough for them. */
const dueShare = 1 / 4;

export class Spares {
  readonly #options: SparesOptions;
  readonly #spares: Spare[] = [];
  #isMaking = false;
  /** Nobody needed the one that could not be made: the next is made when somebody does. */
  #hasFailed = false;
  /** A segment is wanted, and there is no spare that is large enough. */
  #waiter: Waiter | undefined;
  #isClosed = false;

  constructor(options: SparesOptions) {
    this.#options = options;
  }

  /** `usedBytes` of the current segment's `byteLength` bytes are written. */
  onUsed(usedBytes: number, byteLength: number): void {
    if (this.#spares.length > 0 || this.#hasFailed) return;
    if (usedBytes >= byteLength * dueShare) this.#make(byteLength);
  }

  /** Gives a spare of at least `byteLength` bytes, as soon as there is one. One call at a time. */
  take(byteLength: number, currentByteLength: number, done: Taken): void {
    const at = this.#spares.findIndex((spare) => spare.byteLength >= byteLength);
    if (at !== -1) return done(undefined, this.#spares.splice(at, 1)[0]);
    this.#waiter = { byteLength, currentByteLength, done };
    this.#make(currentByteLength);
  }

  /**
   * Renames the file of a dropped segment, or removes it when it would be of no use. What is returned
   * is a spare, for `add`, when the new name is durable: until then a crash may give the file its old
   * name back, and it must not have the header of another segment then. Throws what the files report.
   */
  recycle(dropped: Spare, currentByteLength: number): Spare | undefined {
    const { files, directory, chance, maxSegmentFileSize } = this.#options;
    const { byteLength } = dropped;
    // The first segments are small, and the log has outgrown them.
    const isOutgrown = byteLength < Math.min(currentByteLength, maxSegmentFileSize);
    const spareBytes = this.#spares.reduce((sum, spare) => sum + spare.byteLength, byteLength);
    if (isOutgrown || spareBytes > keptMax * maxSegmentFileSize) {
      files.remove(dropped.path);
      return undefined;
    }
    const path = sparePath(directory, chance.bytes(8));
    files.rename(dropped.path, path);
    return { path, byteLength };
  }

  add(spare: Spare): void {
    this.#spares.push(spare);
    const waiter = this.#waiter;
    this.#waiter = undefined;
    if (waiter !== undefined) {
      this.take(waiter.byteLength, waiter.currentByteLength, waiter.done);
    }
  }

  /** What is left is removed at the next start. */
  close(): void {
    this.#isClosed = true;
  }

  #make(currentByteLength: number): void {
    if (this.#isMaking || this.#isClosed) return;
    const { files, directory, chance, maxSegmentFileSize } = this.#options;
    const byteLength = Math.max(
      Math.min(currentByteLength * 2, maxSegmentFileSize),
      this.#waiter?.byteLength ?? 0,
    );
    const path = sparePath(directory, chance.bytes(8));
    this.#isMaking = true;
    createSpare(files, path, byteLength, (error) => {
      this.#isMaking = false;
      if (this.#isClosed) return;
      this.#hasFailed = error !== undefined;
      if (error === undefined) return this.add({ path, byteLength });
      // On a full disk the half that was made is in the way. It may not even be there.
      attempt(() => files.remove(path));
      const waiter = this.#waiter;
      this.#waiter = undefined;
      waiter?.done(error, undefined);
    });
  }
}

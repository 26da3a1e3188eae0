// Copies the pages of a file as they are at the beginning, while the file goes on being changed.
//
// The copy is made from the front to the back, in slices of a megabyte, by reads and writes that run
// beside everything else. Whoever is about to overwrite pages says so before: `keep` copies at once
// those that no slice has got to yet.
//
//   source  │ read already … │ being read │ not yet read …        │
//              may change       keep first   keep first
//   target  │ written        │            │   kept       kept     │
//
// A page that changes while its slice is being read may be torn in it. It was kept before it was
// overwritten, so the target has it: before the slice is written, its kept pages are fetched from
// there. Once a slice is read, its pages are nobody's concern any more.
//
// Each page is copied once ahead of its turn at most, whatever happens to the file; what `keep` costs
// is in proportion to what is overwritten.
//
// What is written is summed on its way, slice by slice, so that nobody has to read it again for that. The
// sum is that of what should be in the target: a page that got there wrong shows when it is verified.
//
// Slices are begun at the pace of copy-pace.ts, and none while the target is being synced, which
// happens every 16 MiB: were it left to the end, the kernel would gather gigabytes in its cache, make
// every writer wait that comes then, and one fsync of all of it would hold up the log's own.

import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { CopyPace } from './copy-pace.js';
import { crc32Combine } from './crc32-combine.js';
import { pageBytes } from './database.js';
import type { FileDone, MachineFile, MachineTimers } from './effects.js';

/** A megabyte: large enough that a slice costs the event loop little, small enough to hold in memory. */
const slicePages = 256;
/** Slices under way at once. While the loop is busy with one, the disk has the other. */
const laneCount = 2;
/** Written since the last sync. A disk of 200 MB/s has it in less than 100 ms. */
const unsyncedBytesMax = 16 * 1024 * 1024;

export interface PageCopyOptions {
  readonly source: MachineFile;
  readonly target: MachineFile;
  readonly pageCount: number;
  readonly pace: CopyPace;
  readonly timers: MachineTimers;
  /** Changes, in the first slice, what the target has otherwise than the source. */
  readonly amend: (slice: Buffer) => void;
  /**
   * Called once, when nothing is under way any more; without an error also after `stop`. `crc32` is that
   * of the target.
   */
  readonly done: (error: Error | undefined, crc32: number) => void;
}

export class PageCopy {
  readonly #options: PageCopyOptions;
  /** By page: 1 when a later change of the source does not matter to the copy. */
  readonly #isTaken: Uint8Array;
  /** Slices before this page have been begun. */
  #nextPage = 0;
  /** One for each slice that could be begun. */
  readonly #freeBuffers = Array.from({ length: laneCount }, () =>
    Buffer.allocUnsafeSlow(slicePages * pageBytes),
  );
  readonly #run = Buffer.allocUnsafeSlow(slicePages * pageBytes);
  /** Of each slice. */
  readonly #crcs: Uint32Array;
  #unsyncedBytes = 0;
  #isSyncing = false;
  #cancelWait: (() => void) | undefined;
  #isStopped = false;
  #error: Error | undefined;

  /** Begins at once. */
  constructor(options: PageCopyOptions) {
    this.#options = options;
    this.#isTaken = new Uint8Array(options.pageCount);
    this.#crcs = new Uint32Array(Math.ceil(options.pageCount / slicePages));
    this.#goOn();
  }

  /**
   * These pages are about to be overwritten. They are counted from 0, and there may be some among them
   * that the copy does not have. Throws what the files report; the copy is then of no use.
   */
  keep(pages: ReadonlySet<number>): void {
    const { source, target, pageCount } = this.#options;
    const wanted = Uint32Array.from(pages).filter((page) => {
      return page < pageCount && this.#isTaken[page] === 0;
    });
    wanted.sort();
    for (let at = 0; at < wanted.length; ) {
      const first = wanted[at] as number;
      let count = 1;
      while (count < slicePages && wanted[at + count] === first + count) count++;
      const run = this.#run.subarray(0, count * pageBytes);
      if (source.readSync(run, first * pageBytes) !== run.length) {
        throw new Error('the file has become shorter');
      }
      target.writeSync(run, first * pageBytes);
      this.#unsyncedBytes += run.length;
      this.#isTaken.fill(1, first, first + count);
      at += count;
    }
  }

  /** No further slice is begun. `done` follows, but not from within. */
  stop(): void {
    this.#isStopped = true;
    if (this.#cancelWait !== undefined) this.#wait(0);
  }

  /** Called whenever something ended: begins what may be begun, or ends the copy. */
  #goOn(): void {
    const { pageCount, pace, done } = this.#options;
    // The end of either calls again.
    if (this.#isSyncing || this.#cancelWait !== undefined) return;
    while (!this.#isStopped && this.#nextPage < pageCount) {
      if (this.#unsyncedBytes >= unsyncedBytesMax) return this.#sync();
      const buffer = this.#freeBuffers.at(-1);
      if (buffer === undefined) return;
      const count = Math.min(slicePages, pageCount - this.#nextPage);
      const waitMs = pace.take(count * pageBytes);
      if (waitMs > 0) return this.#wait(waitMs);
      this.#freeBuffers.pop();
      this.#copySlice(buffer, this.#nextPage, count);
      this.#nextPage += count;
    }
    if (this.#freeBuffers.length === laneCount) done(this.#error, this.#crc());
  }

  #wait(milliseconds: number): void {
    this.#cancelWait?.();
    this.#cancelWait = this.#options.timers.after(milliseconds, () => {
      this.#cancelWait = undefined;
      this.#goOn();
    });
  }

  /** Of what was written so far. The slice that is under way beside it counts for the next. */
  #sync(): void {
    this.#unsyncedBytes = 0;
    this.#isSyncing = true;
    this.#options.target.sync((error) => {
      this.#isSyncing = false;
      if (error !== undefined) this.#fail(error);
      this.#goOn();
    });
  }

  #crc(): number {
    const byteLength = this.#options.pageCount * pageBytes;
    const sliceBytes = slicePages * pageBytes;
    return this.#crcs.reduce((sum, crc, at) => {
      return crc32Combine(sum, crc, Math.min(sliceBytes, byteLength - at * sliceBytes));
    }, 0);
  }

  #copySlice(buffer: Buffer<ArrayBuffer>, first: number, count: number): void {
    const { source, target, amend } = this.#options;
    const slice = buffer.subarray(0, count * pageBytes);
    const end: FileDone = (error) => {
      if (error !== undefined) this.#fail(error);
      this.#freeBuffers.push(buffer);
      this.#goOn();
    };
    source.read(slice, first * pageBytes, (readError) => {
      if (readError !== undefined) return end(readError);
      this.#fetchKept(slice, first, (fetchError) => {
        if (fetchError !== undefined) return end(fetchError);
        if (first === 0) amend(slice);
        this.#crcs[first / slicePages] = crc32(slice);
        target.write([slice], first * pageBytes, (writeError) => {
          this.#unsyncedBytes += slice.length;
          end(writeError);
        });
      });
    });
  }

  /** Puts into a slice that was read the pages that were kept before. */
  #fetchKept(slice: Buffer, first: number, done: FileDone): void {
    const end = first + slice.length / pageBytes;
    const kept: number[] = [];
    for (let page = first; page < end; page++) {
      if (this.#isTaken[page] === 1) kept.push(page);
    }
    this.#isTaken.fill(1, first, end);
    const low = kept[0];
    const high = kept.at(-1);
    if (low === undefined || high === undefined) return done(undefined);
    // One read for all of them; what lies between was not written yet and is left.
    const stretch = Buffer.allocUnsafeSlow((high + 1 - low) * pageBytes);
    this.#options.target.read(stretch, low * pageBytes, (error) => {
      if (error !== undefined) return done(error);
      for (const page of kept) {
        const offset = (page - low) * pageBytes;
        stretch.copy(slice, (page - first) * pageBytes, offset, offset + pageBytes);
      }
      done(undefined);
    });
  }

  #fail(error: Error): void {
    this.#error ??= error;
    this.stop();
  }
}

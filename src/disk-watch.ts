// Whether the disk has room for more: `min-free-disk`.
//
// A disk that is full ends the server, since a write to the log that fails leaves unknown what is
// stored. Before it comes to that, commands that need room are refused, with an error that is certain,
// and those that give room back go on. What is refused must not be taken a moment later and refused
// again, so the end lies an eighth above the beginning:
//
//     free bytes   ─────── min ─────── min + 1/8 ───────▶
//                   low    │  as before  │    not low
//
// What is kept free so is for deletes, and for the snapshot that makes the log shorter. But that must leave
// an eighth, or it would fill the disk itself while the log is written beside it.

import type { Timers } from '../raft/index.js';

/** Free bytes of the file system that holds `path`, for those who are not root. */
export type FreeBytes = (
  path: string,
  done: (error: Error | undefined, bytes: number | undefined) => void,
) => void;

export interface DiskWatchOptions {
  readonly path: string;
  /** Bytes; 0: the disk is never low. Asked at each look. */
  readonly minFreeBytes: () => number;
  readonly freeBytes: FreeBytes;
  readonly timers: Pick<Timers, 'every'>;
  readonly onChange: (isLow: boolean, freeBytes: number) => void;
  /** The disk cannot be asked; told once, until it can again. What was known last stays. */
  readonly onFailed: (error: Error) => void;
}

/** At 200 MB/s of writes, the default of `min-free-disk` lasts five times as long. */
const lookMs = 1000;

export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #isLow = false;
  #freeBytes: number | undefined;
  #isLooking = false;
  #hasFailed = false;
  #isStopped = false;
  #cancel: (() => void) | undefined;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** Commands that need room are to be refused. */
  get isLow(): boolean {
    return this.#isLow;
  }

  /** As last seen; undefined before the first look has ended. */
  get freeBytes(): number | undefined {
    return this.#freeBytes;
  }

  /** Why a snapshot of so many bytes has no room, as the end of a sentence; undefined: it has. */
  whyNoRoomFor(snapshotBytes: number): string | undefined {
    const freeBytes = this.#freeBytes;
    const keptBytes = Math.floor(this.#options.minFreeBytes() / 8);
    if (keptBytes === 0 || freeBytes === undefined) return undefined;
    if (freeBytes - snapshotBytes >= keptBytes) return undefined;
    return (
      `it takes about ${snapshotBytes} bytes, ${freeBytes} are free, and ${keptBytes} must stay so, ` +
      'an eighth of min-free-disk'
    );
  }

  start(): void {
    this.look();
    this.#cancel = this.#options.timers.every(lookMs, () => this.look());
  }

  /** Nobody is told anything any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  /** Also between the times, as when the option has changed. */
  look(): void {
    // A disk that does not answer is asked once, not once a second.
    if (this.#isLooking) return;
    this.#isLooking = true;
    const { path, freeBytes } = this.#options;
    freeBytes(path, (error, bytes) => {
      this.#isLooking = false;
      if (this.#isStopped) return;
      if (bytes !== undefined) this.#judge(bytes);
      else if (!this.#hasFailed) this.#options.onFailed(error!);
      this.#hasFailed = bytes === undefined;
    });
  }

  #judge(bytes: number): void {
    this.#freeBytes = bytes;
    const min = this.#options.minFreeBytes();
    const isLow = bytes < (this.#isLow ? min + min / 8 : min);
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    this.#options.onChange(isLow, bytes);
  }
}

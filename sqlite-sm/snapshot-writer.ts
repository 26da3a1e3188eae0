// One snapshot: a copy of live.db as it is at one entry, while entries go on being applied.
//
//   1. The main file is synced. Had the kernel lost bytes of it, this says so, and the file must not
//      be believed any more.
//   2. In one turn: commit, a checkpoint of everything in the WAL, and no more checkpoints by SQLite
//      itself. From here on the main file is the state at the last commit; what is applied goes
//      to the WAL.
//   3. The main file is copied in slices (page-copy.ts), no faster than clients bear (copy-pace.ts), and
//      summed on the way. The copy is not in WAL mode.
//   4. SQLite checkpoints by itself again.
//
// While the copy is under way checkpoints go on, at the usual intervals, but from here: pages that one
// would overwrite and that the copy does not have yet are copied before (`keep`). So the WAL never grows
// beyond what it is at any other time: no writer has to be slowed for it, and there is no checkpoint of
// hundreds of megabytes behind the copy, which SQLite could not do in parts
// (docs/decisions/0012-checkpoints-go-on-while-copying.md).
//
// Nobody else may write the main file. Its time of modification is compared before each checkpoint and
// at the end: a copy of a file that somebody has changed is not a snapshot.
//
// A copy that fails changes nothing for the machine, save for the sync in step 1. Files that are left
// behind are the caller's to remove.

import { CopyPace } from './copy-pace.js';
import { checkpointPages, type Database, pageBytes } from './database.js';
import type { MachineClock, MachineFile, MachineFiles, MachineTimers } from './effects.js';
import { FatalMachineError } from './errors.js';
import { PageCopy } from './page-copy.js';
import { type FileSum, leaveWalMode, type SnapshotPoint } from './snapshot.js';
import { readChangedPages } from './wal-file.js';

export interface SnapshotWriterOptions {
  readonly files: MachineFiles;
  readonly timers: MachineTimers;
  readonly clock: MachineClock;
  readonly database: Database;
  readonly databasePath: string;
  /** Of the main file, open as long as the database is. */
  readonly databaseFile: MachineFile;
  /** Does not exist yet. */
  readonly targetPath: string;
  /** Commits what is open and says how far that is. */
  readonly commit: () => SnapshotPoint;
  /** Of all payloads that were applied; only grows. */
  readonly appliedBytes: () => number;
  /** The main file has lost bytes. Returns what to report. */
  readonly onSyncFailure: (error: Error) => Error;
  /** Called once, when nothing is under way any more. */
  readonly done: (
    error: Error | undefined,
    at: SnapshotPoint | undefined,
    sum: FileSum | undefined,
  ) => void;
}

export class SnapshotWriter {
  readonly #options: SnapshotWriterOptions;
  #at: SnapshotPoint | undefined;
  #target: MachineFile | undefined;
  #wal: MachineFile | undefined;
  #pages: PageCopy | undefined;
  #byteLength = 0;
  /** Of the copy, when it is whole. */
  #sum: FileSum | undefined;
  /** Of the main file after the last checkpoint. */
  #modifiedNs: bigint | undefined;
  #areCheckpointsOurs = false;
  #failure: Error | undefined;
  readonly #endCallbacks: (() => void)[] = [];

  /** Begins at once; the machine goes on meanwhile. */
  constructor(options: SnapshotWriterOptions) {
    this.#options = options;
    options.databaseFile.sync((error) => {
      if (error !== undefined) this.#failure = options.onSyncFailure(error);
      if (this.#failure === undefined) this.#begin();
      else this.#end();
    });
  }

  /** To be called after every commit, outside a transaction. */
  onCommit(): void {
    if (!this.#areCheckpointsOurs || this.#pages === undefined) return;
    const { database } = this.#options;
    try {
      const { frames, checkpointedFrames } = database.checkpoint('NOOP');
      if (frames - checkpointedFrames < checkpointPages) return;
      this.#assertUnmoved();
      this.#pages.keep(readChangedPages(this.#wal as MachineFile, frames));
      database.checkpoint('PASSIVE');
      this.#modifiedNs = this.#modified();
    } catch (error) {
      // SQLite's own checkpoints have their failures passed over, too: the next one tries again.
      this.stop(error as Error);
    }
  }

  /** Gives up. `onEnd` is called later, when nothing is under way any more and after `done`. */
  stop(reason: Error, onEnd?: () => void): void {
    this.#failure ??= reason;
    if (onEnd !== undefined) this.#endCallbacks.push(onEnd);
    this.#returnCheckpoints();
    this.#pages?.stop();
  }

  #begin(): void {
    const { files, timers, clock, database, databasePath, databaseFile, targetPath } =
      this.#options;
    const { commit, appliedBytes } = this.#options;
    try {
      this.#at = commit();
      this.#areCheckpointsOurs = true;
      database.setAutomaticCheckpoints(false);
      const { isBusy, frames, checkpointedFrames } = database.checkpoint('TRUNCATE');
      if (isBusy || frames !== 0 || checkpointedFrames !== 0) {
        throw new Error(`the WAL could not be emptied: ${checkpointedFrames} of ${frames} frames`);
      }
      this.#modifiedNs = this.#modified();
      const { byteLength } = files.stat(databasePath) ?? { byteLength: 0 };
      if (byteLength === 0 || byteLength % pageBytes !== 0) {
        throw new Error(`live.db has ${byteLength} bytes, which are no whole pages`);
      }
      this.#byteLength = byteLength;
      this.#target = files.open(targetPath, 'create');
      this.#wal = files.open(`${databasePath}-wal`, 'read');
      this.#pages = new PageCopy({
        source: databaseFile,
        target: this.#target,
        pageCount: byteLength / pageBytes,
        pace: new CopyPace({ clock, appliedBytes }),
        timers,
        amend: leaveWalMode,
        done: (error, crc32) => this.#onCopied(error, crc32),
      });
    } catch (error) {
      this.#failure ??= error as Error;
      this.#end();
    }
  }

  #onCopied(error: Error | undefined, crc32: number): void {
    this.#failure ??= error;
    if (this.#failure === undefined) {
      try {
        this.#assertUnmoved();
        this.#sum = { byteLength: this.#byteLength, crc32 };
      } catch (finishError) {
        this.#failure = finishError as Error;
      }
    }
    this.#end();
  }

  #end(): void {
    const { done } = this.#options;
    this.#returnCheckpoints();
    this.#target?.closeSync();
    this.#wal?.closeSync();
    const failure = this.#failure;
    if (failure === undefined) done(undefined, this.#at, this.#sum);
    else {
      const error = failure instanceof FatalMachineError ? failure : snapshotError(failure);
      done(error, undefined, undefined);
    }
    for (const callback of this.#endCallbacks) callback();
  }

  #returnCheckpoints(): void {
    if (!this.#areCheckpointsOurs) return;
    this.#areCheckpointsOurs = false;
    this.#options.database.setAutomaticCheckpoints(true);
  }

  #assertUnmoved(): void {
    if (this.#modified() === this.#modifiedNs) return;
    throw new Error('live.db was written to while it was copied, and not by this program');
  }

  #modified(): bigint | undefined {
    return this.#options.files.stat(this.#options.databasePath)?.modifiedNs;
  }
}

function snapshotError(cause: Error): Error {
  return new Error(`Cannot write the snapshot: ${cause.message}`, { cause });
}

// What the state machine wants from the world around it, besides SQLite.
//
// Nothing in this folder reaches for files, timers or clocks by itself: the program hands the real
// ones in, a simulator its own. SQLite's own file access is the one exception, and it is confined
// to database.ts.

/** What tells one file from another that has its name. Compared for equality, never ordered. */
export interface FileIdentity {
  readonly device: bigint;
  readonly inode: bigint;
  /** Birth time in milliseconds since the epoch, as fine as the file system gives it. */
  readonly birthMs: number;
}

export interface MachineFileStat extends FileIdentity {
  readonly byteLength: number;
  /** When it was last written to, in nanoseconds since the epoch. Compared for equality only. */
  readonly modifiedNs: bigint;
}

/** Called once, never before the call that it was handed to has returned. */
export type FileDone = (error: Error | undefined) => void;

/** An open file. Several reads and writes may be under way at once, in different places of it. */
export interface MachineFile {
  /** Fills the buffer; an error where the file ends before. */
  read(target: Buffer, position: number, done: FileDone): void;
  /** Bytes read; fewer than asked for only at the end of the file. */
  readSync(target: Buffer, position: number): number;
  /** Writes the buffers one behind the other. They must not change until `done`. */
  write(sources: readonly Buffer[], position: number, done: FileDone): void;
  writeSync(source: Buffer, position: number): void;
  /** Also fails for what was written before, through whichever descriptor, and did not get there. */
  sync(done: FileDone): void;
  /** Nothing may be under way. */
  closeSync(): void;
}

/** Every failure but "there is no such file" is thrown as the file system reports it. */
export interface MachineFiles {
  /** The whole file; `undefined` when there is none. */
  readFile(path: string): Buffer | undefined;
  /**
   * Puts a whole file in place. On return its bytes and its name are on the disk; whoever reads
   * it after a crash sees the old file or the new one, nothing in between.
   */
  writeFileDurably(path: string, bytes: Uint8Array): void;
  /** Removes a file; on return its absence is on the disk. No error when there is none. */
  unlinkDurably(path: string): void;
  /** `undefined` when there is no such file. */
  stat(path: string): MachineFileStat | undefined;
  /** `read`: an existing file. `create`: a new one for reading and writing; it must not exist. */
  open(path: string, mode: 'read' | 'create'): MachineFile;
  /**
   * Copies a file to a name that must not exist, by sharing its blocks where the file system can.
   * Not durable; half a copy may be left after an error.
   */
  copy(source: string, target: string, done: FileDone): void;
  /** As `copy`, for a start. Says now and then how far it is. */
  copySync(source: string, target: string, onProgress: CopyProgress): void;
}

export type CopyProgress = (copiedBytes: number, totalBytes: number) => void;

export interface MachineTimers {
  /** Calls back once, not before `milliseconds` have passed. Returns what cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

export interface MachineClock {
  /** Milliseconds since some fixed moment. Never goes back. No result depends on it, only pace. */
  monotonicMs(): number;
}

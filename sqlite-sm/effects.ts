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
  stat(path: string): FileIdentity | undefined;
}

export interface MachineTimers {
  /** Calls back once, not before `milliseconds` have passed. Returns what cancels it. */
  after(milliseconds: number, callback: () => void): () => void;
}

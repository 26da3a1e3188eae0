// The world as `raft/` sees it: files, timers, clocks and chance, as interfaces.
//
// Nothing in this folder reaches for `fs`, `net`, `Date` or `Math.random` by itself; whoever starts
// a replica hands the effects in. `raft/node-effects.ts` and `raft/node-files.ts` have the real ones.
// A test hands in files that forget what was not synced, a clock that jumps and chance that repeats.

/** Wall and monotonic time, in milliseconds. */
export interface Clock {
  /** Since the Unix epoch. May jump. */
  wallMs(): number;
  /** Since some fixed moment. Never goes back. */
  monotonicMs(): number;
}

export interface Timers {
  /** Calls back once after `ms`. Returns what cancels it. */
  after(ms: number, callback: () => void): () => void;
  /** Calls back every `ms`; a late call is not made up for. */
  every(ms: number, callback: () => void): () => void;
  /** Calls back once the events at hand are handled: the end of the loop turn. */
  atTurnEnd(callback: () => void): void;
}

export interface Chance {
  /** Uniform in [0, 1). For election timeouts. */
  random(): number;
  /** Unpredictable. For ids and nonces. */
  bytes(length: number): Buffer;
}

/** Which file this is, beyond its name: a restored or copied file has another one. */
export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
  /** Birth time in milliseconds since the epoch. */
  readonly birthMs: number;
}

export interface FileStat extends FileIdentity {
  readonly byteLength: number;
}

/**
 * - `read`: an existing file.
 * - `create`: a new file for reading and writing; it must not exist.
 * - `durable`: an existing file whose every write is on the disk when it returns (O_DSYNC).
 */
export type OpenMode = 'read' | 'create' | 'durable';

export type Done = (error: Error | undefined) => void;

/** Synchronous calls are for start and stop; while serving, only those with a callback are used. */
export interface FileHandle {
  /** Bytes read; fewer than asked for only at the end of the file. */
  readSync(target: Buffer, position: number): number;
  read(target: Buffer, position: number, done: (error: Error | undefined) => void): void;
  writeSync(source: Buffer, position: number): void;
  /** Writes the buffers one behind the other. They must not change until `done`. */
  write(sources: readonly Buffer[], position: number, done: Done): void;
  syncSync(): void;
  sync(done: Done): void;
  closeSync(): void;
}

export interface Files {
  stat(path: string): FileStat | undefined;
  /** Names of the files and directories in it. */
  list(directory: string): string[];
  /** With its parents. Durable. */
  makeDirectory(path: string): void;
  /** A new one, in one that exists. Durable once that one is synced. */
  createDirectory(path: string): void;
  open(path: string, mode: OpenMode): FileHandle;
  /** Of a file, or of a directory with everything in it. */
  rename(source: string, target: string): void;
  remove(path: string): void;
  /**
   * Removes a directory with everything in it; nothing when there is none. In no particular order: a
   * crash may leave any part of it.
   */
  removeTreeSync(path: string): void;
  removeTree(path: string, done: Done): void;
  /** Makes creations, renames and removals in the directory durable. */
  syncDirectorySync(directory: string): void;
  syncDirectory(directory: string, done: Done): void;
}

/** One side of a byte stream to somebody else. */
export interface Connection {
  /** Sends the buffers in one go. They must not change until `sent`, which also follows a loss. */
  write(buffers: readonly Buffer[], sent: () => void): void;
  onData(callback: (chunk: Buffer) => void): void;
  /** Once, for whatever reason, also when `destroy` was called. */
  onClose(callback: (reason: string) => void): void;
  destroy(): void;
}

export interface Listener {
  /** The port that is listened on, also when a free one (0) was asked for. */
  readonly port: number;
  close(): void;
}

export interface Network {
  listen(
    address: { readonly host: string; readonly port: number },
    onConnection: (connection: Connection) => void,
    done: (error: Error | undefined, listener: Listener | undefined) => void,
  ): void;
  /** Calls back once, when connected or when that failed. */
  connect(
    address: { readonly host: string; readonly port: number },
    done: (error: Error | undefined, connection: Connection | undefined) => void,
  ): void;
}

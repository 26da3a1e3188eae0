// What Raft asks of the state machine that it replicates.

import type { EntryKind, LogIndex, Term } from './core/index.js';

/** An entry that a majority has on disk, and this replica too. */
export interface CommittedEntry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  /** The leader's clock, milliseconds since the epoch: the only time that applying may know. */
  readonly stamp: number;
  readonly payload: Buffer;
}

export interface StateMachine {
  /** The last entry applied. At a start, what is already in the state. */
  readonly appliedIndex: LogIndex;
  /** Entries up to here are no longer looked at: their payloads' memory is used again. */
  readonly flushedIndex: LogIndex;
  /** Stamp of the last entry applied, in milliseconds since the epoch. */
  readonly lastStamp: number;
  /**
   * It is still applying what it was given and takes no entry until `RaftNode.resumeApplying`, but
   * for those that were read for it already. Left out: whatever `apply` does is over when it returns.
   */
  readonly isBusy?: boolean;
  /**
   * Applies the entry: in index order, exactly once, with the same result on every replica.
   *
   * `contexts` has what this replica's `reserve` was given with each command of the entry, in
   * order; undefined on a replica that did not propose it. An exception ends the process.
   */
  apply(entry: CommittedEntry, contexts: readonly unknown[] | undefined): void;
  /**
   * Writes the state into the files of `directory`, which exists and is empty, while entries go on
   * being applied; `written` has the last entry that the files include. Makes nothing durable by itself:
   * raft syncs the files, and sums those that the machine has not summed.
   */
  writeSnapshot(
    directory: string,
    done: (error: Error | undefined, written: WrittenSnapshot | undefined) => void,
  ): void;
  /**
   * Replaces the state by that of a directory that `writeSnapshot` filled. Nothing is applied or read
   * until `done`; afterwards `appliedIndex`, `lastStamp` … are the snapshot's. The directory stays as
   * it is.
   */
  readSnapshot(directory: string, done: (error: Error | undefined) => void): void;
}

export interface WrittenSnapshot extends SnapshotEnd {
  /**
   * By file name, of files that the machine summed while it wrote them: they need not be read again,
   * and what the disk made of them shows by the sum. Left out: none.
   */
  readonly sums?: ReadonlyMap<string, FileSum>;
}

/** What there is to know of a file to tell later whether it is still whole. */
export interface FileSum {
  readonly byteLength: number;
  /** CRC-32 as zlib's. */
  readonly crc32: number;
}

/** The last entry whose effects are in a snapshot. */
export interface SnapshotEnd {
  readonly index: LogIndex;
  readonly term: Term;
  /** Milliseconds since the epoch. */
  readonly stamp: number;
}

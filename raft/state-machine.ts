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
   * being applied; `at` is the last entry that the files include. Makes nothing durable by itself:
   * raft syncs and checksums the files.
   */
  writeSnapshot(
    directory: string,
    done: (error: Error | undefined, at: SnapshotEnd | undefined) => void,
  ): void;
  /**
   * Replaces the state by that of a directory that `writeSnapshot` filled. Nothing is applied or read
   * until `done`; afterwards `appliedIndex`, `lastStamp` … are the snapshot's. The directory stays as
   * it is.
   */
  readSnapshot(directory: string, done: (error: Error | undefined) => void): void;
}

/** The last entry whose effects are in a snapshot. */
export interface SnapshotEnd {
  readonly index: LogIndex;
  readonly term: Term;
  /** Milliseconds since the epoch. */
  readonly stamp: number;
}

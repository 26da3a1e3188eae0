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
   * Applies the entry: in index order, exactly once, with the same result on every replica.
   *
   * `contexts` has what this replica's `reserve` was given with each command of the entry, in
   * order; undefined on a replica that did not propose it. An exception ends the process.
   */
  apply(entry: CommittedEntry, contexts: readonly unknown[] | undefined): void;
}

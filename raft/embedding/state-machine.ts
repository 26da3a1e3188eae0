// What an embedder writes: the state that every replica has a copy of.

import type { LogIndex } from '../core/index.js';

/** What `Raft.replicate` was given, in its place in the log. */
export interface ReplicatedCommand {
  /** The caller's bytes. A copy, to keep or to change. */
  readonly data: Buffer;
  /**
   * When the leader took it, in milliseconds since the epoch; never less than that of the command
   * before. The only time that `apply` may know.
   */
  readonly stamp: number;
  /** Of the log entry that it travelled in. Commands that travelled together share it. */
  readonly index: LogIndex;
}

export interface ReplicatedStateMachine<Result> {
  /**
   * Applies committed commands in their order and returns a result for each, by position. Called
   * with the same commands in the same order on every replica; at most one call is under way, and
   * how many commands come in one may differ.
   *
   * Must be deterministic: the state, the commands and nothing else, so no clock, no chance, no
   * local setting. A command that cannot be carried out is a result like any other. An exception, or
   * a rejected promise, ends the replica: it cannot know whether the others had the same.
   */
  apply(commands: readonly ReplicatedCommand[]): readonly Result[] | Promise<readonly Result[]>;

  /**
   * Writes the state into files of `directory`, which exists and is empty: no directories, and names
   * of letters, digits, `_`, `-` and `.`, but not `applied.json`, `manifest.json` or `held`.
   *
   * It is the state at the moment of the call that counts, and the next commands are applied while
   * files are still being written: take a copy of the state, or all of its bytes, before the first
   * `await`. Need not sync: the files are synced and checksummed when the promise is kept. An
   * exception leaves everything as it was, and is tried again later.
   */
  writeSnapshot(directory: string): void | Promise<void>;

  /**
   * Replaces the state, whatever it is, by that of a directory that `writeSnapshot` filled, here or
   * on another replica. Nothing is applied meanwhile. The files stay as they are. An exception ends
   * the replica.
   */
  readSnapshot(directory: string): void | Promise<void>;
}

// Switches a running replica to a snapshot that is durable in its store.
//
//   1. the log begins anew behind the snapshot      after the write under way; nothing is appended
//   2. the core is told                             it acknowledges the snapshot, and follows again
//   3. the state machine reads the snapshot         entries gather in the log meanwhile
//   4. applying goes on behind it
//
// A log that has the snapshot's last entry is worth more than the snapshot: it stays, what it holds up
// to there is known to be committed by that, and is applied as ever.
//
// The core is told before the state is there, because what it speaks for is the log: the replica
// counts for commits again at once, however long the state takes, and the leader need not keep the
// entries for it. Until 4 nothing is applied, read or snapshotted here. A crash at any point is
// put right at the next start (`repair.ts`).
//
// Whose snapshot it is was asked when it was offered: of the leader of the present term, and that term
// durable here. Whatever has happened since, it stays what is committed, so that alone is asked again:
// that it is more than what is known to be committed here.

import type { RaftCore } from '../core/index.js';
import type { EntryCache } from '../entry-cache.js';
import type { LogWriter } from '../log-writer.js';
import { configurationOf } from '../membership.js';
import type { StateMachine } from '../state-machine.js';
import type { Snapshot, SnapshotManifest, SnapshotStore } from './store.js';

export interface SnapshotInstallOptions {
  readonly core: RaftCore;
  readonly writer: LogWriter;
  readonly cache: EntryCache;
  readonly machine: StateMachine;
  readonly store: Pick<SnapshotStore, 'acquire'>;
  /**
   * The log stands on the snapshot, and the core knows. `isLogKept`: the log had its last entry, and
   * everything in it is as it was.
   */
  readonly onLogReplaced: (manifest: SnapshotManifest, isLogKept: boolean) => void;
  /** The state is the snapshot's: applying and reading may go on. */
  readonly onStateReplaced: (manifest: SnapshotManifest) => void;
  readonly onFailed: (error: Error) => void;
}

export class SnapshotInstall {
  readonly #options: SnapshotInstallOptions;
  #phase: 'idle' | 'log' | 'state' = 'idle';
  #isStopped = false;

  constructor(options: SnapshotInstallOptions) {
    this.#options = options;
  }

  /** The state is not what the log says: nothing may be applied, read or snapshotted. */
  get isUnderWay(): boolean {
    return this.#phase !== 'idle';
  }

  /** The log on the disk is between two states: nothing may be appended, and no vote sought or given. */
  get isReplacingLog(): boolean {
    return this.#phase === 'log';
  }

  /** Calls back with why the snapshot cannot be used, or with nothing once the log stands on it. */
  begin(snapshot: Snapshot, done: (refusal: string | undefined) => void): void {
    const { core, onLogReplaced } = this.#options;
    const { manifest } = snapshot;
    const refusal = this.#refusal(manifest);
    if (refusal !== undefined) return done(refusal);
    if (core.termAt(manifest.index) === manifest.term) {
      this.#tellCore(manifest);
      onLogReplaced(manifest, true);
      return done(undefined);
    }
    this.#phase = 'log';
    this.#options.writer.reset(manifest.index, manifest.term, () => {
      if (this.#isStopped) return;
      this.#options.cache.reset(manifest.index);
      this.#tellCore(manifest);
      onLogReplaced(manifest, false);
      this.#readState(snapshot);
      done(undefined);
    });
  }

  /** At a start: the log stands on the snapshot and the state machine does not. */
  restore(snapshot: Snapshot): void {
    this.#readState(snapshot);
  }

  /** Nothing is told any more. */
  stop(): void {
    this.#isStopped = true;
  }

  #refusal({ index }: SnapshotManifest): string | undefined {
    const { core } = this.#options;
    if (this.#isStopped) return 'this replica stops';
    if (this.isUnderWay) return 'another snapshot is being installed';
    if (core.role === 'leader') return 'this replica leads';
    if (index <= core.commitIndex) return `everything up to ${core.commitIndex} is committed here`;
    return undefined;
  }

  #tellCore({ index, term, membership }: SnapshotManifest): void {
    const configuration = configurationOf(membership);
    this.#options.core.snapshotInstalled(index, term, { index: membership.index, configuration });
  }

  #readState(snapshot: Snapshot): void {
    const { machine, store, onStateReplaced, onFailed } = this.#options;
    this.#phase = 'state';
    const release = store.acquire(snapshot);
    machine.readSnapshot(snapshot.path, (error) => {
      release();
      if (this.#isStopped) return;
      if (error !== undefined) return onFailed(error);
      this.#phase = 'idle';
      onStateReplaced(snapshot.manifest);
    });
  }
}

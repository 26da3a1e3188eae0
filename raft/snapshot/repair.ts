// Puts right, at a start, what a crash left of the installation of a snapshot.
//
// Let the newest snapshot end at s, the log hold the entries b+1 … l behind its base b, and the state
// machine have applied a. An installation goes: publish the snapshot, replace the log, replace the
// state.
//
//      snapshot              log                    state    what happened, and what is done
//   1  none, or in the log   b ≤ a ≤ l              a        nothing, or a snapshot was taken here
//   2  s > l                 as it was              a < s    published: the log is replaced, then 4
//   3  another entry at s    as it was              a < s    the same: the log had what never committed
//   4  s = b                 empty or more behind   a < b    log replaced: the state is replaced
//   5  s = b                 empty or more behind   a = s    state replaced, too: nothing
//   6  in the log            b ≤ a                  a < s    the log was kept: it is applied from there
//   7  s > l                 as it was              a = s    2, and the state was rebuilt from s since
//   8  2 or 3, and the snapshot does not verify              log and state stay as they were
//   9  4, and it does not verify, nor an older one that joins the log   refused by the caller
//  10  s ≤ l, another entry at s                    a ≥ s    no crash does that: refused by the caller
//
// In the log: at its base, or with the term that the snapshot names. A log that ends before the
// snapshot is no damage: the snapshot stands for all of it.

import type { Journal } from '../log/index.js';
import type { StateMachine } from '../state-machine.js';
import type { Snapshot, SnapshotStore } from './store.js';

export interface RepairOptions {
  readonly journal: Journal;
  readonly store: Pick<SnapshotStore, 'all' | 'verifySync'>;
  readonly machine: Pick<StateMachine, 'appliedIndex'>;
  readonly onWarning: (text: string) => void;
}

/**
 * Replaces the log where that is due. Returns the snapshot that the state is to be replaced by before
 * anything is applied; undefined when the state joins the log, or nothing would make it. Synchronous:
 * nothing is served yet. Throws `RaftError` when the log cannot be replaced.
 */
export function repairInstallation(options: RepairOptions): Snapshot | undefined {
  const { journal, store, machine, onWarning } = options;
  const newest = store.all.at(-1);
  if (newest !== undefined && isLogToBeReplaced(options, newest)) {
    const { index, term } = newest.manifest;
    const error = store.verifySync(newest);
    if (error === undefined) {
      journal.resetSync(index, term);
      return machine.appliedIndex < index ? newest : undefined;
    }
    onWarning(`The snapshot of index ${index} is not installed: ${error.message}`);
  }
  if (machine.appliedIndex >= journal.baseIndex) return undefined;
  return store.all
    .toReversed()
    .find((snapshot) => isInLog(journal, snapshot) && store.verifySync(snapshot) === undefined);
}

function isLogToBeReplaced({ journal, machine }: RepairOptions, newest: Snapshot): boolean {
  const { index } = newest.manifest;
  if (isInLog(journal, newest) || index < journal.baseIndex) return false;
  // What is applied is committed: a snapshot that contradicts it is of another world.
  return index > journal.lastIndex ? machine.appliedIndex <= index : machine.appliedIndex < index;
}

function isInLog(journal: Journal, { manifest }: Snapshot): boolean {
  return journal.terms().termAt(manifest.index) === manifest.term;
}

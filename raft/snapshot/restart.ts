// What a replica begins with: log, state and snapshots must join.
//
//   log                │ base … … … … … … last │
//   snapshots     s1 ──────────────── s2
//   state                                  applied
//
// Nothing that was acknowledged is lost at any crash, because at every moment the log begins at or
// before the oldest snapshot that is kept, and nothing else is relied on:
//
//   - The state's own files are trusted only while they are whole (the machine knows), and then hold
//     everything up to their applied index. The log is not cut behind what they hold for certain
//     (`flushedIndex`), so they join it without any snapshot.
//   - Files that are not trusted, after a power cut above all, are thrown away. The state begins as
//     that of the newest snapshot that is whole and that the log goes on from, and what the log has
//     behind it is applied again once it is known to be committed. That the state was ahead of the
//     snapshot before the cut does not matter: what it had applied is in the log.
//   - A snapshot of another replica, installed here, may lie beyond the end of the log when a crash
//     came between the two: it stands for all of the log.

import { RaftError, rejoinAdvice } from '../errors.js';
import type { Journal } from '../log/index.js';
import type { Membership } from '../membership.js';
import type { StateMachine } from '../state-machine.js';
import type { Snapshot } from './manifest.js';
import type { SnapshotStore } from './store.js';

/**
 * The newest snapshot that is whole and that the log goes on from; undefined when there is none. Those
 * that are newer and damaged are named to `onRefused`. Synchronous, for a start: it reads all of them.
 */
export function findRestorable(
  store: SnapshotStore,
  journal: Pick<Journal, 'baseIndex' | 'lastIndex' | 'termAt'>,
  onRefused: (text: string) => void,
): Snapshot | undefined {
  for (const snapshot of store.all.toReversed()) {
    const { index, term } = snapshot.manifest;
    // Between it and the log there is a gap, as there is for all that are older.
    if (index < journal.baseIndex) return undefined;
    // The log has another entry there, never committed: an installation that is still to be finished.
    if (index <= journal.lastIndex && journal.termAt(index) !== term) continue;
    const error = store.verifySync(snapshot);
    if (error === undefined) return snapshot;
    onRefused(error.message);
  }
  return undefined;
}

/** Throws `RaftError` when the log does not go on from the state. */
export function checkStateJoinsLog(
  { appliedIndex }: Pick<StateMachine, 'appliedIndex'>,
  journal: Pick<Journal, 'baseIndex' | 'lastIndex'>,
): void {
  if (appliedIndex > journal.lastIndex) {
    throw new RaftError(
      'DAMAGED',
      `Cannot trust the log: it ends at index ${journal.lastIndex}, but the state machine has ` +
        `applied ${appliedIndex}. ${rejoinAdvice}`,
    );
  }
  if (appliedIndex < journal.baseIndex) {
    throw new RaftError(
      'MISSING',
      `Cannot rebuild the state: it ends at index ${appliedIndex}, the log begins after ` +
        `${journal.baseIndex}, and no whole snapshot joins the two. ${rejoinAdvice}`,
    );
  }
}

/**
 * The newest membership that is known without the log. That of a snapshot counts also when it is the
 * one that the group began with: a replica that joined began with none.
 */
export function membershipAtStart(
  initial: Membership,
  store: SnapshotStore,
  { lastIndex }: Pick<Journal, 'lastIndex'>,
): Membership {
  // One beyond the log was not installed: it was found damaged.
  const installed = store.all.findLast(({ manifest }) => manifest.index <= lastIndex);
  const ofSnapshot = installed?.manifest.membership;
  return ofSnapshot !== undefined && ofSnapshot.index >= initial.index ? ofSnapshot : initial;
}

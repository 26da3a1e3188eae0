// Whether a leader may append another configuration now.
//
// One server at a time: then every majority of the old configuration meets every majority of the new
// one, and two leaders cannot rule side by side while some count by the old one and some by the new
// one (dissertation §4.1). That holds between neighbours only, hence the waiting; and a new voter
// must not be waited for, hence the catching up.

import assert from 'node:assert/strict';
import type { ConfigurationAt } from './configurations.js';
import { majority } from './quorum.js';
import type { Configuration, LogIndex, ReplicaId } from './types.js';

export type ConfigurationRefusal =
  /** This replica does not lead. */
  | 'notLeader'
  /** The leadership is being handed over. */
  | 'handingOver'
  /** No entry of the leader's term is committed yet. */
  | 'notReady'
  /** The configuration in effect is not committed yet. */
  | 'busy'
  | 'lastVoter'
  /** The learner lacks too much of the log, or was not heard from lately. */
  | 'notCaughtUp'
  /** Of the voters that there would be, too few were heard from lately to commit anything. */
  | 'noMajority';

/** What the leader knows. */
export interface ChangeFacts {
  readonly current: ConfigurationAt;
  readonly commitIndex: LogIndex;
  /** Of the leader's first entry in its term. */
  readonly firstIndex: LogIndex;
  isHeardLately(voter: ReplicaId): boolean;
  isCaughtUp(learner: ReplicaId): boolean;
}

export function refusalOf(
  next: Configuration,
  facts: ChangeFacts,
): Exclude<ConfigurationRefusal, 'notLeader' | 'handingOver'> | undefined {
  const { current, commitIndex, firstIndex } = facts;
  // An earlier leader may have appended a change to the same configuration. Once an entry of our
  // term is committed, that change is committed or will never be; before, both could find majorities
  // that do not meet (Ongaro on raft-dev, 10 July 2015).
  if (commitIndex < firstIndex) return 'notReady';
  if (current.index > commitIndex) return 'busy';
  if (next.voters.length === 0) return 'lastVoter';

  const before = current.configuration.voters;
  const added = next.voters.filter((voter) => !before.includes(voter));
  const removed = before.filter((voter) => !next.voters.includes(voter));
  assert(added.length + removed.length <= 1, 'More than one voter would change');
  if (added.some((voter) => !facts.isCaughtUp(voter))) return 'notCaughtUp';
  // Such a change could be neither committed nor taken back.
  const heard = next.voters.filter((voter) => facts.isHeardLately(voter));
  const isVoterChanged = added.length + removed.length > 0;
  if (isVoterChanged && heard.length < majority(next.voters.length)) return 'noMajority';
  return undefined;
}

// What must hold after every step of a core, in the paper's words.
//
// The algorithm stays readable when the proof obligations live elsewhere. Tests and the simulator
// call `checkCore` after each step with what the last call returned; production pays nothing.

import assert from 'node:assert/strict';
import type { RaftCore } from './core.js';
import type { LogIndex, ReplicaId, Term } from './types.js';

export interface CoreFacts {
  readonly term: Term;
  readonly votedFor: ReplicaId | undefined;
  readonly commitIndex: LogIndex;
  /** The leader seen in `term`, while in `term`. */
  readonly leaderId: ReplicaId | undefined;
}

export function checkCore(core: RaftCore, previous: CoreFacts | undefined): CoreFacts {
  const { term, votedFor, commitIndex, lastIndex, durableIndex } = core;
  assert(commitIndex <= lastIndex, 'what is committed is in the log');
  assert(durableIndex <= lastIndex, 'what is durable is in the log');
  assert(core.applicableIndex <= durableIndex, 'only what is durable here is applied');
  const { configuration, configurationIndex } = core;
  assert(configurationIndex <= lastIndex, 'the configuration in effect is in the log');
  const lastTerm = core.termAt(lastIndex);
  assert(lastTerm !== undefined && lastTerm <= term, 'terms in the log never exceed the own term');
  if (core.role === 'leader') {
    assert.equal(core.leaderId, core.id, 'a leader knows that it leads');
    assert.equal(votedFor, core.id, 'a leader voted for itself');
    assert.equal(lastTerm, term, "a leader's log ends in its own term");
    const isVoter = configuration.voters.includes(core.id);
    const isSettled = configurationIndex <= commitIndex;
    assert(isVoter || !isSettled || core.isTransferring, 'a removed leader only hands over');
  }
  if (previous === undefined) return { term, votedFor, commitIndex, leaderId: core.leaderId };

  assert(term >= previous.term, 'the term never goes back');
  assert(commitIndex >= previous.commitIndex, 'the commit index never goes back');
  if (term === previous.term && previous.votedFor !== undefined) {
    assert.equal(votedFor, previous.votedFor, 'a vote stands for the whole term');
  }
  if (term === previous.term && previous.leaderId !== undefined && core.leaderId !== undefined) {
    assert.equal(core.leaderId, previous.leaderId, 'a term has at most one leader');
  }
  const leaderId = core.leaderId ?? (term === previous.term ? previous.leaderId : undefined);
  return { term, votedFor, commitIndex, leaderId };
}

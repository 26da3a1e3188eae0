// The checkers that look into replicas: what they let pass, and what they must not.

import assert from 'node:assert/strict';
import { AcknowledgedEntries } from './acknowledged-entries.js';
import { CommitIndex } from './commit-index.js';
import { CommittedEntries } from './committed-entries.js';
import { ElectionSafety } from './election-safety.js';
import { LeaderCompleteness } from './leader-completeness.js';
import { type LogEntry, LogMatching } from './log-matching.js';
import { StateMachineSafety } from './state-machine-safety.js';

describe('ElectionSafety', () => {
  it('lets a replica lead several terms, and be told of one twice', () => {
    const checker = new ElectionSafety();
    checker.onLeader('a', 1);
    checker.onLeader('a', 1);
    checker.onLeader('a', 3);
    checker.onLeader('b', 2);
    assert.equal(checker.termCount, 3);
  });

  it('finds a second leader of a term', () => {
    const checker = new ElectionSafety();
    checker.onLeader('a', 2);
    assert.throws(() => checker.onLeader('b', 2), /Term 2 has two leaders: a and b/);
  });
});

/** `1/1 2/1` are the index and term of entries; behind a colon there may be contents. */
function log(text: string): LogEntry[] {
  return text.split(' ').map((word) => {
    const [, index, term, contents = 'x'] = /^(\d+)\/(\d+)(?::(.*))?$/.exec(word)!;
    return { index: Number(index), term: Number(term), contents };
  });
}

describe('LogMatching', () => {
  it('lets logs differ where terms do, and begin where they like', () => {
    const checker = new LogMatching();
    checker.onLog('a', 0, log('1/1 2/1 3/2'));
    checker.onLog('b', 0, log('1/1 2/1 3/3 4/3'));
    checker.onLog('c', 1, log('3/3 4/3'));
  });

  it('finds entries of one index and term that differ', () => {
    const checker = new LogMatching();
    checker.onLog('a', 0, log('1/1 2/1:y'));
    assert.throws(() => checker.onLog('b', 0, log('1/1 2/1:z')), /logs of a and b differ at 2\/1/);
  });

  it('finds equal entries behind different ones', () => {
    const checker = new LogMatching();
    checker.onLog('a', 0, log('1/1 2/3'));
    assert.throws(() => checker.onLog('b', 0, log('1/2 2/3')), /differ at 2\/3/);
    assert.throws(() => checker.onLog('c', 2, log('2/3')), /differ at 2\/3/);
  });

  it('finds terms that go back', () => {
    assert.throws(
      () => new LogMatching().onLog('a', 0, log('1/2 2/1')),
      /terms go back at index 2/,
    );
  });
});

describe('CommitIndex', () => {
  it('lets a replica begin again lower', () => {
    const checker = new CommitIndex();
    checker.onCommitIndex('a', 5, 7);
    checker.onCommitIndex('a', 5, 7);
    checker.onCommitIndex('b', 3, 3);
    checker.onStart('a');
    checker.onCommitIndex('a', 0, 7);
  });

  it('finds one that goes back, and one beyond the log', () => {
    const checker = new CommitIndex();
    checker.onCommitIndex('a', 5, 7);
    assert.throws(() => checker.onCommitIndex('a', 4, 7), /went from 5 to 4/);
    assert.throws(() => checker.onCommitIndex('a', 8, 7), /8 is committed and the log ends at 7/);
  });
});

describe('CommittedEntries', () => {
  it('finds another entry at an index', () => {
    const checker = new CommittedEntries();
    checker.onEntry('a', 1, 'x');
    checker.onEntry('b', 1, 'x');
    checker.onEntry('b', 2, 'y');
    assert.throws(() => checker.onEntry('a', 2, 'x'), /Index 2: y is committed by b, and x by a/);
    assert.equal(checker.count, 2);
  });
});

describe('LeaderCompleteness', () => {
  it('lets a leader have more than was committed, and less than is committed later', () => {
    const checker = new LeaderCompleteness();
    checker.onCommitted(1, 4);
    checker.onServing('b', 2, 5);
    checker.onCommitted(3, 9);
    checker.onServing('b', 2, 6);
    checker.onServing('b', 3, 6);
  });

  it('finds a leader that lacks what was committed in an earlier term', () => {
    const checker = new LeaderCompleteness();
    checker.onCommitted(3, 9);
    checker.onCommitted(1, 4);
    checker.onCommitted(3, 8);
    assert.throws(() => checker.onServing('b', 2, 3), /4 was committed in term 1/);
    assert.throws(() => checker.onServing('b', 4, 8), /9 was committed in term 3/);
  });
});

describe('StateMachineSafety', () => {
  it('finds states of one index that differ', () => {
    const checker = new StateMachineSafety();
    checker.onState('a', 1, 'x');
    checker.onState('b', 2, 'y');
    checker.onState('b', 1, 'x');
    assert.throws(() => checker.onState('a', 2, 'x'), /states of b and a differ at index 2/);
    assert.equal(checker.comparedCount, 2);
  });
});

describe('AcknowledgedEntries', () => {
  it('finds that a replica ends below what was acknowledged', () => {
    const checker = new AcknowledgedEntries();
    checker.onAnswered(3, 1);
    checker.onCommitted(7);
    checker.onApplied('a', 3, 1);
    checker.onEnd('a', 7);
    assert.throws(() => checker.onEnd('b', 6), /b ends at 6, and 7 was acknowledged: it is lost/);
  });

  it('finds another entry where one was answered', () => {
    const checker = new AcknowledgedEntries();
    checker.onAnswered(3, 1);
    assert.throws(() => checker.onApplied('b', 3, 2), /b has an entry of term 2 at 3/);
    assert.throws(() => checker.onAnswered(3, 2), /a client has an entry of term 2 at 3/);
  });
});

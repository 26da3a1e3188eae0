// `LogTerms` against a log that is a plain array: the same operations, then every question.

import assert from 'node:assert/strict';
import { LogTerms } from '../../../raft/core/index.js';
import { NaiveLog } from './naive-log.js';
import { SeededRandom } from './seeded-random.js';

function logOf(...terms: readonly number[]): LogTerms {
  const log = new LogTerms(0, 0);
  for (const term of terms) log.push(term);
  return log;
}

/** The definition, read off the array. */
function naiveLastIndexWithTermAtMost(log: NaiveLog, index: number, term: number): number {
  let at = Math.min(index, log.lastIndex);
  while (at > log.baseIndex && log.termAt(at)! > term) at -= 1;
  return at;
}

function assertSame(log: LogTerms, naive: NaiveLog): void {
  assert.equal(log.baseIndex, naive.baseIndex);
  assert.equal(log.lastIndex, naive.lastIndex);
  assert.equal(log.lastTerm, naive.lastTerm);
  for (let index = naive.baseIndex - 1; index <= naive.lastIndex + 1; index += 1) {
    assert.equal(log.termAt(index), naive.termAt(index), `term at ${index}`);
    if (index < naive.baseIndex) continue;
    for (let term = 0; term <= naive.lastTerm + 1; term += 1) {
      assert.equal(
        log.lastIndexWithTermAtMost(index, term),
        naiveLastIndexWithTermAtMost(naive, index, term),
        `the last index up to ${index} with a term of at most ${term}`,
      );
    }
  }
}

describe('LogTerms', () => {
  it('answers as an array of terms does, whatever is pushed, truncated, compacted and reset', () => {
    for (let seed = 1; seed <= 100; seed += 1) {
      const random = new SeededRandom(seed);
      const log = new LogTerms(0, 0);
      const naive = new NaiveLog();
      for (let step = 0; step < 60; step += 1) {
        const length = naive.lastIndex - naive.baseIndex;
        const chance = random.next();
        if (chance < 0.75) {
          const term = naive.lastTerm + (random.isTrue(0.3) ? 1 + random.below(3) : 0);
          assert.equal(log.push(term), naive.lastIndex + 1);
          naive.put(naive.lastIndex + 1, [term]);
        } else if (chance < 0.9) {
          const lastIndex = naive.lastIndex - random.below(Math.min(length, 6) + 1);
          log.truncateAfter(lastIndex);
          naive.truncateAfter(lastIndex);
        } else if (chance < 0.92) {
          const index = naive.baseIndex + random.below(length + 5);
          const term = naive.lastTerm + random.below(2);
          log.reset(index, term);
          naive.reset(index, term);
        } else {
          const index = naive.baseIndex + random.below(length + 1);
          log.compactTo(index);
          naive.compactTo(index);
        }
        assertSame(log, naive);
      }
    }
  });

  it('is empty with index and term 0 at first', () => {
    const log = new LogTerms(0, 0);
    assert.deepEqual(
      [log.lastIndex, log.lastTerm, log.termAt(0), log.termAt(1)],
      [0, 0, 0, undefined],
    );
  });

  it('behind a snapshot ends in the entry that the snapshot ends in', () => {
    const log = new LogTerms(7, 3);
    assert.deepEqual([log.lastIndex, log.lastTerm], [7, 3]);
    assert.deepEqual([log.termAt(6), log.termAt(7), log.termAt(8)], [undefined, 3, undefined]);
    assert.equal(log.push(3), 8);
  });

  it('refuses a term that goes back', () => {
    assert.throws(() => logOf(2, 2, 1), /Terms never decrease/);
    assert.throws(() => new LogTerms(5, 4).push(3), /Terms never decrease/);
  });

  it('refuses to truncate or compact outside of what it holds', () => {
    const log = logOf(1, 1, 2);
    log.compactTo(2);
    assert.throws(() => log.truncateAfter(1));
    assert.throws(() => log.truncateAfter(4));
    assert.throws(() => log.compactTo(1));
    assert.throws(() => log.compactTo(4));
  });

  // Raft §5.4.1: the later last term wins, then the longer log.
  const own = { lastIndex: 3, lastTerm: 2 };
  const candidates = [
    { what: 'an equal one', lastIndex: 3, lastTerm: 2, isUpToDate: true },
    { what: 'a longer one of the same term', lastIndex: 4, lastTerm: 2, isUpToDate: true },
    { what: 'a shorter one of the same term', lastIndex: 2, lastTerm: 2, isUpToDate: false },
    { what: 'a shorter one of a later term', lastIndex: 1, lastTerm: 3, isUpToDate: true },
    { what: 'a longer one of an earlier term', lastIndex: 9, lastTerm: 1, isUpToDate: false },
    { what: 'an empty one', lastIndex: 0, lastTerm: 0, isUpToDate: false },
  ];
  for (const { what, isUpToDate, ...candidate } of candidates) {
    it(`${isUpToDate ? 'finds' : 'does not find'} ${what} up to date`, () => {
      const log = logOf(1, 1, 2);
      assert.deepEqual({ lastIndex: log.lastIndex, lastTerm: log.lastTerm }, own);
      assert.equal(log.isUpToDate(candidate), isUpToDate);
    });
  }

  it('that is empty finds everything up to date, another empty one too', () => {
    const log = new LogTerms(0, 0);
    assert(log.isUpToDate({ lastIndex: 0, lastTerm: 0 }));
    assert(log.isUpToDate({ lastIndex: 1, lastTerm: 1 }));
  });

  it('of a snapshot alone is compared by the snapshot', () => {
    const log = new LogTerms(7, 3);
    assert(log.isUpToDate({ lastIndex: 7, lastTerm: 3 }));
    assert(!log.isUpToDate({ lastIndex: 6, lastTerm: 3 }));
    assert(!log.isUpToDate({ lastIndex: 0, lastTerm: 0 }));
  });
});

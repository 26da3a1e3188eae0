import assert from 'node:assert/strict';
import { FollowerQuestions, LeaderQuestions } from '../../../raft/core/follower-reads.js';
import type { ReadIndex, ReadIndexReply } from '../../../raft/core/index.js';

const envelope = { from: 'b', to: 'a', term: 1, incarnation: 1 };

function question(sequence: number, needsTick = false): ReadIndex {
  return { ...envelope, kind: 'readIndex', sequence, needsTick };
}

function reply(sequence: number, index: number, needsTick = false): ReadIndexReply {
  return { ...envelope, kind: 'readIndexReply', sequence, needsTick, index, clockMs: 77 };
}

describe('LeaderQuestions', () => {
  let questions: LeaderQuestions;

  beforeEach(() => {
    questions = new LeaderQuestions();
  });

  it('asks one question for all reads that came before it left', () => {
    assert.equal(questions.maybeAsk('a', 1), undefined);
    assert.equal(questions.want(false), 1);
    assert.equal(questions.want(false), 1);
    assert.deepEqual(questions.maybeAsk('a', 1), { sequence: 1, needsTick: false });
    assert.deepEqual(questions.onReply(reply(1, 9)), { sequence: 1, index: 9, clockMs: 77 });
    assert.equal(questions.maybeAsk('a', 1), undefined);
  });

  it('never lets a read join a question that has left, and has one under way', () => {
    questions.want(false);
    questions.maybeAsk('a', 1);
    assert.equal(questions.want(false), 2);
    assert.equal(questions.maybeAsk('a', 1), undefined);
    questions.onReply(reply(1, 9));
    assert.deepEqual(questions.maybeAsk('a', 1), { sequence: 2, needsTick: false });
  });

  it('asks for a tick when one of the reads needs it, and gives no clock with that answer', () => {
    questions.want(false);
    questions.want(true);
    assert.deepEqual(questions.maybeAsk('a', 1), { sequence: 1, needsTick: true });
    assert.deepEqual(questions.onReply(reply(1, 9, true)), { sequence: 1, index: 9, clockMs: 0 });
    questions.want(false);
    assert.deepEqual(questions.maybeAsk('a', 1), { sequence: 2, needsTick: false });
  });

  for (const trouble of ['its link is lost', 'it hears nothing'] as const) {
    it(`asks again, by another number, when ${trouble}`, () => {
      questions.want(true);
      questions.maybeAsk('a', 1);
      questions.want(false);
      if (trouble === 'its link is lost') questions.onLost();
      else for (let tick = 0; tick < 3; tick += 1) questions.onTick(3);
      assert.deepEqual(questions.maybeAsk('a', 1), { sequence: 2, needsTick: true });
      assert.deepEqual(questions.onReply(reply(2, 9, true))?.sequence, 2);
    });
  }

  it('asks again when somebody else leads, or in another term', () => {
    questions.want(false);
    questions.maybeAsk('a', 1);
    assert.equal(questions.maybeAsk('c', 2)?.sequence, 2);
    assert.equal(questions.maybeAsk('c', 3)?.sequence, 3);
    assert.equal(questions.maybeAsk('c', 3), undefined);
  });

  it('takes a late answer for the reads of its question, not for those that came later', () => {
    questions.want(false);
    questions.maybeAsk('a', 1);
    questions.onLost();
    assert.equal(questions.want(false), 2);
    assert.equal(questions.maybeAsk('a', 1)?.sequence, 2);
    assert.equal(questions.onReply(reply(1, 5))?.sequence, 1);
    // The second one is still under way.
    questions.want(false);
    assert.equal(questions.maybeAsk('a', 1), undefined);
    assert.equal(questions.onReply(reply(2, 6))?.sequence, 2);
  });

  it('takes an answer once', () => {
    questions.want(false);
    questions.maybeAsk('a', 1);
    questions.onLost();
    questions.maybeAsk('a', 1);
    assert.equal(questions.onReply(reply(2, 6))?.sequence, 2);
    assert.equal(questions.onReply(reply(2, 6)), undefined);
    assert.equal(questions.onReply(reply(1, 5)), undefined);
    assert.throws(() => questions.onReply(reply(3, 7)), /has not left/);
  });

  it('asks nothing for reads that nobody waits for any more', () => {
    questions.want(true);
    questions.maybeAsk('a', 1);
    questions.want(false);
    questions.forget();
    assert.equal(questions.maybeAsk('a', 1), undefined);
    assert.equal(questions.want(false), 2);
    assert.deepEqual(questions.maybeAsk('a', 1), { sequence: 2, needsTick: false });
  });
});

describe('FollowerQuestions', () => {
  it('are answered by the round that each of them wanted, or a later one', () => {
    const questions = new FollowerQuestions();
    const [first, second, third] = [question(1), question(2), question(3)];
    questions.add(first, () => 4, 9);
    questions.add(second, () => 5, 9);
    questions.add(third, () => 6, 9);
    assert.deepEqual(questions.takeConfirmed(3), []);
    assert.deepEqual(questions.takeConfirmed(5), [first, second]);
    assert.deepEqual(questions.takeTicked(100), []);
    assert.deepEqual(questions.takeConfirmed(6), [third]);
  });

  it('for a tick are answered by an entry that was appended after them, and want no round', () => {
    const questions = new FollowerQuestions();
    const tick = question(1, true);
    questions.add(tick, () => assert.fail('It wants no round'), 9);
    assert.equal(questions.wantsEntryAfter(9), true);
    // One is on its way.
    assert.equal(questions.wantsEntryAfter(10), false);
    assert.deepEqual(questions.takeConfirmed(100), []);
    assert.deepEqual(questions.takeTicked(9), []);
    assert.deepEqual(questions.takeTicked(10), [tick]);
    assert.deepEqual(questions.takeTicked(11), []);
  });
});

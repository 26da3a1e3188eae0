import assert from 'node:assert/strict';
import { ReadIndexRounds } from '../../../raft/core/read-index.js';

describe('ReadIndexRounds', () => {
  it('confirms a read by the round that leaves after it, at the commit index of that moment', () => {
    const rounds = new ReadIndexRounds();
    assert.equal(rounds.want(), 1);
    assert.equal(rounds.want(), 1);
    rounds.start(5);
    assert.deepEqual(rounds.confirm(1), { round: 1, index: 5 });
  });

  it('never lets a read join a round that has left', () => {
    const rounds = new ReadIndexRounds();
    rounds.want();
    rounds.start(5);
    assert.equal(rounds.want(), 2);
    assert.deepEqual(rounds.confirm(1), { round: 1, index: 5 });
    assert.equal(rounds.want(), 2);
    rounds.start(8);
    assert.equal(rounds.want(), 3);
    assert.deepEqual(rounds.confirm(2), { round: 2, index: 8 });
  });

  it('is not confirmed by answers to an earlier round, nor twice', () => {
    const rounds = new ReadIndexRounds();
    rounds.start(1);
    assert.equal(rounds.confirm(0), undefined);
    assert.deepEqual(rounds.confirm(1), { round: 1, index: 1 });
    assert.equal(rounds.confirm(1), undefined);
    rounds.start(2);
    assert.equal(rounds.confirm(1), undefined);
    assert.deepEqual(rounds.confirm(2), { round: 2, index: 2 });
  });

  it('has one round under way at a time', () => {
    const rounds = new ReadIndexRounds();
    rounds.start(1);
    assert.throws(() => rounds.start(1), /one round/);
    assert.throws(() => rounds.confirm(2), /has not left/);
  });

  it('wants a round while reads wait that none has left for', () => {
    const rounds = new ReadIndexRounds();
    assert.equal(rounds.isWanted, false);
    rounds.want();
    assert.equal(rounds.isWanted, true);
    rounds.start(1);
    assert.equal(rounds.isWanted, false);
    rounds.want();
    rounds.confirm(1);
    assert.equal(rounds.isWanted, true);
  });
});

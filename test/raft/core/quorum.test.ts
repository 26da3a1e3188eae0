import assert from 'node:assert/strict';
import {
  type ElectionResult,
  electionResult,
  majority,
  majorityValue,
} from '../../../raft/core/quorum.js';

describe('A majority', () => {
  it('is more than half of the voters', () => {
    assert.deepEqual([1, 2, 3, 4, 5, 6, 7].map(majority), [1, 2, 2, 3, 3, 4, 4]);
  });

  it('of nobody does not exist', () => {
    assert.throws(() => majority(0), /at least one voter/);
  });
});

describe('The value that a majority has reached', () => {
  const cases: readonly { readonly values: readonly number[]; readonly reached: number }[] = [
    { values: [7], reached: 7 },
    { values: [7, 0], reached: 0 },
    { values: [7, 3], reached: 3 },
    { values: [9, 4, 7], reached: 7 },
    { values: [9, 0, 0], reached: 0 },
    { values: [9, 9, 0], reached: 9 },
    { values: [1, 2, 3, 4], reached: 2 },
    { values: [5, 1, 4, 2, 3], reached: 3 },
    { values: [100, 9, 20, 3, 11], reached: 11 },
  ];
  for (const { values, reached } of cases) {
    it(`is ${reached} of ${values.join(' ')}`, () => {
      const voters = values.map((_, at) => String(at));
      assert.equal(
        majorityValue(voters, (voter) => values[Number(voter)]!),
        reached,
      );
      const holders = values.filter((value) => value >= reached).length;
      assert(holders >= majority(values.length));
    });
  }
});

describe('An election', () => {
  const voters = ['a', 'b', 'c', 'd', 'e'];
  const cases: readonly { readonly votes: string; readonly result: ElectionResult }[] = [
    { votes: '', result: 'pending' },
    { votes: 'a+ b+', result: 'pending' },
    { votes: 'a+ b+ c+', result: 'won' },
    { votes: 'a+ b- c- d+ e+', result: 'won' },
    { votes: 'a+ b- c-', result: 'pending' },
    { votes: 'a+ b- c- d-', result: 'lost' },
    { votes: 'b- c- d-', result: 'lost' },
    // Votes of others than the voters are worth nothing.
    { votes: 'a+ x+ y+ z+', result: 'pending' },
    { votes: 'a+ x- y- z-', result: 'pending' },
  ];
  for (const { votes, result } of cases) {
    it(`with the votes ${votes || 'of nobody'} is ${result}`, () => {
      const given = votes.split(' ').filter((vote) => vote !== '');
      const map = new Map(given.map((vote) => [vote[0]!, vote[1] === '+']));
      assert.equal(electionResult(voters, map), result);
    });
  }
});

import assert from 'node:assert/strict';
import { median } from '../../bench/median.js';

describe('bench: median', () => {
  it('is the value in the middle, whatever the order', () => {
    assert.equal(median([30, 1, 200]), 30);
    assert.equal(median([5]), 5);
  });

  it('compares numbers, not their digits', () => {
    assert.equal(median([9, 10, 100]), 10);
  });

  it('of an even number is the mean of the two in the middle', () => {
    assert.equal(median([4, 1, 2, 100]), 3);
  });

  it('of nothing is an error', () => {
    assert.throws(() => median([]), /no values/);
  });
});

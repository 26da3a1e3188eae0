// A few simulations with fixed seeds. `npm run simulate` runs as many as one likes.

import assert from 'node:assert/strict';
import { simulate } from './simulation.js';

describe('Simulation', () => {
  it('does the same again for the same seed', function () {
    this.timeout(60_000);
    const [first, second, other] = [1, 1, 2].map((seed) => simulate(seed));
    assert.equal(first!.hash, second!.hash);
    assert.notEqual(first!.hash, other!.hash);
    assert(first!.completed > 0);
  });
});

// A few simulations with fixed seeds. `npm run simulate` runs as many as one likes.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { seedsToRun } from '../faults/seeded-random.js';
import { makeMemoryDirectory } from './memory-directory.js';
import { regressionSeeds } from './regression-seeds.js';
import { simulate } from './simulation.js';

describe('Simulation', () => {
  let directory: string;

  before(() => {
    directory = makeMemoryDirectory();
  });
  after(() => fs.rmSync(directory, { recursive: true, force: true }));

  it('keeps what was promised, whatever goes wrong', function () {
    this.timeout(120_000);
    const sums: Record<string, number> = {};
    const seeds = seedsToRun(8);
    for (const seed of seeds) {
      try {
        const { coverage, isLinearizable } = simulate(seed, directory);
        assert(isLinearizable, 'the search for an order ran out of steps');
        for (const [name, count] of Object.entries(coverage)) {
          sums[name] = (sums[name] ?? 0) + count;
        }
      } catch (error) {
        throw new Error(`npm run simulate -- --seed ${seed} fails`, { cause: error });
      }
    }
    if (seeds.length < 8) return;
    for (const [name, count] of Object.entries(sums)) assert(count > 0, `No run had ${name}`);
  });

  for (const { seed, changes, found } of regressionSeeds) {
    it(`does not find again with seed ${seed}: ${found}`, () => {
      simulate(seed, directory, changes);
    });
  }

  it('does the same again for the same seed', function () {
    this.timeout(60_000);
    const [first, second, other] = [1, 1, 2].map((seed) => simulate(seed, directory).hash);
    assert.equal(first, second);
    assert.notEqual(first, other);
  });

  it('leaves a trouble out without another draw for the others', () => {
    const all = simulate(1, directory).plan;
    const { rates } = simulate(1, directory, { without: ['crash', 'power'] }).plan;
    assert.deepEqual({ ...all.rates, crash: 0, power: 0 }, rates);
  });
});

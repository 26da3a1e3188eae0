// Every target for a while, with the same seeds each time; `npm run fuzz` goes on with fresh ones.

import assert from 'node:assert/strict';
import { type FuzzTarget, runOnce } from './target.js';
import { targets } from './targets.js';

const quiet: FuzzTarget = {
  name: 'quiet',
  runsInTest: 1,
  make: () => Buffer.from([0xca, 0xfe]),
  check: () => 'accepted',
};

describe('Fuzzing', () => {
  for (const target of targets) {
    it(`${target.name} keeps its promises`, function () {
      this.timeout(120_000);
      const found = { accepted: 0, refused: 0 };
      for (let seed = 1; seed <= target.runsInTest; seed += 1) found[runOnce(target, seed)] += 1;
      // Inputs that were all refused, or all taken, would prove little.
      const least = target.runsInTest / 20;
      assert(found.accepted >= least && found.refused >= least, JSON.stringify(found));
    });
  }

  it('tells target, seed and input of a failure', () => {
    const failing: FuzzTarget = { ...quiet, check: () => assert.fail('it is broken') };
    assert.throws(() => runOnce(failing, 417), {
      name: 'FuzzFailure',
      message:
        /^Target quiet fails with seed 417: .*it is broken[\s\S]*--target quiet --seed 417\ninput of 2 bytes: cafe$/,
    });
  });

  it('counts room that was made for nothing as a failure', () => {
    let held: Buffer | undefined;
    const greedy: FuzzTarget = {
      ...quiet,
      check: () => {
        held = Buffer.alloc(80 * 1024 * 1024);
        return 'accepted';
      },
    };
    assert.throws(() => runOnce(greedy, 1), /It took \d+ bytes of memory, more than/);
    assert(held !== undefined);
  });
});

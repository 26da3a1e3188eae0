import assert from 'node:assert/strict';
import { Configurations } from '../../../raft/core/index.js';

interface Item {
  readonly index: number;
}

/** What the log begins with, and the entries 3 and 7. */
function threeOf(): Configurations<Item> {
  return new Configurations([{ index: 0 }, { index: 3 }, { index: 7 }]);
}

describe('Configurations', () => {
  it('has the newest one in effect', () => {
    const configurations = threeOf();
    assert.equal(configurations.latest.index, 7);
    configurations.append({ index: 8 });
    assert.equal(configurations.latest.index, 8);
    assert.equal(configurations.previous?.index, 7);
  });

  it('knows which one an entry brought, and which was in effect for an entry', () => {
    const configurations = threeOf();
    assert.deepEqual(
      [2, 3, 4].map((index) => configurations.at(index)?.index),
      [undefined, 3, undefined],
    );
    assert.deepEqual(
      [1, 2, 3, 6, 7, 99].map((index) => configurations.asOf(index).index),
      [0, 0, 3, 3, 7, 7],
    );
  });

  it('takes back what is truncated', () => {
    const configurations = threeOf();
    configurations.truncateAfter(7);
    assert.equal(configurations.latest.index, 7);
    configurations.truncateAfter(6);
    assert.equal(configurations.latest.index, 3);
    configurations.truncateAfter(0);
    assert.equal(configurations.latest.index, 0);
    assert.equal(configurations.previous, undefined);
  });

  it('keeps what is in effect where the log begins, and takes back to it', () => {
    const configurations = threeOf();
    configurations.compactTo(5);
    assert.equal(configurations.asOf(5).index, 3);
    configurations.truncateAfter(5);
    assert.equal(configurations.latest.index, 3);
    configurations.compactTo(9);
    assert.equal(configurations.latest.index, 3);
  });

  it('begins with that of an installed snapshot, and keeps what the log has behind it', () => {
    const configurations = threeOf();
    configurations.install({ index: 5 }, true);
    assert.deepEqual([configurations.asOf(6).index, configurations.latest.index], [5, 7]);
    configurations.install({ index: 6 }, false);
    assert.deepEqual([configurations.latest.index, configurations.previous], [6, undefined]);
  });

  it('refuses to lose the last one, and to go back in the log', () => {
    const configurations = threeOf();
    configurations.compactTo(7);
    assert.throws(() => configurations.truncateAfter(6), /would be taken back/);
    assert.throws(() => configurations.append({ index: 7 }), /in the order of the log/);
    assert.throws(() => new Configurations([]), /always in effect/);
  });
});

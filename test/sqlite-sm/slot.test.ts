import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import calculateSlot from 'cluster-key-slot';
import { keySlot } from '../../sqlite-sm/index.js';
import { SeededRandom } from './machine-fixture.js';

describe('keySlot', () => {
  // From a Redis server's CLUSTER KEYSLOT.
  const known: [string, number][] = [
    ['123456789', 0x31c3],
    ['foo{}{bar}', 8363],
    ['foo{{bar}}zap', 4015],
    ['{}x', 10595],
    ['a{b}c{d}', 3300],
    ['x{', 3596],
    ['{a}', 15495],
    ['a', 15495],
    ['', 0],
  ];
  for (const [key, slot] of known) {
    it(`puts "${key}" into slot ${slot}`, () => {
      assert.equal(keySlot(Buffer.from(key)), slot);
    });
  }

  it('agrees with the package that clients use, but for empty braces', () => {
    const random = new SeededRandom(2);
    for (let i = 0; i < 5000; i++) {
      const bytes = Array.from({ length: random.below(20) }, () =>
        random.below(4) === 0 ? random.pick([0x7b, 0x7d]) : random.below(256),
      );
      const key = Buffer.from(bytes);
      const opening = key.indexOf('{');
      if (opening >= 0 && key[opening + 1] === 0x7d) continue;
      assert.equal(keySlot(key), calculateSlot(key), key.toString('hex'));
    }
  });
});

import assert from 'node:assert/strict';
import { keyName } from '../../bench/load-keys.js';

describe('bench: keys', () => {
  it('have the names that redis-benchmark -r gives them', () => {
    assert.equal(keyName(0), 'key:000000000000');
    assert.equal(keyName(99_999), 'key:000000099999');
  });
});

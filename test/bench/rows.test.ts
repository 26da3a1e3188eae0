import assert from 'node:assert/strict';
import { chosenRows, rows } from '../../bench/rows.js';

function names(pattern: string): string[] {
  return chosenRows(pattern).map(({ name }) => name);
}

describe('bench: rows', () => {
  it('are all chosen when no pattern is given', () => {
    assert.deepEqual(chosenRows(''), rows);
  });

  it('have names of their own', () => {
    assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
  });

  it('are chosen by a pattern, in any case', () => {
    assert.deepEqual(names('^set 4 kib, (200|500) clients$'), [
      'SET 4 KiB, 200 clients',
      'SET 4 KiB, 500 clients',
    ]);
    assert.deepEqual(names('SET 64 B.*x16'), ['SET 64 B, 200 clients x16']);
    assert.deepEqual(names('memory'), ['memory']);
  });

  it('are named in the error when none matches', () => {
    assert.throws(
      () => chosenRows('INCR'),
      /no row matches "INCR"; there are\n {2}SET 64 B, 1 client\n/,
    );
  });

  it('are not chosen by a pattern that is none', () => {
    assert.throws(() => chosenRows('('), /^UsageError: --rows: Invalid regular expression/);
  });
});

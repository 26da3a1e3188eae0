// The sums are what redis-server on x86-64 answers; test/interop/redis-differential.test.ts compares
// thousands more with it.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  addLongDoubles,
  formatLongDouble,
  infinite,
  parseLongDouble,
} from '../../sqlite-sm/long-double.js';

const parse = (text: string) => parseLongDouble(Buffer.from(text, 'latin1'));

const sums = [
  ['0.1', '0.2', '0.3'],
  ['3.0e3', '200', '3200'],
  ['10.5', '0.1', '10.6'],
  ['.5', '5.', '5.5'],
  ['0x1.8p1', '0', '3'],
  ['-0', '0', '0'],
  // Seventeen digits behind the point.
  ['1e-17', '0', '0.00000000000000001'],
  ['5e-18', '0', '0'],
  ['-1e-20', '0', '0'],
  ['17179869184.1', '0.000000001', '17179869184.10000000149011612'],
  // Sixty-four bits of mantissa, ties to even.
  ['9223372036854775807', '1', '9223372036854775808'],
  ['18446744073709551617', '0', '18446744073709551616'],
  ['18446744073709551619', '0', '18446744073709551620'],
  ['0x1p63', '0.5', '9223372036854775808'],
  ['1e20', '-1e20', '0'],
] as const;

describe('Long doubles', () => {
  for (const [left, right, expected] of sums) {
    it(`${left} and ${right} are ${expected}`, () => {
      const a = parse(left);
      const b = parse(right);
      assert(a !== undefined && b !== undefined);
      const sum = addLongDoubles(a, b);
      assert(sum !== undefined);
      assert.equal(formatLongDouble(sum), expected);
    });
  }

  it('are not read from anything else', () => {
    const others = [
      '',
      ' 1',
      '1 ',
      '1\0',
      'nan',
      '1e',
      '.',
      '-',
      '--1',
      '0x',
      '0xp1',
      '1_0',
      '1,5',
    ];
    for (const text of others) assert.equal(parse(text), undefined, JSON.stringify(text));
    assert.equal(parse('1'.repeat(5120)), undefined);
  });

  it('have a range', () => {
    for (const text of ['1.18e4932', '0x1p16383', '1e-4950', '0x1p-16445', '0e99999']) {
      assert(parse(text) !== undefined, text);
    }
    for (const text of ['1.19e4932', '0x1p16384', '1e-5000', '0x1p-16446', '1e99999999999999']) {
      assert.equal(parse(text), undefined, text);
    }
    const largest = parse('1.18e4932');
    assert(largest !== undefined);
    assert.equal(addLongDoubles(largest, largest), undefined);
  });

  it('have infinities, with which nothing can be added', () => {
    for (const text of ['inf', '-INF', '+infinity']) assert.equal(parse(text), infinite);
    const one = parse('1');
    assert(one !== undefined);
    assert.equal(addLongDoubles(infinite, one), undefined);
  });
});

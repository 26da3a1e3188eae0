import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { add, formatInteger, multiply, negate, parseInteger } from '../../sqlite-sm/integers.js';

const max = 9223372036854775807n;
const min = -9223372036854775808n;

function parse(text: string): number | bigint | undefined {
  return parseInteger(Buffer.from(text, 'latin1'));
}

describe('parseInteger', () => {
  const accepted: [string, number | bigint][] = [
    ['0', 0],
    ['1', 1],
    ['-1', -1],
    ['999999999999999', 999999999999999],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9007199254740991', -9007199254740991],
    ['-9007199254740993', -9007199254740993n],
    ['9223372036854775807', max],
    ['-9223372036854775808', min],
  ];
  for (const [text, value] of accepted) {
    it(`reads ${text}`, () => assert.equal(parse(text), value));
  }

  const refused = [
    ...['', '-', '+1', ' 1', '1 ', '01', '00', '-0', '-01', '1.0', '1e3', '0x1', 'a', '1a', '--1'],
    ...['9223372036854775808', '-9223372036854775809', '99999999999999999999', '1\0', '\uff11'],
    '1'.repeat(1000),
  ];
  for (const text of refused) {
    it(`refuses ${JSON.stringify(text.slice(0, 24))}`, () => assert.equal(parse(text), undefined));
  }
});

describe('64-bit arithmetic', () => {
  it('stays in numbers while they are exact', () => {
    assert.equal(add(1, 2), 3);
    assert.equal(multiply(-3, 1000), -3000);
    assert.equal(negate(5), -5);
    assert(Object.is(negate(0), 0));
  });

  it('goes on exactly beyond 2^53 and comes back', () => {
    assert.equal(add(Number.MAX_SAFE_INTEGER, 1), 9007199254740992n);
    assert.equal(add(9007199254740992n, -1), Number.MAX_SAFE_INTEGER);
    assert.equal(add(Number.MAX_SAFE_INTEGER, 2), 9007199254740993n);
    assert.equal(multiply(Number.MAX_SAFE_INTEGER, 3), 27021597764222973n);
  });

  it('says when a result leaves 64 bits', () => {
    assert.equal(add(max, 1), undefined);
    assert.equal(add(max, 0), max);
    assert.equal(add(min, -1), undefined);
    assert.equal(add(max, min), -1);
    assert.equal(negate(min), undefined);
    assert.equal(negate(max), -max);
    assert.equal(multiply(9223372036854775n, 1000), 9223372036854775000n);
    assert.equal(multiply(9223372036854776n, 1000), undefined);
  });

  it('writes what it reads', () => {
    for (const value of [0, -1, 42, max, min]) {
      assert.equal(parseInteger(formatInteger(value)), value);
    }
  });
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { doubleText } from '../../resp/index.js';
import { seededRandom } from './chunkings.js';

const texts: readonly (readonly [number, string])[] = [
  [0, '0'],
  [-0, '-0'],
  [1, '1'],
  [-17, '-17'],
  [3.14, '3.14'],
  [-3.5, '-3.5'],
  [0.1, '0.1'],
  [0.1 + 0.2, '0.30000000000000004'],
  [1 / 3, '0.3333333333333333'],
  [0.5, '0.5'],
  [0.001, '0.001'],
  [0.000001, '0.000001'],
  [0.0000001, '1e-7'],
  [0.0000015, '1.5e-6'],
  [1.5e-7, '1.5e-7'],
  [123.456, '123.456'],
  // Seven or more digits behind the point and five before it: Redis turns to an exponent.
  [1234.5678901234, '1234.5678901234'],
  [12345.678901234, '1.2345678901234e+4'],
  [12345.67, '12345.67'],
  [4503599627370497, '4503599627370497'],
  [1e15, '1000000000000000'],
  [1e18, '1000000000000000000'],
  [2 ** 53 + 2, '9007199254740994'],
  [2 ** 62, '4611686018427387904'],
  [-(2 ** 62), '-4611686018427387904'],
  [1e19, '1e+19'],
  [-1e20, '-1e+20'],
  // 13 digits are printed in full up to 20 places, 12 are not.
  [1.234567890123e19, '12345678901230000000'],
  [1.23456789012e19, '1.23456789012e+19'],
  [1.5e21, '1.5e+21'],
  [2 ** 63, '9223372036854776000'],
  [1.7976931348623157e308, '1.7976931348623157e+308'],
  [5e-324, '5e-324'],
  [Number.POSITIVE_INFINITY, 'inf'],
  [Number.NEGATIVE_INFINITY, '-inf'],
  [Number.NaN, 'nan'],
];

describe('doubleText', () => {
  for (const [value, text] of texts) {
    it(`prints ${Object.is(value, -0) ? '-0' : value} as ${text}`, () => {
      assert.equal(doubleText(value), text);
    });
  }

  it('prints what reads back as the same number', () => {
    const random = seededRandom(5);
    const bytes = Buffer.alloc(8);
    for (let i = 0; i < 20_000; i += 1) {
      for (let j = 0; j < 8; j += 1) bytes[j] = Math.floor(random() * 256);
      const anyDouble = bytes.readDoubleLE();
      const ordinary = Math.round(random() * 1e9) / 10 ** Math.floor(random() * 12);
      for (const value of [anyDouble, ordinary, -ordinary]) {
        if (Number.isFinite(value)) assert.equal(Number(doubleText(value)), value);
      }
    }
  });
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { crc32Combine } from '../../sqlite-sm/crc32-combine.js';
import { SeededRandom } from './machine-fixture.js';

describe('crc32Combine', () => {
  it('is the CRC-32 of both pieces in a row, wherever they are parted', () => {
    const random = new SeededRandom(1);
    const bytes = Buffer.from(Array.from({ length: 5000 }, () => random.below(256)));
    const whole = crc32(bytes);
    for (const at of [0, 1, 2, 3, 7, 8, 255, 256, 4095, 4096, 4999, 5000]) {
      const [first, second] = [bytes.subarray(0, at), bytes.subarray(at)];
      assert.equal(crc32Combine(crc32(first), crc32(second), second.length), whole, `at ${at}`);
    }
  });

  it('is right for many pieces of a megabyte', () => {
    const piece = Buffer.alloc(1024 * 1024, 'snapshot');
    let whole = 0;
    let combined = 0;
    for (let count = 0; count < 40; count++) {
      piece.writeUInt32LE(count * 77_777, count);
      whole = crc32(piece, whole);
      combined = crc32Combine(combined, crc32(piece), piece.length);
    }
    assert.equal(combined, whole);
  });
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { HeldBytes } from '../../resp/held-bytes.js';
import { seededRandom } from './chunkings.js';

const empty = Buffer.alloc(0);

describe('HeldBytes', () => {
  it('joins pieces of all sizes in order of arrival and holds nothing afterwards', () => {
    const random = seededRandom(7);
    const held = new HeldBytes();
    const pieces = Array.from({ length: 400 }, (_, index) => {
      const length = Math.floor(random() < 0.1 ? random() * 70000 : random() * 600);
      return Buffer.alloc(length, index % 251);
    });
    for (const piece of pieces) held.push(piece);
    const expected = Buffer.concat(pieces);
    assert.equal(held.byteLength, expected.length);
    assert.ok(
      held.joinWith(Buffer.from('end')).equals(Buffer.concat([expected, Buffer.from('end')])),
    );
    assert.equal(held.byteLength, 0);
    assert.equal(held.bufferCount, 0);
  });

  it('gathers single bytes in few buffers', () => {
    const held = new HeldBytes();
    for (let i = 0; i < 100_000; i += 1) held.push(Buffer.alloc(1, i % 251));
    assert.equal(held.byteLength, 100_000);
    assert.ok(held.bufferCount <= 7, `${held.bufferCount} buffers`);
    const joined = held.joinWith(empty);
    for (let i = 0; i < 100_000; i += 1) assert.equal(joined[i], i % 251);
  });

  it('keeps a large chunk without copying it', () => {
    const held = new HeldBytes();
    const chunk = Buffer.alloc(65536, 'a');
    held.push(chunk);
    held.push(chunk);
    // Seen in the joined bytes: both are the same memory still.
    chunk[0] = 0x7a;
    assert.equal(held.bufferCount, 2);
    const joined = held.joinWith(empty);
    assert.equal(joined[0], 0x7a);
    assert.equal(joined[65536], 0x7a);
  });

  for (const tailBytes of [100, 20_000]) {
    it(`copies ${tailBytes} bytes out of a chunk of 64 KiB`, () => {
      const held = new HeldBytes();
      const chunk = Buffer.alloc(65536, 'a');
      held.push(chunk.subarray(chunk.length - tailBytes));
      // Not seen: what is held has let go of the chunk.
      chunk.fill('z');
      assert.ok(held.joinWith(empty).equals(Buffer.alloc(tailBytes, 'a')));
    });
  }
});

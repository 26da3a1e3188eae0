import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  chunkBytes,
  encodeFrame,
  FrameReader,
  type TransferFrame,
} from '../../../raft/snapshot/transfer/frames.js';
import { GarblingPool } from '../../faults/garbling-pool.js';
import { randomBytes, seededRandom } from '../../faults/seeded-random.js';

const random = seededRandom(1);
const pool = new GarblingPool(16 * 1024 * 1024);

function chunkOf(byteLength: number): TransferFrame {
  const block = pool.take(chunkBytes);
  const bytes = block.buffer.subarray(0, byteLength);
  randomBytes(random, byteLength).copy(bytes);
  return { kind: 'chunk', file: 3, chunk: 12, bytes, checksum: crc32(bytes), block };
}

const frames: readonly TransferFrame[] = [
  { kind: 'offer', term: 7, manifest: Buffer.from('{"format":1}') },
  { kind: 'present', checksums: [[1, 0xffff_ffff, 3], [], [4]] },
  { kind: 'present', checksums: [] },
  chunkOf(1),
  chunkOf(5_000),
  { kind: 'stored', byteLength: 2 ** 40 },
  { kind: 'end' },
  { kind: 'installed' },
  { kind: 'refused', reason: 'why nöt' },
  { kind: 'alive' },
];

function bytesOf(frame: TransferFrame): Buffer {
  return Buffer.concat(encodeFrame(frame));
}

/** What is left to compare of a frame: where a chunk lies differs. */
function facts(frame: TransferFrame): unknown {
  if (frame.kind !== 'chunk') return frame;
  const { block, bytes, ...rest } = frame;
  return { ...rest, hex: bytes.toString('hex') };
}

/** Returns what was read, or what was wrong. */
function read(pieces: readonly Buffer[]): unknown[] | string {
  const found: unknown[] = [];
  const reader = new FrameReader(pool, (frame) => {
    found.push(facts(frame));
    if (frame.kind === 'chunk') frame.block.release();
  });
  for (const piece of pieces) {
    const wrong = reader.feed(piece);
    if (wrong !== undefined) {
      reader.close();
      return wrong;
    }
  }
  reader.close();
  return found;
}

describe('Frames of a snapshot transfer', () => {
  it('come out as they went in, however the stream is cut', () => {
    const stream = Buffer.concat(frames.map(bytesOf));
    const expected = frames.map(facts);
    for (const size of [1, 7, 39, 40, 41, 1000, stream.length]) {
      const pieces: Buffer[] = [];
      for (let at = 0; at < stream.length; at += size) pieces.push(stream.subarray(at, at + size));
      assert.deepEqual(read(pieces), expected, `in pieces of ${size}`);
    }
  });

  it('are refused when any byte of them has changed', () => {
    for (const frame of frames) {
      const bytes = bytesOf(frame);
      for (let at = 0; at < bytes.length; at += at < 40 ? 1 : 97) {
        const damaged = Buffer.from(bytes);
        damaged[at]! ^= 0x10;
        assert.equal(typeof read([damaged]), 'string', `byte ${at} of "${frame.kind}"`);
      }
    }
  });

  it('say what is wrong', () => {
    const tooLong = bytesOf({ kind: 'alive' });
    tooLong.writeUInt32LE(1, 24);
    const newer = bytesOf({ kind: 'alive' });
    newer.writeUInt8(2, 4);
    const unknown = bytesOf({ kind: 'alive' });
    unknown.writeUInt8(99, 5);
    const uneven = bytesOf({ kind: 'refused', reason: '\x09\0\0\0' });
    uneven.writeUInt8(2, 5);
    for (const header of [tooLong, newer, unknown, uneven]) {
      header.writeUInt32LE(crc32(header.subarray(0, 36)), 36);
    }
    const cases: readonly (readonly [Buffer, RegExp])[] = [
      [Buffer.alloc(40, 'GET / HTTP/1.1\r\n'), /without its magic number/],
      [tooLong, /"alive" beyond its limit/],
      [newer, /version 2/],
      [unknown, /unknown kind 99/],
      [uneven, /"present" that makes no sense/],
    ];
    for (const [bytes, sentence] of cases) assert.match(String(read([bytes])), sentence);
  });

  it('give back the room of a chunk that never became whole', () => {
    const before = pool.taken - pool.given;
    assert.deepEqual(read([bytesOf(chunkOf(5_000)).subarray(0, 3_000)]), []);
    // The chunk that was sent keeps its own.
    assert.equal(pool.taken - pool.given, before + 1);
  });
});

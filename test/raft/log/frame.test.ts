import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type Entry, entryRowBytes } from '../../../raft/entry.js';
import {
  decodeFrame,
  decodeFrameHeader,
  frameAlignment,
  frameBytes,
  frameHeaderBytes,
  writeEntryRows,
  writeFrameHeader,
} from '../../../raft/log/frame.js';
import { randomBytes, seededRandom } from '../../faults/seeded-random.js';
import { entry, raftError } from './journals.js';

const segmentId = randomBytes(seededRandom(1), 16);

function encode(entries: readonly Entry[]): Buffer {
  const frame = Buffer.alloc(frameBytes(entries));
  writeEntryRows(frame, frameHeaderBytes, entries);
  let end = frameHeaderBytes + entries.length * entryRowBytes;
  for (const { payload } of entries) end += payload.copy(frame, end);
  writeFrameHeader(frame, {
    segmentId,
    frameNumber: 7,
    previousCrc: 0x1234_5678,
    entryCount: entries.length,
    bodyBytes: end - frameHeaderBytes,
  });
  return frame;
}

const entries = [
  entry(10, 3, 'first'),
  entry(11, 3, '', 'noop'),
  entry(12, 4, Buffer.alloc(5000, 'x')),
];

describe('frame', () => {
  it('is read back as it was written', () => {
    const frame = decodeFrame(encode(entries), segmentId);
    assert(frame !== undefined);
    assert.equal(frame.frameNumber, 7);
    assert.equal(frame.previousCrc, 0x1234_5678);
    assert.equal(frame.byteLength, 2 * frameAlignment);
    const expected = entries.map(({ payload, ...row }) => row);
    assert.deepEqual(frame.rows, expected);
  });

  it('is read back when it holds nothing', () => {
    const frame = decodeFrame(encode([]), segmentId);
    assert.deepEqual(frame?.rows, []);
    assert.equal(frame?.byteLength, frameAlignment);
  });

  it('is not accepted with any of its bits flipped', () => {
    const bytes = encode(entries);
    const end = frameHeaderBytes + 3 * entryRowBytes + 5005;
    for (let at = 0; at < end; at += 1) {
      for (const mask of [0x01, 0x80, 0xff]) {
        bytes[at]! ^= mask;
        assert.equal(decodeFrame(bytes, segmentId), undefined, `byte ${at}, mask ${mask}`);
        bytes[at]! ^= mask;
      }
    }
    assert(decodeFrame(bytes, segmentId) !== undefined);
  });

  it('is not accepted under another segment id', () => {
    const other = randomBytes(seededRandom(2), 16);
    assert.equal(decodeFrame(encode(entries), other), undefined);
  });

  it('is not accepted when the segment ends in the middle of it', () => {
    const bytes = encode(entries);
    for (const cut of [0, 100, frameAlignment, bytes.length - 1]) {
      assert.equal(decodeFrame(bytes.subarray(0, cut), segmentId), undefined);
    }
  });

  it('shows its header when only a payload is damaged', () => {
    const bytes = encode(entries);
    bytes[frameHeaderBytes + 3 * entryRowBytes]! ^= 1;
    assert.equal(decodeFrame(bytes, segmentId), undefined);
    assert.equal(decodeFrameHeader(bytes, segmentId)?.frameNumber, 7);
  });

  it('stops the reader when its version is unknown', () => {
    const bytes = encode(entries);
    bytes.writeUInt16LE(2, 4);
    sealAgain(bytes, 3);
    assert.throws(
      () => decodeFrame(bytes, segmentId),
      raftError('VERSION', /frames have version 2/),
    );
  });

  it('stops the reader when an entry has an unknown kind', () => {
    const bytes = encode(entries);
    bytes.writeUInt8(9, frameHeaderBytes + 24);
    sealAgain(bytes, 3);
    assert.throws(() => decodeFrame(bytes, segmentId), raftError('VERSION', /unknown kind/));
  });

  it('is refused when its rows do not add up', () => {
    const bytes = encode(entries);
    bytes.writeUInt32LE(4, frameHeaderBytes + 28);
    sealAgain(bytes, 3);
    assert.equal(decodeFrame(bytes, segmentId), undefined);
  });
});

/** The crc of somebody who wrote the frame on purpose. */
function sealAgain(bytes: Buffer, entryCount: number): void {
  const rowsEnd = frameHeaderBytes + entryCount * entryRowBytes;
  const crc = crc32(
    bytes.subarray(frameHeaderBytes, rowsEnd),
    crc32(bytes.subarray(0, frameHeaderBytes - 4)),
  );
  bytes.writeUInt32LE(crc, frameHeaderBytes - 4);
}

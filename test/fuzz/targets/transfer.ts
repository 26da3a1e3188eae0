// What a peer says on the connection of a snapshot: frames, and in an offer the manifest.
//
// Checked: frames and complaint are the same however the stream is cut; room is made for a body only
// within its limit, and a chunk's comes back; an offered manifest is taken or refused with a sentence,
// and what is taken can be written and read again, for it comes to stand on this disk.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  chunkBytes,
  encodeFrame,
  FrameReader,
  type TransferFrame,
} from '../../../raft/snapshot/transfer/frames.js';
import { decodeOfferedManifest } from '../../../raft/snapshot/transfer/offered-manifest.js';
import { randomBytes, randomInteger } from '../../faults/seeded-random.js';
import { identity } from '../../raft/log/journals.js';
import { CountingPool } from '../counting-pool.js';
import { changedJson, jsonText } from '../json.js';
import { mutated, pick, type Random } from '../mutate.js';
import { waysToCut } from '../pieces.js';
import { manifestFrom } from '../snapshots.js';
import type { FuzzTarget, Verdict } from '../target.js';
import { assertBelieved } from './snapshot-manifest.js';

const frameHeaderBytes = 40;
const bodyLengthOffset = 24;
const bodyCrcOffset = 28;

function make(random: Random): Buffer {
  const frames = Array.from({ length: randomInteger(random, 0, 5) }, () => frameFrom(random));
  const valid = Buffer.concat(frames.flatMap(encodeFrame));
  if (random() < 0.3) return valid;
  const bytes = mutated(random, valid);
  return random() < 0.6 ? resummed(bytes) : bytes;
}

function frameFrom(random: Random): TransferFrame {
  switch (randomInteger(random, 0, 7)) {
    case 0: {
      const manifest = manifestFrom(random);
      const text = random() < 0.3 ? jsonText(manifest) : changedJson(random, manifest);
      return { kind: 'offer', term: randomInteger(random, 0, 1000), manifest: text };
    }
    case 1:
      return {
        kind: 'present',
        checksums: Array.from({ length: randomInteger(random, 0, 3) }, () =>
          Array.from({ length: randomInteger(random, 0, 4) }, () =>
            randomInteger(random, 0, 0xffff_ffff),
          ),
        ),
      };
    case 2: {
      const bytes = randomBytes(random, randomInteger(random, 0, 900));
      const file = randomInteger(random, 0, 3);
      const chunk = randomInteger(random, 0, 9);
      const block = new CountingPool(0).take(4096);
      return { kind: 'chunk', file, chunk, bytes, checksum: crc32(bytes), block };
    }
    case 3:
      return { kind: 'stored', byteLength: pick(random, [0, 1, chunkBytes, 2 ** 52]) };
    case 4:
      return { kind: 'refused', reason: pick(random, ['', 'why nöt', 'x'.repeat(5000)]) };
    default:
      return { kind: pick(random, ['end', 'installed', 'alive'] as const) };
  }
}

/** Frame by frame as far as they can be followed: the sums fit, whatever they sum. */
function resummed(bytes: Buffer): Buffer {
  for (let start = 0; start + frameHeaderBytes <= bytes.length; ) {
    const header = bytes.subarray(start, start + frameHeaderBytes);
    const end = start + frameHeaderBytes + header.readUInt32LE(bodyLengthOffset);
    const body = bytes.subarray(start + frameHeaderBytes, end);
    header.writeUInt32LE(crc32(body), bodyCrcOffset);
    const sumOffset = frameHeaderBytes - 4;
    header.writeUInt32LE(crc32(header.subarray(0, sumOffset)), sumOffset);
    start = end;
  }
  return bytes;
}

interface Outcome {
  readonly frames: readonly unknown[];
  readonly wrong: string | undefined;
}

function check(input: Buffer, random: Random): Verdict {
  const manifests: Buffer[] = [];
  const [whole, ...others] = waysToCut(input, random).map((pieces) => read(pieces, manifests));
  for (const other of others) assert.deepEqual(other, whole);
  for (const manifest of manifests.slice(0, manifests.length / 3)) {
    const found = decodeOfferedManifest(manifest, identity);
    if (typeof found !== 'string') assertBelieved(found);
  }
  return whole!.wrong === undefined ? 'accepted' : 'refused';
}

function read(pieces: readonly Buffer[], manifests: Buffer[]): Outcome {
  const pool = new CountingPool(chunkBytes);
  const frames: unknown[] = [];
  const reader = new FrameReader(pool, (frame) => {
    if (frame.kind === 'offer') manifests.push(frame.manifest);
    frames.push(factsOf(frame));
    // Garbles the bytes: nobody may come back to them.
    if (frame.kind === 'chunk') frame.block.release();
  });
  let wrong: string | undefined;
  for (const piece of pieces) {
    wrong = reader.feed(piece);
    if (wrong !== undefined) break;
  }
  reader.close();
  assert(pool.largestBytes <= chunkBytes);
  assert.equal(pool.given, pool.taken, 'The room of every chunk comes back');
  return { frames, wrong };
}

/** Where a chunk lies differs. */
function factsOf(frame: TransferFrame): unknown {
  if (frame.kind !== 'chunk') return frame;
  const { block: _, bytes, ...rest } = frame;
  return { ...rest, hex: bytes.toString('hex') };
}

export const transfer: FuzzTarget = { name: 'transfer', runsInTest: 1500, make, check };

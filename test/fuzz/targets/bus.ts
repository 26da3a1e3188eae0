// What a peer that proved the secret says on the bus.
//
// Checked: messages and complaint are the same however the stream is cut; room is made for a body only
// within its limit, and at most one is being filled; what is given on has numbers that can be counted
// with, entries that follow each other, payloads that sum, and memberships that can be followed.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Message } from '../../../raft/core/index.js';
import {
  type Entry,
  entryCountMax,
  entryPayloadBytesMax,
  entryRowBytes,
} from '../../../raft/entry.js';
import type { ReplicaIdentity } from '../../../raft/identity.js';
import { encodeMembership } from '../../../raft/membership.js';
import { encodeHeaderAndRows, messageHeaderBytes, PacketReader } from '../../../raft/net/wire.js';
import { randomBytes, randomInteger } from '../../faults/seeded-random.js';
import { entry, identity as self } from '../../raft/log/journals.js';
import { CountingPool } from '../counting-pool.js';
import { changedJson } from '../json.js';
import { mutated, pick, type Random } from '../mutate.js';
import { waysToCut } from '../pieces.js';
import { membershipFrom } from '../snapshots.js';
import type { FuzzTarget, Verdict } from '../target.js';

const peer: ReplicaIdentity = { ...self, replicaId: 'b'.repeat(40) };
const envelope = { from: peer.replicaId, to: self.replicaId };
const MiB = 1024 * 1024;

function make(random: Random): Buffer {
  const messages = Array.from({ length: randomInteger(random, 0, 5) }, () => bytesOf(random));
  const valid = Buffer.concat(messages);
  if (random() < 0.3) return valid;
  const bytes = mutated(random, valid);
  return random() < 0.7 ? resummed(bytes) : bytes;
}

function bytesOf(random: Random): Buffer {
  const message = messageFrom(random);
  const entries = message.kind === 'append' ? (message.entries as readonly Entry[]) : [];
  const wallMs = 1_700_000_000_000 + randomInteger(random, 0, 1_000_000);
  const head = encodeHeaderAndRows(message, entries, { identity: peer, wallMs });
  return Buffer.concat([head, ...entries.map(({ payload }) => payload)]);
}

function messageFrom(random: Random): Message {
  const term = randomInteger(random, 1, 9);
  const base = { ...envelope, term };
  const index = randomInteger(random, 0, 1000);
  const flag = random() < 0.5;
  switch (randomInteger(random, 0, 13)) {
    case 0:
      return { ...base, kind: 'preVote', lastIndex: index, lastTerm: term };
    case 1:
      return { ...base, kind: 'preVoteReply', granted: flag };
    case 2:
      return { ...base, kind: 'vote', lastIndex: index, lastTerm: term, isTransfer: flag };
    case 3:
      return { ...base, kind: 'voteReply', granted: flag };
    case 4:
      return {
        ...base,
        kind: 'appendReply',
        rejected: flag,
        index,
        hintIndex: index,
        hintTerm: term,
        lastIndex: index,
        incarnation: 2 ** 33,
      };
    case 5:
      return { ...base, kind: 'heartbeat', commit: index, round: 2 ** 52 };
    case 6:
      return { ...base, kind: 'heartbeatReply', round: index };
    case 7:
      return { ...base, kind: 'timeoutNow' };
    case 8:
      return { ...base, kind: 'readIndex', sequence: index, incarnation: 3, needsTick: flag };
    case 9:
      return {
        ...base,
        kind: 'readIndexReply',
        sequence: index,
        incarnation: 3,
        needsTick: flag,
        index,
        clockMs: 1_700_000_000_000,
      };
    default:
      return {
        ...base,
        kind: 'append',
        prevIndex: index,
        prevTerm: 1,
        commit: index,
        entries: entriesFrom(random, index + 1, term),
      };
  }
}

function entriesFrom(random: Random, first: number, termMax: number): Entry[] {
  let term = 1;
  return Array.from({ length: randomInteger(random, 0, 4) }, (_, at) => {
    term = randomInteger(random, term, termMax);
    const kind = pick(random, ['command', 'command', 'noop', 'configuration'] as const);
    return entry(first + at, term, payloadOf(random, kind), kind);
  });
}

function payloadOf(random: Random, kind: Entry['kind']): Buffer {
  if (kind === 'noop') return Buffer.alloc(0);
  if (kind === 'command') return randomBytes(random, randomInteger(random, 0, 600));
  const payload = encodeMembership(membershipFrom(random));
  return random() < 0.6 ? payload : changedJson(random, JSON.parse(payload.toString()));
}

/** Message by message as far as they can be followed: the sums fit, whatever they sum. */
function resummed(bytes: Buffer): Buffer {
  for (let start = 0; start + messageHeaderBytes <= bytes.length; ) {
    const header = bytes.subarray(start, start + messageHeaderBytes);
    const end = start + messageHeaderBytes + header.readUInt32LE(132);
    const body = bytes.subarray(start + messageHeaderBytes, end);
    const rowsBytes = Math.min(body.length, header.readUInt32LE(128) * entryRowBytes);
    let offset = rowsBytes;
    for (let row = 0; row + entryRowBytes <= rowsBytes; row += entryRowBytes) {
      const payloadEnd = offset + body.readUInt32LE(row + 28);
      body.writeUInt32LE(crc32(body.subarray(offset, payloadEnd)), row + 32);
      offset = payloadEnd;
    }
    header.writeUInt32LE(crc32(body.subarray(0, rowsBytes)), 136);
    const sumOffset = messageHeaderBytes - 4;
    header.writeUInt32LE(crc32(header.subarray(0, sumOffset)), sumOffset);
    start = end;
  }
  return bytes;
}

interface Outcome {
  readonly packets: readonly unknown[];
  readonly wrong: string | undefined;
}

function check(input: Buffer, random: Random): Verdict {
  const [whole, ...others] = waysToCut(input, random).map(read);
  for (const other of others) assert.deepEqual(other, whole);
  return whole!.wrong === undefined ? 'accepted' : 'refused';
}

function read(pieces: readonly Buffer[]): Outcome {
  const pool = new CountingPool(4 * MiB);
  const packets: unknown[] = [];
  const reader = new PacketReader({
    pool,
    self,
    peer,
    onPacket: ({ message, wallMs, entries, block }) => {
      assertCanBeCountedWith(message, wallMs, entries);
      const hex = entries.map(({ payload }) => payload.toString('hex'));
      const rows = entries.map(({ payload: _, ...row }) => row);
      const { entries: _, ...head } = { entries: [], ...message };
      packets.push({ head, wallMs, rows, hex });
      // Garbles the bytes: nobody may come back to them.
      block?.release();
    },
  });
  let wrong: string | undefined;
  for (const piece of pieces) {
    wrong = reader.feed(piece);
    if (wrong !== undefined) break;
  }
  const bodyBytesMax = entryPayloadBytesMax + entryCountMax * entryRowBytes;
  assert(pool.largestBytes <= bodyBytesMax + messageHeaderBytes + 4096);
  assert(pool.taken - pool.given <= 1, 'One body is being filled');
  return { packets, wrong };
}

function assertCanBeCountedWith(message: Message, wallMs: number, entries: readonly Entry[]): void {
  assert.equal(message.from, peer.replicaId);
  assert.equal(message.to, self.replicaId);
  for (const value of [wallMs, ...Object.values(message)]) {
    if (typeof value === 'number') assert(Number.isSafeInteger(value), `${value} in a message`);
  }
  const prevIndex = message.kind === 'append' ? message.prevIndex : 0;
  for (const [at, { index, stamp, byteLength, payload, checksum, ...rest }] of entries.entries()) {
    assert.equal(index, prevIndex + 1 + at);
    assert(Number.isSafeInteger(index) && Number.isSafeInteger(stamp), `Entry ${index}, ${stamp}`);
    assert.equal(payload.length, byteLength);
    assert.equal(crc32(payload), checksum);
    assert.equal(rest.configuration === undefined, rest.kind !== 'configuration');
  }
}

export const bus: FuzzTarget = {
  name: 'bus',
  runsInTest: 1500,
  // Three readers, each with room for the largest body.
  memoryBytesMax: 300 * MiB,
  make,
  check,
};

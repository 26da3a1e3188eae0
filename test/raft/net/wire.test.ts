import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Message, MessageKind } from '../../../raft/core/index.js';
import { type Entry, entryRowBytes } from '../../../raft/entry.js';
import type { ReplicaIdentity } from '../../../raft/identity.js';
import { configurationOf, encodeMembership, type Membership } from '../../../raft/membership.js';
import {
  encodeHeaderAndRows,
  messageHeaderBytes,
  type Packet,
  PacketReader,
} from '../../../raft/net/wire.js';
import { GarblingPool } from '../../faults/garbling-pool.js';
import { randomInteger, seededRandom } from '../../faults/seeded-random.js';
import { entry } from '../log/journals.js';

const clusterId = '0123456789abcdef'.repeat(2);
const a: ReplicaIdentity = { clusterId, group: 3, replicaId: 'a1'.repeat(20) };
const b: ReplicaIdentity = { clusterId, group: 3, replicaId: 'b2'.repeat(20) };
const wallMs = 1_700_000_000_123;

const envelope = { from: a.replicaId, to: b.replicaId, term: 2 ** 40 + 5 };
const entries = [
  entry(8, 4, 'one'),
  entry(9, 4, '', 'noop'),
  entry(10, 5, Buffer.alloc(9000, 'z')),
];
const append: Message = {
  ...envelope,
  kind: 'append',
  prevIndex: 7,
  prevTerm: 4,
  commit: 6,
  entries,
};

const membership: Membership = {
  index: 8,
  voters: [{ replicaId: a.replicaId, host: 'localhost', port: 17001, attributes: {} }],
  learners: [{ replicaId: b.replicaId, host: 'localhost', port: 17002, attributes: {} }],
};
const configurationEntry: Entry = {
  ...entry(8, 4, encodeMembership(membership), 'configuration'),
  configuration: configurationOf(membership),
};

const reply = { hintIndex: 5, hintTerm: 3, lastIndex: 8, incarnation: 2 ** 33 };

/** One of each kind, and of each shape of a kind. */
const messages: Record<string, Message> = {
  preVote: { ...envelope, kind: 'preVote', lastIndex: 9, lastTerm: 4 },
  preVoteReply: { ...envelope, kind: 'preVoteReply', granted: true },
  'preVoteReply, refused': { ...envelope, kind: 'preVoteReply', granted: false },
  vote: { ...envelope, kind: 'vote', lastIndex: 2 ** 45, lastTerm: 4, isTransfer: false },
  'vote, transfer': { ...envelope, kind: 'vote', lastIndex: 9, lastTerm: 4, isTransfer: true },
  voteReply: { ...envelope, kind: 'voteReply', granted: true },
  'voteReply, refused': { ...envelope, kind: 'voteReply', granted: false },
  append,
  'append, probe': { ...append, entries: [] },
  'append, configuration': { ...append, entries: [configurationEntry] },
  appendReply: { ...envelope, kind: 'appendReply', rejected: false, index: 10, ...reply },
  'appendReply, rejected': { ...envelope, kind: 'appendReply', rejected: true, index: 7, ...reply },
  heartbeat: { ...envelope, kind: 'heartbeat', commit: 6, round: 12 },
  heartbeatReply: { ...envelope, kind: 'heartbeatReply', round: 12 },
  timeoutNow: { ...envelope, kind: 'timeoutNow' },
  readIndex: { ...envelope, kind: 'readIndex', sequence: 7, incarnation: 3, needsTick: false },
  'readIndex, tick': {
    ...envelope,
    kind: 'readIndex',
    sequence: 2 ** 40,
    incarnation: 3,
    needsTick: true,
  },
  readIndexReply: {
    ...envelope,
    kind: 'readIndexReply',
    sequence: 7,
    incarnation: 3,
    needsTick: true,
    index: 2 ** 45,
    clockMs: wallMs,
  },
};

function encode(message: Message): Buffer {
  const given = message.kind === 'append' ? (message.entries as readonly Entry[]) : [];
  const head = encodeHeaderAndRows(message, given, { identity: a, wallMs });
  return Buffer.concat([head, ...given.map(({ payload }) => payload)]);
}

class Receiver {
  readonly packets: Packet[] = [];
  readonly pool = new GarblingPool(64 * 1024 * 1024);
  readonly reader = new PacketReader({
    pool: this.pool,
    self: b,
    peer: a,
    onPacket: (packet) => this.packets.push(packet),
  });
}

function received(chunks: readonly Buffer[]): Packet[] {
  const receiver = new Receiver();
  for (const chunk of chunks) assert.equal(receiver.reader.feed(chunk), undefined);
  return receiver.packets;
}

function assertSame(packet: Packet | undefined, message: Message): void {
  assert.deepEqual(packet?.message, message);
  assert.equal(packet?.wallMs, wallMs);
  assert.deepEqual(packet?.entries, message.kind === 'append' ? message.entries : []);
}

/** A header changed by somebody who knows the format. */
function forged(message: Message, change: (bytes: Buffer) => void): Buffer {
  const bytes = encode(message);
  change(bytes);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, messageHeaderBytes - 4)), messageHeaderBytes - 4);
  return bytes;
}

function assertWrong(bytes: Buffer, sentence: RegExp, options = { allocates: false }): void {
  const receiver = new Receiver();
  assert.match(receiver.reader.feed(bytes) ?? 'accepted', sentence);
  assert.equal(receiver.packets.length, 0);
  if (!options.allocates) assert.equal(receiver.pool.taken, 0, 'Nothing is allocated for it');
}

describe('wire', () => {
  it('has a test for every kind of message', () => {
    const kinds = new Set(Object.values(messages).map(({ kind }) => kind));
    const all: Record<MessageKind, true> = {
      preVote: true,
      preVoteReply: true,
      vote: true,
      voteReply: true,
      append: true,
      appendReply: true,
      heartbeat: true,
      heartbeatReply: true,
      timeoutNow: true,
      readIndex: true,
      readIndexReply: true,
    };
    assert.deepEqual([...kinds].sort(), Object.keys(all).sort());
  });

  for (const [name, message] of Object.entries(messages)) {
    it(`carries ${name}`, () => {
      const bytes = encode(message);
      assertSame(received([bytes])[0], message);
      const bitByBit = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
      const packets = received(bitByBit);
      assert.equal(packets.length, 1);
      assertSame(packets[0], message);
    });
  }

  it('takes a stream apart wherever it was cut', () => {
    const all = Object.values(messages);
    const stream = Buffer.concat(all.map(encode));
    for (let seed = 1; seed <= 50; seed += 1) {
      const random = seededRandom(seed);
      const chunks: Buffer[] = [];
      for (let at = 0; at < stream.length; ) {
        const end = at + randomInteger(random, 1, 700);
        chunks.push(stream.subarray(at, end));
        at = end;
      }
      const packets = received(chunks);
      assert.equal(packets.length, all.length);
      for (const [at, message] of all.entries()) assertSame(packets[at], message);
    }
  });

  it('lays rows and payloads out where a frame wants them', () => {
    const [packet] = received([encode(append)]);
    const { buffer } = packet!.block!;
    const rowsEnd = messageHeaderBytes + entries.length * entryRowBytes;
    assert.equal(packet!.entries[0]!.payload.byteOffset - buffer.byteOffset, rowsEnd);
    assert(buffer.length >= rowsEnd + 9003);
    assert.equal(buffer.length % 4096, 0);
  });

  it('carries an entry of 40 MiB', () => {
    const large = [entry(8, 4, Buffer.alloc(40 * 1024 * 1024, 7))];
    const [packet] = received([encode({ ...append, entries: large })]);
    assert.equal(packet?.entries[0]?.payload.length, 40 * 1024 * 1024);
  });

  it('notices every flipped bit of header, rows and payload', () => {
    const bytes = encode({ ...append, entries: entries.slice(0, 2) });
    for (let at = 0; at < bytes.length; at += 1) {
      for (const mask of [0x01, 0x80]) {
        bytes[at]! ^= mask;
        const receiver = new Receiver();
        assert.equal(typeof receiver.reader.feed(bytes), 'string', `byte ${at}`);
        assert.equal(receiver.packets.length, 0);
        bytes[at]! ^= mask;
      }
    }
  });

  it('closes on what is no message', () => {
    assertWrong(Buffer.alloc(messageHeaderBytes, 'GET / HTTP/1.1\r\n'), /without its magic/);
    const damaged = encode(messages.heartbeat!);
    damaged[90]! ^= 1;
    assertWrong(damaged, /damaged header/);
  });

  it('closes on another version or an unknown kind', () => {
    const heartbeat = messages.heartbeat!;
    assertWrong(
      forged(heartbeat, (bytes) => bytes.writeUInt8(1, 4)),
      /messages of version 1/,
    );
    assertWrong(
      forged(heartbeat, (bytes) => bytes.writeUInt8(77, 5)),
      /unknown kind 77/,
    );
  });

  it('closes on ids that are not at the ends of the connection (scenario 48)', () => {
    for (const at of [8, 12, 28, 48]) {
      const bytes = forged(messages.heartbeat!, (header) => {
        header[at]! ^= 1;
      });
      assertWrong(bytes, /not at the ends of this connection/);
    }
  });

  it('closes on lengths beyond the limits before it makes room', () => {
    for (const [count, byteLength, sentence] of [
      [65_537, 3_000_000, /beyond the limits/],
      [1, 0xffff_ffff, /beyond the limits/],
      [1, 39, /shorter than its entries/],
      [0, 66_000_000, /longer than its entries/],
    ] as const) {
      const bytes = forged(append, (header) => {
        header.writeUInt32LE(count, 128);
        header.writeUInt32LE(byteLength, 132);
      });
      assertWrong(bytes, sentence);
    }
  });

  it('closes on numbers that nobody can count with', () => {
    for (let at = 72; at < 128; at += 8) {
      const bytes = forged(messages.appendReply!, (header) => header.writeUInt8(0x20, at + 6));
      assertWrong(bytes, /a message with a number that nobody can count with/);
    }
    const given = [{ ...entry(8, 4), stamp: 2 ** 53 }];
    const sentence = /an entry with a number that nobody can count with/;
    assertWrong(encode({ ...append, entries: given }), sentence, { allocates: true });
  });

  it('closes on entries in a message that has none', () => {
    const bytes = forged(append, (header) => header.writeUInt8(8, 5));
    assertWrong(bytes, /entries in a message that has none/);
  });

  it('closes on entries whose indices or terms cannot be', () => {
    const wrong: readonly (readonly [readonly Entry[], RegExp])[] = [
      [[entry(9, 4)], /out of order/],
      [[entry(8, 4), entry(10, 4)], /out of order/],
      [[entry(8, 3)], /impossible terms/],
      [[entry(8, 5), entry(9, 4)], /impossible terms/],
      [[entry(8, 2 ** 41)], /impossible terms/],
    ];
    for (const [given, sentence] of wrong) {
      assertWrong(encode({ ...append, entries: given }), sentence, { allocates: true });
    }
  });

  it('closes on a membership that nobody could follow', () => {
    const nonsense = entry(8, 4, '{"format":1,"voters":[],"learners":[]}', 'configuration');
    const sentence = /a membership that makes no sense here: .*entry 8: it has no voter/;
    assertWrong(encode({ ...append, entries: [nonsense] }), sentence, { allocates: true });
  });

  it('survives any bytes at all', () => {
    const random = seededRandom(5);
    for (let run = 0; run < 2_000; run += 1) {
      const bytes = encode(run % 2 === 0 ? append : messages.appendReply!);
      const changes = randomInteger(random, 1, 8);
      for (let change = 0; change < changes; change += 1) {
        bytes[randomInteger(random, 0, messageHeaderBytes + 200)] = randomInteger(random, 0, 255);
      }
      if (run % 3 === 0) {
        const crc = crc32(bytes.subarray(0, messageHeaderBytes - 4));
        bytes.writeUInt32LE(crc, messageHeaderBytes - 4);
      }
      const receiver = new Receiver();
      const wrong = receiver.reader.feed(bytes);
      assert(wrong === undefined || typeof wrong === 'string');
    }
  });
});

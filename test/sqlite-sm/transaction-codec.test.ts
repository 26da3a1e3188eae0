import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  type CommandKind,
  decodeRecord,
  FatalMachineError,
  setCommandDatabase,
  type WatchedVersion,
} from '../../sqlite-sm/index.js';
import {
  encodeBatch,
  encodeTransactionRecord,
  readKind,
  SeededRandom,
  writeKind,
} from './machine-fixture.js';

const get = encodeBatch([['GET', 'k']], { kind: readKind, db: 3 });
const set = encodeBatch([['SET', 'k', 'v']]);
const watchedKey: WatchedVersion = { db: 2, name: Buffer.from('w'), version: 0x1_0000_0002 };

function assertMalformed(payload: Buffer, reason: RegExp): void {
  assert.throws(
    () => decodeRecord(payload, 0),
    (error) =>
      error instanceof FatalMachineError &&
      error.code === 'corruptEntry' &&
      reason.test(error.message),
  );
}

describe('The transaction codec', () => {
  it('writes the bytes that the log format promises', () => {
    const bytes = encodeTransactionRecord([get], [watchedKey]);
    assert.equal(
      bytes.toString('hex'),
      '36000000' + // 54 bytes in all
        '03000000' +
        '0100000001000000' +
        '0200000001000000' + // the version
        '020100000077' +
        '18000000020300000200000003000000474554010000006b',
    );
  });

  it('reads back what it wrote, among other records', () => {
    const random = new SeededRandom(2);
    for (let round = 0; round < 100; round++) {
      const commands = Array.from({ length: random.below(5) }, () => ({
        kind: (random.below(2) === 0 ? readKind : writeKind) as CommandKind,
        db: random.below(16),
        args: Array.from({ length: 1 + random.below(4) }, () => 'x'.repeat(random.below(20))),
      }));
      const watched = Array.from({ length: random.below(4) }, () => ({
        db: random.below(16),
        name: Buffer.alloc(random.below(20), random.below(256)),
        version: random.below(2 ** 30) * 2 ** 20,
      }));
      const records = commands.map(({ args, kind, db }) => encodeBatch([args], { kind, db }));
      const bytes = encodeTransactionRecord(records, watched);
      const payload = Buffer.concat([set, bytes, get]);
      const decoded = decodeRecord(payload, set.length);
      assert(decoded.kind === 3);
      assert.equal(decoded.end, set.length + bytes.length);
      assert.deepEqual(decoded.watched, watched);
      assert.deepEqual(
        decoded.commands.map(({ kind, db, args }) => ({ kind, db, args: args.map(String) })),
        commands,
      );
    }
  });

  it('may hold nothing at all', () => {
    const decoded = decodeRecord(encodeTransactionRecord([]), 0);
    assert.deepEqual(decoded, { kind: 3, watched: [], commands: [], end: 16 });
  });

  it('gives an encoded command another database', () => {
    const record = Buffer.from(set);
    setCommandDatabase(record, 0, 9);
    const decoded = decodeRecord(record, 0);
    assert(decoded.kind !== 3);
    assert.equal(decoded.db, 9);
    assert.throws(() => setCommandDatabase(record, 0, 16), /out of range/);
  });

  it('refuses every prefix', () => {
    const bytes = encodeTransactionRecord([get, set], [watchedKey]);
    for (let length = 0; length < bytes.length; length++) {
      assertMalformed(bytes.subarray(0, length), /Cannot decode the command at byte 0/);
    }
  });

  it('refuses a transaction inside of one', () => {
    assertMalformed(encodeTransactionRecord([encodeTransactionRecord([set])]), /its kind is 3/);
  });

  it('refuses counts that do not fit, before it believes them', () => {
    const good = encodeTransactionRecord([get, set], [watchedKey]);
    const withU32 = (offset: number, value: number) => {
      const bytes = Buffer.from(good);
      bytes.writeUInt32LE(value, offset);
      return bytes;
    };
    assertMalformed(withU32(8, 0xffffffff), /claims 4294967295 commands and 1 keys/);
    assertMalformed(withU32(12, 0xffffffff), /claims 2 commands and 4294967295 keys/);
    assertMalformed(withU32(8, 1), /\d+ bytes follow its commands/);
    assertMalformed(withU32(8, 3), /less than a record's head/);
    assertMalformed(withU32(12, 0), /Cannot decode/);
    assertMalformed(withU32(12, 2), /watched key 1 ends behind its end/);
    assertMalformed(withU32(25, 0xffff), /watched key 0 ends behind its end/);
    assertMalformed(withU32(0, 15), /its length is 15/);
    assertMalformed(withU32(4, 0x0103), /reserved/);
    assertMalformed(withU32(20, 0x7fffffff), /a version is/);
    const badDatabase = Buffer.from(good);
    badDatabase[24] = 16;
    assertMalformed(badDatabase, /database number is 16/);
  });

  it('does not let a command inside reach beyond the transaction', () => {
    const bytes = encodeTransactionRecord([set]);
    bytes.writeUInt32LE(set.length + get.length, 16);
    assertMalformed(Buffer.concat([bytes, get]), /its length is/);
  });

  it('never reads beyond the record, whatever single byte is wrong', () => {
    const good = encodeTransactionRecord([get, set], [watchedKey]);
    const payload = Buffer.concat([good, Buffer.alloc(64, 0xff)]);
    for (let offset = 0; offset < good.length; offset++) {
      for (const value of [0, 1, 2, 0x7f, 0x80, 0xff]) {
        const bytes = Buffer.from(payload);
        bytes[offset] = value;
        let end: number;
        try {
          ({ end } = decodeRecord(bytes, 0));
        } catch (error) {
          assert(error instanceof FatalMachineError);
          continue;
        }
        assert.equal(end, good.length);
      }
    }
  });
});

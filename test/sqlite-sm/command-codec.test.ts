import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  type CommandKind,
  commandByteLength,
  decodeCommand,
  encodeCommand,
  FatalMachineError,
  readKind,
  writeKind,
} from '../../sqlite-sm/index.js';
import { SeededRandom } from './machine-fixture.js';

function encoded(args: readonly Buffer[]): Buffer {
  const bytes = Buffer.alloc(commandByteLength(args));
  assert.equal(encodeCommand(bytes, 0, writeKind, 3, args), bytes.length);
  return bytes;
}

function assertMalformed(payload: Buffer, reason: RegExp, offset = 0): void {
  assert.throws(
    () => decodeCommand(payload, offset),
    (error) =>
      error instanceof FatalMachineError &&
      error.code === 'corruptEntry' &&
      /^Cannot decode the command at byte \d+ of an entry: /.test(error.message) &&
      reason.test(error.message),
  );
}

interface TestCommand {
  readonly kind: CommandKind;
  readonly db: number;
  readonly args: readonly Buffer[];
}

describe('The command codec', () => {
  it('writes the bytes that the log format promises', () => {
    const bytes = encoded([Buffer.from('GET'), Buffer.from('k')]);
    assert.equal(bytes.toString('hex'), '18000000010300000200000003000000474554010000006b');
  });

  it('reads back what it wrote, records back to back', () => {
    const random = new SeededRandom(1);
    const commands = Array.from(
      { length: 200 },
      (): TestCommand => ({
        kind: random.below(2) === 0 ? writeKind : readKind,
        db: random.below(16),
        args: Array.from({ length: 1 + random.below(5) }, () =>
          Buffer.from(Array.from({ length: random.below(40) }, () => random.below(256))),
        ),
      }),
    );
    const start = 7;
    const length = commands.reduce((sum, { args }) => sum + commandByteLength(args), start);
    // Filled with ones: every byte of a record must be written, not left as it was.
    const payload = Buffer.alloc(length, 0xff);
    let end = start;
    for (const { kind, db, args } of commands) end = encodeCommand(payload, end, kind, db, args);
    assert.equal(end, length);

    let offset = start;
    for (const command of commands) {
      const { end: next, ...decoded } = decodeCommand(payload, offset);
      assert.deepEqual(decoded, command);
      offset = next;
    }
    assert.equal(offset, length);
  });

  it('hands out views, not copies', () => {
    const bytes = encoded([Buffer.from('GET'), Buffer.from('k')]);
    const [, key] = decodeCommand(bytes, 0).args;
    bytes.write('x', bytes.length - 1);
    assert.equal(key?.toString(), 'x');
  });

  it('refuses to encode a command without a name or for a database that does not exist', () => {
    assert.throws(() => encodeCommand(Buffer.alloc(64), 0, writeKind, 0, []), /its name/);
    const args = [Buffer.from('GET')];
    assert.throws(() => encodeCommand(Buffer.alloc(64), 0, writeKind, 16, args), /out of range/);
    assert.throws(() => encodeCommand(Buffer.alloc(64), 0, writeKind, -1, args), /out of range/);
  });

  it('refuses every prefix of a record', () => {
    const bytes = encoded([Buffer.from('SET'), Buffer.from('key'), Buffer.from('value')]);
    for (let length = 0; length < bytes.length; length++) {
      assertMalformed(bytes.subarray(0, length), /bytes/);
    }
  });

  it('refuses fields out of range', () => {
    const good = encoded([Buffer.from('GET'), Buffer.from('k')]);
    const withByte = (offset: number, value: number) => {
      const bytes = Buffer.from(good);
      bytes[offset] = value;
      return bytes;
    };
    assertMalformed(withByte(4, 0), /its kind is 0/);
    assertMalformed(withByte(4, 3), /its kind is 3/);
    assertMalformed(withByte(5, 16), /its database number is 16/);
    assertMalformed(withByte(6, 1), /reserved/);
    assertMalformed(withByte(7, 1), /reserved/);
    assertMalformed(withByte(8, 0), /claims 0 arguments/);
    assertMalformed(withByte(11, 0xff), /claims \d+ arguments in 24 bytes/);
    assertMalformed(withByte(0, 11), /its length is 11/);
    assertMalformed(withByte(0, 23), /argument 1 ends behind/);
    assertMalformed(withByte(12, 200), /argument 0 ends behind/);
    assertMalformed(withByte(12, 6), /argument 1 starts behind|ends behind/);
    assertMalformed(withByte(8, 1), /5 bytes follow/);
  });

  it('never reads beyond the record, whatever single byte is wrong', () => {
    const good = encoded([Buffer.from('SET'), Buffer.from('key'), Buffer.from('value')]);
    const payload = Buffer.concat([good, Buffer.alloc(64, 0xff)]);
    for (let offset = 0; offset < good.length; offset++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff]) {
        const bytes = Buffer.from(payload);
        bytes[offset] = value;
        let end: number;
        try {
          ({ end } = decodeCommand(bytes, 0));
        } catch (error) {
          assert(error instanceof FatalMachineError);
          continue;
        }
        // The checksum of the entry guards contents; the decoder guards structure.
        assert.equal(end, good.length);
      }
    }
  });
});

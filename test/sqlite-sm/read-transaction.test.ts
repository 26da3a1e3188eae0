import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { needsTick } from '../../sqlite-sm/index.js';
import {
  encodeBatch,
  encodeTransactionRecord,
  readKind,
  type ShownReply,
  show,
  useMachine,
} from './machine-fixture.js';

describe('A transaction of reads outside the log', () => {
  const harness = useMachine({ transactionReplyBytesMax: 1000 });

  function versionOf(name: string): number {
    const versions = harness().machine.readVersions(0, [Buffer.from(name)], harness().nowMs);
    assert(versions !== needsTick);
    return versions[0]!;
  }

  function read(
    commands: readonly (readonly string[])[],
    options: { watched?: Record<string, number>; db?: number; nowMs?: number } = {},
  ): ShownReply | typeof needsTick {
    const { watched = {}, db = 0, nowMs = harness().nowMs } = options;
    const record = encodeTransactionRecord(
      commands.map((args) => encodeBatch([[...args]], { kind: readKind, db })),
      Object.entries(watched).map(([name, version]) => ({
        db: 0,
        name: Buffer.from(name),
        version,
      })),
    );
    const reply = harness().machine.readTransaction(record, nowMs);
    return reply === needsTick ? needsTick : show(reply);
  }

  it('answers all of them, long ones and wrong ones too', () => {
    harness().run('SET', 'a', '1');
    harness().runIn(3, 'SET', 'a', '3');
    assert.deepEqual(read([['GET', 'a'], ['KEYS', '*'], ['GET', 'b'], ['DBSIZE']]), [
      '1',
      ['a'],
      null,
      1,
    ]);
    assert.deepEqual(read([['GET', 'a']], { db: 3 }), ['3']);
    assert.match(String((read([['SCAN', 'x']]) as ShownReply[])[0]), /^-ERR invalid cursor/);
    assert.deepEqual(read([]), []);
  });

  it('answers none when a watched key has another version', () => {
    harness().run('SET', 'a', '1');
    const version = versionOf('a');
    assert.deepEqual(read([['GET', 'a']], { watched: { a: version, b: 0 } }), ['1']);
    harness().run('SET', 'a', '1');
    assert.equal(read([['GET', 'a']], { watched: { a: version } }), '*-1');
    assert.equal(read([['GET', 'a']], { watched: { b: 7 } }), '*-1');
  });

  it('needs a tick when a key, read or watched, is due by the clock and not by the stamp', () => {
    harness().run('SET', 'a', '1', 'PX', '10');
    const version = versionOf('a');
    const nowMs = harness().nowMs + 10;
    assert.equal(read([['GET', 'a']], { nowMs }), needsTick);
    assert.equal(read([['KEYS', '*']], { nowMs }), needsTick);
    assert.equal(read([], { nowMs, watched: { a: version } }), needsTick);
    harness().nowMs = nowMs;
    harness().tick();
    assert.deepEqual(read([['GET', 'a']]), [null]);
    assert.equal(read([], { watched: { a: version } }), '*-1');
  });

  it('stops reading when the replies are too long together', () => {
    harness().run('SET', 'a', 'x'.repeat(600));
    const replies = read([
      ['GET', 'a'],
      ['GET', 'a'],
      ['GET', 'a'],
    ]) as ShownReply[];
    assert.equal(String(replies[0]).length, 600);
    for (const reply of replies.slice(1)) assert.match(String(reply), /^-ERR the replies/);
  });

  it('runs no write', () => {
    assert.throws(() => read([['SET', 'a', '1']]), /Only known reads/);
  });
});

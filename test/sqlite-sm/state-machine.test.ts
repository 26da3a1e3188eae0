import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import BetterSqlite3 from 'better-sqlite3';
import {
  FatalMachineError,
  readKind,
  type SqliteStateMachine,
  transactionBytesMax,
  transactionMillisecondsMax,
} from '../../sqlite-sm/index.js';
import {
  copyAsAfterKill,
  encodeBatch,
  MachineHarness,
  ManualTimers,
  openMachine,
  removeDirectories,
  type ShownReply,
  show,
  useMachine,
} from './machine-fixture.js';

describe('apply', () => {
  const harness = useMachine();

  it('moves index, term and stamp with every entry, no-ops included', () => {
    const { machine } = harness();
    assert.equal(machine.appliedIndex, 0);
    assert.equal(machine.lastStamp, 0);
    harness().run('SET', 'a', '1');
    harness().nowMs += 5;
    harness().tick();
    assert.equal(machine.appliedIndex, 2);
    assert.equal(machine.appliedTerm, 1);
    assert.equal(machine.lastStamp, 1_000_005);
  });

  it('moves them with an entry that is not for it, and does not look into that', () => {
    const { machine } = harness();
    const payload = Buffer.from('{"format":1}');
    machine.apply({ ...harness().entry(payload), kind: 'configuration' });
    assert.deepEqual([machine.appliedIndex, machine.appliedTerm], [1, 1]);
    harness().run('SET', 'a', '1');
    assert.equal(harness().run('GET', 'a'), '1');
  });

  it('refuses entries out of order', () => {
    const { machine } = harness();
    harness().run('SET', 'a', '1');
    const next = harness().entry(Buffer.alloc(0));
    assert.throws(() => machine.apply({ ...next, index: 1 }), /in order/);
    assert.throws(() => machine.apply({ ...next, index: 3 }), /in order/);
    assert.throws(() => machine.apply({ ...next, term: 0 }), /Terms/);
    assert.throws(() => machine.apply({ ...next, stamp: 999_999 }), /Stamps/);
    machine.apply(next);
    assert.equal(machine.appliedIndex, 2);
  });

  it('answers each command in its turn', () => {
    const commands = [['SET', 'a', '1'], ['INCR', 'a'], ['GET', 'a'], ['GET'], ['DEL', 'a']];
    assert.deepEqual(harness().runBatch(commands), [
      '+OK',
      2,
      '2',
      "-ERR wrong number of arguments for 'get' command",
      1,
    ]);
  });

  it('runs a read of the entry where it stands, on the replica that answers', () => {
    harness().run('SET', 'a', '1');
    const payload = Buffer.concat([
      encodeBatch([['SET', 'a', '2']]),
      encodeBatch([['GET', 'a']], { kind: readKind }),
      encodeBatch([['SET', 'a', '3']]),
    ]);
    const replies: [number, ShownReply][] = [];
    harness().machine.apply(harness().entry(payload), {
      reply: (position, reply) => replies.push([position, show(reply)]),
    });
    assert.deepEqual(replies, [
      [0, '+OK'],
      [1, '2'],
      [2, '+OK'],
    ]);
  });

  it('refuses a write that was logged as a read: the other replicas skip it', () => {
    const [reply] = harness().runBatch([['SET', 'a', '1']], { kind: readKind });
    assert.equal(reply, '-ERR internal error: a write was logged as a read');
    assert.equal(harness().run('EXISTS', 'a'), 0);
  });

  it('goes on when the sink throws, and hands its error to the caller', () => {
    const { machine } = harness();
    const payload = encodeBatch([
      ['SET', 'a', '1'],
      ['SET', 'b', '1'],
      ['SET', 'c', '1'],
    ]);
    const seen: number[] = [];
    const sink = {
      reply(position: number): void {
        seen.push(position);
        if (position < 2) throw new Error(`connection ${position} is gone`);
      },
    };
    assert.throws(() => machine.apply(harness().entry(payload), sink), /connection 0 is gone/);
    assert.deepEqual(seen, [0, 1, 2]);
    assert.equal(machine.appliedIndex, 1);
    assert.deepEqual(harness().run('MGET', 'a', 'b', 'c'), ['1', '1', '1']);
  });

  it('stops for good at bytes that are no command', () => {
    const { machine } = harness();
    harness().run('SET', 'a', '1');
    machine.flush();
    const payload = encodeBatch([
      ['SET', 'a', '2'],
      ['SET', 'b', '1'],
    ]);
    payload[payload.length - 1 - 4 - 1 - 4] = 0xff;
    assert.throws(() => machine.apply(harness().entry(payload)), isFatal('corruptEntry'));
    assert.throws(() => machine.apply(harness().entry(payload)), isFatal('failed'));
    assert.throws(() => machine.read(0, [Buffer.from('DBSIZE')], 0), isFatal('failed'));
    assert.throws(() => machine.flush(), isFatal('failed'));
    machine.close();

    // What was committed before is whole, and nothing of the bad entry is there.
    const again = openMachine(harness().directory);
    assert.equal(again.appliedIndex, 1);
    assert.equal(show(again.read(0, [Buffer.from('GET'), Buffer.from('a')], 0) as string), '1');
    again.close();
  });

  it('stops for good at a command that it does not know', () => {
    const { machine } = harness();
    assert.throws(() => harness().run('FUTURE', 'a'), isFatal('unknownCommand'));
    assert.throws(() => machine.flush(), isFatal('failed'));
  });
});

describe('The open transaction', () => {
  const timers = new ManualTimers();
  const harness = useMachine({ timers });

  it('is committed when its time is up', () => {
    const { machine } = harness();
    assert(!timers.isPending);
    harness().run('SET', 'a', '1');
    harness().run('SET', 'b', '1');
    assert.equal(timers.milliseconds, transactionMillisecondsMax);
    assert.equal(machine.flushedIndex, 0);
    timers.fire();
    assert.equal(machine.flushedIndex, 2);
    assert(!timers.isPending);
  });

  it('is committed when it has grown enough', () => {
    const { machine } = harness();
    const value = Buffer.alloc(transactionBytesMax / 4);
    for (let i = 0; i < 3; i++) harness().run('SET', `key:${i}`, value);
    assert.equal(machine.flushedIndex, 0);
    harness().run('SET', 'key:3', value);
    assert.equal(machine.flushedIndex, 4);
    assert(!timers.isPending);
  });

  it('holds the applied index together with the rows', () => {
    harness().run('INCR', 'a');
    harness().machine.flush();
    harness().run('INCR', 'a');
    const copy = copyAsAfterKill(harness().directory);
    const file = new BetterSqlite3(`${copy}/live.db`);
    assert.equal(file.prepare('SELECT applied_index FROM meta').pluck().get(), 1);
    const value = file.prepare('SELECT value FROM keys').pluck().get() as Buffer;
    assert.equal(value.toString(), '1');
    file.close();
  });

  it('is committed by close, and a second close does nothing', () => {
    harness().run('SET', 'a', '1');
    harness().machine.close();
    assert(!timers.isPending);
    harness().machine.close();
    const again = openMachine(harness().directory);
    assert.equal(again.appliedIndex, 1);
    again.close();
  });

  it('is not begun for nothing', () => {
    harness().machine.flush();
    harness().machine.reclaim(10);
    assert(!timers.isPending);
    assert.equal(harness().machine.flushedIndex, 0);
  });
});

describe('open', () => {
  afterEach(removeDirectories);

  it('continues with everything that later entries depend on', () => {
    const harness = new MachineHarness();
    harness.run('SET', 'a', '1', 'EX', '100');
    harness.nowMs += 7;
    harness.run('SET', 'b', '1');
    const before = harness.machine.digest();
    const { appliedIndex, appliedTerm, lastStamp, applyVersion } = harness.machine;
    harness.reopen();
    const { machine } = harness;
    assert.equal(machine.digest(), before);
    assert.deepEqual(
      [machine.appliedIndex, machine.appliedTerm, machine.lastStamp, machine.applyVersion],
      [appliedIndex, appliedTerm, lastStamp, applyVersion],
    );
    assert.equal(machine.flushedIndex, 2);
    assert.equal(machine.keyCount(0), 2);
    assert.equal(machine.expiresCount(0), 1);
    harness.machine.close();
  });

  it('never uses an id again, also when the newest key was deleted before a restart', () => {
    const harness = new MachineHarness();
    const idOf = (): unknown => {
      harness.machine.close();
      const file = new BetterSqlite3(`${harness.directory}/live.db`);
      const id = file.prepare('SELECT id FROM keys').pluck().get();
      file.close();
      harness.machine = openMachine(harness.directory);
      return id;
    };
    harness.run('SET', 'a', '1');
    const first = idOf();
    harness.run('DEL', 'a');
    harness.reopen();
    harness.run('SET', 'a', '1');
    const second = idOf();
    assert(Number(second) > Number(first), `${second} after ${first}`);
    harness.run('FLUSHALL');
    harness.reopen();
    harness.run('SET', 'a', '1');
    assert(Number(idOf()) > Number(second));
    harness.machine.close();
  });

  for (const [column, sentence] of [
    [
      'schema_version',
      /^Cannot read live\.db: its schema version is 1000000, this program reads 2$/,
    ],
    [
      'apply_version',
      /^Cannot apply to live\.db: its apply version is 1000000, this program knows 1$/,
    ],
  ] as const) {
    it(`stops at a ${column} from the future, and keeps the file`, () => {
      const harness = new MachineHarness();
      harness.machine.close();
      const file = new BetterSqlite3(`${harness.directory}/live.db`);
      file.exec(`UPDATE meta SET ${column} = 1000000`);
      file.close();
      for (let i = 0; i < 2; i++) {
        assert.throws(
          () => openMachine(harness.directory),
          (error) =>
            error instanceof FatalMachineError &&
            error.code === 'unsupportedVersion' &&
            sentence.test(error.message),
        );
      }
    });
  }

  it('starts empty where an older program left its file: the log brings everything again', () => {
    const harness = new MachineHarness();
    harness.run('SET', 'a', '1');
    harness.machine.close();
    const file = new BetterSqlite3(`${harness.directory}/live.db`);
    file.exec('UPDATE meta SET schema_version = 1');
    file.close();
    const { startedFrom, startReason, appliedIndex } = openAndClose(harness.directory);
    assert.deepEqual([startedFrom, appliedIndex], ['empty', 0]);
    assert.equal(startReason, 'the database is of an older version');
    assert.equal(openAndClose(harness.directory).startedFrom, 'live');
  });

  it('refuses a directory that another machine has open', () => {
    const harness = new MachineHarness();
    assert.throws(() => openMachine(harness.directory), /database is locked/);
    harness.run('SET', 'a', '1');
    harness.machine.close();
  });
});

function openAndClose(directory: string): SqliteStateMachine {
  const machine = openMachine(directory);
  machine.close();
  return machine;
}

function isFatal(code: string): (error: unknown) => boolean {
  return (error) => error instanceof FatalMachineError && error.code === code;
}

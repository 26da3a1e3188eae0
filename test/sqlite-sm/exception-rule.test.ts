import assert from 'node:assert/strict';
import BetterSqlite3 from 'better-sqlite3';
import type { DataCommand } from '../../sqlite-sm/index.js';
import { FatalMachineError } from '../../sqlite-sm/index.js';
import type { Keyspace } from '../../sqlite-sm/keyspace.js';
import {
  encodeBatch,
  MachineHarness,
  openMachine,
  removeDirectories,
  type ShownReply,
  show,
} from './machine-fixture.js';

/** Writes two keys, then throws what its test has put here. */
let thrown: unknown;
/** How often the command throws before it does not any more. */
let throwsLeft = Number.POSITIVE_INFINITY;

function breakDown(keyspace: Keyspace, args: readonly Buffer[]): number {
  keyspace.insertString(args[1] as Buffer, args[1] as Buffer, 5_000_000);
  if (throwsLeft > 0) {
    throwsLeft--;
    throw thrown;
  }
  return 1;
}

const commands: readonly DataCommand[] = [
  {
    name: 'breakdown',
    arity: 2,
    flags: ['write'],
    categories: ['@write'],
    keySpecs: [],
    tips: [],
    group: 'generic',
    since: '1.0.0',
    summary: '',
    complexity: '',
    run: breakDown,
  },
  {
    name: 'brokenread',
    arity: 1,
    flags: ['readonly'],
    categories: ['@read'],
    keySpecs: [],
    tips: [],
    group: 'generic',
    since: '1.0.0',
    summary: '',
    complexity: '',
    run: () => {
      throw thrown;
    },
  },
];

const internalError = "-ERR internal error in 'breakdown' command";

describe('A command that throws', () => {
  let failures: [unknown, string | undefined][] = [];
  let harness: MachineHarness;

  function open(): MachineHarness {
    return new MachineHarness({
      commands,
      onCommandFailure: (error, name) => failures.push([error, name]),
    });
  }

  beforeEach(() => {
    thrown = new TypeError('a mistake');
    throwsLeft = Number.POSITIVE_INFINITY;
    failures = [];
    harness = open();
  });
  afterEach(() => {
    harness.machine.close();
    removeDirectories();
  });

  it('counts no key for a SET that gets the number of a row that was undone', () => {
    harness.run('SET', 'old', '1');
    const replies = harness.runBatch([
      ['BREAKDOWN', 'new'],
      ['SET', 'old', '2'],
    ]);
    assert.deepEqual(replies, [internalError, '+OK']);
    assert.equal(harness.run('DBSIZE'), 1);
  });

  it('is undone alone, and the entry goes on', () => {
    const replies = harness.runBatch([
      ['SET', 'a', '1'],
      ['BREAKDOWN', 'x'],
      ['SET', 'b', '2', 'EX', '100'],
      ['INCR', 'a'],
    ]);
    assert.deepEqual(replies, ['+OK', internalError, '+OK', 2]);
    assert.deepEqual(harness.run('MGET', 'a', 'b', 'x'), ['2', '2', null]);
    assert.equal(harness.run('DBSIZE'), 2);
    assert.equal(harness.machine.expiresCount(0), 1);
    assert.deepEqual(failures, [[thrown, 'breakdown']]);
  });

  it('leaves the state of a replica that never saw it', () => {
    const other = open();
    const before = [['SET', 'a', '1'], ['SET', 'b', '1', 'PX', '5'], ['FLUSHALL'], ['INCR', 'n']];
    const after = [
      ['APPEND', 'n', '0'],
      ['SET', 'c', '1'],
      ['DEL', 'c'],
      ['SET', 'd', '1'],
    ];
    for (const command of before) harness.run(...command);
    harness.runBatch([...after, ['BREAKDOWN', 'x'], ...after, ['BREAKDOWN', 'y']]);
    for (const command of before) other.run(...command);
    other.runBatch([...after, ...after]);
    assert.equal(harness.machine.digest(), other.machine.digest());
    other.machine.close();
  });

  it('leaves the same state wherever the last commit was', () => {
    const digests = new Set<string>();
    for (let flushAfter = 0; flushAfter < 6; flushAfter++) {
      const one = open();
      for (let i = 0; i < 6; i++) {
        one.runBatch([
          ['INCR', 'n'],
          ['SET', `key:${i}`, 'v'],
          ['BREAKDOWN', `x:${i}`],
          ['INCR', 'n'],
        ]);
        one.run('INCR', 'n');
        if (i === flushAfter) one.machine.flush();
      }
      assert.equal(one.run('GET', 'n'), '18');
      digests.add(one.machine.digest());
      one.machine.close();
    }
    assert.equal(digests.size, 1);
  });

  it('brings back entries that were applied but not committed, without their replies', () => {
    for (let i = 0; i < 5; i++) assert.equal(harness.run('INCR', 'n'), i + 1);
    assert.equal(harness.machine.flushedIndex, 0);
    const replies: [number, ShownReply][] = [];
    const payload = encodeBatch([
      ['INCR', 'n'],
      ['GET', 'n'],
      ['BREAKDOWN', 'x'],
      ['INCR', 'n'],
    ]);
    harness.machine.apply(harness.entry(payload), {
      reply: (position, reply) => replies.push([position, show(reply)]),
    });
    assert.deepEqual(replies, [
      [0, 6],
      [1, '6'],
      [2, internalError],
      [3, 7],
    ]);
    assert.equal(harness.machine.appliedIndex, 6);
    assert.equal(harness.machine.flushedIndex, 6);
  });

  it('answers the same on every replica, with or without a sink', () => {
    const other = open();
    const payload = encodeBatch([
      ['INCR', 'n'],
      ['BREAKDOWN', 'x'],
      ['INCR', 'n'],
    ]);
    harness.machine.apply(harness.entry(payload), { reply: () => {} });
    other.machine.apply(other.entry(payload));
    assert.equal(harness.machine.digest(), other.machine.digest());
    other.machine.close();
  });

  it('keeps what FLUSHALL and reclaim did around it', () => {
    harness.run('SET', 'old', '1');
    harness.machine.flush();
    harness.run('FLUSHALL');
    harness.machine.reclaim(1);
    harness.runBatch([['SET', 'a', '1'], ['BREAKDOWN', 'x'], ['FLUSHALL'], ['SET', 'b', '1']]);
    assert.deepEqual(harness.run('SCAN', '0'), ['0', ['b']]);
    while (harness.machine.hasGarbage) harness.machine.reclaim(1);
    assert.equal(harness.run('DBSIZE'), 1);
  });

  it('may be an assertion, and may repeat', () => {
    thrown = new assert.AssertionError({ message: 'ours', actual: 1, expected: 2, operator: '==' });
    for (let i = 0; i < 3; i++) assert.equal(harness.run('BREAKDOWN', 'x'), internalError);
    assert.equal(failures.length, 3);
    harness.run('SET', 'a', '1');
    harness.reopen({ commands });
    assert.equal(harness.run('GET', 'a'), '1');
  });

  it('may throw once and never again: then it has happened', () => {
    throwsLeft = 1;
    assert.deepEqual(
      harness.runBatch([
        ['INCR', 'n'],
        ['BREAKDOWN', 'x'],
      ]),
      [1, 1],
    );
    assert.equal(harness.run('GET', 'x'), 'x');
    assert.deepEqual(failures, [[thrown, undefined]]);
  });

  it('as a read outside the log answers with an error and changes nothing', () => {
    harness.run('SET', 'a', '1');
    assert.equal(harness.read('BROKENREAD'), "-ERR internal error in 'brokenread' command");
    assert.deepEqual(failures, [[thrown, 'brokenread']]);
    assert.equal(harness.read('GET', 'a'), '1');
  });

  it('does not hide what the sink threw', () => {
    const payload = encodeBatch([
      ['SET', 'a', '1'],
      ['BREAKDOWN', 'x'],
    ]);
    const sink = {
      reply(): void {
        throw new Error('connection is gone');
      },
    };
    assert.throws(() => harness.machine.apply(harness.entry(payload), sink), /connection is gone/);
    assert.equal(harness.run('GET', 'a'), '1');
  });

  const sqliteError = (code: string): Error => new BetterSqlite3.SqliteError('from SQLite', code);

  const fatal: [string, unknown][] = [
    ['a full disk', sqliteError('SQLITE_FULL')],
    ['an I/O error', sqliteError('SQLITE_IOERR_WRITE')],
    ['no memory', sqliteError('SQLITE_NOMEM')],
    ['a lock', sqliteError('SQLITE_BUSY_SNAPSHOT')],
    ['an unknown error of SQLite', sqliteError('SQLITE_SOMETHING_NEW')],
    ['a full stack', new RangeError('Maximum call stack size exceeded')],
    ['a failed allocation', new RangeError('Array buffer allocation failed')],
  ];
  for (const [title, error] of fatal) {
    it(`ends the machine for ${title}`, () => {
      thrown = error;
      harness.run('SET', 'a', '1');
      harness.machine.flush();
      assert.throws(
        () =>
          harness.runBatch([
            ['SET', 'a', '2'],
            ['BREAKDOWN', 'x'],
          ]),
        (caught) =>
          caught instanceof FatalMachineError &&
          caught.code === 'resource' &&
          caught.cause === error &&
          caught.message.startsWith('Cannot apply entries after index 1: '),
      );
      assert.deepEqual(failures, []);
      assert.throws(() => harness.run('GET', 'a'), FatalMachineError);
      // Nothing of the entry is kept; the log brings it again.
      harness.machine.close();
      harness.machine = openMachine(harness.directory);
      assert.equal(harness.machine.startedFrom, 'live');
      assert.equal(harness.machine.appliedIndex, 1);
      assert.equal(harness.run('GET', 'a'), '1');
    });
  }

  it('ends the machine for a damaged file, which is not trusted again', () => {
    thrown = sqliteError('SQLITE_CORRUPT');
    harness.run('SET', 'a', '1');
    harness.machine.flush();
    assert.throws(() => harness.run('BREAKDOWN', 'x'), FatalMachineError);
    harness.machine.close();
    harness.machine = openMachine(harness.directory);
    assert.equal(harness.machine.startedFrom, 'empty');
    assert.equal(harness.machine.startReason, 'there is no marker');
  });

  const deterministic: [string, unknown][] = [
    ['a violated constraint', sqliteError('SQLITE_CONSTRAINT_UNIQUE')],
    ['a value too big', sqliteError('SQLITE_TOOBIG')],
    ['an error in a statement', sqliteError('SQLITE_ERROR')],
    ['an invalid length', new RangeError('Invalid array length')],
    ['something that is no error', 'a string'],
    ['nothing at all', undefined],
  ];
  for (const [title, error] of deterministic) {
    it(`answers with an error for ${title}`, () => {
      thrown = error;
      assert.equal(harness.run('BREAKDOWN', 'x'), internalError);
      assert.deepEqual(failures, [[error, 'breakdown']]);
    });
  }
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  type DataCommand,
  needsTick,
  type ReplySink,
  type SqliteStateMachine,
  type WatchedVersion,
} from '../../sqlite-sm/index.js';
import type { Keyspace } from '../../sqlite-sm/keyspace.js';
import {
  type Argument,
  encodeBatch,
  encodeTransactionRecord,
  MachineHarness,
  makeDirectory,
  openMachine,
  readKind,
  removeDirectories,
  SeededRandom,
  type ShownReply,
  show,
} from './machine-fixture.js';
import { randomCommand } from './random-commands.js';

const reads = new Set(['GET', 'MGET', 'DBSIZE', 'EXISTS']);

function record(args: Argument[], db = 0): Buffer {
  return encodeBatch([args], { db, ...(reads.has(String(args[0])) && { kind: readKind }) });
}

function transaction(commands: Argument[][], watched: WatchedVersion[] = []): Buffer {
  return encodeTransactionRecord(
    commands.map((args) => record(args)),
    watched,
  );
}

/** Writes a key, then throws. */
const breakdown: DataCommand = {
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
  run(keyspace: Keyspace, args) {
    keyspace.insertString(args[1] as Buffer, args[1] as Buffer, null);
    throw new TypeError('a mistake');
  },
};
const internalError = "-ERR internal error in 'breakdown' command";

describe('A transaction', () => {
  let harness: MachineHarness;

  beforeEach(() => {
    harness = new MachineHarness({ commands: [breakdown], transactionReplyBytesMax: 1000 });
  });
  afterEach(() => {
    harness.machine.close();
    removeDirectories();
  });

  /** The replies of an entry's records. */
  function apply(...records: Buffer[]): ShownReply[] {
    const replies: ShownReply[] = [];
    harness.machine.apply(harness.entry(Buffer.concat(records)), {
      reply(position, reply) {
        assert.equal(position, replies.length);
        replies.push(show(reply));
      },
    });
    return replies;
  }

  function watch(name: string, db = 0): WatchedVersion {
    const names = [Buffer.from(name)];
    const versions = harness.machine.readVersions(db, names, harness.nowMs);
    assert(versions !== needsTick);
    return { db, name: names[0] as Buffer, version: versions[0] as number };
  }

  it('answers one array, in which reads see the writes before them', () => {
    const replies = apply(
      record(['SET', 'a', '1']),
      transaction([
        ['INCR', 'a'],
        ['GET', 'a'],
        ['APPEND', 'a', 'x'],
        ['INCR', 'a'],
        ['MGET', 'a', 'b'],
      ]),
      record(['GET', 'a']),
    );
    const notInteger = '-ERR value is not an integer or out of range';
    assert.deepEqual(replies, ['+OK', [2, '2', 2, notInteger, ['2x', null]], '2x']);
  });

  it('runs each command in its own database', () => {
    const replies = apply(
      encodeTransactionRecord([
        record(['SET', 'a', 'zero']),
        record(['SET', 'a', 'five'], 5),
        record(['GET', 'a']),
        record(['GET', 'a'], 5),
      ]),
    );
    assert.deepEqual(replies, [['+OK', '+OK', 'zero', 'five']]);
  });

  it('without commands answers an empty array, or null', () => {
    const absent = watch('a');
    assert.deepEqual(apply(transaction([], [absent])), [[]]);
    harness.run('SET', 'a', '1');
    assert.deepEqual(apply(transaction([], [absent]), transaction([])), ['*-1', []]);
  });

  const changes: [string, Argument[][]][] = [
    ['another value', [['SET', 'w', '2']]],
    ['the same value', [['SET', 'w', '1']]],
    ['an expiry', [['EXPIRE', 'w', '100']]],
    ['a deletion', [['DEL', 'w']]],
    [
      'a deletion and the same again',
      [
        ['DEL', 'w'],
        ['SET', 'w', '1'],
      ],
    ],
    ['FLUSHALL', [['FLUSHALL']]],
    ['FLUSHALL and the same again', [['FLUSHALL'], ['SET', 'w', '1']]],
  ];
  for (const [title, commands] of changes) {
    it(`does nothing after ${title} of a watched key`, () => {
      harness.run('SET', 'w', '1');
      const watched = [watch('other'), watch('w')];
      for (const command of commands) harness.run(...command);
      const before = harness.machine.digest();
      const aborted = transaction(
        [
          ['SET', 'a', '1'],
          ['BREAKDOWN', 'x'],
        ],
        watched,
      );
      assert.deepEqual(apply(aborted), ['*-1']);
      assert.equal(harness.machine.digest(), before);
    });
  }

  it('is not kept by what leaves the watched keys as they are', () => {
    harness.run('SET', 'w', '1');
    const watched = [watch('w'), watch('missing')];
    harness.run('DEL', 'missing');
    harness.run('SET', 'other', '1');
    harness.run('SET', 'w', '2', 'NX');
    harness.run('INCR', 'w', 'x');
    harness.runIn(1, 'SET', 'w', '2');
    assert.deepEqual(apply(transaction([['INCR', 'w']], watched)), [[2]]);
  });

  it('compares in the database in which the key was watched', () => {
    harness.runIn(3, 'SET', 'w', '1');
    const watched = [watch('w', 3)];
    harness.run('SET', 'w', '1');
    assert.deepEqual(apply(transaction([['SET', 'a', '1']], watched)), [['+OK']]);
    harness.runIn(3, 'SET', 'w', '1');
    assert.deepEqual(apply(transaction([['SET', 'a', '1']], watched)), ['*-1']);
  });

  it('sees a command before it in the same entry', () => {
    harness.run('SET', 'w', '1');
    const watched = [watch('w')];
    const increment = transaction([['INCR', 'w']], watched);
    assert.deepEqual(apply(increment, increment), [[2], '*-1']);
  });

  it('takes a watched key that came due for a changed one, and one that was due for none', () => {
    harness.run('SET', 'w', '1', 'PX', '100');
    const watched = [watch('w')];
    harness.nowMs += 99;
    assert.deepEqual(apply(transaction([['EXISTS', 'w']], watched)), [[1]]);
    harness.nowMs += 1;
    assert.deepEqual(apply(transaction([['EXISTS', 'w']], watched)), ['*-1']);
    const due = [watch('w')];
    assert.equal(due[0]?.version, 0);
    harness.run('DEL', 'w');
    assert.deepEqual(apply(transaction([['EXISTS', 'w']], due)), [[0]]);
  });

  it('is watched for with a tick when a key is due by the reader alone', () => {
    harness.run('SET', 'w', '1', 'PX', '100');
    harness.nowMs += 100;
    const names = [Buffer.from('w')];
    assert.equal(harness.machine.readVersions(0, names, harness.nowMs), needsTick);
    harness.tick();
    assert.deepEqual(harness.machine.readVersions(0, names, harness.nowMs), [0]);
  });

  it('undoes a command that throws alone', () => {
    harness.run('SET', 'n', '0');
    const replies = apply(
      record(['INCR', 'n']),
      transaction([
        ['INCR', 'n'],
        ['BREAKDOWN', 'x'],
        ['GET', 'n'],
        ['INCR', 'n'],
        ['BREAKDOWN', 'y'],
      ]),
      record(['INCR', 'n']),
    );
    assert.deepEqual(replies, [1, [2, internalError, '2', 3, internalError], 4]);
    assert.deepEqual(harness.run('EXISTS', 'x', 'y'), 0);
    assert.equal(harness.run('DBSIZE'), 1);
  });

  it('refuses a write in the guise of a read, and what has the wrong number of arguments', () => {
    const disguised = encodeBatch([['SET', 'a', '1']], { kind: readKind });
    assert.deepEqual(apply(encodeTransactionRecord([disguised, record(['SET', 'a'])])), [
      [
        '-ERR internal error: a write was logged as a read',
        "-ERR wrong number of arguments for 'set' command",
      ],
    ]);
    assert.equal(harness.run('DBSIZE'), 0);
  });

  it('keeps its writes, and no more replies, when these become too long', () => {
    const value = 'v'.repeat(400);
    const [replies] = apply(
      transaction([
        ['SET', 'a', value],
        ['GET', 'a'],
        ['GET', 'a'],
        ['GET', 'a'],
        ['GET', 'a'],
        ['INCR', 'n'],
      ]),
    ) as ShownReply[][];
    assert.deepEqual(replies?.slice(0, 3), ['+OK', value, value]);
    for (const reply of replies?.slice(3) ?? []) assert.match(String(reply), /^-ERR the replies/);
    assert.equal(harness.run('GET', 'n'), '1');
  });
});

describe('Replicas that apply the same transactions', () => {
  afterEach(removeDirectories);

  const times = { seconds: ['1', '2', '300'], milliseconds: ['1', '50', '100000'] };

  /** Some of the transactions throw inside, some are aborted; versions are guessed or right. */
  function* entries(seed: number, reference: SqliteStateMachine): Generator<Buffer> {
    const random = new SeededRandom(seed);
    const keys = ['a', 'b', 'c', 'counter'];
    for (let i = 0; i < 300; i++) {
      const records = Array.from({ length: 1 + random.below(3) }, () => {
        const commands = Array.from({ length: random.below(5) }, () => {
          const isBroken = random.below(20) === 0;
          const args = isBroken ? ['BREAKDOWN', `x${i}`] : randomCommand(random, times);
          return encodeBatch([args], { db: random.below(2) });
        });
        const watched = Array.from({ length: random.below(2) }, () => {
          const [db, name] = [random.below(2), Buffer.from(random.pick(keys))];
          const versions = reference.readVersions(db, [name], reference.lastStamp);
          assert(versions !== needsTick);
          return { db, name, version: random.below(4) === 0 ? 1 : (versions[0] as number) };
        });
        return encodeTransactionRecord(commands, watched);
      });
      yield Buffer.concat(records);
    }
  }

  for (const seed of [61, 62]) {
    it(`end in the same state, with and without a sink, wherever they commit (seed ${seed})`, () => {
      const options = { commands: [breakdown] };
      const silent = openMachine(makeDirectory(), options);
      const answering = openMachine(makeDirectory(), options);
      const random = new SeededRandom(seed + 100);
      let aborted = 0;
      let executed = 0;
      const sink: ReplySink = {
        reply(_position, reply) {
          if (Array.isArray(reply)) executed++;
          else aborted++;
        },
      };
      let index = 1;
      for (const payload of entries(seed, answering)) {
        const entry = { index, term: 1, stamp: index * 20, kind: 'command' as const, payload };
        silent.apply(entry);
        answering.apply(entry, sink);
        if (random.below(4) === 0) answering.flush();
        if (index % 50 === 0) assert.equal(silent.digest(), answering.digest());
        index++;
      }
      assert(aborted > 20 && executed > 200, `${aborted} aborted, ${executed} executed`);
      assert.equal(silent.digest(), answering.digest());
      silent.close();
      answering.close();
    });
  }
});

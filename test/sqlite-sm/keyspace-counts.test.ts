// What is counted of lookups: those of answered commands, as Redis counts them, each once.

import assert from 'node:assert/strict';
import {
  type DataCommand,
  expireDueCommand,
  KeyspaceCounts,
  needsTick,
} from '../../sqlite-sm/index.js';
import {
  encodeBatch,
  encodeTransactionRecord,
  MachineHarness,
  readKind,
  removeDirectories,
} from './machine-fixture.js';

/** Reads `k`, and then it is our mistake. */
const failing: DataCommand = {
  name: 'failing',
  arity: 1,
  flags: ['write'],
  categories: [],
  keySpecs: [],
  tips: [],
  group: 'generic',
  since: '1.0.0',
  summary: '',
  complexity: '',
  run(keyspace) {
    keyspace.readString(Buffer.from('k'));
    throw new Error('a mistake');
  },
};

/** There is `k`, a string, and `n`, a number. Each with its hits and misses. */
const reads: readonly [line: string, hits: number, misses: number][] = [
  ['GET k', 1, 0],
  ['GET no', 0, 1],
  ['MGET k no k', 2, 1],
  ['STRLEN k', 1, 0],
  ['STRLEN no', 0, 1],
  ['GETRANGE k 0 1', 1, 0],
  ['SUBSTR no 0 1', 0, 1],
  ['GETRANGE k x 1', 0, 0],
  ['LCS k no', 1, 1],
  ['EXISTS k no no', 1, 2],
  ['TOUCH k no', 1, 1],
  ['TYPE k', 1, 0],
  ['TTL k', 1, 0],
  ['PTTL no', 0, 1],
  ['EXPIRETIME k', 1, 0],
  ['PEXPIRETIME no', 0, 1],
  ['OBJECT ENCODING k', 1, 0],
  ['OBJECT FREQ k', 1, 0],
  ['OBJECT IDLETIME no', 0, 1],
  ['OBJECT REFCOUNT k', 1, 0],
  ['OBJECT HELP', 0, 0],
  ['memory|usage USAGE k', 0, 0],
  ['KEYS *', 0, 0],
  ['SCAN 0', 0, 0],
  ['RANDOMKEY', 0, 0],
  ['DBSIZE', 0, 0],
];

const writes: readonly [line: string, hits: number, misses: number][] = [
  ['GETEX k', 1, 0],
  ['GETEX no', 0, 1],
  ['GETSET k v', 1, 0],
  ['GETSET new v', 0, 1],
  ['GETDEL no', 0, 1],
  ['GETDEL k', 1, 0],
  ['SET k v GET', 1, 0],
  ['COPY k other', 1, 0],
  ['COPY no other', 0, 1],
  ['SET k v', 0, 0],
  ['SET k v NX', 0, 0],
  ['SETNX k v', 0, 0],
  ['MSETNX k v', 0, 0],
  ['INCR n', 0, 0],
  ['INCRBYFLOAT n 1', 0, 0],
  ['APPEND k v', 0, 0],
  ['SETRANGE k 1 v', 0, 0],
  ['EXPIRE k 100', 0, 0],
  ['PERSIST k', 0, 0],
  ['RENAME k other', 0, 0],
  ['MOVE k 1', 0, 0],
  ['DEL k no', 0, 0],
];

describe('Keyspace counts', () => {
  let counts: KeyspaceCounts;
  let harness: MachineHarness;

  beforeEach(() => {
    counts = new KeyspaceCounts();
    harness = new MachineHarness({ counts, commands: [failing] });
    harness.run('SET', 'k', 'value');
    harness.run('SET', 'n', '1');
    counts.reset();
  });
  afterEach(() => {
    harness.machine.close();
    removeDirectories();
  });

  function assertCounted(hits: number, misses: number, expired = 0): void {
    assert.deepEqual({ ...counts }, { hits, misses, expired });
  }

  for (const [line, hits, misses] of reads) {
    it(`${line}: ${hits} hits and ${misses} misses, in an entry or not`, () => {
      harness.read(...line.split(' '));
      assertCounted(hits, misses);
      counts.reset();
      harness.runBatch([line.split(' ')], { kind: readKind });
      assertCounted(hits, misses);
    });
  }

  for (const [line, hits, misses] of writes) {
    it(`${line}: ${hits} hits and ${misses} misses, where it is answered`, () => {
      const silent = new KeyspaceCounts();
      const other = new MachineHarness({ counts: silent });
      harness.run(...line.split(' '));
      assertCounted(hits, misses);
      other.run('SET', 'k', 'value');
      other.machine.apply(other.entry(encodeBatch([line.split(' ')])));
      assert.deepEqual({ ...silent }, { hits: 0, misses: 0, expired: 0 });
      other.machine.close();
    });
  }

  it('a key that is due is missed, once, however often it is looked for', () => {
    harness.run('SET', 'k', 'v', 'PX', '10');
    harness.nowMs += 20;
    assert.equal(harness.read('GET', 'k'), needsTick);
    assertCounted(0, 0);
    harness.tick();
    assert.equal(harness.read('GET', 'k'), null);
    assertCounted(0, 1);
  });

  it('a key expires once, by the write that meets it or by the deletion of all that are due', () => {
    for (const name of ['a', 'b', 'c']) harness.run('SET', name, 'v', 'PX', '10');
    harness.nowMs += 20;
    harness.run('SET', 'a', 'again');
    assertCounted(0, 0, 1);
    harness.run(expireDueCommand.name);
    assertCounted(0, 0, 3);
    harness.run('EXPIRE', 'a', '-1');
    assertCounted(0, 0, 3);
  });

  it('a transaction counts what its commands do', () => {
    const record = encodeTransactionRecord([
      encodeBatch([['GET', 'k']], { kind: readKind }),
      encodeBatch([['GETDEL', 'k']]),
      encodeBatch([['GET', 'k']], { kind: readKind }),
    ]);
    harness.machine.apply(harness.entry(record), { reply: () => {} });
    assertCounted(2, 1);
  });

  it('what is run again after a failure is not counted again, and a failure not at all', () => {
    harness.runBatch([['GET', 'k'], ['failing'], ['GET', 'k'], ['GET', 'no']]);
    assertCounted(2, 1);
  });
});

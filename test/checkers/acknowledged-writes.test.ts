import assert from 'node:assert/strict';
import { seededRandom, seedsToRun } from '../faults/seeded-random.js';
import type { KeyspaceModel } from '../sqlite-sm/keyspace-model.js';
import { findLostWrites } from './acknowledged-writes.js';
import { drawn } from './drawn-history.js';
import type { Operation } from './operation.js';
import { mixedCommands, simulatedStore } from './simulated-history.js';

function isWhole(contents: Record<string, string>, ...rows: readonly string[]): boolean {
  return findLostWrites(drawn(...rows), new Map(Object.entries(contents))).length === 0;
}

describe('findLostWrites', () => {
  it('accepts the last write and misses it', () => {
    const rows = ['|- SET k a = OK -||- SET k b = OK -|'];
    assert(isWhole({ k: 'b' }, ...rows));
    assert(!isWhole({ k: 'a' }, ...rows));
    assert(!isWhole({}, ...rows));
    assert(!isWhole({ k: 'c' }, ...rows));
  });

  it('accepts either of two concurrent writes', () => {
    const rows = ['|- SET k a = OK -|', '  |- SET k b = OK -|'];
    assert(isWhole({ k: 'a' }, ...rows));
    assert(isWhole({ k: 'b' }, ...rows));
    assert(!isWhole({}, ...rows));
  });

  it('accepts a write that nobody heard of, late or never', () => {
    const rows = ['|- SET k a ->', `${' '.repeat(20)}|- SET k b = OK -|`];
    assert(isWhole({ k: 'a' }, ...rows));
    assert(isWhole({ k: 'b' }, ...rows));
    assert(!isWhole({}, ...rows));
  });

  it('misses a write that nobody was told of, when it was read', () => {
    const rows = ['|- SET k a ->', '               |- GET k = a -|'];
    assert(isWhole({ k: 'a' }, ...rows));
    assert(!isWhole({}, ...rows));
    const overwritten = [...rows, `${' '.repeat(31)}|- SET k b = OK -|`];
    assert(isWhole({ k: 'b' }, ...overwritten));
    assert(!isWhole({ k: 'a' }, ...overwritten), 'it took effect before it was read');
  });

  it('misses a deletion', () => {
    const rows = ['|- SET k a = OK -||- DEL k = (1) -|'];
    assert(isWhole({}, ...rows));
    assert(!isWhole({ k: 'a' }, ...rows));
  });

  it('expects nothing of a condition that was not met', () => {
    const rows = ['|- SET k a = OK -||- SET k b NX = nil -|'];
    assert(isWhole({ k: 'a' }, ...rows));
    assert(!isWhole({ k: 'b' }, ...rows));
  });

  it('misses half of an MSET', () => {
    const rows = ['|- MSET {t}a 1 {t}b 2 = OK -|'];
    assert(isWhole({ '{t}a': '1', '{t}b': '2' }, ...rows));
    assert(!isWhole({ '{t}a': '1' }, ...rows));
  });

  it('counts increments: all that were acknowledged, and at most the others', () => {
    const rows = ['|- INCR c = (1) -||- INCR c = (2) -||- INCR c ->', '|- INCRBY c -3 ->'];
    for (const value of ['-1', '0', '2', '3']) assert(isWhole({ c: value }, ...rows), value);
    for (const value of ['-2', '4', 'a']) assert(!isWhole({ c: value }, ...rows), value);
    assert(!isWhole({}, ...rows));
  });

  it('counts increments from the last value that was set', () => {
    const rows = ['|- INCR c = (1) -||- SET c 10 = OK -||- INCR c = (11) -|'];
    assert(isWhole({ c: '11' }, ...rows));
    assert(!isWhole({ c: '10' }, ...rows));
    assert(!isWhole({ c: '2' }, ...rows));
  });

  it('misses what was appended, and notices what was appended twice', () => {
    const rows = ['|- APPEND l a; = (2) -||- APPEND l b; = (4) -|', '|- APPEND l c; ->'];
    for (const value of ['a;b;', 'a;b;c;', 'c;a;b;', 'a;c;b;'])
      assert(isWhole({ l: value }, ...rows));
    for (const value of ['a;', 'b;c;', 'a;a;', 'a;b;c;b;']) assert(!isWhole({ l: value }, ...rows));
    assert(!isWhole({}, ...rows));
  });

  it('lets a deletion beside an append take it along', () => {
    const rows = ['|- APPEND l a; = (2) -|', '  |- DEL l = (0) -|'];
    assert(isWhole({ l: 'a;' }, ...rows));
    assert(isWhole({}, ...rows));
  });

  it('lets a key with a time to live be gone', () => {
    const rows = ['|- SET k 1 PX 5 = OK -||- INCR k = (2) -|'];
    assert(isWhole({ k: '2' }, ...rows));
    assert(isWhole({ k: '1' }, ...rows), 'expired in between');
    assert(isWhole({}, ...rows));
    assert(!isWhole({ k: '3' }, ...rows));
    assert(!isWhole({}, '|- SET k 1 = OK -|'));
  });

  it('names a key that nobody wrote', () => {
    assert.deepEqual(findLostWrites([], new Map([['k', 'a']])), [
      'k is there in the end, and nobody wrote it',
    ]);
  });

  it('says which write is lost', () => {
    const history = drawn('|- SET k a = OK -||- SET k b = OK -|');
    assert.deepEqual(findLostWrites(history, new Map([['k', 'a']])), [
      [
        'k is "a" in the end, after',
        "  client 1, 0–17: SET k a → 'OK'",
        "  client 1, 18–35: SET k b → 'OK'",
      ].join('\n'),
    ]);
  });

  it('finds what a store forgot, and nothing in one that forgets nothing', () => {
    for (const seed of seedsToRun(10)) {
      const random = seededRandom(seed);
      const nextCommand = mixedCommands(random, 2);
      const options = { random, clients: 8, operations: 2000, losses: 0.05, nextCommand };
      const { history, store } = simulatedStore(options);
      assert.deepEqual(
        findLostWrites(history, contentsOf(store, history)),
        [],
        `HOLT_SEED=${seed}`,
      );

      const last = history
        .filter(({ command, returnedAt }) => command[0] === 'APPEND' && returnedAt !== undefined)
        .at(-1)!;
      const contents = contentsOf(store, history);
      const [, key, suffix] = last.command;
      contents.set(key!, contents.get(key!)!.replace(suffix!, ''));
      assert.equal(findLostWrites(history, contents).length, 1, `HOLT_SEED=${seed}`);
    }
  });
});

function contentsOf(store: KeyspaceModel, history: readonly Operation[]): Map<string, string> {
  const contents = new Map<string, string>();
  for (const { command } of history) {
    // Keys are the arguments of these; asking for some that are none does no harm.
    for (const key of command.slice(1)) {
      const value = store.run(['GET', key], 0);
      if (typeof value === 'string') contents.set(key, value);
    }
  }
  return contents;
}

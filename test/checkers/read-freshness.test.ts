import assert from 'node:assert/strict';
import { seededRandom, seedsToRun } from '../faults/seeded-random.js';
import { drawn } from './drawn-history.js';
import { findStaleReads } from './read-freshness.js';
import { mixedCommands, simulatedHistory, withReply } from './simulated-history.js';

function isFresh(...rows: readonly string[]): boolean {
  return findStaleReads(drawn(...rows)).length === 0;
}

describe('findStaleReads', () => {
  it('finds a read that misses a write acknowledged before it began', () => {
    const writes = '|- SET k a = OK -||- SET k b = OK -|';
    const at = ' '.repeat(40);
    assert(isFresh(writes, `${at}|- GET k = b -|`));
    assert(!isFresh(writes, `${at}|- GET k = a -|`));
    assert(!isFresh(writes, `${at}|- GET k = nil -|`));
  });

  it('lets a read beside a write show the old value or the new', () => {
    const writes = '|- SET k a = OK -||- SET k b = OK -|';
    const at = ' '.repeat(25);
    assert(isFresh(writes, `${at}|- GET k = a -|`));
    assert(isFresh(writes, `${at}|- GET k = b -|`));
    assert(!isFresh(writes, `${at}|- GET k = nil -|`));
  });

  it('finds a read that goes back behind what another has shown', () => {
    const writes = ['|- SET k a = OK -|', `${' '.repeat(18)}|- SET k b ->`];
    const reads = (first: string, second: string) =>
      `${' '.repeat(20)}|- GET k = ${first} -||- GET k = ${second} -|`;
    assert(isFresh(...writes, reads('a', 'a')));
    assert(isFresh(...writes, reads('a', 'b')));
    assert(!isFresh(...writes, reads('b', 'a')));
  });

  it('finds what nobody wrote, and what was asked for only later', () => {
    assert(!isFresh('|- SET k a = OK -||- GET k = b -|'));
    assert(!isFresh('|- GET k = a -||- SET k a = OK -|'));
  });

  it('finds a deleted value', () => {
    const writes = '|- SET k a = OK -||- DEL k = (1) -|';
    assert(isFresh(writes, `${' '.repeat(36)}|- GET k = nil -|`));
    assert(!isFresh(writes, `${' '.repeat(36)}|- GET k = a -|`));
  });

  it('looks at each key of an MGET', () => {
    const writes = '|- MSET {t}a 1 {t}b 2 = OK -|';
    const at = ' '.repeat(30);
    assert(isFresh(writes, `${at}|- MGET {t}a {t}b = [1 2] -|`));
    assert(!isFresh(writes, `${at}|- MGET {t}a {t}b = [1 nil] -|`));
  });

  it('finds a counter that is behind', () => {
    const writes = '|- INCR c = (1) -||- INCR c = (2) -|';
    assert(isFresh(writes, `${' '.repeat(36)}|- GET c = 2 -|`));
    assert(!isFresh(writes, `${' '.repeat(36)}|- GET c = 1 -|`));
    assert(isFresh(writes, `${' '.repeat(20)}|- GET c = 1 -|`));
    assert(!isFresh(writes, `${' '.repeat(20)}|- GET c = 3 -|`));
  });

  it('finds a list without what was appended to it', () => {
    const writes = '|- APPEND l a; = (2) -||- APPEND l b; = (4) -|';
    assert(isFresh(writes, `${' '.repeat(46)}|- GET l = a;b; -|`));
    assert(!isFresh(writes, `${' '.repeat(46)}|- GET l = a; -|`));
    assert(isFresh(writes, `${' '.repeat(26)}|- GET l = a; -|`));
  });

  it('lets a key with a time to live be gone, but shows no older value', () => {
    const writes = '|- SET k a = OK -||- SET k b PX 5 = OK -|';
    assert(isFresh(writes, `${' '.repeat(42)}|- GET k = nil -|`));
    assert(!isFresh(writes, `${' '.repeat(42)}|- GET k = a -|`));
  });

  it('says what the read should have seen', () => {
    const history = drawn('|- SET k a = OK -||- SET k b = OK -||- GET k = a -|');
    assert.deepEqual(findStaleReads(history), [
      [
        "client 1, 36–50: GET k → 'a' shows k as it cannot be; before it began these were known:",
        "  client 1, 0–17: SET k a → 'OK'",
        "  client 1, 18–35: SET k b → 'OK'",
      ].join('\n'),
    ]);
  });

  it('finds nothing in what a single store answered, and each read that is made stale', () => {
    for (const seed of seedsToRun(10)) {
      const random = seededRandom(seed);
      const nextCommand = mixedCommands(random, 2);
      const options = { random, clients: 8, operations: 1500, losses: 0.05, nextCommand };
      const history = simulatedHistory(options);
      assert.deepEqual(findStaleReads(history), [], `HOLT_SEED=${seed}`);

      const latest = history
        .filter(({ command, returnedAt }) => command[0] === 'MGET' && returnedAt !== undefined)
        .at(-1)!;
      const stale = withReply(history, latest, [null, null]);
      assert.equal(findStaleReads(stale).length, 2, `HOLT_SEED=${seed}`);
    }
  });
});

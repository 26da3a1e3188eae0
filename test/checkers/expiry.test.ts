import assert from 'node:assert/strict';
import { drawn } from './drawn-history.js';
import { findReappearances } from './expiry.js';

function isGone(...rows: readonly string[]): boolean {
  return findReappearances(drawn(...rows)).length === 0;
}

const write = '|- SET k a PX 5 = OK -|';
const at = (column: number) => ' '.repeat(column);

describe('findReappearances', () => {
  it('finds a key that expired and is there again', () => {
    assert(isGone(write, `${at(23)}|- GET k = a -||- GET k = nil -||- GET k = nil -|`));
    assert(!isGone(write, `${at(23)}|- GET k = nil -||- GET k = a -|`));
  });

  it('finds it at whatever client asked', () => {
    const first = `${at(23)}|- GET k = nil -|`;
    assert(!isGone(write, first, `${at(42)}|- GET k = a -|`));
    assert(isGone(write, first, `${at(30)}|- GET k = a -|`), 'they are concurrent');
  });

  it('finds it by EXISTS, TTL, PTTL and MGET, too', () => {
    for (const gone of [
      'EXISTS k = (0)',
      'TTL k = (-2)',
      'PTTL k = (-2)',
      'MGET j k = [nil nil]',
    ]) {
      for (const there of ['EXISTS k = (1)', 'TTL k = (0)', 'PTTL k = (3)', 'MGET j k = [nil a]']) {
        assert(!isGone(write, `${at(23)}|- ${gone} -||- ${there} -|`), `${gone}, ${there}`);
        assert(isGone(write, `${at(23)}|- ${there} -||- ${gone} -|`), `${there}, ${gone}`);
      }
    }
  });

  it('lets a write bring it back', () => {
    const gone = `${at(23)}|- GET k = nil -|`;
    for (const [again, value] of [
      ['SET k b = OK', 'b'],
      ['INCR k = (1)', '1'],
      ['APPEND k b = (1)', 'b'],
      ['MSET k b = OK', 'b'],
      ['GETSET k b = nil', 'b'],
    ]) {
      const rows = [write, gone, `${at(41)}|- ${again} -|`, `${at(70)}|- GET k = ${value} -|`];
      assert(isGone(...rows), again);
    }
  });

  it('lets nothing else bring it back', () => {
    const gone = `${at(23)}|- GET k = nil -|`;
    for (const other of [
      'EXPIRE k 100 = (0)',
      'PERSIST k = (0)',
      'DEL k = (0)',
      'SET k b NX = nil',
      'SET j b = OK',
    ]) {
      assert(!isGone(write, gone, `${at(41)}|- ${other} -|`, `${at(70)}|- GET k = a -|`), other);
    }
  });

  it('takes another value for no sign of the old one being written again', () => {
    const rows = [write, `${at(23)}|- GET k = nil -|`, `${at(41)}|- SET k b = OK -|`];
    assert(!isGone(...rows, `${at(70)}|- GET k = a -|`));
    assert(isGone(...rows, `${at(70)}|- GET k = b -|`));
  });

  it('lets a write that nobody heard of bring it back late', () => {
    const gone = `${at(23)}|- GET k = nil -|`;
    assert(isGone('|- SET k a PX 5 ->', gone, `${at(70)}|- GET k = a -|`));
    assert(!isGone(write, '|- SET k b PX 5 ->', gone, `${at(70)}|- GET k = a -|`));
  });

  it('says who saw what', () => {
    assert.deepEqual(findReappearances(drawn(write, `${at(23)}|- GET k = nil -||- GET k = a -|`)), [
      'k came back without a write: client 2, 23–39: GET k → null, and later ' +
        "client 2, 40–54: GET k → 'a'",
    ]);
  });
});

import assert from 'node:assert/strict';
import { drawn } from './drawn-history.js';
import { findReappearances, findWrongDeadlines } from './expiry.js';

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

function isDueAsSet(...rows: readonly string[]): boolean {
  return findWrongDeadlines(drawn(...rows)).length === 0;
}

describe('findWrongDeadlines', () => {
  const reading = (deadline: number, column = 23) =>
    `${at(column)}|- PEXPIRETIME k = (${deadline}) -|`;

  it('finds a deadline that another replica tells otherwise', () => {
    assert(isDueAsSet(write, `${reading(105)}${reading(105, 1)}`));
    assert(!isDueAsSet(write, `${reading(105)}${reading(106, 1)}`));
    assert(!isDueAsSet(write, reading(105), reading(106, 60)));
    assert(isDueAsSet(write, reading(105), reading(105, 60), '|- PEXPIRE k 9 ->'));
  });

  it('finds one that outlives a SET, a PERSIST or a GETEX PERSIST', () => {
    for (const taken of ['SET k b = OK', 'PERSIST k = (1)', 'GETEX k PERSIST = a']) {
      const rows = [write, `${at(23)}|- ${taken} -|`];
      assert(!isDueAsSet(...rows, reading(105, 60)), taken);
      assert(isDueAsSet(...rows, reading(-1, 60)), taken);
      assert(isDueAsSet(...rows, reading(105)), `${taken} is concurrent`);
    }
  });

  it('finds one that a command which was answered never set', () => {
    for (const given of ['PEXPIRE k 9 = (1)', 'GETEX k PX 9 = a', 'SET k b PX 9 = OK']) {
      const rows = ['|- SET k a = OK -|', `${at(23)}|- ${given} -|`];
      assert(!isDueAsSet(...rows, reading(-1, 60)), given);
      assert(isDueAsSet(...rows, reading(9, 60)), given);
    }
  });

  it('lets one change that somebody set again', () => {
    for (const given of ['PEXPIRE k 9 = (1)', 'GETEX k PX 9 = a', 'SET k b PX 9 = OK']) {
      assert(isDueAsSet(write, reading(105), `${at(60)}|- ${given} -|`, reading(109, 90)), given);
    }
    for (const other of [
      'PEXPIRE k 9 = (0)',
      'PERSIST k = (0)',
      'GETEX k = a',
      'SET k b NX = nil',
    ]) {
      const rows = [write, reading(105), `${at(60)}|- ${other} -|`];
      assert(!isDueAsSet(...rows, reading(109, 90)), other);
    }
  });

  it('says who was told what', () => {
    assert.deepEqual(findWrongDeadlines(drawn('|- SET k a = OK -|', reading(5))), [
      'k has a deadline that nobody set: client 2, 23–47: PEXPIRETIME k → 5',
    ]);
  });
});

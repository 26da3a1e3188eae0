import assert from 'node:assert/strict';
import { drawn } from '../checkers/drawn-history.js';
import { judge } from './judge.js';

const isExpiring = (key: string): boolean => key.startsWith('x');

function findings(
  rows: readonly string[],
  contents: Readonly<Record<string, string>> = {},
): string {
  return judge(drawn(...rows), new Map(Object.entries(contents)), isExpiring).findings.join('\n');
}

describe('The judge of chaos', () => {
  it('lets a history pass that is right', () => {
    const rows = [
      '|- SET k a = OK -||- MULTI | SET k b | INCR n | EXEC = [OK (1)] -|',
      '|- SET x1 a PX 5 = OK -||- GET x1 = nil -||- SET x1 b PX 5 = OK -||- GET x1 = b -|',
    ];
    assert.equal(findings(rows, { k: 'b', n: '1' }), '');
  });

  it('finds what was acknowledged and is gone', () => {
    assert.match(findings(['|- SET k a = OK -|']), /k is not there in the end/);
    assert.match(findings(['|- MULTI | SET k a | EXEC = [OK] -|']), /k is not there in the end/);
  });

  it('finds a read that is too old', () => {
    const rows = ['|- SET k a = OK -||- SET k b = OK -||- GET k = a -|'];
    assert.match(findings(rows, { k: 'b' }), /shows k as it cannot be/);
  });

  it('finds an expired key that came back, and does not mind what is left of one', () => {
    const rows = ['|- SET x1 a PX 5 = OK -||- GET x1 = nil -||- GET x1 = a -|'];
    assert.match(findings(rows), /x1 came back without a write/);
    assert.equal(findings(['|- SET x1 b = OK -||- GET x1 = b -|']), '');
  });

  it('finds what only the order of all operations shows', () => {
    const rows = [
      '|--- SET k a = OK ---|',
      '|--- SET k b = OK ---|',
      '                        |- GET k = a -||- GET k = b -|',
    ];
    assert.match(findings(rows, { k: 'b' }), /Not linearizable/);
  });
});

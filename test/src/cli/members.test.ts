import assert from 'node:assert/strict';
import { memberLines, readMembers } from '../../../src/cli/members.js';

const [a, b] = ['a', 'b'].map((letter) => letter.repeat(40));

describe('holt members', () => {
  it('reads a list as the server gives it in RESP2', () => {
    const fields = ['id', a!, 'server', 1, 'address', 'h:7001', 'role', 'leader'];
    assert.deepEqual(readMembers([[...fields, 'match', 9, 'lag', 0, 'linked', 1]]), [
      { id: a, server: 1, address: 'h:7001', role: 'leader', match: 9, lag: 0, linked: true },
    ]);
    const [member] = readMembers([[...fields, 'match', null, 'lag', null, 'linked', 0]]);
    assert.deepEqual([member!.match, member!.lag, member!.linked], [null, null, false]);
  });

  it('shows a table', () => {
    const lines = memberLines([
      { id: a!, server: 1, address: 'h:7001', role: 'leader', match: 1234, lag: 0, linked: true },
      {
        id: b!,
        server: 12,
        address: 'h:8101',
        role: 'learner',
        match: null,
        lag: null,
        linked: false,
      },
    ]);
    assert.deepEqual(lines, [
      'server  role     address  match  lag  linked  id',
      `1       leader   h:7001   1234   0    yes     ${a}`,
      `12      learner  h:8101   -      -    no      ${b}`,
    ]);
  });
});

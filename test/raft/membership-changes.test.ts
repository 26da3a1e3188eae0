// Which membership a start finds. Changes are made in `node/membership.test.ts`.

import assert from 'node:assert/strict';
import { encodeMembership, type Member, type Membership } from '../../raft/membership.js';
import { membershipsAtStart } from '../../raft/membership-changes.js';
import { append, Disk, entry, openJournal, raftError } from './log/journals.js';

function member(digit: string): Member {
  return { replicaId: digit.repeat(40), host: 'localhost', port: 7001, attributes: {} };
}

function of(index: number, digits: string): Membership {
  return { index, voters: [...digits].map(member), learners: [] };
}

const initial = of(0, 'a');

function logWith(memberships: readonly Membership[]): ReturnType<typeof openJournal> {
  const disk = new Disk();
  const journal = openJournal(disk);
  for (let index = 1; index <= 9; index += 1) {
    const found = memberships.find((membership) => membership.index === index);
    const payload = found === undefined ? 'x' : encodeMembership(found);
    append(disk, journal, [entry(index, 1, payload, found ? 'configuration' : 'command')]);
  }
  return journal;
}

describe('membershipsAtStart', () => {
  it('is what the group began with, when nothing newer is there', () => {
    assert.deepEqual(membershipsAtStart(initial, logWith([])), [initial]);
  });

  it('ends with the newest of the log, and has those that it may be taken back to', () => {
    const inLog = [of(3, 'ab'), of(7, 'abc')];
    assert.deepEqual(membershipsAtStart(initial, logWith(inLog)), [initial, ...inLog]);
  });

  it('begins with that of a snapshot, and leaves out what is older', () => {
    const inLog = [of(3, 'ab'), of(7, 'abc')];
    const start = (snapshot: Membership) => membershipsAtStart(snapshot, logWith(inLog));
    assert.deepEqual(start(of(3, 'ab')), [of(3, 'ab'), of(7, 'abc')]);
    assert.deepEqual(start(of(7, 'abc')), [of(7, 'abc')]);
  });

  it('is not guessed from an entry of another format', () => {
    const disk = new Disk();
    const journal = openJournal(disk);
    append(disk, journal, [entry(1, 1, '{"format":2}', 'configuration')]);
    assert.throws(
      () => membershipsAtStart(initial, journal),
      raftError('VERSION', /its format is 2/),
    );
  });
});

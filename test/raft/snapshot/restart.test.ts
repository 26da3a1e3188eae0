// Which snapshot a state may begin with. What a node makes of it is in `node/snapshots.test.ts`.

import assert from 'node:assert/strict';
import {
  checkStateJoinsLog,
  findRestorable,
  membershipAtStart,
} from '../../../raft/snapshot/index.js';
import { Disk, raftError } from '../log/journals.js';
import { membership, openStore, publish } from './snapshots.js';

/** All entries are of that term. */
function logOf(baseIndex: number, lastIndex: number, term = 2) {
  return {
    baseIndex,
    lastIndex,
    termAt: (index: number) => (index < baseIndex || index > lastIndex ? undefined : term),
  };
}

describe('findRestorable', () => {
  let disk: Disk;
  let refused: string[];

  beforeEach(() => {
    disk = new Disk();
    refused = [];
  });

  /** Its index, among snapshots of term 2 at 10, 20 and 30. */
  function found(log: ReturnType<typeof logOf>, ...damaged: number[]): number | undefined {
    const store = openStore(disk);
    for (const index of [10, 20, 30]) {
      const { path } = publish(disk, store, index);
      if (damaged.includes(index)) disk.files.flip(`${path}/data.db`, 100);
    }
    return findRestorable(store, log, (text) => refused.push(text))?.manifest.index;
  }

  it('is the newest that the log goes on from', () => {
    assert.equal(found(logOf(15, 40)), 30);
    assert.deepEqual(refused, []);
  });

  it('is at the base of the log at the least', () => {
    assert.equal(found(logOf(30, 40)), 30);
  });

  it('passes over damaged ones, and names them', () => {
    assert.equal(found(logOf(5, 40), 30, 20), 10);
    assert.equal(refused.length, 2);
    assert.match(refused[0]!, /snapshot-0+30-.*"data\.db" has changed on the disk/);
  });

  it('is none behind which the log has a gap', () => {
    assert.equal(found(logOf(25, 40), 30), undefined);
    assert.equal(found(logOf(31, 40)), undefined);
  });

  it('may lie beyond the end of the log, for which it then stands', () => {
    assert.equal(found(logOf(0, 15)), 30);
  });

  it('is none that the log contradicts', () => {
    assert.equal(found(logOf(0, 40, 1)), undefined);
    const replaced = { ...logOf(0, 40), termAt: (index: number) => (index > 25 ? 1 : 2) };
    assert.equal(found(replaced), 20);
  });
});

describe('checkStateJoinsLog', () => {
  it('takes a state within the log, and at its base', () => {
    for (const appliedIndex of [10, 15, 20]) checkStateJoinsLog({ appliedIndex }, logOf(10, 20));
  });

  it('refuses a state beyond the log and one behind it', () => {
    assert.throws(
      () => checkStateJoinsLog({ appliedIndex: 21 }, logOf(10, 20)),
      raftError('DAMAGED', /it ends at index 20, but the state machine has applied 21/),
    );
    assert.throws(
      () => checkStateJoinsLog({ appliedIndex: 9 }, logOf(10, 20)),
      raftError('MISSING', /it ends at index 9, the log begins after 10, and no whole snapshot/),
    );
  });
});

describe('membershipAtStart', () => {
  it("is the newest snapshot's when that is newer", () => {
    const initial = { index: 0, voters: membership.voters, learners: [] };
    const disk = new Disk();
    const store = openStore(disk);
    assert.equal(membershipAtStart(initial, store, logOf(0, 20)), initial);
    publish(disk, store, 12);
    assert.deepEqual(membershipAtStart(initial, store, logOf(0, 20)), membership);
    // Not installed: the log ends before it.
    assert.equal(membershipAtStart(initial, store, logOf(0, 11)), initial);
    const newer = { ...initial, index: 7 };
    assert.equal(membershipAtStart(newer, store, logOf(0, 20)), newer);
  });
});

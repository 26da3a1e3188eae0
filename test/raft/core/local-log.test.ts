// A log that a snapshot replaces, or does not: what stays, what is acknowledged, and which writes
// still count.

import assert from 'node:assert/strict';
import { type ConfigurationAt, Configurations } from '../../../raft/core/configurations.js';
import { type Append, LogTerms } from '../../../raft/core/index.js';
import { LocalLog } from '../../../raft/core/local-log.js';

const begun: ConfigurationAt = { index: 0, configuration: { voters: ['1', '2'], learners: [] } };

function logOf(terms: readonly number[], appliedIndex: number): LocalLog {
  const log = new LogTerms(0, 0);
  for (const term of terms) log.push(term);
  return new LocalLog(log, new Configurations([begun]), appliedIndex);
}

function append(prevIndex: number, prevTerm: number, ...terms: readonly number[]): Append {
  const entries = terms.map((term) => ({ term, byteLength: 10 }));
  return { kind: 'append', from: '2', to: '1', term: 9, prevIndex, prevTerm, commit: 0, entries };
}

function marksOf(log: LocalLog): Record<string, number> {
  const { baseIndex, commitIndex, durableIndex, verifiedIndex, lastIndex, lastTerm } = log;
  return { baseIndex, commitIndex, durableIndex, verifiedIndex, lastIndex, lastTerm };
}

describe('LocalLog: a snapshot', () => {
  it('takes the place of a log that ends before it', () => {
    const log = logOf([1, 1, 1], 2);
    log.install(10, 4, begun);
    assert.deepEqual(marksOf(log), {
      baseIndex: 10,
      commitIndex: 10,
      durableIndex: 10,
      verifiedIndex: 10,
      lastIndex: 10,
      lastTerm: 4,
    });
    assert.equal(log.termAt(10), 4);
    assert.equal(log.termAt(3), undefined);
    assert.equal(log.takeAcknowledgement(), 10);
  });

  it('takes the place of a log that has another entry where it ends, with all that is behind', () => {
    const log = logOf([1, 1, 3, 3, 3], 2);
    log.install(4, 2, begun);
    assert.deepEqual([log.lastIndex, log.lastTerm, log.durableIndex], [4, 2, 4]);
  });

  it('leaves a log that has its last entry as it is, and makes it committed', () => {
    const log = logOf([1, 1, 2, 2, 3], 2);
    log.install(4, 2, begun);
    assert.deepEqual(marksOf(log), {
      baseIndex: 0,
      commitIndex: 4,
      durableIndex: 5,
      verifiedIndex: 4,
      lastIndex: 5,
      lastTerm: 3,
    });
    assert.equal(log.takeAcknowledgement(), 4);
  });

  it('is acknowledged only as far as a log that stays is durable', () => {
    const log = logOf([1], 1);
    log.appendFrom(append(1, 1, 2, 2, 2));
    const [appended] = log.takeAppended();
    log.takeAcknowledgement();
    log.install(3, 2, begun);
    assert.equal(log.takeAcknowledgement(), undefined);
    assert.equal(log.persisted(appended!.generation, 4), true);
    assert.equal(log.takeAcknowledgement(), 4);
  });

  it('makes writes of the log before it count for nothing', () => {
    const log = logOf([1], 1);
    log.appendFrom(append(1, 1, 2, 2, 2));
    const [appended] = log.takeAppended();
    log.install(3, 4, begun);
    log.appendFrom(append(3, 4, 4, 4, 4));
    assert.equal(log.persisted(appended!.generation, 4), false);
    assert.equal(log.durableIndex, 3);
    const [again] = log.takeAppended();
    assert.equal(again!.firstIndex, 4);
    assert.equal(log.persisted(again!.generation, 6), true);
    assert.equal(log.takeAcknowledgement(), 6);
  });

  it('takes with it what was appended and not handed out yet', () => {
    const log = logOf([1], 1);
    log.appendFrom(append(1, 1, 2, 2));
    log.install(5, 4, begun);
    assert.deepEqual(log.takeAppended(), []);
  });

  it('of what is committed already is a mistake of the caller', () => {
    const log = logOf([1, 1, 1], 3);
    assert.throws(() => log.install(3, 1, begun), /newer than the snapshot/);
    assert.throws(() => log.install(2, 1, begun), /newer than the snapshot/);
  });

  it('brings the configuration that is in effect behind it', () => {
    const installed = { index: 4, configuration: { voters: ['1', '2', '3'], learners: [] } };
    const log = logOf([1, 1, 1], 2);
    log.install(10, 4, installed);
    assert.equal(log.configurations.latest, installed);
  });
});

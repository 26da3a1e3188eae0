import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { type Measured, MeasuredFile } from '../../bench/measured.js';

const conditions = { commit: 'commit a', rounds: 3, seconds: 10 };
const measured: Measured = {
  row: 'SET 64 B, 1 client',
  peer: 'Holt, 3 servers',
  round: 2,
  version: 'Holt 1',
  figures: {
    requestsPerSecond: 1,
    p50Ms: 2,
    p99Ms: 3,
    maxMs: 4,
    seconds: 10.5,
    cpuSecondsPer100k: 6,
  },
};

describe('The file of what was measured', () => {
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-measured-'));
    path = join(directory, 'measured.jsonl');
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  it('gives a later run what an earlier one had measured, and nothing else', () => {
    MeasuredFile.begin(path, conditions).add(measured);
    const later = MeasuredFile.resume(path, conditions);
    assert.deepEqual(later.find(measured.row, measured.peer, 2), measured);
    assert.equal(later.find(measured.row, measured.peer, 1), undefined);
    assert.equal(later.find(measured.row, 'Redis, 1 server', 2), undefined);
    later.add({ ...measured, round: 3 });
    const last = MeasuredFile.resume(path, conditions);
    assert.equal(last.find(measured.row, measured.peer, 3)?.round, 3);
  });

  it('begins anew', () => {
    MeasuredFile.begin(path, conditions).add(measured);
    MeasuredFile.begin(path, conditions);
    const later = MeasuredFile.resume(path, conditions);
    assert.equal(later.find(measured.row, measured.peer, 2), undefined);
  });

  it('refuses what was measured under other conditions, and what is not there', () => {
    assert.throws(() => MeasuredFile.resume(path, conditions), /no earlier run/);
    MeasuredFile.begin(path, conditions);
    const other = { ...conditions, commit: 'commit b' };
    assert.throws(() => MeasuredFile.resume(path, other), /commit a.*commit b/);
  });
});

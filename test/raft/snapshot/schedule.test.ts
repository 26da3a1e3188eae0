import assert from 'node:assert/strict';
import type { SnapshotManifest } from '../../../raft/snapshot/index.js';
import { retryMs, SnapshotSchedule } from '../../../raft/snapshot/schedule.js';

const MiB = 1024 * 1024;
const hourMs = 3_600_000;
const options = { snapshotMinLogSize: 256 * MiB, snapshotPeriodSeconds: 3600 };

class TestClock {
  ms = 0;
  wallMs = (): number => 1_700_000_000_000 + this.ms;
  monotonicMs = (): number => 5_000 + this.ms;
}

function manifest(index: number, byteLength: number, createdMs: number): SnapshotManifest {
  const files = [
    { name: 'data.db', byteLength: byteLength / 2, crc32: 0 },
    { name: 'more', byteLength: byteLength / 2, crc32: 0 },
  ];
  return { index, createdMs, files } as unknown as SnapshotManifest;
}

describe('SnapshotSchedule', () => {
  let clock: TestClock;
  let schedule: SnapshotSchedule;
  const state = { newest: undefined, appliedIndex: 9, logBytes: 100 };

  beforeEach(() => {
    clock = new TestClock();
    schedule = new SnapshotSchedule(options, clock);
  });

  it('wants one when the log has grown beyond the least size', () => {
    assert.equal(schedule.whyDue({ ...state, logBytes: 256 * MiB }), undefined);
    assert.equal(schedule.whyDue({ ...state, logBytes: 256 * MiB + 1 }), 'the log has grown');
  });

  it('wants half of the last one in log when that is more', () => {
    const large = { ...state, newest: manifest(5, 1024 * MiB, clock.wallMs()) };
    assert.equal(schedule.whyDue({ ...large, logBytes: 512 * MiB }), undefined);
    assert.equal(schedule.whyDue({ ...large, logBytes: 512 * MiB + 1 }), 'the log has grown');
    const small = { ...state, newest: manifest(8, 2 * MiB, clock.wallMs()) };
    assert.equal(schedule.whyDue({ ...small, logBytes: 257 * MiB }), 'the log has grown');
  });

  it('wants one when the last one is old and something was applied since', () => {
    clock.ms = hourMs - 1;
    assert.equal(schedule.whyDue(state), undefined);
    clock.ms = hourMs;
    assert.equal(schedule.whyDue(state), 'the last one is old');
    const taken = { ...state, newest: manifest(9, 1000, clock.wallMs()) };
    assert.equal(schedule.whyDue(taken), undefined);
    clock.ms = 5 * hourMs;
    assert.equal(schedule.whyDue(taken), undefined);
    assert.equal(schedule.whyDue({ ...taken, appliedIndex: 10 }), 'the last one is old');
  });

  it('wants none before anything was applied, however long the log is', () => {
    clock.ms = 9 * hourMs;
    const nothing = { ...state, appliedIndex: 0, logBytes: 999 * MiB };
    assert.equal(schedule.whyDue(nothing), undefined);
  });

  it('goes by the age of the last one after a restart', () => {
    const found = { ...state, newest: manifest(5, 1000, clock.wallMs() - hourMs + 1000) };
    clock.ms = 999;
    assert.equal(schedule.whyDue(found), undefined);
    clock.ms = 1000;
    assert.equal(schedule.whyDue(found), 'the last one is old');
  });

  it('is not put off by a wall clock that was set back', () => {
    const found = { ...state, newest: manifest(5, 1000, clock.wallMs() + 99 * hourMs) };
    assert.equal(schedule.whyDue(found), undefined);
    clock.ms = hourMs;
    assert.equal(schedule.whyDue(found), 'the last one is old');
  });

  it('waits after a failure, until one was taken', () => {
    const long = { ...state, logBytes: 999 * MiB };
    schedule.onFailed();
    clock.ms = retryMs - 1;
    assert.equal(schedule.whyDue(long), undefined);
    clock.ms = retryMs;
    assert.equal(schedule.whyDue(long), 'the log has grown');
    schedule.onFailed();
    // Somebody asked for one meanwhile, and got it.
    schedule.onTaken();
    assert.equal(schedule.whyDue(long), 'the log has grown');
  });
});

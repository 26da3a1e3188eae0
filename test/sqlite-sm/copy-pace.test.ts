import assert from 'node:assert/strict';
import { CopyPace, floorBytesPerSecond, idleMs } from '../../sqlite-sm/copy-pace.js';

const MiB = 1024 * 1024;

/** A copy in slices of a megabyte, as fast as the pace lets it. */
class PaceUnderTest {
  nowMs = 5_000;
  appliedBytes = 7 * MiB;
  copiedBytes = 0;
  readonly pace = new CopyPace({
    clock: { monotonicMs: () => this.nowMs },
    appliedBytes: () => this.appliedBytes,
  });

  /** Until it has to wait, or so many bytes are copied at once; returns those. */
  copy(byteLengthMax = 1024 * MiB): number {
    let byteLength = 0;
    while (byteLength < byteLengthMax && this.pace.take(MiB) === 0) byteLength += MiB;
    this.copiedBytes += byteLength;
    return byteLength;
  }

  /** Copies beside a load, asking every 5 ms. */
  run(milliseconds: number, appliedBytesPerMs: number): void {
    for (const end = this.nowMs + milliseconds; this.nowMs < end; ) {
      this.nowMs += 5;
      this.appliedBytes += 5 * appliedBytesPerMs;
      this.copy();
    }
  }
}

describe('CopyPace', () => {
  it('has the copy at floor rate × time beside a load that writes next to nothing', () => {
    const test = new PaceUnderTest();
    test.run(10_000, 1);
    const expected = 10 * floorBytesPerSecond;
    assert(Math.abs(test.copiedBytes - expected) <= 2 * MiB, `${test.copiedBytes}`);
  });

  it('adds twice what is applied, however fast that is', () => {
    const test = new PaceUnderTest();
    const applied = 400 * 1000;
    test.run(10_000, applied);
    const expected = 10 * floorBytesPerSecond + 2 * 10_000 * applied;
    assert(Math.abs(test.copiedBytes - expected) <= 2 * MiB, `${test.copiedBytes}`);
  });

  it('says how long to wait', () => {
    const test = new PaceUnderTest();
    const waitMs = test.pace.take(MiB);
    assert.equal(waitMs, Math.ceil((MiB / floorBytesPerSecond) * 1000));
    test.nowMs += waitMs / 2;
    assert.equal(test.pace.take(MiB), waitMs / 2);
    test.nowMs += waitMs / 2;
    assert.equal(test.pace.take(MiB), 0);
  });

  it('makes up for a few slices of time for which it was not asked', () => {
    const test = new PaceUnderTest();
    test.run(1000, 1);
    test.nowMs += idleMs - 1;
    assert.equal(test.copy(), 4 * MiB);
  });

  it('makes up for all that was applied while it was not asked', () => {
    const test = new PaceUnderTest();
    test.run(1000, 1);
    test.appliedBytes += 100 * MiB;
    assert.equal(Math.floor(test.copy() / (2 * MiB)), 100);
  });

  it('does not hold up a copy beside which nothing was applied for a second', () => {
    const test = new PaceUnderTest();
    test.run(idleMs - 5, 0);
    assert.equal(test.pace.take(64 * MiB) > 0, true);
    test.run(5, 0);
    assert.equal(test.copiedBytes >= 1024 * MiB, true);
  });

  it('has no credit left from an idle time when clients write again', () => {
    const test = new PaceUnderTest();
    test.nowMs += 60_000;
    test.copy();
    test.appliedBytes += 1;
    assert.equal(test.copy(), 4 * MiB);
  });
});

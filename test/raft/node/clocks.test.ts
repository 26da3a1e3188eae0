import assert from 'node:assert/strict';
import type { Message } from '../../../raft/core/index.js';
import type { Clock } from '../../../raft/effects.js';
import { LeaderClock } from '../../../raft/leader-clock.js';
import { medianOf, StampClock } from '../../../raft/stamp-clock.js';

describe('medianOf', () => {
  it('is the middle, of an even number the lower one', () => {
    assert.equal(medianOf([5]), 5);
    assert.equal(medianOf([9, 1]), 1);
    assert.equal(medianOf([9, 1, 5]), 5);
    assert.equal(medianOf([9, 1, 5, 7]), 5);
  });

  it('is not moved by one wrong value of three', () => {
    for (const wrong of [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]) {
      const median = medianOf([1000, wrong, 1001]);
      assert(median === 1000 || median === 1001);
    }
  });
});

describe('StampClock', () => {
  it('starts from the median, or from the last stamp when that is later', () => {
    assert.equal(new StampClock({ lastStampMs: 0, medianMs: 500, monotonicMs: 7 }).at(7), 500);
    assert.equal(new StampClock({ lastStampMs: 900, medianMs: 500, monotonicMs: 7 }).at(7), 900);
  });

  it('follows the monotonic clock', () => {
    const clock = new StampClock({ lastStampMs: 0, medianMs: 10_000, monotonicMs: 0 });
    assert.equal(clock.at(250), 10_250);
    assert.equal(clock.at(251.5), 10_251);
  });

  it('is pulled toward the median by a tenth of the time at most', () => {
    const ahead = new StampClock({ lastStampMs: 0, medianMs: 10_000, monotonicMs: 0 });
    ahead.steer(20_000);
    assert.equal(ahead.at(1_000), 11_100);
    const behind = new StampClock({ lastStampMs: 0, medianMs: 10_000, monotonicMs: 0 });
    behind.steer(0);
    assert.equal(behind.at(1_000), 10_900);
  });

  it('arrives at the median and stays there', () => {
    const clock = new StampClock({ lastStampMs: 0, medianMs: 10_000, monotonicMs: 0 });
    clock.steer(10_050);
    for (let now = 10; now <= 1_000; now += 10) clock.at(now);
    assert.equal(clock.at(1_000), 11_050);
  });

  it('never goes back, also when the monotonic clock is asked twice or late', () => {
    const clock = new StampClock({ lastStampMs: 0, medianMs: 10_000, monotonicMs: 100 });
    let previous = 0;
    for (const now of [100, 100, 150, 149, 150, 2_000]) {
      clock.steer(-now * 1_000);
      const stamp = clock.at(now);
      assert(stamp >= previous && Number.isInteger(stamp));
      previous = stamp;
    }
  });
});

describe('LeaderClock', () => {
  const [self, peer, other] = ['a', 'b', 'c'].map((digit) => digit.repeat(40)) as [
    string,
    string,
    string,
  ];
  const trueMs = 1_700_000_000_000;

  class HandClock implements Clock {
    nowMs = 0;
    errorMs = 0;
    wallMs = (): number => trueMs + this.nowMs + this.errorMs;
    monotonicMs = (): number => 5_000 + this.nowMs;
  }

  function vote(from: string, term: number, granted = true): Message {
    return { kind: 'voteReply', from, to: self, term, granted };
  }

  function heard(from: string): Message {
    return { kind: 'heartbeatReply', from, to: self, term: 1, round: 0 };
  }

  it('starts from the clocks of those who elected it', () => {
    const clock = new HandClock();
    const leader = new LeaderClock(clock);
    clock.errorMs = 86_400_000;
    leader.onPeerClock(vote(peer, 4), trueMs);
    leader.lead(4, 0, 3);
    assert.equal(leader.nowMs(), trueMs);
  });

  it('does not ask those who refused, or voted in another term', () => {
    const clock = new HandClock();
    const leader = new LeaderClock(clock);
    leader.onPeerClock(vote(peer, 3), trueMs - 1_000_000);
    leader.onPeerClock(vote(other, 4, false), trueMs - 1_000_000);
    leader.onPeerClock(vote(other, 4), trueMs + 10);
    leader.lead(4, 0, 3);
    assert.equal(leader.nowMs(), trueMs);
  });

  it('follows the median of what the followers say', () => {
    const clock = new HandClock();
    const leader = new LeaderClock(clock);
    leader.lead(1, 0, 1);
    leader.onPeerClock(heard(peer), trueMs + 10);
    leader.onPeerClock(heard(other), trueMs + 86_400_000);
    clock.nowMs = 1_000;
    assert.equal(leader.nowMs(), trueMs + 1_010);
  });

  it('gives no stamps when it does not lead', () => {
    const leader = new LeaderClock(new HandClock());
    assert.throws(() => leader.nowMs(), /Only a leader/);
    leader.lead(1, 0, 1);
    leader.follow();
    assert.throws(() => leader.nowMs(), /Only a leader/);
  });
});

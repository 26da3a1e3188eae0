// Options of a Raft replica under the names that users of raft-java and LogCabin know.

import assert from 'node:assert/strict';

export interface RaftOptions {
  /**
   * A follower that has not heard from a leader for one to two times this asks for votes; a leader
   * that has not heard from a majority for this long steps down. Milliseconds, 100 … 60,000.
   *
   * 1000: a loop that stalls for some hundred milliseconds (a slow disk, a large command) must not
   * cost a leadership.
   */
  readonly electionTimeoutMilliseconds: number;
  /** Pace of a leader's sign of life. Milliseconds, at most a third of the election timeout. */
  readonly heartbeatPeriodMilliseconds: number;
  /**
   * Size that log segments grow to. A group's first segment has 1 MiB and each next one is twice as
   * large, so that a small group stays small. Bytes, 1 MiB … 1 GiB.
   */
  readonly maxSegmentFileSize: number;
  /**
   * Payload bytes of an entry at which it is closed; a larger command travels alone. Bytes.
   *
   * 256 KiB: the next entry is written while this one is applied. With 1 MiB all of two hundred
   * clients' 4 KiB commands were in one entry, and disk and processor took turns.
   */
  readonly entryBytesMax: number;
  /** Commands in one entry: bounds the time for which applying it holds the loop. */
  readonly entryCommandsMax: number;
  /** Appends under way to one follower. 4: a window only hides the round trip, more only queues. */
  readonly inFlightAppendsMax: number;
  readonly inFlightBytesMax: number;
  /**
   * After the leadership was lost, how long a client waits to hear what became of its command
   * before it is told that nobody knows. Milliseconds.
   */
  readonly uncertainAfterMilliseconds: number;
}

const MiB = 1024 * 1024;

export const defaultRaftOptions: RaftOptions = Object.freeze({
  electionTimeoutMilliseconds: 1000,
  heartbeatPeriodMilliseconds: 100,
  maxSegmentFileSize: 64 * MiB,
  entryBytesMax: 256 * 1024,
  entryCommandsMax: 1024,
  inFlightAppendsMax: 4,
  inFlightBytesMax: 16 * MiB,
  uncertainAfterMilliseconds: 1500,
});

export function resolveRaftOptions(given: Partial<RaftOptions>): RaftOptions {
  const options = { ...defaultRaftOptions, ...given };
  assertRange(options, 'electionTimeoutMilliseconds', 100, 60_000);
  assertRange(options, 'heartbeatPeriodMilliseconds', 10, options.electionTimeoutMilliseconds / 3);
  assertRange(options, 'maxSegmentFileSize', MiB, 1024 * MiB);
  assertRange(options, 'entryBytesMax', 4096, 16 * MiB);
  assertRange(options, 'entryCommandsMax', 1, 65_536);
  assertRange(options, 'inFlightAppendsMax', 1, 256);
  assertRange(options, 'inFlightBytesMax', MiB, 1024 * MiB);
  assertRange(options, 'uncertainAfterMilliseconds', 0, 60_000);
  return Object.freeze(options);
}

function assertRange(
  options: RaftOptions,
  name: keyof RaftOptions,
  least: number,
  most: number,
): void {
  const value = options[name];
  assert(
    value >= least && value <= most,
    `Option ${name} is ${value}, expected ${least} to ${most}`,
  );
}

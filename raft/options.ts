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
   * Entries that a learner may lack when it is promoted: from then on commits may wait for it.
   *
   * 100: an entry is what gathered during one log write, so these are some tenths of a second of
   * writes, and nobody waits longer than for an election.
   */
  readonly catchupMargin: number;
  /**
   * After the leadership was lost, how long a client waits to hear what became of its command
   * before it is told that nobody knows. Milliseconds.
   */
  readonly uncertainAfterMilliseconds: number;
  /**
   * How long a follower lets a read wait for the leader's answer and for its own state to be new
   * enough, before it is given up here. Milliseconds, 10 … 60,000.
   *
   * 500: a question that got lost is asked again after two heartbeats, twice within this time; a
   * leader that is gone longer than that is elected anew, and until then nobody can answer.
   */
  readonly followerReadTimeoutMilliseconds: number;
  /**
   * How a leader knows that it still leads when it answers a read.
   *
   * - `readIndex`: a majority says so after the read arrived.
   * - `lease`: a majority said so shortly before. Saves the round, and rests on clocks: see
   *   `raft/lease.ts` for what is assumed. Must be the same on all replicas.
   */
  readonly readMode: 'readIndex' | 'lease';
  /**
   * Log since the last snapshot from which another one is taken, unless half of that snapshot is more.
   * Bytes, 0 … 1 TiB; with 0 and an empty state every entry is followed by one.
   *
   * 512 MiB: a snapshot writes the whole state, and the disk has that much log to spare; with half of
   * it large writes lose some of their pace. A restart after a loss of power has to apply it.
   */
  readonly snapshotMinLogSize: number;
  /**
   * A snapshot is also taken when the last one is this old and anything was applied since. Seconds,
   * 1 … 31,536,000 (a year).
   *
   * 3600: where little is written the log would otherwise reach back for weeks, and a restore with it.
   */
  readonly snapshotPeriodSeconds: number;
  /**
   * Snapshots that are kept, with the log behind the oldest of them; those that are held come on top.
   * 1 … 1000.
   *
   * 1: each takes the room of the whole state. More of them reach further back, and are a second
   * chance when one is damaged on the disk.
   */
  readonly snapshotsKept: number;
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
  catchupMargin: 100,
  uncertainAfterMilliseconds: 1500,
  followerReadTimeoutMilliseconds: 500,
  readMode: 'readIndex',
  snapshotMinLogSize: 512 * MiB,
  snapshotPeriodSeconds: 3600,
  snapshotsKept: 1,
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
  assertRange(options, 'catchupMargin', 0, 1_000_000);
  assertRange(options, 'uncertainAfterMilliseconds', 0, 60_000);
  assertRange(options, 'followerReadTimeoutMilliseconds', 10, 60_000);
  assertRange(options, 'snapshotMinLogSize', 0, 1024 * 1024 * MiB);
  assertRange(options, 'snapshotPeriodSeconds', 1, 31_536_000);
  assertRange(options, 'snapshotsKept', 1, 1000);
  return Object.freeze(options);
}

function assertRange(
  options: RaftOptions,
  name: Exclude<keyof RaftOptions, 'readMode'>,
  least: number,
  most: number,
): void {
  const value = options[name];
  assert(
    value >= least && value <= most,
    `Option ${name} is ${value}, expected ${least} to ${most}`,
  );
}

// The Raft side of a replica, as the gate sees it.

import type { PendingCommand } from './connection.js';

export interface CommandLog {
  /** Whether commands are taken here. */
  readonly isServing: boolean;
  /** Whether reads are taken here that another replica leads. */
  readonly servesFollowerReads: boolean;
  /** The last entry applied here. */
  readonly appliedIndex: number;
  /** Bytes of commands taken and not applied yet. */
  readonly pendingBytes: number;
  /** Room in the open entry; returns the offset in `batchBuffer`. */
  reserve(byteLength: number, context: PendingCommand): number;
  readonly batchBuffer: Buffer;
  /** Only while `isServing` or `servesFollowerReads`. */
  requestRead(context: PendingCommand): void;
}

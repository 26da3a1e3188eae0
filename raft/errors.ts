// What can go wrong in the world around a replica, by code.
//
// Our own mistakes are assertions; a peer's refusals are messages. These are the rest.

export type RaftErrorCode =
  /** Bytes that were durable are gone or changed. */
  | 'DAMAGED'
  /** A file or peer of another cluster, group or replica. */
  | 'FOREIGN'
  /** Written by a version this one does not know. */
  | 'VERSION'
  /** A replica that has voted lost its vote file or log. */
  | 'MISSING'
  /** A write or sync failed: what is on the disk is no longer known. */
  | 'DISK';

export class RaftError extends Error {
  readonly code: RaftErrorCode;

  constructor(code: RaftErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RaftError';
    this.code = code;
  }
}

/** What to do about a replica whose disk cannot be trusted. */
export const rejoinAdvice =
  'This replica must not vote again under its id. Stop it, keep its directory for inspection, ' +
  'and replace the replica by one with an empty directory and a new id; the other replicas have ' +
  'the data';

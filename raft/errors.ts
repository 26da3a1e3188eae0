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

/** The error that `action` throws. In a callback an exception would end the process without a word. */
export function attempt(action: () => void): Error | undefined {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  return undefined;
}

/**
 * A value out of somebody's JSON, for a sentence. Only of plain values: the text of an object or a list
 * may be endless, or an exception.
 */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = String(value);
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
}

const shownCharactersMax = 100;

/** `action` is a phrase, as in `write to the log`. */
export function diskError(action: string, cause: Error): RaftError {
  return new RaftError('DISK', `Cannot ${action}: ${cause.message}`, { cause });
}

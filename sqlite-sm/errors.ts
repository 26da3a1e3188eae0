// The ways in which the state machine gives up.
//
// A client's mistake is a reply, never an exception. What is thrown from here means that this
// replica must not go on: the disk is full, the file is damaged, memory ran out, or an entry holds
// bytes that this binary cannot read. Another replica may be in perfect health at the same moment,
// so answering the client would make the two differ. The owner ends the process; everything up to
// the last commit to SQLite is on file, and Raft brings the rest again.

/**
 * - `resource`: SQLite or the engine ran out of disk, memory or stack, or met an I/O error or a
 *   damaged file
 * - `corruptEntry`: an entry that Raft committed does not decode
 * - `unknownCommand`: an entry holds a command that this binary does not know
 * - `unsupportedVersion`: the database was written by a newer program
 * - `outdated`: the database was written by an older program; `open` rebuilds it
 * - `failed`: the machine was called again after one of the above
 */
export type FatalMachineCode =
  | 'resource'
  | 'corruptEntry'
  | 'unknownCommand'
  | 'unsupportedVersion'
  | 'outdated'
  | 'failed';

/** The owner ends the process on it. `cause` holds what SQLite or the engine threw. */
export class FatalMachineError extends Error {
  override readonly name = 'FatalMachineError';
  readonly code: FatalMachineCode;

  constructor(code: FatalMachineCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

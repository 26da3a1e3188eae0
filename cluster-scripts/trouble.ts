// The two ways in which a command of the script fails by no mistake of the script's own. Both are
// shown as a sentence without a stack, and the sentence says what to do.

/** The world is not as the command needs it. Exit code 1. */
export class Trouble extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Trouble';
  }
}

/** The command was given wrongly. Exit code 2. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

// What clients did and heard, in the order in which it came about.

/** One command of one client. */
export interface Operation {
  readonly client: number;
  /** Places in one order of all calls and returns. */
  readonly invokedAt: number;
  /** Undefined: nobody knows what became of it, or whether anything will yet. */
  returnedAt: number | undefined;
  readonly command: readonly string[];
  /** Bulk and simple strings as text, errors as `-text`. */
  reply: unknown;
}

export class History {
  readonly #operations = new Set<Operation>();
  #moments = 0;

  call(client: number, command: readonly string[]): Operation {
    this.#moments += 1;
    const operation: Operation = {
      client,
      invokedAt: this.#moments,
      returnedAt: undefined,
      command,
      reply: undefined,
    };
    this.#operations.add(operation);
    return operation;
  }

  return(operation: Operation, reply: unknown): void {
    this.#moments += 1;
    operation.returnedAt = this.#moments;
    operation.reply = reply;
  }

  /** It certainly never took effect and never will. */
  forget(operation: Operation): void {
    this.#operations.delete(operation);
  }

  get operations(): readonly Operation[] {
    return [...this.#operations];
  }
}

// What clients did and heard, with times of one clock: milliseconds since the run began. No two are the
// same, so that they are an order, too.

import type { Operation } from '../checkers/operation.js';

export interface Call extends Operation {
  returnedAt: number | undefined;
  reply: unknown;
}

/** Of all recordings of a run. */
export class Moments {
  readonly #now: () => number;
  #last = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  next(): number {
    // Microseconds, for whoever reads them.
    this.#last = Math.max(Math.round(this.#now() * 1000) / 1000, this.#last + 0.001);
    this.#last = Math.round(this.#last * 1000) / 1000;
    return this.#last;
  }
}

export class Recording {
  readonly #moments: Moments;
  readonly #calls = new Set<Call>();

  constructor(moments: Moments) {
    this.#moments = moments;
  }

  call(client: number, command: readonly string[]): Call {
    const invokedAt = this.#moments.next();
    const call = { client, invokedAt, returnedAt: undefined, command, reply: undefined };
    this.#calls.add(call);
    return call;
  }

  return(call: Call, reply: unknown): void {
    call.returnedAt = this.#moments.next();
    call.reply = reply;
  }

  /** It certainly never took effect and never will. */
  forget(call: Call): void {
    this.#calls.delete(call);
  }

  get operations(): readonly Operation[] {
    return [...this.#calls];
  }
}

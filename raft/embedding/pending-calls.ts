// Calls whose outcome is not known yet.
//
// The loop carries a call along as its context and settles it. When a fatal error ends the replica,
// the loop says no more: all calls are settled here then, and whatever comes afterwards counts for
// nothing. So each is settled exactly once.

import { StoppedError, UncertainError } from './errors.js';

export interface CallKind {
  /** Something is changed by it: without an answer nobody knows whether it was. */
  readonly isChange: boolean;
  readonly byteLength: number;
}

export class Call<T> {
  readonly promise: Promise<T>;
  readonly #isFirst: () => boolean;
  #resolve!: (value: T) => void;
  #reject!: (error: Error) => void;

  /** `isFirst`: whether it was not settled before. */
  constructor(isFirst: () => boolean) {
    this.#isFirst = isFirst;
    this.promise = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  resolve(value: T): void {
    if (this.#isFirst()) this.#resolve(value);
  }

  reject(error: Error): void {
    if (this.#isFirst()) this.#reject(error);
  }
}

export class PendingCalls {
  readonly #calls = new Map<{ reject(error: Error): void }, CallKind>();
  #byteLength = 0;

  /** Of the data that calls carry. */
  get byteLength(): number {
    return this.#byteLength;
  }

  begin<T>(kind: CallKind): Call<T> {
    const call: Call<T> = new Call(() => this.#end(call));
    this.#calls.set(call, kind);
    this.#byteLength += kind.byteLength;
    return call;
  }

  /** The replica cannot go on because of `cause`. */
  rejectAll(cause: Error): void {
    for (const [call, { isChange }] of this.#calls) {
      call.reject(isChange ? new UncertainError({ cause }) : new StoppedError({ cause }));
    }
  }

  #end(call: { reject(error: Error): void }): boolean {
    const kind = this.#calls.get(call);
    if (kind === undefined) return false;
    this.#calls.delete(call);
    this.#byteLength -= kind.byteLength;
    return true;
  }
}

// CLIENT PAUSE: commands of this replica's clients wait until it is over. The pause of a leader holds
// the writes that are given to it, not those that another replica takes after it.

export type PauseMode = 'none' | 'write' | 'all';

export class ClientPause {
  readonly #monotonicMs: () => number;
  readonly #onEnd: () => void;
  #mode: PauseMode = 'none';
  #until = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { readonly monotonicMs: () => number; readonly onEnd: () => void }) {
    this.#monotonicMs = options.monotonicMs;
    this.#onEnd = options.onEnd;
  }

  /** Read for every command. */
  get mode(): PauseMode {
    return this.#mode;
  }

  /** A pause under way becomes neither shorter nor looser. */
  start(mode: 'write' | 'all', milliseconds: number): void {
    if (this.#mode !== 'all') this.#mode = mode;
    this.#until = Math.max(this.#until, this.#monotonicMs() + milliseconds);
    this.#check();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#until = 0;
    if (this.#mode === 'none') return;
    this.#mode = 'none';
    this.#onEnd();
  }

  #check(): void {
    clearTimeout(this.#timer);
    const left = this.#until - this.#monotonicMs();
    if (left <= 0) return this.end();
    this.#timer = setTimeout(() => this.#check(), Math.min(left, timerMsMax));
  }
}

/** A longer timer fires at once. */
const timerMsMax = 2 ** 31 - 1;

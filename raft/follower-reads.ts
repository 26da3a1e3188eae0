// Reads that this replica answers as a follower, on their way: the leader says how new the state must
// be, then they wait until it is.
//
// Nobody waits here for long. The leader may be gone, paused or cut off, and this replica may be far
// behind it: then the client is better off at the leader, and is sent there.

import type { AnsweredQuestion, LogIndex } from './core/index.js';

/**
 * Entries that are known to be committed and not applied here, beyond which a follower sends reads
 * away at once. 256: a busy log has as many in some tenths of a second, and with 256 KiB each they
 * are 64 MiB; for the rest there is the time that a read may wait.
 */
const lagEntriesMax = 256;

interface Unanswered {
  /** The question that answers these, unless a later one does. */
  readonly sequence: number;
  /** When they are given up, on the monotonic clock. Milliseconds. */
  readonly untilMs: number;
  readonly contexts: unknown[];
}

export interface ReadableReads {
  /** The state is new enough for them from this index on. */
  readonly index: LogIndex;
  /** The leader's clock for them, in milliseconds since the epoch; 0: the applied stamp is enough. */
  readonly clockMs: number;
  readonly contexts: readonly unknown[];
}

export class FollowerReads {
  /** Oldest first, and so by question. */
  #unanswered: Unanswered[] = [];
  #answered: (ReadableReads & { readonly untilMs: number })[] = [];
  /** The highest index of an answer: the leader had committed that far. */
  #knownIndex: LogIndex = 0;

  get hasUnanswered(): boolean {
    return this.#unanswered.length > 0;
  }

  /** Whether this replica is too far behind to let clients wait. */
  isLagging(commitIndex: LogIndex, appliedIndex: LogIndex): boolean {
    return Math.max(commitIndex, this.#knownIndex) - appliedIndex > lagEntriesMax;
  }

  /** Reads of one question are given up together, when the first of them has waited long enough. */
  add(sequence: number, untilMs: number, context: unknown): void {
    const last = this.#unanswered.at(-1);
    if (last?.sequence === sequence) last.contexts.push(context);
    else this.#unanswered.push({ sequence, untilMs, contexts: [context] });
  }

  onAnswer({ sequence, index, clockMs }: AnsweredQuestion): void {
    this.#knownIndex = Math.max(this.#knownIndex, index);
    while (this.hasUnanswered && this.#unanswered[0]!.sequence <= sequence) {
      const { untilMs, contexts } = this.#unanswered.shift()!;
      this.#answered.push({ index, clockMs, untilMs, contexts });
    }
  }

  /** Those that the state is new enough for. */
  takeReadable(appliedIndex: LogIndex): readonly ReadableReads[] {
    if (this.#answered.length === 0) return [];
    const readable = this.#answered.filter(({ index }) => index <= appliedIndex);
    this.#answered = this.#answered.filter(({ index }) => index > appliedIndex);
    return readable;
  }

  /** Contexts of those that have waited too long, or need a state that is too far ahead. */
  takeHopeless(appliedIndex: LogIndex, nowMs: number): unknown[] {
    const isLate = ({ untilMs }: { readonly untilMs: number }): boolean => untilMs <= nowMs;
    const isFar = ({ index }: ReadableReads): boolean => index - appliedIndex > lagEntriesMax;
    const hopeless = [
      ...this.#answered.filter((reads) => isLate(reads) || isFar(reads)),
      ...this.#unanswered.filter(isLate),
    ].flatMap(({ contexts }) => contexts);
    if (hopeless.length === 0) return hopeless;
    this.#answered = this.#answered.filter((reads) => !isLate(reads) && !isFar(reads));
    this.#unanswered = this.#unanswered.filter((reads) => !isLate(reads));
    return hopeless;
  }

  takeAll(): unknown[] {
    const all = [...this.#answered, ...this.#unanswered].flatMap(({ contexts }) => contexts);
    this.#answered = [];
    this.#unanswered = [];
    return all;
  }
}

// This replica's log, as a set of marks on it.
//
//     | compacted |  …   applicable      durable     verified      last |
//     ^ base            = min(commit, durable)
//
//   commit     durable on a majority. Only ever moves forward
//   durable    on this replica's disk, in the present generation
//   verified   as a follower: equal to the log of this term's leader
//
// A truncation begins a new *generation*, and a write that belongs to an older one proves nothing:
// under three leaders an index can hold A, then B, then A again, and the first A's write may end when
// the second A is not on the disk yet. A follower acknowledges what is verified and durable.
//
// Invariant: base ≤ durable ≤ last, commit ≤ last, verified ≤ last.

import assert from 'node:assert/strict';
import type { ConfigurationAt, Configurations } from './configurations.js';
import type { LogTerms } from './log-terms.js';
import type { Append, EntryHead, LogIndex, Term } from './types.js';

/** Entries that joined the log and are not durable yet. */
export interface AppendedEntries {
  readonly firstIndex: LogIndex;
  readonly entries: readonly EntryHead[];
  /** The no-op of this term, what `propose` was given, or the message that brought them. */
  readonly source: 'noop' | 'proposal' | Append;
  /** To be given back when they are durable. */
  readonly generation: number;
}

export class LocalLog {
  readonly #terms: LogTerms;
  readonly #configurations: Configurations<ConfigurationAt>;
  #commitIndex: LogIndex;
  #durableIndex: LogIndex;
  #generation = 0;
  #verifiedIndex: LogIndex = 0;
  /** An append was accepted and its acknowledgement is still to come. */
  #isAckDue = false;
  /** Acknowledged to this term's leader. */
  #acknowledgedIndex: LogIndex = 0;
  #appended: AppendedEntries[] = [];

  /** A log that is on disk as a whole, of which everything up to `appliedIndex` is committed. */
  constructor(
    terms: LogTerms,
    configurations: Configurations<ConfigurationAt>,
    appliedIndex: LogIndex,
  ) {
    assert(
      appliedIndex <= terms.lastIndex,
      `The state machine has applied ${appliedIndex}, the log ends at ${terms.lastIndex}`,
    );
    this.#terms = terms;
    this.#configurations = configurations;
    this.#durableIndex = terms.lastIndex;
    this.#commitIndex = appliedIndex;
  }

  // ---------------------------------------------------------------------------- marks

  get lastIndex(): LogIndex {
    return this.#terms.lastIndex;
  }

  get lastTerm(): Term {
    return this.#terms.lastTerm;
  }

  get baseIndex(): LogIndex {
    return this.#terms.baseIndex;
  }

  get commitIndex(): LogIndex {
    return this.#commitIndex;
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex;
  }

  get verifiedIndex(): LogIndex {
    return this.#verifiedIndex;
  }

  /** The latest one is in effect. */
  get configurations(): Pick<Configurations<ConfigurationAt>, 'latest' | 'previous'> {
    return this.#configurations;
  }

  termAt(index: LogIndex): Term | undefined {
    return this.#terms.termAt(index);
  }

  /** What a message says of the entry at `index`. */
  headAt(index: LogIndex, byteLength: number): EntryHead {
    const term = this.termAt(index)!;
    const configuration = this.#configurations.at(index)?.configuration;
    return configuration === undefined ? { term, byteLength } : { term, byteLength, configuration };
  }

  isUpToDate(candidate: { readonly lastIndex: LogIndex; readonly lastTerm: Term }): boolean {
    return this.#terms.isUpToDate(candidate);
  }

  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogIndex {
    return this.#terms.lastIndexWithTermAtMost(index, term);
  }

  commitTo(index: LogIndex): void {
    if (index <= this.#commitIndex) return;
    assert(index <= this.lastIndex, 'Cannot commit what is not in the log');
    this.#commitIndex = index;
  }

  compactTo(index: LogIndex): void {
    assert(index <= this.#commitIndex);
    this.#terms.compactTo(index);
    this.#configurations.compactTo(index);
  }

  /**
   * A snapshot of the committed state up to (index, term) is durable here, beyond what was known to
   * be committed. When the log has that entry the rest of it stays. Otherwise nothing of it does: what
   * lies behind an entry that contradicts a committed one was never committed (§7).
   */
  install(index: LogIndex, term: Term, configuration: ConfigurationAt): void {
    assert(index > this.#commitIndex, 'What is committed here is newer than the snapshot');
    const isLogKept = this.termAt(index) === term;
    this.#configurations.install(configuration, isLogKept);
    if (!isLogKept) {
      this.#terms.reset(index, term);
      // Writes that are still under way belong to the log that is gone.
      this.#generation += 1;
      this.#appended = [];
      this.#durableIndex = index;
      this.#verifiedIndex = index;
    }
    this.#commitIndex = index;
    // The leader of this term has what is committed (Leader Completeness): it is told at once, so
    // that it goes on behind the snapshot.
    this.#verifiedIndex = Math.max(this.#verifiedIndex, index);
    this.#isAckDue = true;
  }

  // ---------------------------------------------------------------------------- entries

  takeAppended(): readonly AppendedEntries[] {
    const appended = this.#appended;
    this.#appended = [];
    return appended;
  }

  appendOwn(source: 'noop' | 'proposal', entry: EntryHead): LogIndex {
    const firstIndex = this.#push(entry);
    this.#appended.push({ firstIndex, entries: [entry], source, generation: this.#generation });
    return firstIndex;
  }

  /** Takes from a leader's append what is new, after removing what contradicts it (§5.3). */
  appendFrom(message: Append): void {
    const lastNew = message.prevIndex + message.entries.length;
    const firstUnknown = this.#firstUnknown(message);
    if (firstUnknown <= lastNew) this.#take(message, firstUnknown);
    // What was known to be committed before is the leader's, too (Leader Completeness).
    this.#verifiedIndex = Math.max(this.#verifiedIndex, lastNew, this.#commitIndex);
    this.#isAckDue = true;
  }

  /** The first index of the message whose entry we lack or have from another term. */
  #firstUnknown(message: Append): LogIndex {
    let index = Math.max(message.prevIndex, this.baseIndex) + 1;
    for (const entry of message.entries.slice(index - message.prevIndex - 1)) {
      if (this.termAt(index) !== entry.term) break;
      index += 1;
    }
    return index;
  }

  #take(message: Append, firstIndex: LogIndex): void {
    if (firstIndex <= this.lastIndex) {
      // A real conflict: a message that merely ends earlier than our log never gets here.
      assert(firstIndex > this.#commitIndex, 'A committed entry would be replaced');
      this.#terms.truncateAfter(firstIndex - 1);
      this.#configurations.truncateAfter(firstIndex - 1);
      this.#generation += 1;
      this.#durableIndex = Math.min(this.#durableIndex, firstIndex - 1);
    }
    const entries = message.entries.slice(firstIndex - message.prevIndex - 1);
    for (const entry of entries) this.#push(entry);
    this.#appended.push({ firstIndex, entries, source: message, generation: this.#generation });
  }

  #push({ term, configuration }: EntryHead): LogIndex {
    const index = this.#terms.push(term);
    if (configuration !== undefined) this.#configurations.append({ index, configuration });
    return index;
  }

  /** True when `durableIndex` moved. */
  persisted(generation: number, lastIndex: LogIndex): boolean {
    if (generation !== this.#generation) return false;
    assert(lastIndex <= this.lastIndex);
    if (lastIndex <= this.#durableIndex) return false;
    this.#durableIndex = lastIndex;
    return true;
  }

  // ---------------------------------------------------------------------------- acknowledging

  /** A new term: what one leader's log says nothing of the next one's. */
  forgetVerified(): void {
    this.#verifiedIndex = 0;
    this.#acknowledgedIndex = 0;
    this.#isAckDue = false;
  }

  /**
   * What is to be acknowledged now: all that is verified, when it is durable, or else more than
   * before. Undefined: nothing to say.
   */
  takeAcknowledgement(): LogIndex | undefined {
    if (!this.#isAckDue) return undefined;
    const index = Math.min(this.#verifiedIndex, this.#durableIndex);
    const isAll = index === this.#verifiedIndex;
    if (!isAll && index <= this.#acknowledgedIndex) return undefined;
    this.#isAckDue = !isAll;
    this.#acknowledgedIndex = index;
    return index;
  }
}

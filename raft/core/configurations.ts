// Which configuration is in effect: the newest in the log, committed or not (dissertation §4.1).
//
//     log            … 4  5  6  7  8  9
//     configurations 2     5        8        8 is in effect; should 8 be truncated, 5 is again
//                    ^ its entry is compacted away or was never one: kept for the entries up to 4
//
// A replica must not wait for the commit: whoever appended the entry counts by it from then on, and
// a leader could not know otherwise when a majority does. The loop keeps the same stack of
// memberships, which are configurations with addresses; hence the type parameter.

import assert from 'node:assert/strict';
import type { Configuration, LogIndex, ReplicaId } from './types.js';

export interface ConfigurationAt {
  /** Of the entry; 0: what the group began with. */
  readonly index: LogIndex;
  readonly configuration: Configuration;
}

export class Configurations<Item extends { readonly index: LogIndex }> {
  /** Ascending by index, never empty. */
  #items: Item[];

  /** The first one is in effect where the log begins; the others are entries of the log. */
  constructor(items: readonly Item[]) {
    assert(items.length > 0, 'Some configuration is always in effect');
    this.#items = items.slice(0, 1);
    for (const item of items.slice(1)) this.append(item);
  }

  /** In effect. */
  get latest(): Item {
    return this.#items.at(-1)!;
  }

  /** What would be in effect if the latest one were taken back. */
  get previous(): Item | undefined {
    return this.#items.at(-2);
  }

  /** What the entry at `index` brings; undefined when it is no configuration entry. */
  at(index: LogIndex): Item | undefined {
    return this.#items.findLast((item) => item.index === index);
  }

  /** In effect for the entry at `index`, itself included; not below the first one. */
  asOf(index: LogIndex): Item {
    return this.#items.findLast((item) => item.index <= index) ?? this.#items[0]!;
  }

  append(item: Item): void {
    assert(item.index > this.latest.index, 'Configurations are appended in the order of the log');
    this.#items.push(item);
  }

  /** Takes back what the entries above `lastIndex` brought. */
  truncateAfter(lastIndex: LogIndex): void {
    assert(this.#items[0]!.index <= lastIndex, 'A committed configuration would be taken back');
    while (this.latest.index > lastIndex) this.#items.pop();
  }

  /**
   * A snapshot stands for the beginning of the log, and `item` is in effect at its end. `isLogKept`:
   * the entries behind it are still there.
   */
  install(item: Item, isLogKept: boolean): void {
    const behind = isLogKept ? this.#items.filter(({ index }) => index > item.index) : [];
    this.#items = [item, ...behind];
  }

  /** The entries up to `index` are gone from the log; what they left in effect stays. */
  compactTo(index: LogIndex): void {
    this.#items = [this.asOf(index), ...this.#items.filter((item) => item.index > index)];
  }
}

export function isMember({ voters, learners }: Configuration, replica: ReplicaId): boolean {
  return voters.includes(replica) || learners.includes(replica);
}

export function membersOf({ voters, learners }: Configuration): ReplicaId[] {
  return [...voters, ...learners];
}

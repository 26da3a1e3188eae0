// How often keys were looked up and found, and how many expired.
//
// For INFO alone: it is no part of the state, differs from replica to replica, and nothing that is
// applied may depend on it.

export class KeyspaceCounts {
  /** Lookups of commands that read, where there was the key. What only writes is not counted. */
  hits = 0;
  /** Lookups of commands that read, where there was none, or one that is due. */
  misses = 0;
  /** Keys that were deleted because they were due. */
  expired = 0;

  add(more: KeyspaceCounts): void {
    this.hits += more.hits;
    this.misses += more.misses;
    this.expired += more.expired;
  }

  reset(): void {
    this.hits = 0;
    this.misses = 0;
    this.expired = 0;
  }
}

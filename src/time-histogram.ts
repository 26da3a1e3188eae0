// How often something took how long, in buckets that double: a few numbers whatever happens.

/** Bucket k holds what took less than 1032 × 2^k nanoseconds; the last one all the rest. */
const bucketCount = 32;
const firstBoundNanoseconds = 1032;
/** In the last bucket. */
const boundsMax = 2 ** (bucketCount - 1) - 1;

export class TimeHistogram {
  readonly #counts = new Uint32Array(bucketCount);

  add(microseconds: number): void {
    const bounds = Math.min((microseconds * 1000) / firstBoundNanoseconds, boundsMax);
    this.#counts[32 - Math.clz32(bounds)]! += 1;
  }

  /**
   * How many took at most so many microseconds, from the first bucket that is not empty to the last,
   * without those that add nothing. The bounds are those of Redis.
   */
  cumulative(): readonly (readonly [number, number])[] {
    const rows: [number, number][] = [];
    let total = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      if (count === 0) continue;
      total += count;
      rows.push([Math.floor(boundOf(bucket)), total]);
    }
    return rows;
  }

  /** Microseconds that so many percent did not exceed, as the bound of a bucket; 0 when it is empty. */
  percentile(percent: number): number {
    const total = this.#counts.reduce((sum, count) => sum + count, 0);
    const wanted = (total * percent) / 100;
    let seen = 0;
    for (const [bucket, count] of this.#counts.entries()) {
      seen += count;
      if (count > 0 && seen >= wanted) return boundOf(bucket);
    }
    return 0;
  }
}

/** The longest time in a bucket, in microseconds. */
function boundOf(bucket: number): number {
  return (firstBoundNanoseconds * 2 ** bucket - 1) / 1000;
}

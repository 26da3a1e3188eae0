// What a fuzz target is, and one run of it.
//
// A target takes bytes that come from outside (a client, a peer, a disk), in two ways: made from
// nothing by somebody who knows the format, and valid ones that were changed. What it checks is the
// same for both: nothing is thrown but what the reader documents, the outcome does not depend on how
// the bytes came, and no memory is taken for what was only announced.
//
// A run is decided by its seed alone, the way in which the bytes are fed included. So a failure is
// told by target and seed, and the input stands there for whoever wants to look at it.

import assert from 'node:assert/strict';
import { seededRandom } from '../faults/seeded-random.js';
import type { Random } from './mutate.js';

export interface FuzzTarget {
  readonly name: string;
  /** Enough to meet every branch of the reader; a fraction of what a minute by hand does. */
  readonly runsInTest: number;
  /** Bytes that a run may take, with all that the check itself makes. 64 MiB if left out. */
  readonly memoryBytesMax?: number;
  make(random: Random): Buffer;
  /** Throws when a promise is broken. Says whether the reader took the input for what it reads. */
  check(input: Buffer, random: Random): Verdict;
}

export type Verdict = 'accepted' | 'refused';

export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';

  constructor(target: string, seed: number, input: Buffer | undefined, cause: unknown) {
    const made =
      input === undefined
        ? 'no input could be made'
        : `input of ${input.length} bytes: ${input.toString('hex')}`;
    super(
      `Target ${target} fails with seed ${seed}: ${(cause as Error).stack ?? String(cause)}\n` +
        `again: npm run fuzz -- --target ${target} --seed ${seed}\n${made}`,
      { cause },
    );
  }
}

const memoryBytesMax = 64 * 1024 * 1024;

/** Throws `FuzzFailure`. */
export function runOnce(target: FuzzTarget, seed: number): Verdict {
  const random = seededRandom(seed);
  let input: Buffer | undefined;
  try {
    input = target.make(random);
    const before = memoryInUse();
    const verdict = target.check(input, random);
    // A garbage collection in between hides what was taken, but never adds to it.
    const taken = memoryInUse() - before;
    const most = target.memoryBytesMax ?? memoryBytesMax;
    assert(taken <= most, `It took ${taken} bytes of memory, more than ${most}`);
    return verdict;
  } catch (error) {
    throw new FuzzFailure(target.name, seed, input, error);
  }
}

function memoryInUse(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

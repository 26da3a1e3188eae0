// The thread in which the targets of `npm run fuzz` run.

import { parentPort, workerData } from 'node:worker_threads';
import { runOnce } from './target.js';
import { targets } from './targets.js';

export interface Assignment {
  readonly targets: readonly string[];
  readonly firstSeed: number;
  /** Since the epoch; undefined: the first seed alone. */
  readonly untilMs: number | undefined;
  /** Runs begun, and of the latest the target's place in `targets` and the seed. */
  readonly progress: Int32Array;
}

export const progressCells = 3;

export type Report =
  | { readonly kind: 'failed'; readonly text: string }
  | { readonly kind: 'over'; readonly counts: readonly Counts[] };

export interface Counts {
  readonly name: string;
  accepted: number;
  refused: number;
}

/** Seeds of one target before it is the next one's turn. */
const turnLength = 50;

function work({ targets: names, firstSeed, untilMs, progress }: Assignment): Report {
  const chosen = names.map((name) => targets.find((target) => target.name === name)!);
  const counts: Counts[] = names.map((name) => ({ name, accepted: 0, refused: 0 }));
  const length = untilMs === undefined ? 1 : turnLength;
  let first = firstSeed;
  do {
    for (const [at, target] of chosen.entries()) {
      for (let seed = first; seed < first + length; seed += 1) {
        progress[1] = at;
        progress[2] = seed;
        Atomics.add(progress, 0, 1);
        try {
          counts[at]![runOnce(target, seed)] += 1;
        } catch (error) {
          return { kind: 'failed', text: (error as Error).message };
        }
      }
    }
    first += length;
  } while (untilMs !== undefined && Date.now() < untilMs);
  return { kind: 'over', counts };
}

// Imported by the main thread for its types and constants, too.
parentPort?.postMessage(work(workerData as Assignment));

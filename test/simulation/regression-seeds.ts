// Runs that failed once, each with what it found.
//
// A seed stands for a run only as long as the same things are drawn in the same order. Whoever changes
// that undoes a fix in a copy of the build and looks for another seed that finds it.

import type { PlanChanges } from './plan.js';

export interface RegressionSeed {
  readonly seed: number;
  readonly changes: PlanChanges;
  readonly found: string;
}

export const regressionSeeds: readonly RegressionSeed[] = [
  {
    seed: 59,
    changes: {},
    found: 'a log write fails, the server starts again, and the power goes: it refuses to start',
  },
];

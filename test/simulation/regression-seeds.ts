// Runs that failed once, made smaller, each with what it found.
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
    seed: 14,
    changes: {
      without: [
        'torn',
        'stop',
        'isolation',
        'oneWay',
        'pause',
        'transfer',
        'snapshot',
        'fullDisk',
        'slowDisk',
        'clientCut',
      ],
      safetyMs: 10_000,
    },
    found: 'a log write fails, the server starts again, and the power goes: it refuses to start',
  },
  {
    seed: 86,
    changes: {
      without: [
        'crash',
        'torn',
        'partition',
        'isolation',
        'oneWay',
        'linkBreak',
        'pause',
        'clock',
        'transfer',
        'membership',
        'clientCut',
      ],
      safetyMs: 5_000,
      clientsMax: 1,
    },
    found: 'the same, with one client and hardly anything else going wrong',
  },
];

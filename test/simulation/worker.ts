// A thread that makes one run after another, as it is told.

import { parentPort, workerData } from 'node:worker_threads';
import type { PlanChanges } from './plan.js';
import { type Failed, type Passed, run, shrink } from './run.js';

export interface WorkerData {
  readonly directory: string;
  readonly changes: PlanChanges;
  /** A smaller run is looked for when one fails. */
  readonly isShrunk: boolean;
}

export interface WorkerAnswer {
  readonly result: Passed | Failed;
  /** Of a run that failed: one that is easier to understand. */
  readonly smaller?: Failed;
}

const { directory, changes, isShrunk } = workerData as WorkerData;

parentPort!.on('message', (seed: number) => {
  const result = run(seed, directory, changes);
  const isShrinkable = isShrunk && result.kind === 'failed';
  const answer: WorkerAnswer = isShrinkable
    ? { result, smaller: shrink(result, directory) }
    : { result };
  parentPort!.postMessage(answer);
});

// One run as plain data, since it may be made in another thread; and a smaller one that fails as well.

import { type Plan, type PlanChanges, troubleNames } from './plan.js';
import { type Outcome, SimulationFailure, simulate } from './simulation.js';

export type Passed = Omit<Outcome, 'history'> & { readonly kind: 'passed'; readonly seed: number };

export interface Failed {
  readonly kind: 'failed';
  readonly seed: number;
  readonly changes: PlanChanges;
  readonly plan: Plan;
  /** What was wrong, and where that was found. */
  readonly text: string;
  /** The last events, in words. */
  readonly lines: readonly string[];
}

/** What is not a failure of the run, like a full file system, is thrown. */
export function run(seed: number, directory: string, changes: PlanChanges): Passed | Failed {
  try {
    const { history: _, ...outcome } = simulate(seed, directory, changes);
    return { kind: 'passed', seed, ...outcome };
  } catch (error) {
    if (!(error instanceof SimulationFailure)) throw error;
    const { plan, lines } = error;
    const cause = error.cause as Error;
    return { kind: 'failed', seed, changes, plan, text: cause.stack ?? cause.message, lines };
  }
}

/** Below it a cluster hardly has a leader. */
const safetyMsMin = 250;

/**
 * A run of the same seed with fewer troubles, fewer clients and a shorter time that fails, too; perhaps
 * with another failure. Each change is kept that leaves one.
 */
export function shrink(failed: Failed, directory: string): Failed {
  let smallest = failed;
  const attempt = (changes: PlanChanges): boolean => {
    const result = run(failed.seed, directory, { ...smallest.changes, ...changes });
    if (result.kind === 'failed') smallest = result;
    return result.kind === 'failed';
  };
  const halve = (): void => {
    for (;;) {
      const safetyMs = Math.ceil(smallest.plan.safetyMs / 2);
      if (safetyMs < safetyMsMin || !attempt({ safetyMs })) return;
    }
  };
  // A shorter run makes all further attempts cheaper; with less in it, it may become shorter still.
  halve();
  for (const name of troubleNames) {
    const { without = [] } = smallest.changes;
    if (smallest.plan.rates[name] > 0) attempt({ without: [...without, name] });
  }
  if (smallest.plan.writers + smallest.plan.readers > 1) attempt({ clientsMax: 1 });
  halve();
  return smallest;
}

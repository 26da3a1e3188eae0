// Runs one simulation after another from a copy of the build, on all processors, until one fails.

import os from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { WorkerAnswer, WorkerData } from '../simulation/worker.js';

export interface Hunt {
  /** Where the copy of the build is. */
  readonly directory: string;
  /** On a file system in memory. */
  readonly scratch: string;
  readonly firstSeed: number;
  readonly runsMax: number;
}

export interface Caught {
  readonly seed: number;
  /** What was found, in a line. */
  readonly finding: string;
}

export interface Outcome {
  readonly caught: Caught | undefined;
  readonly runs: number;
}

/** A run takes a second or less; one that takes so long never ends. */
const hangMs = 60_000;

export async function hunt({ directory, scratch, firstSeed, runsMax }: Hunt): Promise<Outcome> {
  const workerData: WorkerData = { directory: scratch, changes: {}, isShrunk: false };
  const script = pathToFileURL(join(directory, 'dist/test/simulation/worker.js'));
  let nextSeed = firstSeed;
  let caught: Caught | undefined;
  let runs = 0;
  const isOver = (): boolean => caught !== undefined || nextSeed >= firstSeed + runsMax;

  function work(): Promise<void> {
    const worker = new Worker(script, { workerData, stdout: true, stderr: true });
    return new Promise((resolve) => {
      let seed = 0;
      let hang: NodeJS.Timeout | undefined;
      const end = (): void => {
        clearTimeout(hang);
        void worker.terminate().then(() => resolve());
      };
      const onFinding = (finding: string): void => {
        caught ??= { seed, finding };
        end();
      };
      const takeNext = (): void => {
        clearTimeout(hang);
        if (isOver()) return end();
        seed = nextSeed;
        nextSeed += 1;
        hang = setTimeout(() => onFinding('a run that does not come to its end'), hangMs);
        worker.postMessage(seed);
      };
      worker.on('message', ({ result }: WorkerAnswer) => {
        runs += 1;
        if (result.kind === 'failed') onFinding(firstLineOf(result.text));
        else takeNext();
      });
      // Thrown where no run could catch it.
      worker.on('error', (error: Error) => {
        runs += 1;
        onFinding(firstLineOf(error.stack ?? String(error)));
      });
      takeNext();
    });
  }

  await Promise.all(Array.from({ length: os.availableParallelism() }, work));
  return { caught, runs };
}

function firstLineOf(text: string): string {
  const line = text.split('\n', 1)[0]!;
  return line.length > 110 ? `${line.slice(0, 109)}…` : line;
}

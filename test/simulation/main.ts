// `npm run simulate`: runs simulations until there have been enough, or one fails.
//
//   npm run simulate                          one fresh seed
//   npm run simulate -- --seed 417            that one again
//   npm run simulate -- --seed 1 --runs 500   500 seeds, on all processors
//   npm run simulate -- --minutes 60          fresh seeds for an hour
//
// A failure is told with what makes it again: seed, options and commit. The options that are not in the
// list above come from there; they make a run smaller.

import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { makeMemoryDirectory } from './memory-directory.js';
import {
  changeWords,
  describePlan,
  describeRates,
  type PlanChanges,
  type TroubleName,
  troubleNames,
} from './plan.js';
import type { Failed, Passed } from './run.js';
import { Totals } from './totals.js';
import type { WorkerAnswer, WorkerData } from './worker.js';

const linesShown = 200;

const given = await yargs(hideBin(process.argv))
  .scriptName('simulate')
  .usage('$0: whole clusters in one process, with everything that can go wrong')
  .detectLocale(false)
  .option('seed', { type: 'number', describe: 'Of the first run; a fresh one when left out' })
  .option('runs', { type: 'number', describe: 'How many, with one seed after another' })
  .option('minutes', { type: 'number', describe: 'Goes on for so long' })
  .option('without', { type: 'string', describe: 'Troubles that are left out, with commas' })
  .option('safety-ms', { type: 'number', describe: 'Simulated time with troubles, at most' })
  .option('clients', { type: 'number', describe: 'At most' })
  .strict()
  .parse();

const changes: PlanChanges = {
  ...(given.without !== undefined && { without: troublesIn(given.without) }),
  ...(given.safetyMs !== undefined && { safetyMs: given.safetyMs }),
  ...(given.clients !== undefined && { clientsMax: given.clients }),
};
const firstSeed = given.seed ?? randomInt(1, 2 ** 31);
const runsMax = given.runs ?? (given.minutes === undefined ? 1 : Number.POSITIVE_INFINITY);
const startedAtMs = performance.now();
const endsAtMs =
  given.minutes === undefined ? Number.POSITIVE_INFINITY : startedAtMs + given.minutes * 60_000;

const directory = makeMemoryDirectory();
process.on('exit', () => fs.rmSync(directory, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(1));
}

const totals = new Totals();
let nextSeed = firstSeed;
let isFailed = false;
await Promise.all(Array.from({ length: Math.min(runsMax, os.availableParallelism()) }, work));
console.log(totals.describe((performance.now() - startedAtMs) / 1000));
process.exitCode = isFailed ? 1 : 0;

/** One thread takes the next seed, and the next, until there are none. */
function work(): Promise<void> {
  const workerData: WorkerData = { directory, changes, isShrunk: true };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData });
  return new Promise((resolve, reject) => {
    const takeNext = (): void => {
      const isOver = isFailed || nextSeed >= firstSeed + runsMax || performance.now() >= endsAtMs;
      if (isOver) {
        void worker.terminate();
        return resolve();
      }
      worker.postMessage(nextSeed);
      nextSeed += 1;
    };
    worker.on('message', ({ result, smaller }: WorkerAnswer) => {
      if (result.kind === 'passed') onPassed(result);
      else onFailed(result, smaller ?? result);
      takeNext();
    });
    worker.on('error', reject);
    takeNext();
  });
}

function onPassed(passed: Passed): void {
  const { seed, plan, completed, simulatedMs, hash, isLinearizable } = passed;
  totals.add(passed);
  if (runsMax === 1) for (const line of describePlan(plan)) console.log(`  ${line}`);
  const seconds = (simulatedMs / 1000).toFixed(0);
  console.log(
    `seed ${seed}: ${completed} commands answered in ${seconds} s, ${plan.servers} servers, ` +
      `troubles in a second: ${describeRates(plan.rates)}; trace ${hash.slice(0, 16)}` +
      (isLinearizable ? '' : '; NOT KNOWN to be linearizable: the search ran out of steps'),
  );
}

function onFailed(failed: Failed, smaller: Failed): void {
  // The first one is told; there may be another from another thread.
  if (isFailed) return;
  isFailed = true;
  console.log(`\nFAILED at commit ${commit()}: ${commandFor(failed)}`);
  for (const line of describePlan(failed.plan)) console.log(`  ${line}`);
  console.log(failed.text);
  if (smaller !== failed) {
    console.log(`\nA smaller run that fails: ${commandFor(smaller)}`);
    for (const line of describePlan(smaller.plan)) console.log(`  ${line}`);
    console.log(smaller.text);
  }
  console.log('\nIts last events, with the time in milliseconds:');
  for (const line of smaller.lines.slice(-linesShown)) console.log(line);
}

function commandFor({ seed, changes: made }: Failed): string {
  return ['npm run simulate --', `--seed ${seed}`, ...changeWords(made)].join(' ');
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { encoding: 'utf8' }).trim();
    const isChanged = git('status', '--porcelain') !== '';
    return git('rev-parse', '--short', 'HEAD') + (isChanged ? ', with changes' : '');
  } catch {
    return 'unknown';
  }
}

function troublesIn(text: string): TroubleName[] {
  const words = text.split(',');
  const unknown = words.filter((word) => !troubleNames.some((name) => name === word));
  if (unknown.length > 0) {
    console.error(`There is no trouble "${unknown[0]}", only ${troubleNames.join(', ')}`);
    process.exit(2);
  }
  return words as TroubleName[];
}

// `npm run fuzz`: the targets of `targets.ts` with fresh seeds, until somebody has seen enough.
//
//   main thread ──targets, first seed──▶ worker: run, run, run …
//        ▲   └──── once a second: has it moved? ───┘   │
//        └───────────── failure, or counts ────────────┘
//
// The targets run in a thread of their own because one that hangs cannot be interrupted from within:
// the main thread sees that no run came to an end for long, says which one, and ends the process.

import { Worker } from 'node:worker_threads';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { targets } from './targets.js';
import { type Assignment, progressCells, type Report } from './worker.js';

/** The longest run takes a fraction of a second. */
const hangMs = 30_000;
const seedMax = 2 ** 31 - 1;
const defaultMinutes = 1;

const args = await yargs(hideBin(process.argv))
  .scriptName('npm run fuzz --')
  .usage('$0: bytes that nearly mean something, for everything that reads bytes from outside')
  .detectLocale(false)
  .parserConfiguration({ 'duplicate-arguments-array': false })
  .option('target', {
    choices: targets.map(({ name }) => name),
    describe: 'Only this one',
  })
  .option('seed', {
    type: 'number',
    describe: 'Run this seed alone; with --minutes, begin there. A fresh one if left out',
  })
  .option('minutes', {
    type: 'number',
    defaultDescription: String(defaultMinutes),
    describe: 'How long to go on',
  })
  .strict()
  .version(false)
  .help()
  .check(({ seed, minutes }) => {
    if (seed !== undefined && !(Number.isInteger(seed) && seed >= 1 && seed <= seedMax)) {
      throw new Error(`--seed takes a number from 1 to ${seedMax}`);
    }
    if (minutes !== undefined && !(minutes > 0))
      throw new Error('--minutes takes a number above 0');
    return true;
  })
  .fail((message, error) => {
    if (error !== undefined && error !== null && message === null) throw error;
    process.stderr.write(`fuzz: ${message}; --help shows what there is\n`);
    process.exit(2);
  })
  .parseAsync();

const chosen = targets.filter(({ name }) => args.target === undefined || args.target === name);
const isSingle = args.seed !== undefined && args.minutes === undefined;
const assignment: Assignment = {
  targets: chosen.map(({ name }) => name),
  firstSeed: args.seed ?? 1 + Math.floor(Math.random() * (seedMax / 2)),
  untilMs: isSingle ? undefined : Date.now() + (args.minutes ?? defaultMinutes) * 60_000,
  progress: new Int32Array(new SharedArrayBuffer(progressCells * Int32Array.BYTES_PER_ELEMENT)),
};
process.stdout.write(`fuzz: ${assignment.targets.join(', ')}, from seed ${assignment.firstSeed}\n`);
watch(new Worker(new URL('./worker.js', import.meta.url), { workerData: assignment }));

function watch(worker: Worker): void {
  let seen = -1;
  let movedMs = Date.now();
  const timer = setInterval(() => {
    const [runs, target, seed] = assignment.progress;
    if (runs !== seen) movedMs = Date.now();
    seen = runs!;
    if (Date.now() - movedMs < hangMs) return;
    const name = assignment.targets[target!]!;
    fail(
      `Target ${name} hangs with seed ${seed}\n` +
        `again: npm run fuzz -- --target ${name} --seed ${seed}`,
    );
  }, 1000);
  worker.on('message', (report: Report) => {
    if (report.kind === 'failed') return fail(report.text);
    clearInterval(timer);
    for (const { name, accepted, refused } of report.counts) {
      process.stdout.write(`${name}: ${accepted} inputs taken, ${refused} refused\n`);
    }
  });
  worker.on('error', (error) => fail(`${error.stack}`));
}

function fail(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

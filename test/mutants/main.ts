// `npm run simulate:mutants`: the simulator must find the deliberate bugs.
//
//   npm run simulate:mutants                                 all of them, and then the build as it is
//   npm run simulate:mutants -- --only read-without-a-round  one
//
// What is not found means that a checker or a trouble is missing. Those in `open/`, of which that is known, run
// only by their name.

import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { makeMemoryDirectory } from '../simulation/memory-directory.js';
import { hunt, type Outcome } from './hunt.js';
import { allMutants, copyBuild, plant, uproot } from './mutant.js';

const mutants = allMutants();
const defaultRuns = 300;

const { only, runs, seed } = await yargs(hideBin(process.argv))
  .scriptName('npm run simulate:mutants --')
  .usage('$0: does the simulator find what is wrong?')
  .detectLocale(false)
  .option('only', { choices: mutants.map(({ name }) => name), describe: 'One of them' })
  .option('runs', { type: 'number', default: defaultRuns, describe: 'Of each, at most' })
  .option('seed', { type: 'number', default: 1, describe: 'Of the first run of each' })
  .strict()
  .version(false)
  .parse();

const scratch = makeMemoryDirectory();
const directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-mutants-'));
process.on('exit', () => {
  fs.rmSync(scratch, { recursive: true, force: true });
  fs.rmSync(directory, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(1));
}

const copy = join(directory, 'build');
copyBuild(copy);
const missed: string[] = [];
for (const mutant of mutants) {
  if (only === undefined ? mutant.isOpen : mutant.name !== only) continue;
  plant(mutant, copy);
  const { caught, runs: made, seconds } = await timed();
  uproot(mutant, copy);
  if (caught === undefined) missed.push(mutant.name);
  const how =
    caught === undefined
      ? `NOT FOUND in ${made} runs`
      : `after ${made} runs, seed ${caught.seed}: ${caught.finding}`;
  console.log(`${mutant.name} (${seconds} s): ${how}`);
}
if (only === undefined) {
  const { caught, runs: made, seconds } = await timed();
  if (caught !== undefined) missed.push('the build as it is, in which something was found');
  console.log(
    caught === undefined
      ? `the build as it is (${seconds} s): nothing found in ${made} runs`
      : `THE BUILD AS IT IS (${seconds} s): seed ${caught.seed}: ${caught.finding}`,
  );
}
if (missed.length > 0) console.log(`Not as it should be: ${missed.join(', ')}`);
process.exitCode = missed.length === 0 ? 0 : 1;

async function timed(): Promise<Outcome & { readonly seconds: string }> {
  const beganMs = performance.now();
  const outcome = await hunt({ directory: copy, scratch, firstSeed: seed, runsMax: runs });
  return { ...outcome, seconds: ((performance.now() - beganMs) / 1000).toFixed(0) };
}

// `npm run bench:group`: what a group costs its clients while it does more than serve them, and how
// long what it does then takes.
//
//   for each measurement: a new cluster of three ─▶ fill ─▶ measure ─▶ remove
//                                                                 └─▶ a table in docs/benchmarks.md
//
// Here nothing is compared with Redis: the figures are ratios against the same cluster at rest, or
// bounds that an operator counts on.

import fs from 'node:fs';
import { join, resolve } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { Trouble, UsageError } from '../../cluster-scripts/trouble.js';
import { makeDirectory } from '../directory.js';
import { describeMachine } from '../machine.js';
import { withReport } from '../report.js';
import { boundedDisk } from './bounded-disk.js';
import { type Figure, figureTable, type Measurement, type Size } from './figure.js';
import { followerReads } from './follower-reads.js';
import { install } from './install.js';
import { restart } from './restart.js';
import { RunningGroup } from './running-group.js';
import { snapshotUnderLoad } from './snapshot-under-load.js';

const root = resolve(import.meta.dirname, '../../..');
const page = join(root, 'docs/benchmarks.md');
const gibibyte = 1024 ** 3;
const fullGib = 2;
const measurements: readonly Measurement[] = [
  snapshotUnderLoad,
  install,
  restart,
  followerReads,
  boundedDisk,
];

const args = await yargs(hideBin(process.argv))
  .scriptName('npm run bench:group --')
  .usage('$0: snapshots, restarts and reads of one group, on this machine')
  .detectLocale(false)
  .option('gib', { type: 'number', default: fullGib, describe: 'Size of the database, GiB' })
  .option('rounds', { type: 'number', default: 3, describe: 'Of those that are medians' })
  .option('seconds', { type: 'number', default: 15, describe: 'Of one run of the load' })
  .option('only', {
    type: 'string',
    choices: measurements.map(({ name }) => name),
    describe: 'One of them; the page stays as it is then',
  })
  .option('port', { type: 'number', default: 21_000, describe: 'Base port of the first server' })
  .strict()
  .version(false)
  .help()
  .fail((message, error) => {
    if (error !== undefined && error !== null) throw error;
    process.stderr.write(`bench: ${message}; --help shows what there is\n`);
    process.exit(2);
  })
  .parseAsync();

try {
  await main();
} catch (error) {
  const isSentence = error instanceof Trouble || error instanceof UsageError;
  process.stderr.write(`bench: ${isSentence ? error.message : (error as Error).stack}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}

async function main(): Promise<void> {
  const { gib, rounds, seconds, only, port } = args;
  if (!(gib > 0 && rounds >= 1 && seconds >= 1)) {
    throw new UsageError('--gib, --rounds and --seconds take positive numbers');
  }
  const size: Size = { bytes: gib * gibibyte, rounds, seconds };
  const directory = makeDirectory(root);
  const figures: Figure[] = [];
  for (const measurement of measurements) {
    if (only !== undefined && measurement.name !== only) continue;
    say(`${measurement.name} …`);
    const found = await measure(measurement, size, join(directory, measurement.name), port);
    for (const { work, measured } of found) say(`  ${work}: ${measured}`);
    figures.push(...found);
  }
  const date = new Date().toISOString().slice(0, 10);
  const what = `a database of ${gib} GiB, rounds: ${rounds}, each load for ${seconds} s or longer`;
  const head = `Measured on ${date}: ${what}. ${describeMachine(directory)}.\n\n`;
  const report = `${head}${figureTable(figures)}`;
  process.stdout.write(report);
  if (only !== undefined || gib < fullGib) return;
  const text = fs.readFileSync(page, 'utf8');
  fs.writeFileSync(page, withReport(text, report, 'group figures'));
  say('wrote docs/benchmarks.md');
}

async function measure(
  { environment = {}, run }: Measurement,
  size: Size,
  directory: string,
  port: number,
): Promise<Figure[]> {
  // The servers inherit it.
  Object.assign(process.env, environment);
  const group = await RunningGroup.start(directory, port);
  try {
    return await run(group, size);
  } finally {
    await group.dispose();
    for (const name of Object.keys(environment)) delete process.env[name];
  }
}

function say(line: string): void {
  process.stderr.write(`bench: ${line}\n`);
}

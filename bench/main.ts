// `npm run bench`: Holt beside Redis, driven by redis-benchmark.
//
//   rows ─▶ for each round, for each peer: start it on an empty disk ─▶ load keys ─▶ drive ─▶ remove it
//                                                                                      │
//                                      docs/benchmarks.md ◀─ report ◀─ machine ◀───────┘
//
// The machine is small and shared, so only ratios are worth comparing, and only of figures that were
// taken side by side. The peers take turns within each round, every measurement begins with new
// processes and no data, and while a peer is measured no server of another one exists.

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join, resolve } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { Trouble, UsageError } from '../cluster-scripts/trouble.js';
import { contest } from './contest.js';
import { makeDirectory } from './directory.js';
import type { Settings } from './drive.js';
import { describeMachine, machineSpeed } from './machine.js';
import { type Conditions, MeasuredFile } from './measured.js';
import { holt } from './peers/holt.js';
import type { Peer } from './peers/peer.js';
import { redis, redisWithReplicas } from './peers/redis.js';
import { Progress } from './progress.js';
import { reportText, withReport } from './report.js';
import { chosenRows, rows } from './rows.js';

const root = resolve(import.meta.dirname, '../..');
const page = join(root, 'docs/benchmarks.md');
const fullRun = Object.freeze({ rounds: 3, seconds: 10 });
/** Below, starting the clients is what is measured; above, the disk fills. */
const secondsMin = 1;
const secondsMax = 30;
/** The bus ports of three servers, 10,000 above, must stay below 65,536. */
const portMax = 54_000;
const quickRun = Object.freeze({ rounds: 1, seconds: 1 });
/** In the order of their turns. The first is the one the others are compared with. */
const peers: readonly Peer[] = [holt, redis, redisWithReplicas];

const args = await yargs(hideBin(process.argv))
  .scriptName('npm run bench --')
  .usage('$0: Holt beside Redis, on this machine')
  .detectLocale(false)
  .parserConfiguration({ 'duplicate-arguments-array': false })
  .option('rounds', {
    type: 'number',
    defaultDescription: String(fullRun.rounds),
    describe: 'Measurements of each row and peer; the table has their medians',
  })
  .option('seconds', {
    type: 'number',
    defaultDescription: String(fullRun.seconds),
    describe: 'Least duration of one measurement, without the time to start and to load keys',
  })
  .option('rows', {
    type: 'string',
    default: '',
    describe: 'Only the rows whose name matches this regular expression, in any case',
  })
  .option('quick', {
    type: 'boolean',
    default: false,
    describe: 'One round of one second: shows that it works, and no figure to rely on',
  })
  .option('continue', {
    type: 'boolean',
    default: false,
    describe: 'Go on behind what the last run had measured when it failed',
  })
  .option('port', {
    type: 'number',
    default: 21_000,
    describe: 'Base port of the first Holt server; Redis listens at 301 to 303 above it',
  })
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
  const settings = checkedSettings();
  const chosen = chosenRows(args.rows);
  const directory = makeDirectory(root);
  const progress = new Progress(chosen, peers.length, settings);
  progress.say(`data in ${directory}; ${progress.estimateText()}`);
  const before = machineSpeed(directory);
  const place = { directory, basePort: args.port };
  const file = measuredFile(directory, settings);
  const results = await contest(chosen, peers, settings, place, file, progress);
  const report = reportText({
    ...results,
    settings,
    peers,
    rows: chosen,
    versions: [...results.versions, commitText()],
    machine: describeMachine(directory),
    speed: { before, after: machineSpeed(directory) },
    date: new Date().toISOString().slice(0, 10),
  });
  process.stdout.write(report);
  const { rounds, seconds } = fullRun;
  if (chosen.length === rows.length && settings.rounds >= rounds && settings.seconds >= seconds) {
    fs.writeFileSync(page, withReport(fs.readFileSync(page, 'utf8'), report));
    progress.say('wrote docs/benchmarks.md');
  } else {
    progress.say(
      `docs/benchmarks.md stays as it is: it takes all rows, ${rounds} rounds of ${seconds} s`,
    );
  }
}

function checkedSettings(): Settings {
  const preset = args.quick ? quickRun : fullRun;
  const { rounds = preset.rounds, seconds = preset.seconds, port } = args;
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new UsageError('--rounds takes a number from 1');
  }
  if (!(seconds >= secondsMin && seconds <= secondsMax)) {
    throw new UsageError(`--seconds takes a number from ${secondsMin} to ${secondsMax}`);
  }
  if (!Number.isInteger(port) || port < 1024 || port > portMax) {
    throw new UsageError(`--port takes a number from 1024 to ${portMax}`);
  }
  return { rounds, seconds, memoryRequests: args.quick ? 100_000 : 1_000_000 };
}

/** Beside the data, which goes with the run. */
function measuredFile(directory: string, { rounds, seconds }: Settings): MeasuredFile {
  const path = join(directory, '../bench-measured.jsonl');
  const conditions: Conditions = { commit: commitText(), rounds, seconds };
  return args.continue
    ? MeasuredFile.resume(path, conditions)
    : MeasuredFile.begin(path, conditions);
}

/** With what is not committed as `-dirty`. */
function commitText(): string {
  const { stdout, status } = spawnSync('git', ['describe', '--always', '--dirty'], {
    cwd: root,
    encoding: 'utf8',
  });
  return status === 0 ? `commit ${stdout.trim()}` : 'outside a repository';
}

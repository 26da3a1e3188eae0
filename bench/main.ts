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
import { atEnd } from './cleanup.js';
import { cpuSeconds } from './cpu-time.js';
import { type Driven, drive, type Settings } from './drive.js';
import { loadKeys } from './load-keys.js';
import { describeMachine, machineSpeed } from './machine.js';
import { measureMemory } from './memory.js';
import { holt } from './peers/holt.js';
import type { Peer, RunningPeer } from './peers/peer.js';
import { redis, redisWithReplicas } from './peers/redis.js';
import { Progress } from './progress.js';
import { type Measurement, type MemoryMeasurement, reportText, withReport } from './report.js';
import { chosenRows, rows, type ThroughputRow } from './rows.js';

const root = resolve(import.meta.dirname, '../..');
const page = join(root, 'docs/benchmarks.md');
/** The logs of three replicas and a minute of 4 KiB values, several times over. */
const freeBytesMin = 20 * 1024 ** 3;
const fullRun = Object.freeze({ rounds: 3, seconds: 10 });
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
  .option('port', {
    type: 'number',
    default: 21_000,
    describe: 'Base port of the first Holt server; Redis listens at 301 to 303 above it',
  })
  .strict()
  .version(false)
  .help()
  .parseAsync();

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).stack}\n`);
  process.exitCode = 1;
}

async function main(): Promise<void> {
  const settings = checkedSettings();
  const chosen = chosenRows(args.rows);
  const directory = makeDirectory();
  const progress = new Progress(chosen, peers.length, settings);
  progress.say(`data in ${directory}; ${progress.estimateText()}`);

  const speedBefore = machineSpeed(directory);
  const measurements: Measurement[] = [];
  const memory: MemoryMeasurement[] = [];
  const versions = new Set<string>();
  for (const row of chosen) {
    for (let round = 1; round <= (row.kind === 'memory' ? 1 : settings.rounds); round += 1) {
      for (const peer of peers) {
        progress.begin(row, peer.title, round);
        const running = await peer.start(fs.mkdtempSync(join(directory, 'peer-')), args.port);
        try {
          versions.add(running.version);
          if (row.kind === 'memory') {
            memory.push({ peer: peer.title, ...(await measureMemory(running, settings)) });
            progress.done(row);
          } else {
            const measurement = {
              row,
              peer: peer.title,
              ...(await measure(running, row, settings.seconds)),
            };
            measurements.push(measurement);
            progress.done(row, `${Math.round(measurement.requestsPerSecond)} requests/s`);
          }
        } finally {
          await running.dispose();
        }
      }
    }
  }

  const isFull = chosen.length === rows.length && settings.rounds >= 3 && settings.seconds >= 10;
  const report = reportText({
    settings,
    peers: peers.map(({ title, note }) => ({ title, note })),
    rows: chosen,
    measurements,
    memory,
    machine: describeMachine(directory),
    versions: [...versions, commitText()],
    speed: { before: speedBefore, after: machineSpeed(directory) },
    date: new Date().toISOString().slice(0, 10),
  });
  process.stdout.write(report);
  if (isFull) {
    fs.writeFileSync(page, withReport(fs.readFileSync(page, 'utf8'), report));
    progress.say('wrote docs/benchmarks.md');
  } else {
    progress.say(
      'docs/benchmarks.md is left as it is: it takes all rows, 3 rounds and 10 seconds or more',
    );
  }
}

async function measure(running: RunningPeer, row: ThroughputRow, seconds: number): Promise<Driven> {
  if (row.command === 'GET') await loadKeys(running.port, row.valueBytes);
  return drive(running.port, row, seconds, () => cpuSeconds(running.pids));
}

function checkedSettings(): Settings {
  const preset = args.quick ? quickRun : fullRun;
  const { rounds = preset.rounds, seconds = preset.seconds, port } = args;
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a number from 1');
  if (!(seconds > 0)) throw new Error('--seconds takes a number above 0');
  if (!Number.isInteger(port) || port < 1024 || port > 54_000) {
    throw new Error('--port takes a number from 1024 to 54000');
  }
  return { rounds, seconds, memoryRequests: args.quick ? 100_000 : 1_000_000 };
}

/** Beside the sources, on a disk: temporary directories are often in memory, where nothing syncs. */
function makeDirectory(): string {
  fs.mkdirSync(join(root, 'data'), { recursive: true });
  // Hidden: for a cluster script, which may use `data/` at the same time, it is not there.
  const directory = fs.mkdtempSync(join(root, 'data/.bench-'));
  atEnd(() => fs.rmSync(directory, { recursive: true, maxRetries: 10, retryDelay: 100 }));
  const { bavail, bsize } = fs.statfsSync(directory);
  const freeBytes = bavail * bsize;
  if (freeBytes < freeBytesMin) {
    throw new Error(
      `${(freeBytes / 1024 ** 3).toFixed(1)} GiB are free where the data would be (${directory}), ` +
        `and ${freeBytesMin / 1024 ** 3} GiB are needed: make room, or run it in a checkout on a larger disk`,
    );
  }
  return directory;
}

function commitText(): string {
  const { stdout, status } = spawnSync('git', ['describe', '--always', '--dirty'], {
    cwd: root,
    encoding: 'utf8',
  });
  return status === 0 ? `commit ${stdout.trim()}` : 'no commit';
}

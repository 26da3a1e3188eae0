// `npm run chaos`: real servers, everything that can go wrong with them, and clients whose histories are
// judged.
//
//   npm run chaos -- --minutes 10              a fresh seed
//   npm run chaos -- --minutes 10 --seed 7     the same plan of faults
//
// The seed draws which faults come when, and what clients ask for. How that meets real processes is never
// the same twice.
//
// This process only makes the enclosure, starts the driver in it and removes what is left. It holds the
// driver's standard input open: when this process ends in whatever way, the driver ends, and with the
// driver everything inside.

import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { findEnclosure } from './enclosure.js';
import { exitCodes } from './exit-codes.js';
import type { RunOptions } from './run.js';

const driverPath = fileURLToPath(new URL('./driver.js', import.meta.url));
const endMsMax = 20_000;

const given = await yargs(hideBin(process.argv))
  .scriptName('npm run chaos --')
  .usage('$0: real servers, and everything that can go wrong with them')
  .detectLocale(false)
  .option('minutes', {
    type: 'number',
    default: 10,
    describe: 'Begin rounds of faults for so long',
  })
  .option('seed', { type: 'number', describe: 'Of the plan of faults; a fresh one when left out' })
  .option('servers', { type: 'number', default: 3, choices: [3, 5], describe: 'How many' })
  .strict()
  .version(false)
  .check(({ seed, minutes }) => {
    if (seed !== undefined && !Number.isInteger(seed)) throw new Error('--seed takes an integer');
    if (!(minutes > 0)) throw new Error('--minutes takes a number above 0');
    return true;
  })
  .parse();

const enclosure = findEnclosure();
const seed = given.seed ?? randomInt(1, 2 ** 31);
const directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-chaos-'));
const options: RunOptions = {
  directory,
  seed,
  minutes: given.minutes,
  servers: given.servers,
  isEnclosed: 'prefix' in enclosure,
};
console.log(
  `chaos: --seed ${seed} --minutes ${given.minutes} --servers ${given.servers}; ` +
    'the seed makes the same plan, not the same run',
);
if ('reason' in enclosure) {
  console.log(
    `no namespaces here (${enclosure.reason}): servers on ports of this machine, ` +
      'and no faults of network and disk',
  );
}

const prefix = 'prefix' in enclosure ? enclosure.prefix : [];
const node = [process.execPath, '--enable-source-maps', driverPath, JSON.stringify(options)];
const [program, ...args] = [...prefix, ...node];
const driver = spawn(program!, args, { stdio: ['pipe', 'inherit', 'inherit'] });
let interruptedWith: NodeJS.Signals | undefined;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    interruptedWith ??= signal;
    driver.stdin.end();
    // One that hangs: with `unshare`, or by itself, it takes the servers along.
    setTimeout(() => driver.kill('SIGKILL'), endMsMax).unref();
  });
}
process.on('exit', () => driver.kill('SIGKILL'));
driver.on('exit', (code) => {
  if (code !== exitCodes.violation) {
    fs.rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
  if (interruptedWith === undefined) return process.exit(code ?? exitCodes.trouble);
  console.log(`interrupted by ${interruptedWith}`);
  process.exit(128 + os.constants.signals[interruptedWith]);
});

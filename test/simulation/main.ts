// `npm run simulate`: runs simulations from the command line.

import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { simulate } from './simulation.js';

const { seed, runs } = await yargs(hideBin(process.argv))
  .scriptName('simulate')
  .detectLocale(false)
  .option('seed', { type: 'number', default: 1, describe: 'Of the first run; the others follow' })
  .option('runs', { type: 'number', default: 1, describe: 'How many' })
  .strict()
  .parse();

for (let at = seed; at < seed + runs; at += 1) {
  const { hash, completed } = simulate(at);
  console.log(`seed ${at}: ${completed} commands answered, trace ${hash.slice(0, 16)}`);
}

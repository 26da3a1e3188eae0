// The process inside the enclosure: makes a run, and says what came of it.
//
// It ends when whoever started it does: its standard input is closed then.

import fs from 'node:fs';
import { exitCodes } from './exit-codes.js';
import { ChaosRun, type RunOptions, Violation } from './run.js';

const options = JSON.parse(process.argv[2]!) as RunOptions;
const run = new ChaosRun(options);
let isKept = false;

// Without an enclosure servers would outlive this process.
process.on('exit', () => {
  run.killNow();
  if (isKept) return;
  fs.rmSync(options.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => process.exit(exitCodes.interrupted));
}
process.stdin.on('end', () => process.exit(exitCodes.interrupted)).resume();

process.on('uncaughtException', onTrouble);

let code: number = exitCodes.passed;
try {
  await run.run();
} catch (error) {
  if (!(error instanceof Violation)) throw onTrouble(error);
  isKept = true;
  code = exitCodes.violation;
  process.stdout.write(
    `\nVIOLATION\n${error.message}\n\n` +
      `history: ${options.directory}/history.jsonl\nlogs: ${options.directory}/server-*.log\n`,
  );
}
process.stdout.write(`${run.summary.join('\n')}\n`);
process.exit(code);

function onTrouble(error: unknown): never {
  process.stderr.write(`chaos: ${(error as Error).stack}\n`);
  process.exit(exitCodes.trouble);
}

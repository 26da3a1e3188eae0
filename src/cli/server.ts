// `holt server`: runs a server until it is told to stop.

import v8 from 'node:v8';
import { pino } from 'pino';
import { RaftError } from '../../raft/index.js';
import { DirectoryError } from '../identity.js';
import { Server } from '../server.js';
import { resolveOptions } from './resolve-options.js';

/**
 * How far V8's heap may grow beyond what lives before all of it is looked through again, in percent. Left
 * alone, V8 allows for some tens of megabytes, and counts the buffers of sockets as growth: a busy server
 * hears as much several times a second, and spent a quarter of its processor time on looking through a
 * heap of 12 MB. What lives is small here, values are in SQLite and entries in buffers of our own.
 */
const heapGrowthPercent = 400;

/** `args` is the command line as yargs reads it. */
export async function runServer(args: Readonly<Record<string, unknown>>): Promise<void> {
  v8.setFlagsFromString(`--heap-growing-percent=${heapGrowthPercent}`);
  const options = resolveOptions(args, process.env);
  const log = pino(
    { level: options.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    // Synchronous: the last line before the end of a process is the one that is needed.
    pino.destination({ fd: 1, sync: true }),
  );

  function die(error: unknown, text: string): never {
    // What these say is for the operator; where in the code they were thrown is not.
    const isExplained = error instanceof DirectoryError || error instanceof RaftError;
    log.fatal(isExplained ? { code: (error as Partial<RaftError>).code } : { err: error }, text);
    process.exit(1);
  }
  process.on('uncaughtException', (error) => die(error, 'ending: a mistake of ours'));
  process.on('unhandledRejection', (error) => die(error, 'ending: a mistake of ours'));

  let server: Server;
  try {
    server = await Server.start(options, log, (error) => die(error, `ending: ${error.message}`));
  } catch (error) {
    die(error, `cannot start: ${(error as Error).message}`);
  }

  let isStopping = false;
  function stop(signal: NodeJS.Signals): void {
    if (isStopping) return;
    isStopping = true;
    log.info({ signal }, 'stopping');
    server.stop().then(
      () => process.exit(0),
      (error) => die(error, 'could not stop cleanly'),
    );
  }
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

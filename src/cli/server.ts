// `holt server`: runs a server until it is told to stop.

import fs from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { RaftError } from '../../raft/index.js';
import { readFileIfExists } from '../files.js';
import { DirectoryError } from '../identity.js';
import { type LogLevel, type ServerOptions, secretVariables } from '../options.js';
import { Server } from '../server.js';

/** As yargs gives them. */
export interface ServerArguments {
  readonly dir: string;
  readonly bind: string;
  readonly requirepassFile?: string | undefined;
  readonly busSecretFile?: string | undefined;
  readonly maxclients: number;
  readonly electionTimeoutMs: number;
  readonly heartbeatPeriodMs: number;
  readonly electionHoldMs: number;
  readonly maxSegmentFileSize: number;
  readonly logLevel: string;
}

export async function runServer(args: ServerArguments): Promise<void> {
  const options = resolveOptions(args);
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

function resolveOptions(args: ServerArguments): ServerOptions {
  const ownSecretFile = join(args.dir, 'bus-secret');
  const hasOwnSecret = readFileIfExists(ownSecretFile) !== undefined;
  const busSecretFile = args.busSecretFile ?? (hasOwnSecret ? ownSecretFile : undefined);
  return {
    dir: args.dir,
    bind: args.bind,
    requirepass: secret(secretVariables.requirepass, args.requirepassFile),
    busSecret: secret(secretVariables.busSecret, busSecretFile),
    maxclients: args.maxclients,
    electionTimeoutMs: args.electionTimeoutMs,
    heartbeatPeriodMs: args.heartbeatPeriodMs,
    electionHoldMs: args.electionHoldMs,
    maxSegmentFileSize: args.maxSegmentFileSize,
    logLevel: args.logLevel as LogLevel,
  };
}

/** The variable wins over the file. Empty when there is neither. */
function secret(variable: string, file: string | undefined): string {
  const given = process.env[variable];
  if (given !== undefined) return given;
  if (file === undefined) return '';
  return fs.readFileSync(file, 'utf8').split('\n', 1)[0]!.trim();
}

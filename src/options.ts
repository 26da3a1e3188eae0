// Every option of a server, once: name, default, meaning.
//
// `--help`, `HOLT_*` variables and the README's table come from here. Names are kebab-case; the
// variable of `bus-secret-file` is `HOLT_BUS_SECRET_FILE`.

import type { Options as YargsOption } from 'yargs';

export interface ServerOptions {
  readonly dir: string;
  readonly bind: string;
  readonly requirepass: string;
  readonly busSecret: string;
  readonly maxclients: number;
  readonly electionTimeoutMs: number;
  readonly heartbeatPeriodMs: number;
  readonly electionHoldMs: number;
  readonly maxSegmentFileSize: number;
  readonly logLevel: LogLevel;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const MiB = 1024 * 1024;

/** In the order of `--help`. */
export const serverOptionTable = {
  dir: {
    type: 'string',
    demandOption: true,
    describe: "The server's directory, as made by `holt init`",
  },
  bind: {
    type: 'string',
    default: '127.0.0.1',
    describe:
      'Address to listen on. Other than loopback it needs a password (requirepass) and a bus secret',
  },
  'requirepass-file': {
    type: 'string',
    describe: 'File whose first line is the password clients authenticate with',
  },
  'bus-secret-file': {
    type: 'string',
    describe:
      'File whose first line is the secret that servers prove to each other; ' +
      'by default `bus-secret` in the directory',
  },
  maxclients: {
    type: 'number',
    default: 12_000,
    describe: 'Client connections; one more is told so and closed',
  },
  'election-timeout-ms': {
    type: 'number',
    default: 1000,
    describe: 'A follower asks for votes after one to two times this without a leader',
  },
  'heartbeat-period-ms': {
    type: 'number',
    default: 100,
    describe: "Pace of a leader's sign of life, at most a third of the election timeout",
  },
  'election-hold-ms': {
    type: 'number',
    default: 1500,
    describe: 'How long a command waits for a leader before it is answered CLUSTERDOWN',
  },
  'max-segment-file-size': {
    type: 'number',
    default: 64 * MiB,
    describe: 'Bytes that files of the Raft log grow to',
  },
  'log-level': {
    type: 'string',
    choices: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    describe: 'Least severity of what is logged',
  },
} as const satisfies Record<string, YargsOption>;

/** The variable that gives an option when the command line does not. */
export function variableOf(option: string): string {
  return `HOLT_${option.toUpperCase().replaceAll('-', '_')}`;
}

/**
 * The table with what the environment gives as defaults. Not yargs' own way of reading variables:
 * that takes every `HOLT_…` for an option, the secrets and those of other commands too.
 */
export function withVariables(
  table: Readonly<Record<string, YargsOption>>,
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, YargsOption> {
  const entries = Object.entries(table).map(([name, option]): [string, YargsOption] => {
    const given = environment[variableOf(name)];
    if (given === undefined) return [name, option];
    const { demandOption: _, ...rest } = option;
    return [name, { ...rest, default: option.type === 'number' ? Number(given) : given }];
  });
  return Object.fromEntries(entries);
}

/** Passwords and secrets come from files or the environment, never from the command line. */
export const secretVariables = {
  requirepass: 'HOLT_REQUIREPASS',
  busSecret: 'HOLT_BUS_SECRET',
} as const;

/** Limits that no option changes; each error names the one it met. */
export const limits = Object.freeze({
  /** A key. Bytes. */
  keyBytesMax: 64 * 1024,
  /** A transaction with the keys that are watched for it: one entry must hold it. Bytes. */
  transactionBytesMax: 64 * MiB,
  /** Commands of a transaction: they run in one go, in some tenths of a second. */
  transactionCommandsMax: 20_000,
  /** Keys that a client watches: their versions are read, and compared again, in one go. */
  watchedKeysMax: 10_000,
  /** Commands taken and not applied yet; beyond it sockets pause. Bytes. */
  pendingBytesMax: 64 * MiB,
  /** Replies that a client does not read: its commands wait. Bytes. */
  outputPauseBytes: MiB,
  /** Replies that a client does not read: its connection is closed. Bytes. */
  outputBytesMax: 256 * MiB,
  /**
   * Reads of a client in entries at a time. Each is answered when its entry is applied, also when the
   * client takes nothing: with values of 1 MiB that is a quarter of what closes the connection.
   */
  loggedReadsMax: 64,
  /** Requests that arrived while the client's commands wait: its socket pauses. Bytes. */
  inputPauseBytes: MiB,
});

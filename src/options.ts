// Every option of a server, once: name, type, default, range, meaning.
//
// The command line, `--config FILE`, `HOLT_*` variables, CONFIG GET and SET and `docs/options.md` are
// made from this table. Names are kebab-case; the variable of `bus-secret-file` is
// `HOLT_BUS_SECRET_FILE`. Where Redis has a parameter of the same name, it means the same unless the
// row says otherwise.

export type OptionValue = string | number;

export interface OptionRow {
  /** `memory` is a number of bytes that may be written with a unit, as in `64mb`. */
  readonly type: 'text' | 'integer' | 'memory' | 'choice';
  /** An empty text: not given. */
  readonly default: OptionValue;
  /** The server does not start without it. */
  readonly isRequired?: true;
  readonly unit?: 'ms' | 's' | 'µs' | 'bytes';
  /** Of numbers, inclusive. */
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  /** Of texts: several values, separated by blanks, which a config file need not quote. */
  readonly isList?: true;
  /** One sentence, without a full stop. */
  readonly meaning: string;
  /** Where it is not obvious. */
  readonly whyDefault?: string;
  /** How Redis' parameter of the same name differs. */
  readonly redisDiffers?: string;
  /** CONFIG SET may change it while the server runs. */
  readonly isMutable?: true;
  /** Other users of the machine see command lines: it comes from a file or a variable. */
  readonly isSecret?: true;
  /** CONFIG GET does not show it. */
  readonly isHidden?: true;
}

const MiB = 1024 * 1024;
/** The largest of Redis' `int` parameters. */
const intMax = 2 ** 31 - 1;

/** In the order of `--help`. */
export const serverOptionTable = {
  dir: {
    type: 'text',
    default: '',
    isRequired: true,
    meaning: "The server's directory, as made by `holt init`",
    redisDiffers: 'there it can be changed while the server runs',
  },
  join: {
    type: 'text',
    default: '',
    meaning:
      'host:port where clients reach a member of a running cluster, for a directory that is new or ' +
      'empty: it becomes that of a server which waits to be added (`holt members add`)',
  },
  'join-as': {
    type: 'text',
    default: '',
    meaning:
      'With `join`: host:port of this server, its base port, where the others reach it; a directory ' +
      'called server-N makes it server N, any other the next one',
  },
  bind: {
    type: 'text',
    default: '127.0.0.1',
    isList: true,
    meaning:
      'Addresses to listen on for clients and other servers, separated by blanks; `*` is every IPv4 ' +
      'and `::*` every IPv6 address, one behind `-` may be missing; others than loopback need a ' +
      'password (`requirepass`) and a bus secret',
    redisDiffers: 'there it can be changed while the server runs',
  },
  'announce-host': {
    type: 'text',
    default: '',
    meaning:
      'Host that this server gives clients as its own in MOVED and CLUSTER replies; empty: the one ' +
      'given to `holt init`',
  },
  'announce-base-port': {
    type: 'integer',
    default: 0,
    min: 0,
    max: 55_000,
    meaning:
      'Base port that this server gives clients as its own, a replica being at base port + group; ' +
      '0: the one given to `holt init`',
  },
  requirepass: {
    type: 'text',
    default: '',
    isMutable: true,
    isSecret: true,
    meaning:
      'Password that clients authenticate with; empty: none; a change is for new connections',
  },
  'requirepass-file': {
    type: 'text',
    default: '',
    meaning: 'File whose first line is the password, where `requirepass` is not given beside it',
  },
  'bus-secret': {
    type: 'text',
    default: '',
    isSecret: true,
    isHidden: true,
    meaning: 'Secret that servers prove to each other, the same on all of them',
  },
  'bus-secret-file': {
    type: 'text',
    default: '',
    meaning:
      'File whose first line is the bus secret, where `bus-secret` is not given beside it; ' +
      'by default `bus-secret` in the directory',
  },
  maxclients: {
    type: 'integer',
    default: 12_000,
    min: 1,
    max: 1_000_000,
    isMutable: true,
    meaning: 'Client connections; one more is told so and closed',
    whyDefault: 'ten thousand clients, and room for those that reconnect at once',
  },
  timeout: {
    type: 'integer',
    default: 0,
    unit: 's',
    min: 0,
    max: intMax,
    isMutable: true,
    meaning: 'A client that sends nothing for this long is closed; 0: never',
  },
  'tcp-keepalive': {
    type: 'integer',
    default: 300,
    unit: 's',
    min: 0,
    max: intMax,
    isMutable: true,
    meaning:
      'Silence on a new connection after which the kernel asks whether its client is there; 0: never',
  },
  'slowlog-log-slower-than': {
    type: 'integer',
    default: 10_000,
    unit: 'µs',
    min: -1,
    max: Number.MAX_SAFE_INTEGER,
    isMutable: true,
    meaning: 'Time to execute from which SLOWLOG keeps a command; 0: all, -1: none',
  },
  'slowlog-max-len': {
    type: 'integer',
    default: 128,
    min: 0,
    max: 100_000,
    isMutable: true,
    meaning: 'Commands that SLOWLOG keeps',
  },
  'latency-monitor-threshold': {
    type: 'integer',
    default: 0,
    unit: 'ms',
    min: 0,
    max: Number.MAX_SAFE_INTEGER,
    isMutable: true,
    meaning: 'Length from which LATENCY records a pause; 0: none',
  },
  'enable-debug-command': {
    type: 'choice',
    default: 'no',
    choices: ['no', 'yes', 'local'],
    meaning: 'Who may use DEBUG: nobody, everybody, or clients on loopback',
  },
  'election-timeout-ms': {
    type: 'integer',
    default: 1000,
    unit: 'ms',
    min: 100,
    max: 60_000,
    meaning: 'A follower asks for votes after one to two times this without a leader',
    whyDefault: 'a stall of some hundred milliseconds must not cost a leadership',
  },
  'heartbeat-period-ms': {
    type: 'integer',
    default: 100,
    unit: 'ms',
    min: 10,
    max: 20_000,
    meaning: "Pace of a leader's sign of life, at most a third of the election timeout",
  },
  'election-hold-ms': {
    type: 'integer',
    default: 1500,
    unit: 'ms',
    min: 0,
    max: 60_000,
    meaning: 'How long a command waits for a leader before it is answered CLUSTERDOWN',
    whyDefault: 'most elections are over by then, and several clients do not retry CLUSTERDOWN',
  },
  'follower-read-timeout-ms': {
    type: 'integer',
    default: 500,
    unit: 'ms',
    min: 10,
    max: 60_000,
    meaning:
      'How long a read after READONLY waits at a follower before its client is sent to the leader',
    whyDefault:
      'a question to the leader that got lost is asked again within this time, and a leader that is ' +
      'silent for longer is about to be replaced',
  },
  'read-mode': {
    type: 'choice',
    default: 'readindex',
    choices: ['readindex', 'lease'],
    meaning:
      'How a leader knows at a read that it still leads: `readindex` asks a majority, `lease` trusts ' +
      'that a majority which answered a moment ago elects nobody else for an election timeout: the ' +
      'same on all servers, and only where their monotonic clocks keep pace within a tenth and never ' +
      'stand still (as in a virtual machine that is frozen or moved)',
    whyDefault: 'it needs no clocks, and many reads share one question',
  },
  'max-segment-file-size': {
    type: 'memory',
    default: 64 * MiB,
    unit: 'bytes',
    min: MiB,
    max: 1024 * MiB,
    meaning: 'Size that files of the Raft log grow to',
  },
  'snapshot-min-log-size': {
    type: 'memory',
    default: 256 * MiB,
    unit: 'bytes',
    min: MiB,
    max: 1024 * 1024 * MiB,
    meaning:
      'Log since the last snapshot from which the next is taken, unless half of that snapshot is more',
    whyDefault:
      'the disk has it to spare, and snapshots cost pace; a restart after a loss of power applies it',
  },
  'snapshot-period-seconds': {
    type: 'integer',
    default: 3600,
    unit: 's',
    min: 1,
    max: 31_536_000,
    meaning:
      'A snapshot is also taken when the last one is this old and anything was written since',
    whyDefault: 'where little is written, the log would otherwise reach back for weeks',
  },
  'snapshots-kept': {
    type: 'integer',
    default: 1,
    min: 1,
    max: 1000,
    meaning:
      'Snapshots that are kept, with the log behind the oldest of them; those that are held come on top',
    whyDefault: 'each takes the room of all data',
  },
  'sqlite-cache-size': {
    type: 'memory',
    default: 64 * MiB,
    unit: 'bytes',
    min: MiB,
    max: 1024 * 1024 * MiB,
    meaning: "Page cache of a replica's SQLite database",
    whyDefault: 'what changes between two commits fits, and the kernel caches the file besides',
  },
  'min-free-disk': {
    type: 'memory',
    default: 1024 * MiB,
    unit: 'bytes',
    min: 0,
    max: 1024 * 1024 * MiB,
    isMutable: true,
    meaning:
      "Free space on the leader's disk below which it answers MISCONF to writes that need more, until " +
      'there is an eighth above it; 0: never',
    whyDefault: 'some seconds of writes at full speed, and then room for deletes and snapshots',
  },
  'log-level': {
    type: 'choice',
    default: 'info',
    choices: ['debug', 'info', 'warn', 'error'],
    isMutable: true,
    meaning: 'Least severity of what is logged',
  },
} as const satisfies Record<string, OptionRow>;

type Table = typeof serverOptionTable;
export type OptionName = keyof Table;

type CamelCase<Name extends string> = Name extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

type ValueOf<Row extends OptionRow> = Row['type'] extends 'integer' | 'memory'
  ? number
  : Row['choices'] extends readonly (infer Choice)[]
    ? Choice
    : string;

/** The values, under the names of the table in camelCase. */
export type ServerOptions = {
  readonly [Name in OptionName as CamelCase<Name>]: ValueOf<Table[Name]>;
};

export type LogLevel = ServerOptions['logLevel'];

/** Of an option, where the compiler need not know which. */
export const optionRows: ReadonlyMap<string, OptionRow> = new Map(
  Object.entries(serverOptionTable),
);

/** The field of `ServerOptions` for an option. */
export function fieldOf(option: string): keyof ServerOptions {
  const name = option.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());
  return name as keyof ServerOptions;
}

/** The variable that gives an option when the command line does not. */
export function variableOf(option: string): string {
  return `HOLT_${option.toUpperCase().replaceAll('-', '_')}`;
}

/** What an option may be, as in `an integer from 100 to 60000`. */
export function rangeText({ type, min, max, choices }: OptionRow): string {
  switch (type) {
    case 'text':
      return 'a text';
    case 'choice':
      return `one of ${choices!.join(', ')}`;
    case 'integer':
      return `an integer from ${min} to ${max}`;
    case 'memory':
      return `a size from ${min} to ${max} bytes`;
  }
}

/** A value that an option cannot have. The message is Redis' own reason. */
export class OptionValueError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OptionValueError';
  }
}

/** Reads a value as it was written. Throws `OptionValueError`. */
export function parseOption(row: OptionRow, text: string): OptionValue {
  switch (row.type) {
    case 'text':
      return text;
    case 'choice':
      if (row.choices!.includes(text.toLowerCase())) return text.toLowerCase();
      throw new OptionValueError(
        `argument(s) must be one of the following: ${row.choices!.join(', ')}`,
      );
    case 'integer':
      if (!/^(0|-?[1-9]\d*)$/.test(text)) {
        throw new OptionValueError("argument couldn't be parsed into an integer");
      }
      return inRange(row, Number(text));
    case 'memory':
      return inRange(row, parseMemory(text));
  }
}

function inRange({ min, max }: OptionRow, value: number): number {
  if (value >= min! && value <= max!) return value;
  throw new OptionValueError(`argument must be between ${min} and ${max} inclusive`);
}

/** As in redis.conf: `k`, `m` and `g` are powers of 1000, `kb`, `mb` and `gb` of 1024. */
function parseMemory(text: string): number {
  const match = /^(\d+)(b|k|kb|m|mb|g|gb)?$/i.exec(text);
  if (match === null) throw new OptionValueError('argument must be a memory value');
  const unit = (match[2] ?? 'b').toLowerCase();
  const base = unit.length === 2 ? 1024 : 1000;
  return Number(match[1]) * base ** 'bkmg'.indexOf(unit[0]!);
}

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

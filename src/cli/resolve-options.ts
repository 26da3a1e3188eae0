// The options of a server, from four places: command line > variable > config file > default.

import fs from 'node:fs';
import { join } from 'node:path';
import type { Options as YargsOption } from 'yargs';
import { readFileIfExists } from '../files.js';
import { DirectoryError } from '../identity.js';
import {
  fieldOf,
  type OptionName,
  type OptionRow,
  type OptionValue,
  optionRows,
  parseOption,
  rangeText,
  type ServerOptions,
  variableOf,
} from '../options.js';
import { readConfigFile } from './config-file.js';

/** Values by option, as they were written, and a word for where. */
interface Source {
  readonly name: (option: string) => string;
  readonly get: (option: string) => string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The command line's options for yargs. All are texts without defaults there: what was given must be
 * told from what was not, and values are read in one way from wherever they come.
 */
export function commandLineOptions(): Record<string, YargsOption> {
  const rows = [...optionRows].filter(([, { isSecret }]) => isSecret !== true);
  return {
    config: {
      type: 'string',
      requiresArg: true,
      describe: 'File with a `name value` line an option',
    },
    ...Object.fromEntries(
      rows.map(([name, row]) => [name, { type: 'string', requiresArg: true, describe: help(row) }]),
    ),
  };
}

function help(row: OptionRow): string {
  const unit = row.unit === undefined ? '' : ` ${row.unit}`;
  const preset = row.default === '' ? '' : ` [${row.default}${unit}]`;
  return `${row.meaning}${preset}`;
}

/**
 * Throws `DirectoryError` with the name, the value and the range of an option that is wrong.
 * `given` is the command line as yargs reads it.
 */
export function resolveOptions(
  given: Readonly<Record<string, unknown>>,
  environment: Environment,
): ServerOptions {
  const sources: Source[] = [
    {
      name: (option) => `--${option}`,
      get: (option) => lastText(given[option]),
    },
    { name: variableOf, get: (option) => environment[variableOf(option)] },
  ];
  const path = firstGiven(sources, ['config'])?.text;
  if (path !== undefined) {
    const file = readConfigFile(path);
    sources.push({ name: (option) => `${option} in ${path}`, get: (option) => file.get(option) });
  }
  const values: Record<string, OptionValue> = {};
  for (const [name, row] of optionRows) values[fieldOf(name)] = optionValue(name, row, sources);
  const dir = values.dir as string;
  values.requirepass = secretOf(['requirepass', 'requirepass-file'], sources) ?? '';
  values.busSecret = secretOf(['bus-secret', 'bus-secret-file'], sources) ?? ownBusSecret(dir);
  const options = values as unknown as ServerOptions;
  assertHeartbeat(options);
  return options;
}

function firstGiven(
  sources: readonly Source[],
  options: readonly string[],
): { readonly option: string; readonly text: string; readonly from: string } | undefined {
  for (const { get, name } of sources) {
    for (const option of options) {
      const text = get(option);
      if (text !== undefined) return { option, text, from: name(option) };
    }
  }
  return undefined;
}

function optionValue(name: string, row: OptionRow, sources: readonly Source[]): OptionValue {
  const found = firstGiven(sources, [name]);
  if (found === undefined) {
    if (row.isRequired !== true) return row.default;
    throw new DirectoryError(`Option ${name} is missing: ${row.meaning}`);
  }
  try {
    return parseOption(row, found.text);
  } catch (cause) {
    throw new DirectoryError(
      `Option ${found.from} is "${found.text}", expected ${rangeText(row)}`,
      { cause },
    );
  }
}

/** Given twice on the command line, yargs makes a list of it: the last one counts. */
function lastText(value: unknown): string | undefined {
  const last: unknown = Array.isArray(value) ? value.at(-1) : value;
  return typeof last === 'string' ? last : undefined;
}

/** The secret itself or the file that holds it, whichever the first source has. */
function secretOf(
  options: readonly [secret: OptionName, file: OptionName],
  sources: readonly Source[],
): string | undefined {
  const found = firstGiven(sources, options);
  if (found === undefined || found.option === options[0]) return found?.text;
  let text: string;
  try {
    text = fs.readFileSync(found.text, 'utf8');
  } catch (cause) {
    throw new DirectoryError(
      `Cannot read "${found.text}" (${found.from}): ${(cause as Error).message}`,
      { cause },
    );
  }
  return firstLine(text);
}

/** As `holt init` leaves it. */
function ownBusSecret(directory: string): string {
  return firstLine(readFileIfExists(join(directory, 'bus-secret'))?.toString() ?? '');
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.trim();
}

function assertHeartbeat({ heartbeatPeriodMs, electionTimeoutMs }: ServerOptions): void {
  const most = Math.floor(electionTimeoutMs / 3);
  if (heartbeatPeriodMs <= most) return;
  throw new DirectoryError(
    `Option heartbeat-period-ms is "${heartbeatPeriodMs}", expected an integer from 10 to ${most}, ` +
      'a third of election-timeout-ms',
  );
}

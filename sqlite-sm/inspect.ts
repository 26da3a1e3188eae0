// Looks at a database that no machine has open.

import { Database, sqliteErrorCode } from './database.js';
import { FatalMachineError } from './errors.js';
import { checkMarker, type MarkerVerdict } from './marker.js';
import { readMeta } from './schema.js';
import type { MachineOptions } from './state-machine.js';

/** Whether a machine would go on with the database in this directory, and why. Changes nothing. */
export function inspectMarker(
  options: Pick<MachineOptions, 'directory' | 'bootId' | 'files'>,
): MarkerVerdict {
  return checkMarker(options.files, `${options.directory}/live.db`, options.bootId);
}

export interface DatabaseContents {
  /** Sentences of SQLite, or of ours; empty: none was found. */
  readonly problems: readonly string[];
  /** Of the last entry applied; undefined when that cannot be read. */
  readonly appliedIndex: number | undefined;
}

const cacheBytes = 64 * 1024 * 1024;

/**
 * Checks a database from end to end. To open one with a WAL is to write to it: `path` must be a copy,
 * with its `-wal` beside it. Throws what is neither SQLite's verdict nor ours.
 */
export function checkDatabaseCopy(path: string): DatabaseContents {
  try {
    const database = Database.open(path, { cacheBytes });
    try {
      const found = database.prepareColumn<string>('PRAGMA quick_check').all();
      const problems = found.filter((line) => line !== 'ok');
      const appliedIndex = problems.length > 0 ? undefined : readMeta(database).appliedIndex;
      return { problems, appliedIndex };
    } finally {
      database.close();
    }
  } catch (error) {
    const isVerdict = error instanceof FatalMachineError || sqliteErrorCode(error) !== undefined;
    if (!isVerdict) throw error;
    return { problems: [(error as Error).message], appliedIndex: undefined };
  }
}

// One process per data directory.
//
// The lock is a SQLite file held in an exclusive transaction: the kernel releases it with the
// process, however that ends, so there is no stale lock to guess about, as with a pid in a file.

import fs from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { DirectoryError } from './identity.js';

/** Returns what releases the lock. Throws `DirectoryError` when another process has it. */
export function lockDirectory(directory: string): () => void {
  const database = new Database(join(directory, 'lock'), { timeout: 0 });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw refusal(directory, 'another server', cause);
  }
  return () => database.close();
}

/**
 * As `lockDirectory`, for one who only reads: nothing in the directory changes. Where no server has
 * ever run there is no lock to take, and one that starts meanwhile goes unnoticed.
 */
export function lockForReading(directory: string): () => void {
  const path = join(directory, 'lock');
  if (!fs.existsSync(path)) return () => {};
  const database = new Database(path, { readonly: true, timeout: 0 });
  try {
    // Shared with other readers; a server's lock is exclusive.
    database.exec('BEGIN; SELECT count(*) FROM sqlite_master');
  } catch (cause) {
    database.close();
    throw refusal(directory, 'a server', cause);
  }
  return () => database.close();
}

/** SQLite also fails for reasons of its own, as on a full disk: then nobody is to be looked for. */
function refusal(directory: string, holder: string, cause: unknown): DirectoryError {
  const { code, message } = cause as Error & { readonly code?: string };
  const text =
    code?.startsWith('SQLITE_BUSY') === true
      ? `Cannot use "${directory}": ${holder} is running on it (see its pid file)`
      : `Cannot take the lock of "${directory}": ${message}`;
  return new DirectoryError(text, { cause });
}

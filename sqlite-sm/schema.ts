// The tables of live.db. They are plain, so that a snapshot can be read with the sqlite3 shell.
//
//   meta         one row: how far this file has come, and what must continue from there
//   keys         one row per key; a string's bytes are in `value`, NULL for every other type
//   databases    the space of each database that was flushed; of the others, it is their number
//   dead_spaces  what FLUSHDB left behind in `keys`: not state, emptied bit by bit (garbage.ts)
//   dead_N       a `keys` table that FLUSHALL put aside: the same
//
// Choices that carry weight:
//
// - `keys` is a rowid table, because its values may be pages long; a WITHOUT ROWID table keeps
//   them inside its b-tree, and an update of a 4 KiB value costs three times as much.
// - `value` is the last column: SQLite then reads a row's head without following the overflow
//   pages of a long value.
// - Ids come from the replicated counter, not from SQLite, which hands out the highest rowid again
//   after its row is deleted. SCAN's cursors and the tables of composite types rely on it.
// - A row names its database by a space: a number that FLUSHDB replaces by a fresh one. The rows of
//   the old space are out of reach at once, and none of them stands in the way of a new key.
// - The slot stands before the name, so that the keys of one slot lie together when it moves.
// - The index on expiry begins with the space: dead rows that are due cost active expiry nothing, and
//   counting volatile keys needs no table access.
//
// The schema version changes when an older program could not read the file; `applyVersion` is the
// group's agreement on what commands mean, and lives in the file only because it is state.

import type { Database } from './database.js';
import { FatalMachineError } from './errors.js';

export const schemaVersion = 2;
/** What this program can apply. A file that says more was written by a newer one. */
export const applyVersionMax = 1;

/** `type` of a row in `keys`. Numbers are on file: never reused, never reordered. */
export const stringType = 1;

/** As TYPE prints it; the index is the number above. */
export const typeNames: readonly string[] = ['none', 'string'];

export interface Meta {
  /** Index and term of the last applied entry; 0 and 0 when there was none. */
  readonly appliedIndex: number;
  readonly appliedTerm: number;
  /** Of the last applied entry, in milliseconds since the epoch; 0 when there was none. */
  readonly stamp: number;
  /** The last number drawn. Ids and versions are drawn from it. */
  readonly counter: number;
  readonly applyVersion: number;
}

export function createSchema(database: Database): void {
  database.execute(`
    CREATE TABLE meta (
      id INTEGER PRIMARY KEY CHECK (id = 1),
      schema_version INTEGER NOT NULL,
      apply_version INTEGER NOT NULL,
      applied_index INTEGER NOT NULL,
      applied_term INTEGER NOT NULL,
      stamp INTEGER NOT NULL,
      counter INTEGER NOT NULL
    );
    INSERT INTO meta VALUES (1, ${schemaVersion}, 1, 0, 0, 0, 0);
    CREATE TABLE databases (
      db INTEGER PRIMARY KEY,
      space INTEGER NOT NULL
    );
    CREATE TABLE dead_spaces (
      space INTEGER PRIMARY KEY
    );
  `);
  createKeysTable(database, 0);
}

/** Index names are unique in a file, so each generation of the table brings its own. */
export function createKeysTable(database: Database, generation: number): void {
  database.execute(`
    CREATE TABLE keys (
      id INTEGER PRIMARY KEY,
      space INTEGER NOT NULL,
      slot INTEGER NOT NULL,
      name BLOB NOT NULL,
      type INTEGER NOT NULL,
      expires_ms INTEGER,
      version INTEGER NOT NULL,
      value BLOB
    );
    CREATE UNIQUE INDEX keys_by_name_${generation} ON keys (space, slot, name);
    CREATE INDEX keys_by_expiry_${generation} ON keys (space, expires_ms)
      WHERE expires_ms IS NOT NULL;
  `);
}

/** Throws `FatalMachineError` when a newer program wrote the file, or an older one. */
export function readMeta(database: Database): Meta {
  const row = database
    .prepareRow<[number, number, number, number, number, number]>(
      `SELECT schema_version, apply_version, applied_index, applied_term, stamp, counter
       FROM meta WHERE id = 1`,
    )
    .get();
  if (row === undefined) {
    throw new FatalMachineError('resource', 'Cannot read live.db: its meta row is missing');
  }
  const [schema, applyVersion, appliedIndex, appliedTerm, stamp, counter] = row;
  if (schema !== schemaVersion) {
    throw new FatalMachineError(
      schema > schemaVersion ? 'unsupportedVersion' : 'outdated',
      `Cannot read live.db: its schema version is ${schema}, this program reads ${schemaVersion}`,
    );
  }
  if (applyVersion > applyVersionMax) {
    throw new FatalMachineError(
      'unsupportedVersion',
      `Cannot apply to live.db: its apply version is ${applyVersion}, ` +
        `this program knows ${applyVersionMax}`,
    );
  }
  return { appliedIndex, appliedTerm, stamp, counter, applyVersion };
}

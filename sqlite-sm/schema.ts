// The tables of live.db. They are plain, so that a snapshot can be read with the sqlite3 shell, and the
// comments in their definitions are for whoever types `.schema` there (docs/snapshots.md).
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
  database.execute(metaTable);
  database.execute(`INSERT INTO meta VALUES (1, ${schemaVersion}, 1, 0, 0, 0, 0)`);
  database.execute(databasesTable);
  database.execute(deadSpacesTable);
  createKeysTable(database, 0);
}

/** Index names are unique in a file, so each generation of the table brings its own. */
export function createKeysTable(database: Database, generation: number): void {
  database.execute(keysTable);
  database.execute(`
    CREATE UNIQUE INDEX keys_by_name_${generation} ON keys (space, slot, name);
    CREATE INDEX keys_by_expiry_${generation} ON keys (space, expires_ms)
      WHERE expires_ms IS NOT NULL;
  `);
}

// SQLite keeps these texts as they stand, in the file.

const metaTable = `CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1), -- there is one row
  schema_version INTEGER NOT NULL, -- of these tables
  apply_version INTEGER NOT NULL, -- of what commands mean
  applied_index INTEGER NOT NULL, -- the last log entry that is in here
  applied_term INTEGER NOT NULL, -- its term
  stamp INTEGER NOT NULL, -- its time, ms since 1970; a key is expired when it is due by then
  counter INTEGER NOT NULL -- the last number given out as an id, a version or a space
)`;

const databasesTable = `CREATE TABLE databases ( -- only those that FLUSHDB has emptied
  db INTEGER PRIMARY KEY, -- 0 to 15, as in SELECT
  space INTEGER NOT NULL -- what its keys have as space; of other databases, it is the number
)`;

const deadSpacesTable = `CREATE TABLE dead_spaces ( -- keys of these are deleted, bit by bit
  space INTEGER PRIMARY KEY
)`;

const keysTable = `CREATE TABLE keys (
  id INTEGER PRIMARY KEY, -- never used again
  space INTEGER NOT NULL, -- the number of its database, or see the table databases
  slot INTEGER NOT NULL, -- CRC16 of the name, as in Redis Cluster: 0 to 16383
  name BLOB NOT NULL,
  type INTEGER NOT NULL, -- 1 is a string
  expires_ms INTEGER, -- ms since 1970; NULL is never
  version INTEGER NOT NULL, -- another number after every change
  value BLOB -- of a string
)`;

/**
 * Throws `FatalMachineError` when a newer program wrote the file, or an older one. `name` is what to
 * call the file then.
 */
export function readMeta(database: Database, name = 'live.db'): Meta {
  const row = database
    .prepareRow<[number, number, number, number, number, number]>(
      `SELECT schema_version, apply_version, applied_index, applied_term, stamp, counter
       FROM meta WHERE id = 1`,
    )
    .get();
  if (row === undefined) {
    throw new FatalMachineError('resource', `Cannot read ${name}: its meta row is missing`);
  }
  const [schema, applyVersion, appliedIndex, appliedTerm, stamp, counter] = row;
  if (schema !== schemaVersion) {
    throw new FatalMachineError(
      schema > schemaVersion ? 'unsupportedVersion' : 'outdated',
      `Cannot read ${name}: its schema version is ${schema}, this program reads ${schemaVersion}`,
    );
  }
  if (applyVersion > applyVersionMax) {
    throw new FatalMachineError(
      'unsupportedVersion',
      `Cannot apply to ${name}: its apply version is ${applyVersion}, ` +
        `this program knows ${applyVersionMax}`,
    );
  }
  return { appliedIndex, appliedTerm, stamp, counter, applyVersion };
}

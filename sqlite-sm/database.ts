// The one file that knows better-sqlite3.
//
// The database it opens is a cache of what the log and the snapshots hold, so it never waits for
// the disk: `synchronous=OFF`, and the marker beside the file (see marker.ts) says whether the
// kernel's view of it can still be trusted. What remains to be chosen is speed and the length of
// pauses:
//
// - WAL, a checkpoint after 1000 pages, on this connection: the work of copying pages back comes in
//   small pieces between transactions. Larger intervals make pauses of tens of milliseconds.
// - Exclusive locking: there is one connection, so the lock is taken once and the index of the WAL
//   lives on the heap instead of in a shared-memory file. A read outside a transaction then costs
//   no system call, and a second process that opens the same directory by mistake is refused. A
//   snapshot copies the main file without opening it as a database, which locks do not hinder.
// - Memory-mapped reads stay off: an I/O error would arrive as a signal instead of an error.

import assert from 'node:assert/strict';
import BetterSqlite3 from 'better-sqlite3';

/** 3.51.3 mends a loss of WAL frames when a checkpoint meets a WAL that is being restarted. */
const sqliteVersionMin = [3, 51, 3] as const;

export const pageBytes = 4096;
/** Frames in the WAL after which the end of a commit is followed by a checkpoint. */
export const checkpointPages = 1000;

export type SqlValue = number | bigint | Uint8Array | null;

/** Numbers are bound as SQLite reals; the columns' INTEGER affinity stores whole ones exactly. */
export interface WriteStatement {
  /** `lastInsertRowid` is that of the connection's last row inserted, by whichever statement. */
  run(...values: SqlValue[]): {
    readonly changes: number;
    readonly lastInsertRowid: number | bigint;
  };
}

export interface RowStatement<Row> {
  get(...values: SqlValue[]): Row | undefined;
  all(...values: SqlValue[]): Row[];
  /** While it runs, no other statement of the connection may write. */
  iterate(...values: SqlValue[]): IterableIterator<Row>;
}

export interface CheckpointResult {
  /** It could not do what it was asked to. */
  readonly isBusy: boolean;
  /** In the WAL, and how many of them the database has. Both are 0 after a `TRUNCATE`. */
  readonly frames: number;
  readonly checkpointedFrames: number;
}

export interface DatabaseOptions {
  /** Page cache in bytes. Pages that are changed and do not fit go to the WAL early. */
  readonly cacheBytes: number;
}

export class Database {
  readonly #connection: BetterSqlite3.Database;

  private constructor(connection: BetterSqlite3.Database) {
    this.#connection = connection;
  }

  /** Opens or creates the file. Throws what SQLite reports, or that SQLite is too old. */
  static open(path: string, options: DatabaseOptions): Database {
    const connection = new BetterSqlite3(path, { timeout: 0 });
    try {
      // Before any other statement, since even one without a table opens the file: exclusive locking
      // keeps the shared-memory file away only when it is set before the WAL is first read.
      connection.pragma('locking_mode = EXCLUSIVE');
      assertSqliteVersion(connection);
      // Fixed by the first page written.
      connection.pragma(`page_size = ${pageBytes}`);
      // Before the first write, which for a file that is a snapshot is the change to the WAL: it would
      // wait until all of a fresh copy is on the disk.
      connection.pragma('synchronous = OFF');
      connection.pragma('journal_mode = WAL');
      connection.pragma(`wal_autocheckpoint = ${checkpointPages}`);
      connection.pragma(`cache_size = -${Math.floor(options.cacheBytes / 1024)}`);
      connection.pragma('mmap_size = 0');
      connection.pragma('temp_store = MEMORY');
      connection.pragma('foreign_keys = OFF');
      return new Database(connection);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /**
   * Opens a file that is not in use, for reading alone: nothing beside it is made. The file must not be
   * in WAL mode.
   */
  static openReadOnly(path: string): Database {
    return new Database(
      new BetterSqlite3(path, { readonly: true, fileMustExist: true, timeout: 0 }),
    );
  }

  get inTransaction(): boolean {
    return this.#connection.inTransaction;
  }

  /** One or more statements without parameters or results. */
  execute(sql: string): void {
    this.#connection.exec(sql);
  }

  prepareWrite(sql: string): WriteStatement {
    return this.#connection.prepare<SqlValue[]>(sql);
  }

  /** Rows come as arrays of columns: no object is built and no column is looked up by name. */
  prepareRow<Row extends readonly unknown[]>(sql: string): RowStatement<Row> {
    return this.#connection.prepare<SqlValue[], Row>(sql).raw();
  }

  /** Rows of one column come as that column's value. */
  prepareColumn<Value>(sql: string): RowStatement<Value> {
    return this.#connection.prepare<SqlValue[], Value>(sql).pluck();
  }

  /** As `prepareRow`, with every integer a bigint: exact beyond 2^53. */
  prepareExactRow<Row extends readonly unknown[]>(sql: string): RowStatement<Row> {
    return this.#connection.prepare<SqlValue[], Row>(sql).raw().safeIntegers();
  }

  /** Whether commits are followed by checkpoints, as they are after `open`. */
  setAutomaticCheckpoints(areOn: boolean): void {
    this.#connection.pragma(`wal_autocheckpoint = ${areOn ? checkpointPages : 0}`);
  }

  /**
   * Outside a transaction. `PASSIVE` copies the pages in the WAL into the main file, after which the
   * next transaction begins the WAL anew; `TRUNCATE` also empties its file; `NOOP` only counts.
   */
  checkpoint(mode: 'NOOP' | 'PASSIVE' | 'TRUNCATE'): CheckpointResult {
    const rows = this.#connection.pragma(`wal_checkpoint(${mode})`) as readonly {
      readonly busy: number;
      readonly log: number;
      readonly checkpointed: number;
    }[];
    const [row] = rows;
    assert(row !== undefined, 'A checkpoint reports what it did');
    return { isBusy: row.busy !== 0, frames: row.log, checkpointedFrames: row.checkpointed };
  }

  /** Also rolls back an open transaction, as SQLite does. */
  close(): void {
    this.#connection.close();
  }
}

/** SQLite's name of the error, as in `SQLITE_FULL`; `undefined` when it is not SQLite's. */
export function sqliteErrorCode(error: unknown): string | undefined {
  return error instanceof BetterSqlite3.SqliteError ? error.code : undefined;
}

function assertSqliteVersion(connection: BetterSqlite3.Database): void {
  const version = connection.prepare<[], string>('SELECT sqlite_version()').pluck().get() ?? '';
  const parts = version.split('.').map(Number);
  for (const [i, minimum] of sqliteVersionMin.entries()) {
    const part = parts[i] ?? 0;
    if (part > minimum) return;
    if (part < minimum) {
      throw new Error(
        `Cannot use SQLite ${version}: ${sqliteVersionMin.join('.')} or newer is needed`,
      );
    }
  }
}

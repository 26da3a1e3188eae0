// live.db while it is open, and how its files come and go.
//
// Besides SQLite's own there is one descriptor of the main file, for the copies that snapshots are.
// Closing any descriptor of a file drops all POSIX locks that the process holds on it, SQLite's included.
// So this one is opened when SQLite has its lock, and closed when SQLite has given it up.

import { Database } from './database.js';
import type { MachineFile, MachineFiles } from './effects.js';
import { createSchema } from './schema.js';

export class LiveDatabase {
  readonly database: Database;
  readonly file: MachineFile;
  #isFileOpen = true;

  private constructor(database: Database, file: MachineFile) {
    this.database = database;
    this.file = file;
  }

  /** The file must exist. Throws what SQLite or the files report. */
  static open(files: MachineFiles, path: string, cacheBytes: number): LiveDatabase {
    const database = Database.open(path, { cacheBytes });
    try {
      return new LiveDatabase(database, files.open(path, 'read'));
    } catch (error) {
      database.close();
      throw error;
    }
  }

  close(): void {
    this.closeDatabase();
    this.closeFile();
  }

  /** Rolls back an open transaction. A second call does nothing. */
  closeDatabase(): void {
    this.database.close();
  }

  /** Behind `closeDatabase`, when nothing is under way in the file. A second call does nothing. */
  closeFile(): void {
    if (this.#isFileOpen) this.file.closeSync();
    this.#isFileOpen = false;
  }
}

/** There must be no file of this name. */
export function createEmptyDatabase(path: string, cacheBytes: number): void {
  const database = Database.open(path, { cacheBytes });
  try {
    createSchema(database);
  } finally {
    database.close();
  }
}

/**
 * The marker must be gone. A journal is there when the process was killed while a snapshot was taken into
 * WAL mode; SQLite would roll it back into the next file of the name.
 */
export function removeDatabaseFiles(files: MachineFiles, path: string): void {
  for (const suffix of ['-wal', '-shm', '-journal', '']) files.unlinkDurably(path + suffix);
}

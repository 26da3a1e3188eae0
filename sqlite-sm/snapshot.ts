// What the state machine puts into a snapshot's directory: one file, a database like live.db.
//
// It is in rollback mode where live.db is in WAL mode. That is two bytes of its header, and it means
// that whoever opens the file for reading, the sqlite3 shell or us, makes no other files beside it
// and needs no right to write. Opened as live.db it goes back to WAL mode.

import { Buffer } from 'node:buffer';
import { Database } from './database.js';
import { readMeta } from './schema.js';

/** The last entry that a snapshot includes. */
export interface SnapshotPoint {
  readonly index: number;
  readonly term: number;
  /** Milliseconds since the epoch. */
  readonly stamp: number;
}

/** What there is to know of a file to tell later whether it is still whole. */
export interface FileSum {
  readonly byteLength: number;
  readonly crc32: number;
}

export interface WrittenSnapshot extends SnapshotPoint {
  /** By the file's name in the directory. Of what was handed to the disk. */
  readonly sums: ReadonlyMap<string, FileSum>;
}

export const snapshotFileName = 'data.db';

export function snapshotPath(directory: string): string {
  return `${directory}/${snapshotFileName}`;
}

/**
 * Whether this program can go on from the snapshot. Throws `FatalMachineError` when a newer program
 * wrote it, or one too old, and what SQLite reports when it is no database. Leaves no trace.
 */
export function checkSnapshot(path: string): void {
  const database = Database.openReadOnly(path);
  try {
    readMeta(database, 'the snapshot');
  } finally {
    database.close();
  }
}

/** File format versions for writing and for reading: 1 is a rollback journal, 2 a WAL. */
const rollbackMode = Buffer.from([1, 1]);
const modeOffset = 18;

/**
 * `begin` is the first page, or more, of a whole copy of a database in WAL mode, with nothing in the WAL:
 * takes it out of that mode.
 */
export function leaveWalMode(begin: Buffer): void {
  rollbackMode.copy(begin, modeOffset);
}

// Rows that no command can reach any more, and how their room is won back.
//
// FLUSHALL puts a whole table aside; FLUSHDB gives its database a fresh space and leaves the rows of
// the old one where they are. Either costs the same for ten keys and for ten million. What is left
// behind is not state: no command, counter or digest sees it, so each replica deletes it in slices of
// its own, at times of its own.
//
// What is garbage stands in the file, in the transaction of the command that made it so: a restart
// finds it again.

import assert from 'node:assert/strict';
import type { Database } from './database.js';

/** A slice ends behind this much of values: their pages are freed one by one. */
const sliceBytesMax = 1024 * 1024;

/** Opaque: from `remember` to `recall`. */
export interface GarbageMemory {
  readonly tables: readonly string[];
  readonly spaces: readonly number[];
}

export class Garbage {
  readonly #database: Database;
  /** Tables put aside by FLUSHALL, oldest first. */
  #tables: string[] = [];
  /** Spaces of `keys` that FLUSHDB abandoned, oldest first. */
  #spaces: number[] = [];

  constructor(database: Database) {
    this.#database = database;
  }

  get isEmpty(): boolean {
    return this.#tables.length === 0 && this.#spaces.length === 0;
  }

  remember(): GarbageMemory {
    return { tables: [...this.#tables], spaces: [...this.#spaces] };
  }

  recall(memory: GarbageMemory): void {
    this.#tables = [...memory.tables];
    this.#spaces = [...memory.spaces];
  }

  /** Reads from the file what there is. */
  reload(): void {
    this.#tables = this.#database
      .prepareColumn<string>(
        `SELECT name FROM sqlite_schema
         WHERE type = 'table' AND name GLOB 'dead_[0-9]*' ORDER BY name`,
      )
      .all();
    this.#spaces = this.#database
      .prepareColumn<number>('SELECT space FROM dead_spaces ORDER BY space')
      .all();
  }

  /** Takes the table `keys` away, dead spaces and all; the caller makes a new one. */
  putTableAside(generation: number): void {
    const table = `dead_${generation}`;
    this.#database.execute(`ALTER TABLE keys RENAME TO ${table}; DELETE FROM dead_spaces`);
    this.#tables.push(table);
    this.#spaces = [];
  }

  abandonSpace(space: number): void {
    this.#database.prepareWrite('INSERT INTO dead_spaces VALUES (?)').run(space);
    this.#spaces.push(space);
  }

  /** Deletes up to `rowBudget` rows, fewer when their values are long. */
  reclaim(rowBudget: number): void {
    const table = this.#tables[0];
    const space = this.#spaces[0];
    if (table !== undefined) {
      if (!this.#deleteRows(table, 'TRUE', rowBudget)) return;
      // Empty now, so that dropping it frees a page per b-tree instead of the whole table.
      this.#database.execute(`DROP TABLE ${table}`);
      this.#tables.shift();
    } else if (space !== undefined) {
      if (!this.#deleteRows('keys', `space = ${space}`, rowBudget)) return;
      this.#database.prepareWrite('DELETE FROM dead_spaces WHERE space = ?').run(space);
      this.#spaces.shift();
    }
  }

  /** Whether none is left. */
  #deleteRows(table: string, condition: string, rowBudget: number): boolean {
    // The length stands in the head of a row: the pages of a long value are not read for it.
    const rows = this.#database
      .prepareRow<[id: number, length: number | null]>(
        `SELECT id, length(value) FROM ${table} WHERE ${condition} LIMIT ?`,
      )
      .all(rowBudget);
    const remove = this.#database.prepareWrite(`DELETE FROM ${table} WHERE id = ?`);
    let bytes = 0;
    for (const [id, length] of rows) {
      if (bytes >= sliceBytesMax) return false;
      const { changes } = remove.run(id);
      assert(changes === 1, 'A dead row was not there');
      bytes += length ?? 0;
    }
    return rows.length < rowBudget;
  }
}

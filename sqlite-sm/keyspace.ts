// The keys and their values, as commands see them.
//
// A command gets this object and its arguments, nothing else: which database it works on, what
// time it is and where rows lie are decided here. It is one object for the whole machine, set to a
// command's database and times by `enter` instead of being made anew, because a batch holds
// hundreds of commands.
//
// Time. A key is expired when its time has come at `stamp`, the leader's clock in the entry that
// was applied last (while applying: in this entry). A read that needs no entry also brings the
// leader's present, `nowMs`. A key that is due by the present but not yet by the stamp must not be
// shown, but neither may it be called expired: a read before, answered by the stamp alone, may
// still have seen it on another replica. So the read sets `needsTick` and its result is thrown
// away; its caller has the leader commit an entry with a newer stamp and reads again. While
// applying, the two times are the same and nothing needs a tick.
//
// Reads leave expired rows alone, since a read runs on one replica only. Writes delete the ones
// they meet: they run on every replica, at the same stamp.
//
// Numbers. One replicated counter feeds ids and versions. A mutation draws one; a new key's id and
// first version are the same number.
//
// FLUSHALL renames the table and creates an empty one, so that it costs the same for ten keys and
// for ten million. The renamed table is garbage: `reclaim` empties it in slices, at times that are
// each replica's own affair.

import assert from 'node:assert/strict';
import { KeyCounters } from './counters.js';
import type { Database, RowStatement, WriteStatement } from './database.js';
import { createKeysTable, stringType } from './schema.js';
import { keySlot } from './slot.js';

/**
 * What is known of a key without its value; what a query selects besides stands behind. The expiry
 * is rounded when it is beyond 2^53: see `expiryOf`.
 */
export type KeyHead = readonly [
  id: number,
  slot: number,
  type: number,
  expiresMs: number | null,
  ...rest: unknown[],
];

/** A head and the value. */
export type KeyRow = readonly [
  id: number,
  slot: number,
  type: number,
  expiresMs: number | null,
  value: Buffer | null,
];

/** A head and the length of the value in bytes. */
export type KeyLength = readonly [
  id: number,
  slot: number,
  type: number,
  expiresMs: number | null,
  length: number | null,
];

export type ScanRow = readonly [
  id: number,
  db: number,
  type: number,
  expiresMs: number | null,
  name: Buffer,
];

/** Column numbers in the rows above. */
export const idColumn = 0;
export const slotColumn = 1;
export const typeColumn = 2;
export const expiryColumn = 3;
export const valueColumn = 4;
export const lengthColumn = 4;

/** Milliseconds since the epoch; a bigint only beyond 2^53. Null: never. */
export type Expiry = number | bigint | null;

/** Opaque: from `remember` to `recall`. */
export interface KeyspaceMemory {
  readonly counter: number;
  readonly counters: KeyCounters;
  readonly deadTables: string[];
}

export class Keyspace {
  /** The database of the running command. */
  db = 0;
  /** What TTL counts from: the stamp while applying, the leader's present for a read. */
  nowMs = 0;
  /** The running read met a key that is due by `nowMs` and not by the stamp. */
  needsTick = false;

  #counters = new KeyCounters();
  readonly #database: Database;
  readonly #statements: Statements;
  #stampMs = 0;
  #counter = 0;
  /** Tables put aside by FLUSHALL, oldest first. */
  #deadTables: string[] = [];

  constructor(database: Database) {
    this.#database = database;
    this.#statements = prepareStatements(database);
  }

  /** The last number drawn. */
  get counter(): number {
    return this.#counter;
  }

  get counters(): KeyCounters {
    return this.#counters;
  }

  /** What a savepoint of SQLite does not cover. */
  remember(): KeyspaceMemory {
    return {
      counter: this.#counter,
      counters: this.#counters.copy(),
      deadTables: [...this.#deadTables],
    };
  }

  /** Back to an earlier `remember`; once for each. */
  recall(memory: KeyspaceMemory): void {
    this.#counter = memory.counter;
    this.#counters = memory.counters;
    this.#deadTables = memory.deadTables;
  }

  /** Reads what is kept in memory from the tables; at open and after a rollback. */
  reload(counter: number): void {
    this.#counter = counter;
    this.#counters.rebuild(this.#database);
    this.#deadTables = this.#database
      .prepareColumn<string>(
        `SELECT name FROM sqlite_schema
         WHERE type = 'table' AND name GLOB 'dead_[0-9]*' ORDER BY name`,
      )
      .all();
  }

  /** Sets the scene for one command. Times in milliseconds since the epoch, `nowMs >= stampMs`. */
  enter(db: number, stampMs: number, nowMs: number): void {
    this.db = db;
    this.#stampMs = stampMs;
    this.nowMs = nowMs;
    this.needsTick = false;
  }

  readHead(name: Buffer): KeyHead | undefined {
    return this.#unlessDue(this.#statements.head.get(this.db, keySlot(name), name));
  }

  /**
   * The value of a string; null when the key holds another type. The hot path of GET: each column
   * that a query does not select saves a tenth of its time.
   */
  readString(name: Buffer): Buffer | null | undefined {
    const row = this.#statements.string.get(this.db, keySlot(name), name);
    return row === undefined || this.isDue(row[0]) ? undefined : row[1];
  }

  readLength(name: Buffer): KeyLength | undefined {
    return this.#unlessDue(this.#statements.length.get(this.db, keySlot(name), name));
  }

  /**
   * A number that changes with every change of the key, and is never used again; 0 when there is no
   * such key. What WATCH remembers.
   */
  readVersion(name: Buffer): number {
    const row = this.#statements.version.get(this.db, keySlot(name), name);
    return row === undefined || this.isDue(row[0]) ? 0 : row[1];
  }

  /**
   * Rows of all databases in order of id, from the first above `afterId`: SCAN's view. The caller
   * filters, with `isDue` for expired ones.
   */
  readRowsAfter(afterId: number, limit: number): ScanRow[] {
    return this.#statements.scan.all(afterId, limit);
  }

  /** May set `needsTick`, as every read does. */
  isDue(expiresMs: number | null): boolean {
    if (expiresMs === null || expiresMs > this.nowMs) return false;
    if (expiresMs > this.#stampMs) this.needsTick = true;
    return true;
  }

  /** The expiry of a head, exact where the head's own number is rounded. */
  expiryOf(head: KeyHead): Expiry {
    const expiresMs = head[expiryColumn];
    if (expiresMs === null || expiresMs <= Number.MAX_SAFE_INTEGER) return expiresMs;
    const row = this.#statements.exactExpiry.get(head[idColumn]);
    assert(row !== undefined, 'A key vanished while its command ran');
    return row[0];
  }

  /** As `readHead`; deletes the row when it is due. */
  findHead(name: Buffer): KeyHead | undefined {
    return this.#deleteIfDue(this.#statements.head.get(this.db, keySlot(name), name));
  }

  /** A head and its value; the row is deleted when it is due. */
  findValue(name: Buffer): KeyRow | undefined {
    return this.#deleteIfDue(this.#statements.row.get(this.db, keySlot(name), name));
  }

  /** As `readLength`; deletes the row when it is due. */
  findLength(name: Buffer): KeyLength | undefined {
    return this.#deleteIfDue(this.#statements.length.get(this.db, keySlot(name), name));
  }

  /** The value of a string whose head has been found. */
  stringOf(head: KeyHead): Buffer {
    const value = this.#statements.value.get(head[idColumn]);
    assert(value !== undefined, 'A key vanished while its command ran');
    return value;
  }

  /**
   * Gives a string without expiry a new value, if there is one under this name. The hot path of
   * SET: one statement where finding the row first would take two.
   */
  overwritePlainString(name: Buffer, value: Buffer): boolean {
    const version = this.#counter + 1;
    const { changes } = this.#statements.overwrite.run(
      value,
      version,
      this.db,
      keySlot(name),
      name,
    );
    if (changes === 0) return false;
    this.#counter = version;
    return true;
  }

  /** There must be no row under this name: `findHead` has said so. */
  insertString(name: Buffer, value: Buffer, expiresMs: Expiry): void {
    const slot = keySlot(name);
    const id = this.#draw();
    this.#statements.insert.run(id, this.db, slot, name, stringType, expiresMs, id, value);
    this.#counters.changeKeys(this.db, slot, 1);
    if (expiresMs !== null) this.#counters.changeExpires(this.db, 1);
  }

  /** A new value and a new expiry for an existing key. It keeps its id. */
  replaceString(head: KeyHead, value: Buffer, expiresMs: Expiry): void {
    // An UPDATE that names an indexed column touches the index even when nothing changes.
    if (expiresMs === null && head[expiryColumn] === null) {
      this.setValue(head, value);
      return;
    }
    this.#statements.replace.run(expiresMs, this.#draw(), value, head[idColumn]);
    this.#countExpiry(head, expiresMs);
  }

  /** A new value; the expiry stays. */
  setValue(head: KeyHead, value: Buffer): void {
    this.#statements.setValue.run(value, this.#draw(), head[idColumn]);
  }

  setExpiry(head: KeyHead, expiresMs: Expiry): void {
    this.#statements.setExpiry.run(expiresMs, this.#draw(), head[idColumn]);
    this.#countExpiry(head, expiresMs);
  }

  remove(head: KeyHead): void {
    const { changes } = this.#statements.remove.run(head[idColumn]);
    assert(changes === 1, 'A key to delete was not there');
    this.#counters.changeKeys(this.db, head[slotColumn], -1);
    if (head[expiryColumn] !== null) this.#counters.changeExpires(this.db, -1);
  }

  /** Empties all databases. */
  flushAll(): void {
    if (this.#counters.isEmpty) return;
    const generation = this.#draw();
    const deadTable = `dead_${generation}`;
    this.#database.execute(`ALTER TABLE keys RENAME TO ${deadTable}`);
    createKeysTable(this.#database, generation);
    this.#counters.clear();
    this.#deadTables.push(deadTable);
  }

  get hasDeadRows(): boolean {
    return this.#deadTables.length > 0;
  }

  /** Deletes up to `rowBudget` unreachable rows; changes no state. */
  reclaim(rowBudget: number): void {
    const table = this.#deadTables[0];
    if (table === undefined) return;
    const { changes } = this.#database
      .prepareWrite(`DELETE FROM ${table} WHERE id IN (SELECT id FROM ${table} LIMIT ?)`)
      .run(rowBudget);
    if (changes === rowBudget) return;
    // Empty now, so that dropping it frees a page per b-tree instead of the whole table.
    this.#database.execute(`DROP TABLE ${table}`);
    this.#deadTables.shift();
  }

  #unlessDue<Row extends KeyHead>(row: Row | undefined): Row | undefined {
    return row === undefined || this.isDue(row[expiryColumn]) ? undefined : row;
  }

  #deleteIfDue<Row extends KeyHead>(row: Row | undefined): Row | undefined {
    if (row === undefined) return undefined;
    const expiresMs = row[expiryColumn];
    if (expiresMs === null || expiresMs > this.#stampMs) return row;
    this.remove(row);
    return undefined;
  }

  #countExpiry(head: KeyHead, expiresMs: Expiry): void {
    const change = Number(expiresMs !== null) - Number(head[expiryColumn] !== null);
    if (change !== 0) this.#counters.changeExpires(this.db, change);
  }

  #draw(): number {
    this.#counter++;
    return this.#counter;
  }
}

interface Statements {
  readonly head: RowStatement<KeyHead>;
  readonly row: RowStatement<KeyRow>;
  readonly length: RowStatement<KeyLength>;
  readonly string: RowStatement<readonly [expiresMs: number | null, value: Buffer | null]>;
  readonly version: RowStatement<readonly [expiresMs: number | null, version: number]>;
  readonly value: RowStatement<Buffer>;
  readonly exactExpiry: RowStatement<readonly [bigint]>;
  readonly scan: RowStatement<ScanRow>;
  readonly overwrite: WriteStatement;
  readonly insert: WriteStatement;
  readonly replace: WriteStatement;
  readonly setValue: WriteStatement;
  readonly setExpiry: WriteStatement;
  readonly remove: WriteStatement;
}

function prepareStatements(database: Database): Statements {
  const head = 'id, slot, type, expires_ms';
  const byName = 'FROM keys WHERE db = ? AND slot = ? AND name = ?';
  return {
    head: database.prepareRow(`SELECT ${head} ${byName}`),
    row: database.prepareRow(`SELECT ${head}, value ${byName}`),
    string: database.prepareRow(`SELECT expires_ms, value ${byName}`),
    length: database.prepareRow(`SELECT ${head}, length(value) ${byName}`),
    version: database.prepareRow(`SELECT expires_ms, version ${byName}`),
    value: database.prepareColumn('SELECT value FROM keys WHERE id = ?'),
    exactExpiry: database.prepareExactRow('SELECT expires_ms FROM keys WHERE id = ?'),
    scan: database.prepareRow(
      'SELECT id, db, type, expires_ms, name FROM keys WHERE id > ? ORDER BY id LIMIT ?',
    ),
    overwrite: database.prepareWrite(
      `UPDATE keys SET value = ?, version = ?
       WHERE db = ? AND slot = ? AND name = ? AND type = ${stringType} AND expires_ms IS NULL`,
    ),
    insert: database.prepareWrite(
      `INSERT INTO keys (id, db, slot, name, type, expires_ms, version, value)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    replace: database.prepareWrite(
      `UPDATE keys SET type = ${stringType}, expires_ms = ?, version = ?, value = ? WHERE id = ?`,
    ),
    setValue: database.prepareWrite('UPDATE keys SET value = ?, version = ? WHERE id = ?'),
    setExpiry: database.prepareWrite('UPDATE keys SET expires_ms = ?, version = ? WHERE id = ?'),
    remove: database.prepareWrite('DELETE FROM keys WHERE id = ?'),
  };
}

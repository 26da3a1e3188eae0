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
// Flushing deletes nothing: FLUSHALL puts the table aside and FLUSHDB the space of its database, and
// what they leave behind is garbage (garbage.ts).

import assert from 'node:assert/strict';
import { databaseCount } from './command-codec.js';
import { KeyCounters } from './counters.js';
import type { Database, RowStatement, WriteStatement } from './database.js';
import { Garbage, type GarbageMemory } from './garbage.js';
import { KeyWalks, type NamePosition, type PlacedName, type ScanStep } from './key-walks.js';
import { KeyspaceCounts } from './keyspace-counts.js';
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
  readonly spaces: readonly number[];
  readonly garbage: GarbageMemory;
}

/** Values that one `removeDue` frees before it leaves the rest to the next. */
const dueBytesMax = 4 * 1024 * 1024;

export class Keyspace {
  /** The database of the running command. */
  db = 0;
  /** What TTL counts from: the stamp while applying, the leader's present for a read. */
  nowMs = 0;
  /** The running read met a key that is due by `nowMs` and not by the stamp. */
  needsTick = false;
  /** Of the running command. Whoever runs it decides whether they count. */
  readonly counts = new KeyspaceCounts();

  #counters = new KeyCounters();
  readonly #database: Database;
  readonly #statements: Statements;
  readonly #walks: KeyWalks;
  readonly #garbage: Garbage;
  #stampMs = 0;
  #counter = 0;
  /**
   * Rows up to this number may have been inserted and undone. The numbers are drawn again, and SQLite
   * may still call one of them that of the last row inserted. On no account part of the state.
   */
  #undoneMax = 0;
  /** What rows of each database have in their column `space`. */
  #spaces: number[] = [];
  /** That of `db`. */
  #space = 0;

  /** `random`, in [0, 1), serves RANDOMKEY alone: no chance enters the state. */
  constructor(database: Database, random: () => number) {
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.#walks = new KeyWalks(database, random);
    this.#garbage = new Garbage(database);
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
      spaces: [...this.#spaces],
      garbage: this.#garbage.remember(),
    };
  }

  /** Back to an earlier `remember`; once for each. */
  recall(memory: KeyspaceMemory): void {
    this.#noteUndone();
    this.#counter = memory.counter;
    this.#counters = memory.counters;
    this.#spaces = [...memory.spaces];
    this.#garbage.recall(memory.garbage);
  }

  /** Reads what is kept in memory from the tables; at open and after a rollback. */
  reload(counter: number): void {
    this.#noteUndone();
    this.#counter = counter;
    this.#spaces = Array.from({ length: databaseCount }, (_, db) => db);
    const flushed = this.#database.prepareRow<[number, number]>('SELECT db, space FROM databases');
    for (const [db, space] of flushed.all()) this.#spaces[db] = space;
    this.#garbage.reload();
    this.#counters.rebuild(this.#database, this.#spaces);
  }

  /** Sets the scene for one command. Times in milliseconds since the epoch, `nowMs >= stampMs`. */
  enter(db: number, stampMs: number, nowMs: number): void {
    this.db = db;
    this.#space = this.#spaces[db] as number;
    this.#stampMs = stampMs;
    this.nowMs = nowMs;
    this.needsTick = false;
    this.counts.reset();
  }

  readHead(name: Buffer): KeyHead | undefined {
    const head = this.#unlessDue(this.#statements.head.get(this.#space, keySlot(name), name));
    this.countLookup(head);
    return head;
  }

  /**
   * The value of a string; null when the key holds another type. The hot path of GET: each column
   * that a query does not select saves a tenth of its time.
   */
  readString(name: Buffer): Buffer | null | undefined {
    const row = this.#statements.string.get(this.#space, keySlot(name), name);
    if (row === undefined || this.isDue(row[0])) {
      this.counts.misses += 1;
      return undefined;
    }
    this.counts.hits += 1;
    return row[1];
  }

  readLength(name: Buffer): KeyLength | undefined {
    const row = this.peekLength(name);
    this.countLookup(row);
    return row;
  }

  /** As `readLength`, and not counted. */
  peekLength(name: Buffer): KeyLength | undefined {
    return this.#unlessDue(this.#statements.length.get(this.#space, keySlot(name), name));
  }

  /**
   * Counts what a write found that answers with it, as GETSET does. What begins with `read` counts by
   * itself, what begins with `find` does not.
   */
  countLookup(found: KeyHead | undefined): void {
    if (found === undefined) this.counts.misses += 1;
    else this.counts.hits += 1;
  }

  /**
   * A number that changes with every change of the key, and is never used again; 0 when there is no
   * such key. What WATCH remembers.
   */
  readVersion(name: Buffer): number {
    const row = this.#statements.version.get(this.#space, keySlot(name), name);
    return row === undefined || this.isDue(row[0]) ? 0 : row[1];
  }

  /**
   * Up to `limit` rows in order of id, from the first above `afterId`: SCAN's view. There may be
   * fewer before the end: the work is bounded. The caller filters, with `isDue` for expired ones.
   */
  scan(afterId: number, limit: number): ScanStep {
    return this.#walks.scan(this.#space, this.#counters.keys(this.db), afterId, limit);
  }

  /** Up to `limit` names of the database, in the order of their slots, expired ones included. */
  readNamesAfter(position: NamePosition, limit: number): PlacedName[] {
    return this.#walks.namesAfter(this.#space, position, limit);
  }

  /** As `isDue`, of a key that was met by its name alone. */
  isDueById(id: number): boolean {
    // Most databases have no volatile keys, or few: then the table need not be looked into.
    return this.#counters.expires(this.db) > 0 && this.isDue(this.#walks.expiryOf(id));
  }

  /** `undefined` when there is no key, or hardly any that has not expired. */
  readRandomName(): Buffer | undefined {
    return this.#walks.randomName(this.#space, this.db, this.#counters, (expiresMs) => {
      return !this.isDue(expiresMs);
    });
  }

  /** Expired ones included. */
  readNamesInSlot(db: number, slot: number, limit: number): Buffer[] {
    return this.#walks.namesInSlot(this.#spaces[db] as number, slot, limit);
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
    return this.#deleteIfDue(this.#statements.head.get(this.#space, keySlot(name), name), this.db);
  }

  /** As `findHead`, in any database. */
  findHeadIn(db: number, name: Buffer): KeyHead | undefined {
    const space = this.#spaces[db] as number;
    return this.#deleteIfDue(this.#statements.head.get(space, keySlot(name), name), db);
  }

  /** A head and its value; the row is deleted when it is due. */
  findValue(name: Buffer): KeyRow | undefined {
    return this.#deleteIfDue(this.#statements.row.get(this.#space, keySlot(name), name), this.db);
  }

  /** As `readLength`; deletes the row when it is due. */
  findLength(name: Buffer): KeyLength | undefined {
    const row = this.#statements.length.get(this.#space, keySlot(name), name);
    return this.#deleteIfDue(row, this.db);
  }

  /** The value of a string whose head has been found. */
  stringOf(head: KeyHead): Buffer {
    const value = this.#statements.value.get(head[idColumn]);
    assert(value !== undefined, 'A key vanished while its command ran');
    return value;
  }

  /**
   * Makes the key a string without expiry, unless it has an expiry or another type: then false, and
   * nothing has changed; so is it for a moment after an undo. The hot path of SET: one statement,
   * whether the key is new or not.
   */
  putPlainString(name: Buffer, value: Buffer): boolean {
    const number = this.#counter + 1;
    if (number <= this.#undoneMax) return false;
    const slot = keySlot(name);
    const { changes, lastInsertRowid } = this.#statements.put.run(
      number,
      this.#space,
      slot,
      name,
      number,
      value,
    );
    if (changes === 0) return false;
    this.#counter = number;
    // An update leaves the id of an earlier insert there, and no earlier one had so high a number.
    if (lastInsertRowid === number) this.#counters.changeKeys(this.db, slot, 1);
    return true;
  }

  /** There must be no row under this name: `findHead` has said so. */
  insertString(name: Buffer, value: Buffer, expiresMs: Expiry): void {
    const slot = keySlot(name);
    const id = this.#draw();
    this.#statements.insert.run(id, this.#space, slot, name, stringType, expiresMs, id, value);
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

  /** Deletes a key of this database, or of another. */
  remove(head: KeyHead, db = this.db): void {
    const { changes } = this.#statements.remove.run(head[idColumn]);
    assert(changes === 1, 'A key to delete was not there');
    this.#count(head, db, -1);
  }

  /**
   * Gives a key another name, another database or both; value and expiry come along. There must be
   * no such key. It gets a new id: a SCAN that has passed the old place must still meet the new name,
   * which may have been another key's before.
   */
  move(head: KeyHead, db: number, name: Buffer): void {
    const slot = keySlot(name);
    const id = this.#draw();
    this.#statements.move.run(id, this.#spaces[db] as number, slot, name, id, head[idColumn]);
    this.#count(head, this.db, -1);
    this.#count([id, slot, head[typeColumn], head[expiryColumn]], db, 1);
  }

  /** As `move`, and the key stays where it was as well. */
  copy(head: KeyHead, db: number, name: Buffer): void {
    const slot = keySlot(name);
    const id = this.#draw();
    this.#statements.copy.run(id, this.#spaces[db] as number, slot, name, id, head[idColumn]);
    this.#count([id, slot, head[typeColumn], head[expiryColumn]], db, 1);
  }

  /**
   * Deletes keys that are due at the stamp, up to `limit` of them, in an order that the state fixes.
   * Returns how many.
   */
  removeDue(limit: number): number {
    let count = 0;
    let bytes = 0;
    for (let db = 0; db < databaseCount; db++) {
      if (this.#counters.expires(db) === 0) continue;
      for (const row of this.#walks.due(this.#spaces[db] as number, this.#stampMs, limit - count)) {
        if (bytes >= dueBytesMax) return count;
        const [id, slot, type, expiresMs, length] = row;
        this.remove([id, slot, type, expiresMs], db);
        this.counts.expired += 1;
        count++;
        bytes += length ?? 0;
      }
      if (count === limit) break;
    }
    return count;
  }

  /** Whether `removeDue` would find something at this stamp. */
  hasDue(stampMs: number): boolean {
    return this.#spaces.some((space, db) => {
      return this.#counters.expires(db) > 0 && this.#walks.hasDue(space, stampMs);
    });
  }

  /** Empties all databases. */
  flushAll(): void {
    if (this.#counters.isEmpty) return;
    const generation = this.#draw();
    this.#garbage.putTableAside(generation);
    createKeysTable(this.#database, generation);
    this.#counters.clear();
  }

  /** Empties this database. */
  flushDatabase(): void {
    const { db } = this;
    if (this.#counters.keys(db) === 0) return;
    this.#garbage.abandonSpace(this.#space);
    // Above the numbers with which the databases began.
    this.#space = databaseCount + this.#draw();
    this.#spaces[db] = this.#space;
    this.#statements.setSpace.run(db, this.#space);
    this.#counters.clearDatabase(db);
  }

  get hasDeadRows(): boolean {
    return !this.#garbage.isEmpty;
  }

  /** Deletes up to `rowBudget` unreachable rows; changes no state. */
  reclaim(rowBudget: number): void {
    this.#garbage.reclaim(rowBudget);
  }

  #unlessDue<Row extends KeyHead>(row: Row | undefined): Row | undefined {
    return row === undefined || this.isDue(row[expiryColumn]) ? undefined : row;
  }

  #deleteIfDue<Row extends KeyHead>(row: Row | undefined, db: number): Row | undefined {
    if (row === undefined) return undefined;
    const expiresMs = row[expiryColumn];
    if (expiresMs === null || expiresMs > this.#stampMs) return row;
    this.remove(row, db);
    this.counts.expired += 1;
    return undefined;
  }

  /** `change` is 1 or -1. */
  #count(head: KeyHead, db: number, change: number): void {
    this.#counters.changeKeys(db, head[slotColumn], change);
    if (head[expiryColumn] !== null) this.#counters.changeExpires(db, change);
  }

  #countExpiry(head: KeyHead, expiresMs: Expiry): void {
    const change = Number(expiresMs !== null) - Number(head[expiryColumn] !== null);
    if (change !== 0) this.#counters.changeExpires(this.db, change);
  }

  /** A statement that failed had one more number than was drawn. */
  #noteUndone(): void {
    this.#undoneMax = Math.max(this.#undoneMax, this.#counter + 1);
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
  readonly put: WriteStatement;
  readonly insert: WriteStatement;
  readonly replace: WriteStatement;
  readonly setValue: WriteStatement;
  readonly setExpiry: WriteStatement;
  readonly remove: WriteStatement;
  readonly move: WriteStatement;
  readonly copy: WriteStatement;
  readonly setSpace: WriteStatement;
}

function prepareStatements(database: Database): Statements {
  const head = 'id, slot, type, expires_ms';
  const byName = 'FROM keys WHERE space = ? AND slot = ? AND name = ?';
  return {
    head: database.prepareRow(`SELECT ${head} ${byName}`),
    row: database.prepareRow(`SELECT ${head}, value ${byName}`),
    string: database.prepareRow(`SELECT expires_ms, value ${byName}`),
    length: database.prepareRow(`SELECT ${head}, length(value) ${byName}`),
    version: database.prepareRow(`SELECT expires_ms, version ${byName}`),
    value: database.prepareColumn('SELECT value FROM keys WHERE id = ?'),
    exactExpiry: database.prepareExactRow('SELECT expires_ms FROM keys WHERE id = ?'),
    put: database.prepareWrite(
      `INSERT INTO keys (id, space, slot, name, type, expires_ms, version, value)
       VALUES (?, ?, ?, ?, ${stringType}, NULL, ?, ?)
       ON CONFLICT (space, slot, name) DO UPDATE
       SET value = excluded.value, version = excluded.version
       WHERE type = ${stringType} AND expires_ms IS NULL`,
    ),
    insert: database.prepareWrite(
      `INSERT INTO keys (id, space, slot, name, type, expires_ms, version, value)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    replace: database.prepareWrite(
      `UPDATE keys SET type = ${stringType}, expires_ms = ?, version = ?, value = ? WHERE id = ?`,
    ),
    setValue: database.prepareWrite('UPDATE keys SET value = ?, version = ? WHERE id = ?'),
    setExpiry: database.prepareWrite('UPDATE keys SET expires_ms = ?, version = ? WHERE id = ?'),
    remove: database.prepareWrite('DELETE FROM keys WHERE id = ?'),
    move: database.prepareWrite(
      'UPDATE keys SET id = ?, space = ?, slot = ?, name = ?, version = ? WHERE id = ?',
    ),
    copy: database.prepareWrite(
      `INSERT INTO keys (id, space, slot, name, type, expires_ms, version, value)
       SELECT ?, ?, ?, ?, type, expires_ms, ?, value FROM keys WHERE id = ?`,
    ),
    setSpace: database.prepareWrite('INSERT OR REPLACE INTO databases VALUES (?, ?)'),
  };
}

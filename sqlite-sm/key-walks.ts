// Ways through the keys of a database that never walk all of them at once: SCAN, RANDOMKEY, the keys
// of a slot, the keys that are due. KEYS alone reads everything, in slices.
//
// A row's id rises with its birth and never changes, so SCAN goes by id. The table holds the rows of
// all databases in that order, and a database with a handful of keys would be lost among millions of
// others: one that has few keys is read from the index on names instead, and sorted. Both ways share
// the cursor, so a database may grow from one into the other between two calls.

import { Buffer } from 'node:buffer';
import type { KeyCounters } from './counters.js';
import type { Database, RowStatement } from './database.js';

export type ScanRow = readonly [id: number, type: number, expiresMs: number | null, name: Buffer];

export type DueRow = readonly [
  id: number,
  slot: number,
  type: number,
  expiresMs: number,
  length: number | null,
];

export type PlacedName = readonly [id: number, slot: number, name: Buffer];

/** In the order of slots, and of names within a slot. */
export interface NamePosition {
  readonly slot: number;
  readonly name: Buffer;
}

export const beforeAllNames: NamePosition = { slot: -1, name: Buffer.alloc(0) };

export interface ScanStep {
  /** In order of id. */
  readonly rows: readonly ScanRow[];
  /** From where the next step goes on; 0 at the end. */
  readonly cursor: number;
}

/** A database of up to this many keys is sorted for each step: about a millisecond. */
const sortedKeysMax = 5000;
/** Rows of other databases that a step passes over at most: a few milliseconds. */
const foreignRowsMax = 5000;
/** RANDOMKEY counts its way through a slot of up to this many keys, and guesses in a larger one. */
const countedRowsMax = 1000;
/** RANDOMKEY draws again when it meets an expired key, this often. */
const drawsMax = 100;

export class KeyWalks {
  readonly #statements: Statements;
  /** In [0, 1). */
  readonly #random: () => number;

  constructor(database: Database, random: () => number) {
    this.#statements = prepareStatements(database);
    this.#random = random;
  }

  /** Up to `limit` rows of a space of `keyCount` keys, from the first with an id above `afterId`. */
  scan(space: number, keyCount: number, afterId: number, limit: number): ScanStep {
    if (keyCount <= sortedKeysMax) {
      const rows = this.#statements.scanSmall.all(space, afterId, limit);
      return { rows, cursor: rows.length < limit ? 0 : lastIdOf(rows) };
    }
    const window = Math.max(limit, foreignRowsMax);
    const rows = this.#statements.scanWindow.all(afterId, window, space, limit);
    if (rows.length === limit) return { rows, cursor: lastIdOf(rows) };
    // The window ended before enough was found.
    const cursor = this.#statements.idAfter.get(afterId, window - 1) ?? 0;
    return { rows, cursor };
  }

  /**
   * A name for which `isLive` holds, in a database that counts the keys of `space`; `undefined` when
   * there is none, or a hundred draws met none. Every key is as likely as any other while slots hold
   * up to a thousand keys; in larger ones names that stand apart from the others come more often.
   */
  randomName(
    space: number,
    db: number,
    counters: KeyCounters,
    isLive: (expiresMs: number | null) => boolean,
  ): Buffer | undefined {
    const keyCount = counters.keys(db);
    if (keyCount === 0) return undefined;
    for (let draw = 0; draw < drawsMax; draw++) {
      const { slot, rank } = counters.locate(db, this.#below(keyCount));
      const row =
        counters.keysInSlot(db, slot) <= countedRowsMax
          ? this.#statements.nameAtRank.get(space, slot, Buffer.alloc(0), rank)
          : this.#guessInSlot(space, slot);
      if (row !== undefined && isLive(row[0])) return row[1];
    }
    return undefined;
  }

  /** Up to `limit` names, expired ones included. */
  namesInSlot(space: number, slot: number, limit: number): Buffer[] {
    return this.#statements.namesInSlot.all(space, slot, limit);
  }

  /** Up to `limit` names behind a position, from an index, without a look into the table. */
  namesAfter(space: number, { slot, name }: NamePosition, limit: number): PlacedName[] {
    return this.#statements.namesAfter.all(space, slot, name, limit);
  }

  /** As in the row, which must be there. */
  expiryOf(id: number): number | null {
    return this.#statements.expiryOf.get(id) ?? null;
  }

  /** Keys that are due at `nowMs`, the longest overdue first. */
  due(space: number, nowMs: number, limit: number): DueRow[] {
    return this.#statements.due.all(space, nowMs, limit);
  }

  hasDue(space: number, nowMs: number): boolean {
    return this.#statements.hasDue.get(space, nowMs) !== undefined;
  }

  /**
   * Some key of a slot that is too large to count through: what follows a random name between the
   * first and the last, and then a few further.
   */
  #guessInSlot(space: number, slot: number): NamedRow | undefined {
    const first = this.#statements.firstInSlot.get(space, slot);
    const last = this.#statements.lastInSlot.get(space, slot);
    if (first === undefined || last === undefined) return undefined;
    const from = this.#nameBetween(first, last);
    const further = this.#below(countedRowsMax);
    return (
      this.#statements.nameAtRank.get(space, slot, from, further) ??
      this.#statements.nameAtRank.get(space, slot, from, 0)
    );
  }

  /** What both begin with, a byte between theirs, then noise. */
  #nameBetween(first: Buffer, last: Buffer): Buffer {
    let common = 0;
    while (common < first.length && first[common] === last[common]) common++;
    const low = first[common] ?? 0;
    const high = last[common] ?? low;
    const noise = [low + this.#below(high - low + 1)];
    for (let i = 0; i < 7; i++) noise.push(this.#below(256));
    const name = Buffer.concat([first.subarray(0, common), Buffer.from(noise)]);
    return name.compare(last) > 0 ? last : name;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}

function lastIdOf(rows: readonly ScanRow[]): number {
  return rows.at(-1)?.[0] ?? 0;
}

type NamedRow = readonly [expiresMs: number | null, name: Buffer];

interface Statements {
  readonly scanSmall: RowStatement<ScanRow>;
  readonly scanWindow: RowStatement<ScanRow>;
  readonly idAfter: RowStatement<number>;
  readonly nameAtRank: RowStatement<NamedRow>;
  readonly firstInSlot: RowStatement<Buffer>;
  readonly lastInSlot: RowStatement<Buffer>;
  readonly namesInSlot: RowStatement<Buffer>;
  readonly namesAfter: RowStatement<PlacedName>;
  readonly expiryOf: RowStatement<number | null>;
  readonly due: RowStatement<DueRow>;
  readonly hasDue: RowStatement<number>;
}

function prepareStatements(database: Database): Statements {
  const scanned = 'id, type, expires_ms, name';
  const inSlot = 'FROM keys WHERE space = ? AND slot = ?';
  const isDue = 'FROM keys WHERE space = ? AND expires_ms <= ?';
  return {
    // The plus signs keep SQLite from walking the table by id, past all other databases.
    scanSmall: database.prepareRow(
      `SELECT ${scanned} FROM keys WHERE id IN (
         SELECT id FROM keys WHERE space = ? AND +id > ? ORDER BY +id LIMIT ?
       ) ORDER BY id`,
    ),
    scanWindow: database.prepareRow(
      `SELECT ${scanned} FROM (
         SELECT space, ${scanned} FROM keys WHERE id > ? ORDER BY id LIMIT ?
       ) WHERE space = ? LIMIT ?`,
    ),
    idAfter: database.prepareColumn(
      'SELECT id FROM keys WHERE id > ? ORDER BY id LIMIT 1 OFFSET ?',
    ),
    // The rank is counted in the index; the table is looked into once.
    nameAtRank: database.prepareRow(
      `SELECT expires_ms, name FROM keys WHERE id = (
         SELECT id ${inSlot} AND name >= ? ORDER BY name LIMIT 1 OFFSET ?
       )`,
    ),
    firstInSlot: database.prepareColumn(`SELECT name ${inSlot} ORDER BY name LIMIT 1`),
    lastInSlot: database.prepareColumn(`SELECT name ${inSlot} ORDER BY name DESC LIMIT 1`),
    namesInSlot: database.prepareColumn(`SELECT name ${inSlot} LIMIT ?`),
    namesAfter: database.prepareRow(
      `SELECT id, slot, name FROM keys WHERE space = ? AND (slot, name) > (?, ?)
       ORDER BY slot, name LIMIT ?`,
    ),
    expiryOf: database.prepareColumn('SELECT expires_ms FROM keys WHERE id = ?'),
    due: database.prepareRow(
      `SELECT id, slot, type, expires_ms, length(value) ${isDue}
       ORDER BY expires_ms, id LIMIT ?`,
    ),
    hasDue: database.prepareColumn(`SELECT 1 ${isDue} LIMIT 1`),
  };
}

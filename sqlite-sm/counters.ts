// How many keys there are, without counting.
//
// SQLite walks an index to answer COUNT(*): a second at five million keys. DBSIZE and
// CLUSTER COUNTKEYSINSLOT must not hold the loop, so the numbers are kept here, changed with every
// row that comes or goes, and rebuilt from the index when the database is opened. They are derived:
// COUNT(*) is right by definition, and whoever rolls a transaction back rebuilds them.
//
// A key that is due but not yet deleted counts, as it does in Redis.

import assert from 'node:assert/strict';
import { databaseCount } from './command-codec.js';
import type { Database } from './database.js';
import { slotCount } from './slot.js';

export class KeyCounters {
  /** One array per database in use: 64 KiB each, and most databases stay empty. */
  readonly #keysInSlot: (Uint32Array | undefined)[] = new Array(databaseCount).fill(undefined);
  readonly #keys = new Array<number>(databaseCount).fill(0);
  readonly #expires = new Array<number>(databaseCount).fill(0);

  keys(db: number): number {
    return this.#keys[db] as number;
  }

  /** Keys that have an expiry, due or not. */
  expires(db: number): number {
    return this.#expires[db] as number;
  }

  keysInSlot(db: number, slot: number): number {
    return this.#keysInSlot[db]?.[slot] ?? 0;
  }

  /** No database has a key. */
  get isEmpty(): boolean {
    return this.#keys.every((count) => count === 0);
  }

  /** `change` is 1 or -1. */
  changeKeys(db: number, slot: number, change: number): void {
    this.#add(db, slot, change);
    assert(this.keysInSlot(db, slot) < 0xffffffff, 'A slot counted below zero');
  }

  changeExpires(db: number, change: number): void {
    const count = this.expires(db) + change;
    assert(count >= 0, 'Volatile keys counted below zero');
    this.#expires[db] = count;
  }

  /** A copy that later changes leave alone. */
  copy(): KeyCounters {
    const copy = new KeyCounters();
    for (let db = 0; db < databaseCount; db++) {
      copy.#keysInSlot[db] = this.#keysInSlot[db]?.slice();
      copy.#keys[db] = this.keys(db);
      copy.#expires[db] = this.expires(db);
    }
    return copy;
  }

  clear(): void {
    this.#keysInSlot.fill(undefined);
    this.#keys.fill(0);
    this.#expires.fill(0);
  }

  /** Reads two indexes from end to end, not the table. */
  rebuild(database: Database): void {
    this.clear();
    const bySlot = database.prepareRow<[number, number, number]>(
      'SELECT db, slot, count(*) FROM keys GROUP BY db, slot',
    );
    for (const [db, slot, count] of bySlot.iterate()) this.#add(db, slot, count);
    // One column per database: a GROUP BY db would be served from the index on names, with a look
    // into the table for every key there is (3 s at a million keys, of which a tenth is volatile).
    const columns = Array.from({ length: databaseCount }, (_, db) => {
      return `count(*) FILTER (WHERE db = ${db})`;
    });
    const byExpiry = database.prepareRow<number[]>(
      `SELECT ${columns.join(', ')} FROM keys WHERE expires_ms IS NOT NULL`,
    );
    for (const [db, count] of (byExpiry.get() ?? []).entries()) this.#expires[db] = count;
  }

  #add(db: number, slot: number, change: number): void {
    let slots = this.#keysInSlot[db];
    if (slots === undefined) {
      slots = new Uint32Array(slotCount);
      this.#keysInSlot[db] = slots;
    }
    slots[slot] = (slots[slot] as number) + change;
    this.#keys[db] = (this.#keys[db] as number) + change;
  }
}

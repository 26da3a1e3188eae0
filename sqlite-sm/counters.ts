// How many keys there are, without counting.
//
// SQLite walks an index to answer COUNT(*): a second at five million keys. DBSIZE and
// CLUSTER COUNTKEYSINSLOT must not hold the loop, so the numbers are kept here, changed with every
// row that comes or goes, and rebuilt from the indexes when the database is opened. They are derived:
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
    for (let db = 0; db < databaseCount; db++) this.clearDatabase(db);
  }

  clearDatabase(db: number): void {
    this.#keysInSlot[db] = undefined;
    this.#keys[db] = 0;
    this.#expires[db] = 0;
  }

  /**
   * The slot in which the key with this number stands, from 0, and its number there; the order is
   * that of the slots. There must be that many keys in the database.
   */
  locate(db: number, rank: number): { readonly slot: number; readonly rank: number } {
    let rest = rank;
    for (let slot = 0; slot < slotCount; slot++) {
      const count = this.keysInSlot(db, slot);
      if (rest < count) return { slot, rank: rest };
      rest -= count;
    }
    throw new assert.AssertionError({ message: 'A database has fewer keys than it counted' });
  }

  /** Reads two indexes from end to end, not the table. `spaces` are those of the databases. */
  rebuild(database: Database, spaces: readonly number[]): void {
    this.clear();
    const bySlot = database.prepareRow<[number, number]>(
      'SELECT slot, count(*) FROM keys WHERE space = ? GROUP BY slot',
    );
    // The comparison leaves the index on expiry as the only fitting one: the one on names would need
    // a look into the table for every key.
    const byExpiry = database.prepareColumn<number>(
      `SELECT count(*) FROM keys WHERE space = ? AND expires_ms >= -9223372036854775808`,
    );
    for (const [db, space] of spaces.entries()) {
      for (const [slot, count] of bySlot.iterate(space)) this.#add(db, slot, count);
      this.#expires[db] = byExpiry.get(space) ?? 0;
    }
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

// The keys that a client watches, each with the version that it saw.
//
// A key counts as watched from the moment its WATCH is taken, though its version is read a little
// later: UNWATCH may come between, and must win. Versions are compared where the transaction is
// applied (`sqlite-sm/state-machine.ts`); nothing here follows what happens to a key.

import { keySlot, type WatchedVersion, watchedByteLength } from '../../sqlite-sm/index.js';

export class WatchedKey implements WatchedVersion {
  readonly db: number;
  /** A copy: the client's bytes go as they came. */
  readonly name: Buffer;
  /** -1 until it has been read. */
  version = -1;

  constructor(db: number, name: Uint8Array) {
    this.db = db;
    this.name = Buffer.from(name);
  }
}

export class WatchedKeys {
  /** By database and name. */
  readonly #keys = new Map<string, WatchedKey>();
  #byteLength = 0;

  get count(): number {
    return this.#keys.size;
  }

  /** What they take in a transaction. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** All are of this one; undefined when there are none. */
  get slot(): number | undefined {
    for (const { name } of this.#keys.values()) return keySlot(name);
    return undefined;
  }

  list(): WatchedKey[] {
    return [...this.#keys.values()];
  }

  /** Returns those that were not watched before: for the others the version first seen counts. */
  add(db: number, names: readonly Uint8Array[]): WatchedKey[] {
    const added: WatchedKey[] = [];
    for (const name of names) {
      const key = new WatchedKey(db, name);
      const id = idOf(key);
      if (this.#keys.has(id)) continue;
      this.#keys.set(id, key);
      this.#byteLength += watchedByteLength(name);
      added.push(key);
    }
    return added;
  }

  /** The versions of these could not be read. */
  remove(keys: readonly WatchedKey[]): void {
    for (const key of keys) {
      const id = idOf(key);
      // Forgotten and watched again meanwhile, it is another one.
      if (this.#keys.get(id) !== key) continue;
      this.#keys.delete(id);
      this.#byteLength -= watchedByteLength(key.name);
    }
  }

  forget(): void {
    if (this.#keys.size === 0) return;
    this.#keys.clear();
    this.#byteLength = 0;
  }
}

function idOf({ db, name }: WatchedKey): string {
  return `${db} ${name.toString('latin1')}`;
}

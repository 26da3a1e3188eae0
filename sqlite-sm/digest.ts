// One number for the whole state, so that replicas can be compared.
//
// Everything that is state goes in, in an order that the state itself fixes: the rows by id, the
// spaces of the databases, then the numbers that later entries continue from. Free pages, dead rows,
// the place of rows in the file and the applied index do not: they may differ between replicas that
// agree.
//
// Integers are read as bigints, since a digest over rounded ones would call different states equal.

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Database } from './database.js';

export interface DigestNumbers {
  readonly stamp: number;
  readonly counter: number;
  readonly applyVersion: number;
}

type StateRow = readonly (bigint | Buffer | null)[];

export function stateDigest(database: Database, numbers: DigestNumbers): string {
  const hash = createHash('sha256');
  const queries = [
    `SELECT id, space, slot, type, expires_ms, version, name, value FROM keys
     WHERE space NOT IN (SELECT space FROM dead_spaces) ORDER BY id`,
    'SELECT db, space FROM databases ORDER BY db',
  ];
  const lengthPrefix = Buffer.alloc(4);
  for (const query of queries) {
    for (const row of database.prepareExactRow<StateRow>(query).iterate()) {
      for (const column of row) {
        const bytes = Buffer.isBuffer(column) ? column : Buffer.from(String(column), 'latin1');
        // Prefixed, or the bytes of neighbouring columns could trade places unseen.
        lengthPrefix.writeUInt32LE(bytes.length);
        hash.update(lengthPrefix).update(bytes);
      }
    }
  }
  const { stamp, counter, applyVersion } = numbers;
  hash.update(`stamp ${stamp} counter ${counter} apply version ${applyVersion}`);
  return hash.digest('hex');
}

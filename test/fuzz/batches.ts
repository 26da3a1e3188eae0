// Payloads of command entries.

import { randomInteger } from '../faults/seeded-random.js';
import {
  encodeBatch,
  encodeTransactionRecord,
  readKind,
  SeededRandom,
  writeKind,
} from '../sqlite-sm/machine-fixture.js';
import { randomCommand, randomKeys } from '../sqlite-sm/random-commands.js';
import { pick, type Random } from './mutate.js';

const times = { seconds: ['1', '100', '1000'], milliseconds: ['1', '1500', '100000'] };

/** Of `count` records, some of them transactions. */
export function batchFrom(random: Random, count: number): Buffer {
  const records = Array.from({ length: count }, () =>
    random() < 0.3 ? transactionFrom(random) : commandFrom(random),
  );
  return Buffer.concat(records);
}

function commandFrom(random: Random): Buffer {
  const words = randomCommand(new SeededRandom(randomInteger(random, 1, 2 ** 31)), times);
  // What is logged as a read is none always: a leader that is wrong must not make replicas differ.
  const kind = random() < 0.2 ? readKind : writeKind;
  return encodeBatch([words], { db: pick(random, [0, 0, 0, 1, 15]), kind });
}

function transactionFrom(random: Random): Buffer {
  const records = Array.from({ length: randomInteger(random, 0, 4) }, () => commandFrom(random));
  const watched = Array.from({ length: randomInteger(random, 0, 2) }, () => ({
    db: pick(random, [0, 1]),
    name: Buffer.from(pick(random, randomKeys), 'latin1'),
    version: pick(random, [0, 0, 1, 2 ** 52]),
  }));
  return encodeTransactionRecord(records, watched);
}

// JSON that parses and is not what the reader hopes for.

import { randomInteger } from '../faults/seeded-random.js';
import { pick, type Random } from './mutate.js';

/** Stands for arrays within arrays: deeper than a stack, and only as text cheap to make. */
const deepMark = 'so deep that it is made as text';
const deepText = '['.repeat(20_000) + ']'.repeat(20_000);

/** As text, changed in one to three places. */
export function changedJson(random: Random, value: unknown): Buffer {
  let changed = structuredClone(value);
  for (let left = randomInteger(random, 1, 3); left > 0; left -= 1) {
    changed = changedIn(random, changed, false);
  }
  return jsonText(changed);
}

export function jsonText(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, undefined, 2).replace(`"${deepMark}"`, deepText));
}

/** `isFree`: anything may stand there, and what is too deep to be written again would be taken. */
function changedIn(random: Random, value: unknown, isFree: boolean): unknown {
  if (value === null || typeof value !== 'object' || random() < 0.1) {
    return isFree ? random() : oddValue(random);
  }
  const entries = value as Record<string, unknown>;
  const names = Object.keys(entries);
  const name = names.length > 0 ? pick(random, names) : '0';
  const action = random();
  if (action < 0.15) delete entries[name];
  else if (action < 0.25) entries[pick(random, ['extra', 'toJSON', 'length'])] = 7;
  else if (action < 0.35) entries[name] = isFree ? null : oddValue(random);
  else if (action < 0.4 && Array.isArray(value)) value.push(...value);
  else entries[name] = changedIn(random, entries[name], isFree || name === 'attributes');
  return value;
}

/** What is no object, what only looks like one, and the numbers and names at the edges. */
function oddValue(random: Random): unknown {
  return pick<unknown>(random, [
    ...[null, true, false, 0, -1, 1, 0.5, 2 ** 32, 2 ** 53, 1e308, -0],
    ...['', '0', '..', '../../vote', 'manifest.json', 'held', 'a/b', 'data.db\0', 'x'.repeat(5000)],
    ...['a'.repeat(40), '0'.repeat(32), [], {}, [[]], ['a'.repeat(40)], ['0'.repeat(32)]],
    // Their text cannot be had.
    ...[{ toString: 1 }, { toString: null, valueOf: null }, deepMark, [null], [{}], { length: 3 }],
  ]);
}

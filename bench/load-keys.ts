// Fills a server with the keys that GETs will ask for.
//
// redis-benchmark can only write random keys, of which a third would be missing; a GET of a missing
// key costs less. So each key is written once, under the names that redis-benchmark reads.

import { RespClient } from '../cluster-scripts/resp-client.js';
import { Trouble } from '../cluster-scripts/trouble.js';
import { keyCount } from './rows.js';

const keysPerBatch = 500;
const answerTimeoutMs = 60_000;

/** Throws `Trouble` when a write fails or the server has another number of keys afterwards. */
export async function loadKeys(port: number, valueBytes: number): Promise<void> {
  const client = new RespClient({ host: '127.0.0.1', port }, answerTimeoutMs);
  try {
    const value = 'x'.repeat(valueBytes);
    for (let first = 0; first < keyCount; first += keysPerBatch) {
      const batch = Array.from({ length: Math.min(keysPerBatch, keyCount - first) }, (_, at) =>
        client.command('SET', keyName(first + at), value),
      );
      await Promise.all(batch);
    }
    const found = await client.command('DBSIZE');
    if (found !== keyCount) throw new Error(`the server has ${found} of ${keyCount}`);
  } catch (cause) {
    throw new Trouble(`cannot load the keys: ${(cause as Error).message}`, { cause });
  } finally {
    client.close();
  }
}

/** As redis-benchmark writes `key:__rand_int__`. */
export function keyName(number: number): string {
  return `key:${String(number).padStart(12, '0')}`;
}

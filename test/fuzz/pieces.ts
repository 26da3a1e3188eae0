// A stream as it comes from a socket.

import { randomInteger } from '../faults/seeded-random.js';
import type { Random } from './mutate.js';

/** The same bytes whole, one by one, and cut anywhere; every piece has memory of its own. */
export function waysToCut(bytes: Buffer, random: Random): readonly (readonly Buffer[])[] {
  const positions: number[] = [];
  for (let at = randomInteger(random, 1, 100); at < bytes.length; ) {
    positions.push(at);
    at += random() < 0.5 ? randomInteger(random, 1, 8) : randomInteger(random, 1, 1000);
  }
  const each = Array.from({ length: Math.max(0, bytes.length - 1) }, (_, at) => at + 1);
  return [[], each, positions].map((cuts) => piecesOf(bytes, cuts));
}

function piecesOf(bytes: Buffer, positions: readonly number[]): Buffer[] {
  const edges = [0, ...positions, bytes.length];
  return edges.slice(1).map((end, at) => Buffer.from(bytes.subarray(edges[at]!, end)));
}

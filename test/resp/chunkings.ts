// Ways to cut a stream, for tests which claim that the cutting does not matter.

import { Buffer } from 'node:buffer';

/** A generator of numbers in [0, 1) that repeats itself for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Every chunk has memory of its own, as chunks from a socket do. */
export function cutAt(bytes: Buffer, positions: readonly number[]): Buffer[] {
  const edges = [0, ...positions, bytes.length];
  return edges.slice(1).map((end, index) => {
    const chunk = Buffer.alloc(end - edges[index]!);
    bytes.copy(chunk, 0, edges[index]!, end);
    return chunk;
  });
}

export function byteByByte(bytes: Buffer): Buffer[] {
  return cutAt(
    bytes,
    Array.from({ length: Math.max(0, bytes.length - 1) }, (_, index) => index + 1),
  );
}

/** Pieces of 1 to `pieceBytesMax` bytes. */
export function cutAtRandom(bytes: Buffer, seed: number, pieceBytesMax = 12): Buffer[] {
  const random = seededRandom(seed);
  const positions: number[] = [];
  let position = 0;
  for (;;) {
    position += 1 + Math.floor(random() * pieceBytesMax);
    if (position >= bytes.length) return cutAt(bytes, positions);
    positions.push(position);
  }
}

export const chunkings: readonly {
  readonly name: string;
  readonly cut: (bytes: Buffer) => Buffer[];
}[] = [
  { name: 'as one chunk', cut: (bytes) => cutAt(bytes, []) },
  { name: 'byte by byte', cut: byteByByte },
  { name: 'in random pieces, seed 1', cut: (bytes) => cutAtRandom(bytes, 1) },
  { name: 'in random pieces, seed 2', cut: (bytes) => cutAtRandom(bytes, 2, 40) },
];

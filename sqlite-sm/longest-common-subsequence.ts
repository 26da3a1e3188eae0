// The longest common subsequence of two strings, as Redis finds it.
//
// Of all longest ones Redis picks the one that its way back through the table of lengths meets; the
// replies tell positions, so this way must be the same. It needs, of each cell, only whether the
// length above is larger than the length to the left. So a bit is kept of each cell and two rows of
// lengths, an eighth of a byte where Redis spends four.

import type { Buffer } from 'node:buffer';

export interface CommonSubsequence {
  readonly length: number;
  /** A bit per pair of positions: the way back goes up instead of left. */
  readonly goesUp: Uint8Array;
}

/** A common piece: where it begins in either string, and its length, in bytes. */
export interface Match {
  readonly a: number;
  readonly b: number;
  readonly length: number;
}

/** Takes time and memory in proportion to the product of the lengths. */
export function longestCommonSubsequence(a: Buffer, b: Buffer): CommonSubsequence {
  const goesUp = new Uint8Array(Math.ceil((a.length * b.length) / 8));
  let above = new Uint32Array(b.length + 1);
  let row = new Uint32Array(b.length + 1);
  let cell = 0;
  for (let i = 0; i < a.length; i++) {
    const byte = a[i];
    for (let j = 0; j < b.length; j++, cell++) {
      const up = above[j + 1] as number;
      const left = row[j] as number;
      if (byte === b[j]) {
        row[j + 1] = (above[j] as number) + 1;
      } else if (up > left) {
        row[j + 1] = up;
        goesUp[cell >> 3] = (goesUp[cell >> 3] as number) | (1 << (cell & 7));
      } else {
        row[j + 1] = left;
      }
    }
    [above, row] = [row, above];
  }
  return { length: above[b.length] as number, goesUp };
}

/** The pieces that the subsequence is made of, the last one first, as Redis lists them. */
export function findMatches({ goesUp }: CommonSubsequence, a: Buffer, b: Buffer): Match[] {
  const matches: Match[] = [];
  let length = 0;
  let i = a.length;
  let j = b.length;
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      i--;
      j--;
      length++;
      continue;
    }
    if (length > 0) matches.push({ a: i, b: j, length });
    length = 0;
    const cell = (i - 1) * b.length + (j - 1);
    if (((goesUp[cell >> 3] as number) >> (cell & 7)) & 1) i--;
    else j--;
  }
  if (length > 0) matches.push({ a: i, b: j, length });
  return matches;
}

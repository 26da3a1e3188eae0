// LCS. https://redis.io/docs/latest/commands/lcs/

import { Buffer } from 'node:buffer';
import type { ErrorReply, Reply } from '../../resp/index.js';
import { errorReply, errors, mapReply } from '../../resp/index.js';
import { parseInteger } from '../integers.js';
import type { Keyspace } from '../keyspace.js';
import { findMatches, longestCommonSubsequence } from '../longest-common-subsequence.js';
import { isWord } from './arguments.js';
import { type DataCommand, firstKey } from './table.js';

const notStrings = errorReply('ERR The specified keys must contain string values');
const lengthAndIndexes = errorReply(
  'ERR If you want both the length and indexes, please just use IDX.',
);
const tooMuchMemory = errorReply(
  'ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len',
);

/** Redis spends four bytes a cell, and at most its default `proto-max-bulk-len`. */
const cellsMax = (512 * 1024 * 1024) / 4;

function lcs(keyspace: Keyspace, args: readonly Buffer[]): Reply {
  const left = keyspace.readString(args[1] as Buffer);
  const right = keyspace.readString(args[2] as Buffer);
  if (left === null || right === null) return notStrings;
  const options = parseOptions(args);
  if ('kind' in options) return options;
  const a = left ?? Buffer.alloc(0);
  const b = right ?? Buffer.alloc(0);
  if ((a.length + 1) * (b.length + 1) > cellsMax) return tooMuchMemory;

  const found = longestCommonSubsequence(a, b);
  if (options.idx) {
    const matches = findMatches(found, a, b)
      .filter(({ length }) => length >= options.minMatchLength)
      .map(({ a: start, b: other, length }) => {
        const ranges = [
          [start, start + length - 1],
          [other, other + length - 1],
        ];
        return options.withMatchLength ? [...ranges, length] : ranges;
      });
    return mapReply([
      ['matches', matches],
      ['len', found.length],
    ]);
  }
  if (options.len) return found.length;
  const pieces = findMatches(found, a, b).map(({ a: start, length }) => {
    return a.subarray(start, start + length);
  });
  return Buffer.concat(pieces.reverse(), found.length);
}

interface LcsOptions {
  idx: boolean;
  len: boolean;
  withMatchLength: boolean;
  minMatchLength: number | bigint;
}

function parseOptions(args: readonly Buffer[]): LcsOptions | ErrorReply {
  const options: LcsOptions = { idx: false, len: false, withMatchLength: false, minMatchLength: 0 };
  for (let i = 3; i < args.length; i++) {
    const option = args[i] as Buffer;
    const value = args[i + 1];
    if (isWord(option, 'idx')) {
      options.idx = true;
    } else if (isWord(option, 'len')) {
      options.len = true;
    } else if (isWord(option, 'withmatchlen')) {
      options.withMatchLength = true;
    } else if (isWord(option, 'minmatchlen') && value !== undefined) {
      const length = parseInteger(value);
      if (length === undefined) return errors.notInteger;
      options.minMatchLength = length;
      i++;
    } else {
      return errors.syntax;
    }
  }
  return options.idx && options.len ? lengthAndIndexes : options;
}

export const lcsCommands = [
  {
    name: 'lcs',
    arity: -3,
    flags: ['readonly'],
    categories: ['@read', '@string', '@slow'],
    keySpecs: [{ ...firstKey('RO', 'access'), lastKey: 1 }],
    tips: [],
    group: 'string',
    since: '7.0.0',
    summary: 'Finds the longest common substring.',
    complexity: 'O(N*M) where N and M are the lengths of s1 and s2, respectively',
    run: lcs,
  },
] as const satisfies readonly DataCommand[];

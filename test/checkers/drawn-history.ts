// Histories as drawings: a row for each client, and time runs to the right.
//
//     |- SET k a = OK -|                       called at the first bar, returned at the second
//                        |- GET k = nil -|     a null; `(1)` is an integer, `[a nil]` an array
//       |- INCR c ->                           nobody ever heard
//          |- INCR c -|                        it returned, and nobody noted what
//
// More dashes make an interval longer.

import assert from 'node:assert/strict';
import type { Operation } from './operation.js';

export function drawn(...rows: readonly string[]): readonly Operation[] {
  return rows.flatMap((row, at) => {
    const operations = [...row.matchAll(/\|-+ (.+?) -+([|>])/g)].map((match) => {
      const [text, content, end] = match;
      const [command, reply] = content!.split(' = ');
      const isAnswered = end === '|';
      return {
        client: at + 1,
        invokedAt: match.index,
        returnedAt: isAnswered ? match.index + text.length - 1 : undefined,
        command: command!.split(' '),
        reply: isAnswered ? replyOf(reply) : undefined,
      };
    });
    assert(operations.length > 0, `Nothing is drawn in ${row}`);
    return operations;
  });
}

function replyOf(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  if (text === 'nil') return null;
  if (text.startsWith('(')) return Number(text.slice(1, -1));
  return text.startsWith('[') ? text.slice(1, -1).split(' ').map(replyOf) : text;
}

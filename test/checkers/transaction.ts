// MULTI … EXEC as one operation of a history.
//
// Its command has those of the transaction between bars, `MULTI | SET k a | INCR n | EXEC`, and its reply is
// that of EXEC. One that was aborted is no operation.

import assert from 'node:assert/strict';
import type { Operation } from './operation.js';

const bar = '|';

export function transactionOf(commands: readonly (readonly string[])[]): readonly string[] {
  assert(!commands.flat().includes(bar), 'A bar separates commands');
  return ['MULTI', ...commands.flatMap((command) => [bar, ...command]), bar, 'EXEC'];
}

/** Those between MULTI and EXEC, or the command itself. */
export function commandsOf(command: readonly string[]): readonly (readonly string[])[] {
  if (command[0] !== 'MULTI') return [command];
  const commands: string[][] = [];
  for (const word of command) {
    if (word === bar) commands.push([]);
    else commands.at(-1)?.push(word);
  }
  return commands.slice(0, -1);
}

/**
 * With the commands of transactions as operations of their own, for the checkers that look at one key at a
 * time: each took effect at some moment of the transaction.
 */
export function withoutTransactions(history: readonly Operation[]): readonly Operation[] {
  return history.flatMap((operation) => {
    if (operation.command[0] !== 'MULTI') return [operation];
    const replies = Array.isArray(operation.reply) ? operation.reply : [];
    return commandsOf(operation.command).map((command, at) => ({
      ...operation,
      command,
      reply: replies[at],
    }));
  });
}

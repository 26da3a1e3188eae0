// What a client did and heard: the records that a history is made of.

import { inspect } from 'node:util';

/** One command of one client. Times are of one clock that never goes back; its unit does not matter. */
export interface Operation {
  readonly client: number;
  readonly invokedAt: number;
  /** Undefined: nobody knows whether it took effect, or whether it will yet. */
  readonly returnedAt: number | undefined;
  readonly command: readonly string[];
  /**
   * Simple and bulk strings as text, errors as `-text`, integers as numbers; undefined when nobody heard
   * it. What was refused for certain (MOVED, CLUSTERDOWN) is no operation, and what was answered
   * UNCERTAIN never returned.
   */
  readonly reply: unknown;
}

const textLengthMax = 100;

/** `client 3, 17–20: GET k → 'a'` */
export function describeOperation(operation: Operation): string {
  const { client, invokedAt, returnedAt, command, reply } = operation;
  const heard =
    returnedAt === undefined
      ? 'no answer'
      : inspect(reply, { breakLength: Number.POSITIVE_INFINITY, maxStringLength: textLengthMax });
  const interval = `${invokedAt}–${returnedAt ?? '…'}`;
  return `client ${client}, ${interval}: ${command.map(abbreviated).join(' ')} → ${heard}`;
}

export function abbreviated(text: string): string {
  if (text.length <= textLengthMax) return text;
  return `${text.slice(0, 60)}…${text.slice(-20)} (${text.length} characters)`;
}

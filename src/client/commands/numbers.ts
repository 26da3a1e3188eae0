// Numbers among the arguments of server commands.

import { type ErrorReply, errorReply } from '../../../resp/index.js';

const longMax = 2n ** 63n - 1n;
const longMin = -(2n ** 63n);

/**
 * An integer as Redis reads one: 64 bits, no leading zero, plus sign or blank. Beyond 2^53 it loses
 * digits: what it is compared with is far smaller.
 */
export function parseCount(arg: Buffer): number | undefined {
  if (arg.length > 20) return undefined;
  const text = arg.toString('latin1');
  if (!/^(0|-?[1-9]\d*)$/.test(text)) return undefined;
  const value = BigInt(text);
  return value < longMin || value > longMax ? undefined : Number(value);
}

/** Milliseconds, 0 or more. */
export function parseTimeout(arg: Buffer): number | ErrorReply {
  const milliseconds = parseCount(arg);
  if (milliseconds === undefined) {
    return errorReply('ERR timeout is not an integer or out of range');
  }
  return milliseconds < 0 ? errorReply('ERR timeout is negative') : milliseconds;
}

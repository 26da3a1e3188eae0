// Redis' 64-bit integers in a language whose numbers are exact to 2^53.
//
// An integer here is a number while it is exact as one, and a bigint beyond. Every function takes
// both and returns the first form whenever it can, so that counters in everyday ranges never touch
// a bigint. Results outside 64 bits are `undefined`: the caller says what overflowed.

import { Buffer } from 'node:buffer';

export type Integer = number | bigint;

const integerMax = 2n ** 63n - 1n;
const integerMin = -(2n ** 63n);

/** Digits that cannot leave the exact range of a number. */
const exactDigits = 15;
/** `-9223372036854775808`. */
const textLengthMax = 20;

const minus = 0x2d;
const zero = 0x30;

/**
 * Reads what Redis takes for an integer: an optional minus, digits without leading zeros, nothing
 * else. No plus, no blanks, no `-0`. `undefined` for anything else or beyond 64 bits.
 */
export function parseInteger(text: Uint8Array): Integer | undefined {
  const { length } = text;
  if (length === 0 || length > textLengthMax) return undefined;
  const isNegative = text[0] === minus;
  const start = isNegative ? 1 : 0;
  if (start === length) return undefined;
  if (text[start] === zero) return length === 1 ? 0 : undefined;

  let value = 0;
  for (let i = start; i < length; i++) {
    const digit = (text[i] as number) - zero;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  if (length - start <= exactDigits) return isNegative ? -value : value;
  return narrow(BigInt(Buffer.from(text).toString('latin1')));
}

export function formatInteger(value: Integer): Buffer {
  return Buffer.from(String(value), 'latin1');
}

export function add(left: Integer, right: Integer): Integer | undefined {
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return narrow(BigInt(left) + BigInt(right));
}

export function negate(value: Integer): Integer | undefined {
  // `-0` would be a different number from 0 to Object.is and to SQLite's reals.
  if (typeof value === 'number') return value === 0 ? 0 : -value;
  return narrow(-value);
}

export function multiply(left: Integer, right: Integer): Integer | undefined {
  if (typeof left === 'number' && typeof right === 'number') {
    const product = left * right;
    if (Number.isSafeInteger(product)) return product;
  }
  return narrow(BigInt(left) * BigInt(right));
}

function narrow(value: bigint): Integer | undefined {
  if (value > integerMax || value < integerMin) return undefined;
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
}

// C's `long double` as Redis uses it on x86-64: 64 bits of mantissa, 15 of exponent.
//
// INCRBYFLOAT reads two of them, adds them and prints the sum with 17 digits behind the point. Sums
// of JavaScript's doubles would differ from Redis' in the last digits, and a client that compares
// would notice. So the three steps are done here in whole numbers, exactly, and rounded where the
// processor rounds: to nearest, ties to even.

import type { Buffer } from 'node:buffer';

/** `mantissa * 2 ** exponent`. */
export interface LongDouble {
  /** Of at most 64 bits and a sign. */
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** What `inf` reads as: it takes part in no sum. */
export const infinite: unique symbol = Symbol('infinite');

const mantissaBits = 64;
/** The last bit of the smallest numbers. */
const exponentMin = -16_445;
/** 2 to this power is out of range. */
const magnitudeMax = 16_384;

/** Redis reads into a buffer of this size, a terminating zero included. */
const textBytesMax = 5 * 1024;
/** No number of a larger power of ten is in range, and none of one smaller than minus this. */
const decimalMagnitudeMax = 5000;

const decimalPattern = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d+))?$/i;
const hexPattern = /^([+-]?)0x([\da-f]*)(?:\.([\da-f]*))?(?:p([+-]?\d+))?$/i;

/**
 * Reads what `strtold` takes to its end, hexadecimal forms and `inf` included. `undefined` for
 * anything else, for NaN and beyond the range at either end.
 */
export function parseLongDouble(text: Buffer): LongDouble | typeof infinite | undefined {
  if (text.length === 0 || text.length >= textBytesMax) return undefined;
  const source = text.toString('latin1');
  if (/^[+-]?inf(?:inity)?$/i.test(source)) return infinite;
  const decimal = decimalPattern.exec(source);
  if (decimal !== null) return parseDigits(decimal, 10);
  const hex = hexPattern.exec(source);
  return hex === null ? undefined : parseDigits(hex, 16);
}

/** `undefined` when the sum is not a number or beyond the range. */
export function addLongDoubles(
  left: LongDouble | typeof infinite,
  right: LongDouble | typeof infinite,
): LongDouble | undefined {
  if (left === infinite || right === infinite) return undefined;
  const exponent = Math.min(left.exponent, right.exponent);
  const sum =
    (left.mantissa << BigInt(left.exponent - exponent)) +
    (right.mantissa << BigInt(right.exponent - exponent));
  return round(sum, 1n, exponent);
}

/** As C's `%.17Lf`, without zeros at the end, and without a sign before zero. */
export function formatLongDouble({ mantissa, exponent }: LongDouble): string {
  const digitsAfterPoint = 17;
  const scaled = (mantissa < 0n ? -mantissa : mantissa) * 10n ** BigInt(digitsAfterPoint);
  const units =
    exponent >= 0
      ? scaled << BigInt(exponent)
      : divideRounded(scaled, 1n << BigInt(-exponent)).quotient;
  if (units === 0n) return '0';
  const digits = String(units).padStart(digitsAfterPoint + 1, '0');
  const whole = digits.slice(0, -digitsAfterPoint);
  const fraction = digits.slice(-digitsAfterPoint).replace(/0+$/, '');
  return `${mantissa < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`;
}

function parseDigits(parts: RegExpExecArray, base: 10 | 16): LongDouble | undefined {
  const [, sign, whole = '', fraction = '', exponentText = '0'] = parts;
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(`${base === 16 ? '0x' : ''}${whole}${fraction}`);
  if (digits === 0n) return { mantissa: 0n, exponent: 0 };
  const signed = sign === '-' ? -digits : digits;
  const given = Number(exponentText);
  if (base === 16) {
    if (Math.abs(given) > 2 * magnitudeMax + 4 * textBytesMax) return undefined;
    return unlessZero(round(signed, 1n, given - 4 * fraction.length));
  }
  const power = given - fraction.length;
  // Before powers of ten of any size are computed.
  const magnitude = power + String(digits).length;
  if (Math.abs(magnitude) > decimalMagnitudeMax) return undefined;
  return unlessZero(
    power >= 0
      ? round(signed * 10n ** BigInt(power), 1n, 0)
      : round(signed, 10n ** BigInt(-power), 0),
  );
}

/** Something that was not zero must not become it. */
function unlessZero(value: LongDouble | undefined): LongDouble | undefined {
  return value?.mantissa === 0n ? undefined : value;
}

/** The nearest to `numerator / denominator * 2 ** power`; `undefined` beyond the range. */
function round(numerator: bigint, denominator: bigint, power: number): LongDouble | undefined {
  if (numerator === 0n) return { mantissa: 0n, exponent: 0 };
  const isNegative = numerator < 0n;
  const absolute = isNegative ? -numerator : numerator;
  // One of the two: the quotient of numbers of m and n bits has m - n or m - n + 1.
  const guess = bitLength(absolute) - bitLength(denominator) + power - mantissaBits;
  for (let exponent = Math.max(guess, exponentMin); ; exponent++) {
    const shift = BigInt(power - exponent);
    const { quotient, floor } =
      shift >= 0n
        ? divideRounded(absolute << shift, denominator)
        : divideRounded(absolute, denominator << -shift);
    // Rounded from all its bits, not from what an earlier rounding left.
    if (bitLength(floor) > mantissaBits) continue;
    if (exponent + bitLength(quotient) > magnitudeMax) return undefined;
    return { mantissa: isNegative ? -quotient : quotient, exponent };
  }
}

/** To nearest, ties to even. */
function divideRounded(
  numerator: bigint,
  denominator: bigint,
): { readonly quotient: bigint; readonly floor: bigint } {
  const floor = numerator / denominator;
  const twice = (numerator % denominator) * 2n;
  const isUp = twice > denominator || (twice === denominator && floor % 2n === 1n);
  return { quotient: isUp ? floor + 1n : floor, floor };
}

function bitLength(value: bigint): number {
  const hex = value.toString(16);
  return value === 0n ? 0 : 4 * (hex.length - 1) + (32 - Math.clz32(Number.parseInt(hex[0]!, 16)));
}

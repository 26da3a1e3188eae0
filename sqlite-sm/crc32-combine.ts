// The CRC-32 of two pieces in a row from those of the pieces, so that they may be summed apart.
//
// A CRC is a remainder of polynomials over GF(2). To have a second piece of n bytes behind the first
// multiplies what the first stands for by x^(8n); the second is then added, which is XOR. Here bit 31 is
// the coefficient of x^0, as in the CRC itself.

const polynomial = 0xedb8_8320;
const one = 0x8000_0000;
/** x^(2^k) for k = 0 … 31; from there on they repeat. */
const squares = new Uint32Array(32);
squares[0] = one >>> 1;
for (let k = 1; k < squares.length; k++) squares[k] = product(squares[k - 1]!, squares[k - 1]!);

/** `second` is that of `secondBytes` bytes, 0 … 2^53 − 1. Unsigned, as zlib's. */
export function crc32Combine(first: number, second: number, secondBytes: number): number {
  let factor = one;
  // The number of bits is 8 times that of bytes: the lowest binary digit stands for x^(2^3).
  for (let rest = secondBytes, k = 3; rest > 0; rest = Math.floor(rest / 2), k++) {
    if (rest % 2 === 1) factor = product(squares[k % 32]!, factor);
  }
  return (product(factor, first) ^ second) >>> 0;
}

/** Modulo the polynomial. */
function product(a: number, b: number): number {
  let sum = 0;
  let shifted = b;
  for (let bit = one; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) sum ^= shifted;
    shifted = (shifted & 1) === 1 ? (shifted >>> 1) ^ polynomial : shifted >>> 1;
  }
  return sum >>> 0;
}

// Doubles as Redis 7.2 prints them.
//
// The digits are the shortest that read back as the same number; JavaScript and Redis agree on
// them. They differ in when to use an exponent: Redis prints 12345.678901234 as 1.2345678901234e+4
// and JavaScript does not. A sorted set's scores travel as such text, and clients and test suites
// compare it, so the rule of Redis counts: d2string in util.c, emit_digits in fpconv_dtoa.c.

/** Whole numbers up to this magnitude are printed in full: Redis converts them to 64-bit integers. */
const wholeMagnitudeMax = 2 ** 62;

/** `3`, `-0`, `0.1`, `1e+20`, `inf`, `-inf`, `nan`: the text of a score, for replies and for storage. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (value === Number.POSITIVE_INFINITY) return 'inf';
  if (value === Number.NEGATIVE_INFINITY) return '-inf';
  if (Object.is(value, -0)) return '-0';
  if (Number.isInteger(value) && Math.abs(value) <= wholeMagnitudeMax) {
    return Number.isSafeInteger(value) ? String(value) : String(BigInt(value));
  }
  return value < 0 ? `-${positiveText(-value)}` : positiveText(value);
}

function positiveText(value: number): string {
  // Without an argument it gives as many digits as are needed: d.ddde±x.
  const scientific = value.toExponential();
  const [mantissa, exponentText] = scientific.split('e') as [string, string];
  const digits = mantissa.replace('.', '');
  const exponent = Number(exponentText);
  // value = digits × 10 ** scale
  const scale = exponent - (digits.length - 1);

  if (scale >= 0 && Math.abs(exponent) < digits.length + 7) return digits + '0'.repeat(scale);
  if (scale < 0 && (scale > -7 || Math.abs(exponent) < 4)) {
    const wholeDigits = digits.length + scale;
    return wholeDigits <= 0
      ? `0.${'0'.repeat(-wholeDigits)}${digits}`
      : `${digits.slice(0, wholeDigits)}.${digits.slice(wholeDigits)}`;
  }
  return scientific;
}

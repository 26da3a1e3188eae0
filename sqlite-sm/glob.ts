// Redis' glob patterns over bytes: `*`, `?`, `[abc]`, `[a-z]`, `[^a]` and `\` before a literal.
//
// The obvious way, trying every rest of the string behind a star and recursing, takes exponential
// time on patterns like `a*a*a*a*b`, and the pattern comes from a client. But only the last star
// can ever be at fault: what an earlier one swallowed less, the last one could have swallowed more.
// So one place to return to is enough, and the time is at most pattern times string.
//
// Malformed patterns match as they do in Redis: a class that is not closed ends with the pattern,
// a trailing `\` stands for itself, the ends of a range may be swapped. And an empty string is matched
// by the empty pattern only, not by stars; commands treat the pattern `*` as no pattern at all.

const star = 0x2a;
const questionMark = 0x3f;
const openingBracket = 0x5b;
const closingBracket = 0x5d;
const caret = 0x5e;
const backslash = 0x5c;
const hyphen = 0x2d;

/** The pattern `*`, which stands for everything, also for the empty string. */
export function isMatchAll(pattern: Uint8Array): boolean {
  return pattern.length === 1 && pattern[0] === star;
}

/** Whether the pattern describes the whole string. Case matters. */
export function matchesGlob(pattern: Uint8Array, text: Uint8Array): boolean {
  if (text.length === 0) return pattern.length === 0;
  let p = 0;
  let t = 0;
  /** Behind the last star, and the first byte that it has not swallowed yet. */
  let retryPattern = -1;
  let retryText = 0;
  while (t < text.length) {
    if (pattern[p] === star) {
      p++;
      retryPattern = p;
      retryText = t;
      continue;
    }
    const next = p < pattern.length ? matchOne(pattern, p, text[t] as number) : -1;
    if (next >= 0) {
      p = next;
      t++;
    } else if (retryPattern >= 0) {
      retryText++;
      p = retryPattern;
      t = retryText;
    } else {
      return false;
    }
  }
  while (pattern[p] === star) p++;
  return p === pattern.length;
}

/** Matches one byte with the element at `p`; returns where the next element is, or -1. */
function matchOne(pattern: Uint8Array, p: number, byte: number): number {
  switch (pattern[p]) {
    case questionMark:
      return p + 1;
    case openingBracket:
      return matchClass(pattern, p + 1, byte);
    case backslash: {
      const literal = p + 1 < pattern.length ? p + 1 : p;
      return pattern[literal] === byte ? literal + 1 : -1;
    }
    default:
      return pattern[p] === byte ? p + 1 : -1;
  }
}

/** `p` is behind the opening bracket. */
function matchClass(pattern: Uint8Array, p: number, byte: number): number {
  const isNegated = pattern[p] === caret;
  if (isNegated) p++;
  let isMember = false;
  while (p < pattern.length && pattern[p] !== closingBracket) {
    if (pattern[p] === backslash && p + 1 < pattern.length) {
      p++;
      if (pattern[p] === byte) isMember = true;
      p++;
    } else if (pattern[p + 1] === hyphen && p + 2 < pattern.length) {
      const low = Math.min(pattern[p] as number, pattern[p + 2] as number);
      const high = Math.max(pattern[p] as number, pattern[p + 2] as number);
      if (byte >= low && byte <= high) isMember = true;
      p += 3;
    } else {
      if (pattern[p] === byte) isMember = true;
      p++;
    }
  }
  if (isMember === isNegated) return -1;
  // Behind the closing bracket, or at the end of a class that was never closed.
  return Math.min(p + 1, pattern.length);
}

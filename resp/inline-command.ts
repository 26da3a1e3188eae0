// The arguments of an inline request: what a person types into telnet.
//
// Words are separated by blanks. Quotes may begin anywhere, also inside a word, and what stands
// between them belongs to the word; a closing quote must be followed by a blank or the end.
//
//   set greeting "hello\r\n\x00"     double quotes: \n \r \t \b \a, \xHH, and \c for any other c
//   set name 'it\'s raw \n'          single quotes: \' and nothing else
//
// The rules are those of Redis' sdssplitargs, whose oddities clients may have come to rely on: a
// vertical tab or form feed counts as a blank before a word and behind a closing quote, but does
// not end a bare word. One difference: Redis reads C strings, where a NUL byte ends the line; here
// it is a byte like any other.

const space = 0x20;
const tab = 0x09;
const lineFeed = 0x0a;
const carriageReturn = 0x0d;
const doubleQuote = 0x22;
const singleQuote = 0x27;
const backslash = 0x5c;
const letterX = 0x78;

/** Escapes of one letter between double quotes. Any other letter stands for itself. */
const escapes: ReadonlyMap<number, number> = new Map([
  [0x6e, lineFeed], // \n
  [0x72, carriageReturn], // \r
  [0x74, tab], // \t
  [0x62, 0x08], // \b
  [0x61, 0x07], // \a
]);

/**
 * Splits a line into arguments. Its line end may be there: it is a blank like others, and what it
 * would stand in, an open quote, is refused anyway.
 *
 * Returns an empty array for a blank line, and undefined when a quote is not closed or its closing
 * quote is followed by something other than a blank. The arguments are copies: they share one
 * buffer of the line's length and nothing with the line.
 */
export function splitInlineCommand(line: Buffer): Buffer[] | undefined {
  // No rule makes a word longer than its source, so all of them fit behind one another.
  const unquoted = Buffer.allocUnsafe(line.length);
  const args: Buffer[] = [];
  let written = 0;
  let position = 0;

  for (;;) {
    while (position < line.length && isBlank(line[position])) position += 1;
    if (position === line.length) return args;

    const start = written;
    while (position < line.length && !endsWord(line[position])) {
      const byte = line[position]!;
      if (byte !== doubleQuote && byte !== singleQuote) {
        unquoted[written++] = byte;
        position += 1;
        continue;
      }
      position += 1;
      while (position < line.length && line[position] !== byte) {
        const escaped =
          byte === doubleQuote
            ? spelledInDoubleQuotes(line, position)
            : spelledInSingleQuotes(line, position);
        unquoted[written++] = escaped.byte;
        position += escaped.width;
      }
      if (position === line.length) return undefined;
      position += 1;
      if (position < line.length && !isBlank(line[position])) return undefined;
      // A word ends with its quotes, also before a blank that would not end a bare word.
      break;
    }
    args.push(unquoted.subarray(start, written));
  }
}

interface Unescaped {
  /** The byte meant. */
  readonly byte: number;
  /** How many bytes of the line spell it. */
  readonly width: number;
}

/** The byte that `line` spells at `position`, between double quotes. */
function spelledInDoubleQuotes(line: Buffer, position: number): Unescaped {
  const first = line[position]!;
  if (first !== backslash || position + 1 === line.length) return { byte: first, width: 1 };

  const letter = line[position + 1]!;
  if (letter === letterX) {
    const high = hexDigit(line[position + 2]);
    const low = hexDigit(line[position + 3]);
    if (high !== undefined && low !== undefined) return { byte: high * 16 + low, width: 4 };
  }
  return { byte: escapes.get(letter) ?? letter, width: 2 };
}

/** The byte that `line` spells at `position`, between single quotes. */
function spelledInSingleQuotes(line: Buffer, position: number): Unescaped {
  if (line[position] === backslash && line[position + 1] === singleQuote) {
    return { byte: singleQuote, width: 2 };
  }
  return { byte: line[position]!, width: 1 };
}

function hexDigit(byte: number | undefined): number | undefined {
  if (byte === undefined) return undefined;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  // Bit 0x20 is all that tells a lower-case letter from its capital.
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : undefined;
}

/** C's isspace: space, and tab to carriage return. */
function isBlank(byte: number | undefined): boolean {
  return byte === space || (byte !== undefined && byte >= tab && byte <= carriageReturn);
}

function endsWord(byte: number | undefined): boolean {
  return byte === space || byte === tab || byte === lineFeed || byte === carriageReturn;
}

// Finds where requests end, and refuses those that must not be parsed.
//
// A request is data from a stranger. `*1000000000` is eleven bytes that a trusting parser answers
// with an array of a billion elements. So the stream is walked here first, by a machine that keeps
// a few numbers and no bytes at all: it reads the header lines, steps over the bodies without
// looking at them, and says where each request ends. What it has passed can be given to a parser
// that trusts its input.
//
//              ┌──────────────── last argument: 'multibulk' ────────────────┐
//              ▼                                                            │
//   start ──'*'──▶ arrayLength ──▶ bulkLength ──▶ bulkBytes ──more left──▶ bulkLength
//     └──other──▶ inline ──LF──▶ start: 'inline'
//
// Every state survives the end of a chunk, so a request may come in pieces of any size, and no byte
// is looked at twice. The outcome does not depend on how the stream was cut.
//
// What it does not do: it does not check the line feed behind a length, nor the two bytes behind a
// bulk. Redis skips them unseen and so does redis-parser; what matters is that scanner and parser
// always step equally far, or one request could hide inside another.
//
// Limits and error texts follow Redis 7.2:
// https://redis.io/docs/latest/develop/reference/protocol-spec/

/** Largest sizes a request may have. All are inclusive; going beyond one is a protocol error. */
export interface RequestLimits {
  /** Arguments of one request, the command's name included. */
  readonly argumentsMax: number;
  /**
   * Bytes of one multibulk request as it travels, headers and line ends included. The bulk whose
   * header announces more is refused before a byte of it is kept.
   */
  readonly commandBytesMax: number;
  /** Bytes of an inline request, without its line feed. */
  readonly inlineBytesMax: number;
  /** Bytes of a `*n` or `$n` line, without its line end. */
  readonly headerBytesMax: number;
  /** Arguments of one request while the client has not authenticated. */
  readonly unauthenticatedArgumentsMax: number;
  /** Bytes of one argument while the client has not authenticated. */
  readonly unauthenticatedBulkBytesMax: number;
}

export const defaultRequestLimits: RequestLimits = Object.freeze({
  // Redis' own number up to 6.2; later ones take any 31-bit count.
  argumentsMax: 1024 * 1024,
  // A command must also be sent to the followers and written in one piece.
  commandBytesMax: 64 * 1024 * 1024,
  // PROTO_INLINE_MAX_SIZE of Redis, for the two kinds of lines.
  inlineBytesMax: 64 * 1024,
  headerBytesMax: 64 * 1024,
  // Enough for HELLO 3 AUTH user password SETNAME name; numbers of Redis.
  unauthenticatedArgumentsMax: 10,
  unauthenticatedBulkBytesMax: 16 * 1024,
});

/** What the scanner is in the middle of. `start` means: between two requests. */
export type ScanState = 'start' | 'inline' | 'arrayLength' | 'bulkLength' | 'bulkBytes';

/**
 * Why `scan` returned.
 *
 * - `multibulk`: a request of at least one argument ends at `position`.
 * - `inline`: a line ends at `position`, its line feed included.
 * - `ignored`: `*0` or a negative count ended at `position`: a request that asks for nothing.
 * - `needMore`: the chunk is used up.
 * - `error`: the stream is beyond repair; `error` says why.
 */
export type ScanEvent = 'multibulk' | 'inline' | 'ignored' | 'needMore' | 'error';

const asterisk = 0x2a;
const dollar = 0x24;
const minus = 0x2d;
const digitZero = 0x30;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/** The digits of a length have not begun. */
const noDigits = -1;

/**
 * Larger magnitudes are not read exactly, and refused. Redis reads 64 bits, but all that it accepts
 * and we do not are negative counts beyond this one, which it would ignore.
 */
const lengthMagnitudeMax = Number.MAX_SAFE_INTEGER;

/** Walks one connection's stream of requests. */
export class RequestScanner {
  /**
   * Whether the two limits for strangers are lifted. Read when a header line is complete, so a
   * change counts from the next header on.
   */
  authenticated = false;

  readonly #limits: RequestLimits;

  #state: ScanState = 'start';
  #position = 0;
  #error: string | undefined;

  // The current line: an inline request, or a header up to its line feed.
  /** Bytes so far, type byte included, line end excluded. */
  #lineBytes = 0;
  /** The carriage return of a header was seen; the byte after it is still to come. */
  #awaitsLineFeed = false;
  #isNegative = false;
  /** `noDigits`, the number read so far, or NaN when the line is no number. */
  #magnitude = noDigits;

  // The current multibulk request. Invariant: in bulkLength and bulkBytes, argumentsLeft > 0.
  #argumentsLeft = 0;
  /** Bytes of the current bulk to step over, its line end included. */
  #bulkBytesLeft = 0;
  /** Bytes of the request as announced so far: complete headers and the bulks they promise. */
  #commandBytes = 0;

  constructor(limits: RequestLimits = defaultRequestLimits) {
    this.#limits = limits;
  }

  get state(): ScanState {
    return this.#state;
  }

  /** Offset in the chunk of the last `scan`, behind the last byte used. */
  get position(): number {
    return this.#position;
  }

  /** Redis' words, as in `Protocol error: invalid bulk length`. Once set, it stays. */
  get error(): string | undefined {
    return this.#error;
  }

  /**
   * Goes on from offset `from` until one request ends or the chunk does.
   *
   * Call it with the same chunk and `position` after any event but `needMore` and `error`, and with
   * the next chunk and 0 after `needMore`. After `error` it returns `error` for ever.
   */
  scan(chunk: Buffer, from: number): ScanEvent {
    if (this.#error !== undefined) return 'error';
    this.#position = from;
    while (this.#position < chunk.length) {
      switch (this.#state) {
        case 'start':
          this.#commandBytes = 0;
          this.#beginLine(chunk[this.#position] === asterisk ? 'arrayLength' : 'inline');
          break;

        case 'inline':
          if (this.#passInlineLine(chunk)) return 'inline';
          break;

        case 'arrayLength':
          if (this.#passHeader(chunk) && this.#onArrayLength() === 'ignored') return 'ignored';
          break;

        case 'bulkLength':
          if (this.#lineBytes === 0 && chunk[this.#position] !== dollar) {
            this.#error = `Protocol error: expected '$', got '${describeByte(chunk[this.#position]!)}'`;
          } else if (this.#passHeader(chunk)) {
            this.#onBulkLength();
          }
          break;

        case 'bulkBytes':
          if (this.#passBulkBytes(chunk)) return 'multibulk';
          break;

        default:
          unreachable(this.#state);
      }
      if (this.#error !== undefined) return 'error';
    }
    return 'needMore';
  }

  #beginLine(state: 'inline' | 'arrayLength' | 'bulkLength'): void {
    this.#state = state;
    this.#lineBytes = 0;
    this.#awaitsLineFeed = false;
    this.#isNegative = false;
    this.#magnitude = noDigits;
  }

  /** True once the line feed has passed. */
  #passInlineLine(chunk: Buffer): boolean {
    const start = this.#position;
    const end = chunk.indexOf(lineFeed, start);
    this.#position = end === -1 ? chunk.length : end + 1;
    this.#lineBytes += (end === -1 ? chunk.length : end) - start;
    if (this.#lineBytes > this.#limits.inlineBytesMax) {
      this.#error = 'Protocol error: too big inline request';
      return false;
    }
    if (end === -1) return false;
    this.#state = 'start';
    return true;
  }

  /**
   * True once a header and its line end have passed; `#length()` is then what it says.
   *
   * This loop sees every header byte of every request, so the fields it needs live in locals.
   */
  #passHeader(chunk: Buffer): boolean {
    let position = this.#position;
    if (!this.#awaitsLineFeed) {
      const start = position;
      // The type byte opens the line and is no part of the number.
      if (this.#lineBytes === 0) position += 1;
      let magnitude = this.#magnitude;
      while (position < chunk.length) {
        const byte = chunk[position]!;
        if (byte === carriageReturn) {
          this.#awaitsLineFeed = true;
          break;
        }
        const digit = byte - digitZero;
        if (digit >= 0 && digit <= 9) {
          // A number that goes on after a leading zero is none.
          if (magnitude === noDigits) magnitude = digit;
          else magnitude = magnitude === 0 ? Number.NaN : magnitude * 10 + digit;
        } else if (byte === minus && magnitude === noDigits && !this.#isNegative) {
          this.#isNegative = true;
        } else {
          magnitude = Number.NaN;
        }
        position += 1;
      }
      this.#magnitude = magnitude;
      this.#lineBytes += position - start;
      if (this.#awaitsLineFeed) position += 1;
      this.#position = position;
      if (this.#lineBytes > this.#limits.headerBytesMax) {
        this.#error =
          this.#state === 'arrayLength'
            ? 'Protocol error: too big mbulk count string'
            : 'Protocol error: too big bulk count string';
        return false;
      }
    }
    if (!this.#awaitsLineFeed || position >= chunk.length) return false;
    this.#position = position + 1;
    this.#commandBytes += this.#lineBytes + 2;
    return true;
  }

  /** What the header says, or NaN where Redis' string2ll would refuse: `+1`, `01`, `-0`, ` 1`. */
  #length(): number {
    const magnitude = this.#magnitude;
    if (magnitude === noDigits || magnitude > lengthMagnitudeMax) return Number.NaN;
    if (!this.#isNegative) return magnitude;
    return magnitude === 0 ? Number.NaN : -magnitude;
  }

  #onArrayLength(): 'ignored' | 'goOn' {
    const length = this.#length();
    if (!(length <= this.#limits.argumentsMax)) {
      this.#error = 'Protocol error: invalid multibulk length';
    } else if (length > this.#limits.unauthenticatedArgumentsMax && !this.authenticated) {
      this.#error = 'Protocol error: unauthenticated multibulk length';
    } else if (length <= 0) {
      this.#state = 'start';
      return 'ignored';
    } else {
      this.#argumentsLeft = length;
      this.#beginLine('bulkLength');
    }
    return 'goOn';
  }

  #onBulkLength(): void {
    const length = this.#length();
    const commandBytes = this.#commandBytes + length + 2;
    if (!(length >= 0) || commandBytes > this.#limits.commandBytesMax) {
      this.#error = 'Protocol error: invalid bulk length';
    } else if (length > this.#limits.unauthenticatedBulkBytesMax && !this.authenticated) {
      this.#error = 'Protocol error: unauthenticated bulk length';
    } else {
      this.#commandBytes = commandBytes;
      this.#bulkBytesLeft = length + 2;
      this.#state = 'bulkBytes';
    }
  }

  /** True once the last bulk of the request has passed. */
  #passBulkBytes(chunk: Buffer): boolean {
    const available = chunk.length - this.#position;
    if (available < this.#bulkBytesLeft) {
      this.#bulkBytesLeft -= available;
      this.#position = chunk.length;
      return false;
    }
    this.#position += this.#bulkBytesLeft;
    this.#argumentsLeft -= 1;
    if (this.#argumentsLeft > 0) {
      this.#beginLine('bulkLength');
      return false;
    }
    this.#state = 'start';
    return true;
  }
}

/** The byte as an error line can carry it. Redis prints line ends as spaces, too. */
function describeByte(byte: number): string {
  if (byte === carriageReturn || byte === lineFeed) return ' ';
  if (byte >= 0x20 && byte < 0x7f) return String.fromCharCode(byte);
  return `\\x${byte.toString(16).padStart(2, '0')}`;
}

function unreachable(state: never): never {
  throw new Error(`Cannot scan in state "${state}"`);
}

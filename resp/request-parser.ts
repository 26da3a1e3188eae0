// From the bytes of a connection to its commands.
//
// Three parts share the work. The scanner finds where requests end and enforces every limit;
// redis-parser turns whole, approved requests into arguments; this file brings the two together,
// keeps what is unfinished, and lets the connection take commands one at a time.
//
//   feed ─▶ chunks ─▶ scanner ──whole requests──▶ redis-parser ─▶ ready ─▶ next
//                        └─────unfinished tail──▶ HeldBytes ──┘
//
// A chunk usually holds whole requests: then redis-parser gets the chunk in one call, and the
// arguments are views into it; nothing is copied. Only a request cut by a chunk's end is joined,
// once, when its last byte has come.
//
// Work is done when a command is asked for, not when bytes arrive. A connection that pauses in the
// middle of a pipeline leaves the rest where it is; and a pipelined AUTH has been executed before
// the limits for strangers are held against the command behind it.
//
// Invariants. redis-parser sees nothing but complete multibulk requests that the scanner approved,
// so it never waits for bytes, never allocates from an announced length and cannot fail. Commands
// and error come out the same however the stream was cut into chunks.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import RedisParser from 'redis-parser';
import { Fifo } from './fifo.js';
import { HeldBytes } from './held-bytes.js';
import { splitInlineCommand } from './inline-command.js';
import { defaultRequestLimits, type RequestLimits, RequestScanner } from './request-scanner.js';

/**
 * Commands parsed ahead of the one asked for. The smallest request has ten bytes and becomes an
 * array and a buffer object of some 150; without a bound a large chunk would become fifteen times
 * its size in objects before the first of them ran.
 */
const commandsAheadMax = 1024;

const noBytes = Buffer.alloc(0);

/** Parses the requests of one connection. */
export class RequestParser {
  readonly #limits: RequestLimits;
  readonly #scanner: RequestScanner;
  #error: string | undefined;

  // What has arrived, oldest first: the commands in #ready, the beginning of a request in #held
  // (scanned), #chunk from #position on and #waiting (neither looked at).
  readonly #held = new HeldBytes();
  #chunk: Buffer = noBytes;
  #position = 0;
  readonly #waiting = new Fifo<Buffer>();
  #bufferedBytes = 0;

  /** Parsed and not taken. */
  readonly #ready = new Fifo<Buffer[]>();
  /** Bytes of which the commands in #ready are views; part of #bufferedBytes. */
  #readyBytes = 0;

  /** Limits not given are those of `defaultRequestLimits`. */
  constructor(limits: Partial<RequestLimits> = {}) {
    this.#limits = { ...defaultRequestLimits, ...limits };
    this.#scanner = new RequestScanner(this.#limits);
  }

  /**
   * Whether the limits for clients that have not authenticated are lifted. False at first; set it
   * at once where no password is required. A change counts for requests not parsed yet.
   */
  get authenticated(): boolean {
    return this.#scanner.authenticated;
  }

  set authenticated(value: boolean) {
    this.#scanner.authenticated = value;
  }

  /**
   * Bytes received and not done with. Commands parsed together share the memory they arrived in, so
   * they count until all of them are taken and `next` is called once more. Zero behind an error.
   */
  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /**
   * What broke the protocol, in Redis' words (`Protocol error: invalid bulk length`), or undefined.
   *
   * Appears when `next` has given every command before it. Send it as `-ERR <error>` and close:
   * nobody knows where the next request would begin, and what is fed from now on is dropped.
   */
  get error(): string | undefined {
    return this.#ready.length > 0 ? undefined : this.#error;
  }

  /**
   * Takes bytes from the connection. The chunk is kept, not copied: nobody may write into it again.
   *
   * Nothing that a client sends makes it throw. Nor does it limit what is fed and not asked for: a
   * connection that stops calling `next` pauses its socket.
   */
  feed(chunk: Buffer): void {
    if (this.#error !== undefined) return;
    this.#bufferedBytes += chunk.length;
    this.#waiting.push(chunk);
  }

  /**
   * The next command: its name and its arguments, at least one element. Undefined when it has not
   * arrived completely, or when `error` says that nothing more will come.
   *
   * The buffers are views of what arrived. They never change, but the shortest of them may keep a
   * whole chunk in memory: copy what is to last.
   */
  next(): Buffer[] | undefined {
    if (this.#ready.length === 0) this.#parseAhead();
    return this.#ready.shift();
  }

  /** Puts at least one command into #ready, if there is one to be had. */
  #parseAhead(): void {
    this.#releaseReady();
    while (this.#ready.length === 0 && this.#error === undefined) {
      if (this.#position === this.#chunk.length && !this.#nextChunk()) break;
      this.#parseChunk();
    }
    if (this.#error !== undefined) this.#dropRest();
    // Blank lines and the like leave nothing behind that could be taken.
    if (this.#ready.length === 0) this.#releaseReady();
  }

  #releaseReady(): void {
    this.#bufferedBytes -= this.#readyBytes;
    this.#readyBytes = 0;
  }

  /** False, and an idle connection keeps no chunk, when there is none. */
  #nextChunk(): boolean {
    const chunk = this.#waiting.shift();
    this.#chunk = chunk ?? noBytes;
    this.#position = 0;
    return chunk !== undefined;
  }

  /** Parses a run of multibulk requests, or whatever stands where one could begin. */
  #parseChunk(): void {
    const scanner = this.#scanner;
    const chunk = this.#chunk;
    const start = this.#position;
    const heldBefore = this.#held.byteLength;
    // A stranger's commands come one by one: executing one may lift the limits for the next.
    const runLengthMax = scanner.authenticated ? commandsAheadMax : 1;

    let end = start;
    let runLength = 0;
    let event = scanner.scan(chunk, end);
    while (event === 'multibulk') {
      end = scanner.position;
      runLength += 1;
      // A request that began in an earlier chunk has to be joined: it is a run by itself.
      if (runLength === runLengthMax || heldBefore > 0) break;
      event = scanner.scan(chunk, end);
    }
    if (runLength > 0) parseMultibulk(this.#take(start, end), runLength, this.#ready);

    switch (event) {
      case 'multibulk':
        break;
      case 'inline':
        this.#parseInline(this.#take(end, scanner.position));
        end = scanner.position;
        break;
      case 'ignored':
        this.#held.clear();
        end = scanner.position;
        break;
      case 'needMore':
        if (end < chunk.length) this.#held.push(chunk.subarray(end));
        end = chunk.length;
        break;
      case 'error':
        this.#error = scanner.error;
        break;
      default:
        unreachable(event);
    }
    this.#position = end;
    this.#readyBytes += heldBefore + (end - start) - this.#held.byteLength;
  }

  /** The bytes of the current chunk from `start` to `end`, with what is held before them. */
  #take(start: number, end: number): Buffer {
    const bytes =
      start === 0 && end === this.#chunk.length ? this.#chunk : this.#chunk.subarray(start, end);
    return this.#held.byteLength > 0 ? this.#held.joinWith(bytes) : bytes;
  }

  #parseInline(line: Buffer): void {
    const args = splitInlineCommand(line);
    this.#error = this.#inlineError(args);
    // A blank line asks for nothing: redis-cli --pipe sends one before its last command.
    if (this.#error === undefined && args !== undefined && args.length > 0) this.#ready.push(args);
  }

  /**
   * Redis holds inline requests against none of these limits but the quotes: for a stranger, whole
   * lines of one-letter words would be the way around them.
   */
  #inlineError(args: readonly Buffer[] | undefined): string | undefined {
    const limits = this.#limits;
    if (args === undefined) return 'Protocol error: unbalanced quotes in request';
    if (args.length > limits.argumentsMax) return 'Protocol error: invalid multibulk length';
    if (this.authenticated) return undefined;
    if (args.length > limits.unauthenticatedArgumentsMax) {
      return 'Protocol error: unauthenticated multibulk length';
    }
    if (args.some((arg) => arg.length > limits.unauthenticatedBulkBytesMax)) {
      return 'Protocol error: unauthenticated bulk length';
    }
    return undefined;
  }

  /** Behind an error nothing is of use but the commands already parsed. */
  #dropRest(): void {
    this.#held.clear();
    this.#chunk = noBytes;
    this.#position = 0;
    this.#waiting.clear();
    this.#bufferedBytes = this.#readyBytes;
  }
}

/** Where redis-parser puts what it finds; set for the length of one call. */
let target = new Fifo<Buffer[]>();

/** One for all connections: it is only given whole requests and keeps nothing between two calls. */
const redisParser = new RedisParser({
  returnBuffers: true,
  returnReply: (command: Buffer[]) => {
    target.push(command);
  },
  returnError: (error) => {
    throw error;
  },
});

/** Appends to `ready` the `count` requests that `bytes` consist of. */
function parseMultibulk(bytes: Buffer, count: number, ready: Fifo<Buffer[]>): void {
  const before = ready.length;
  target = ready;
  redisParser.execute(bytes);
  assert(ready.length - before === count, 'Scanner and parser disagree on the number of requests');
}

function unreachable(event: never): never {
  throw new Error(`Cannot handle scan event "${event}"`);
}

// The commands that took longest to execute on this server, newest first. SLOWLOG reads it.

import type { Reply } from '../../resp/index.js';
import { optionRows } from '../options.js';

export interface SlowLogEntry {
  readonly id: number;
  /** Seconds since the epoch. */
  readonly at: number;
  readonly microseconds: number;
  /** Cut as Redis cuts them. */
  readonly args: readonly Reply[];
  readonly address: string;
  readonly clientName: string;
}

const argumentsMax = 32;
const argumentBytesMax = 128;

export class SlowLog {
  readonly #lengthMax: () => number;
  #entries: SlowLogEntry[] = [];
  #nextId = 0;

  /** `lengthMax` is asked at each entry: it may be changed while the server runs. */
  constructor(lengthMax: () => number) {
    this.#lengthMax = lengthMax;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** Newest first; -1 means all. */
  latest(count: number): readonly SlowLogEntry[] {
    const newestFirst = this.#entries.toReversed();
    return count < 0 ? newestFirst : newestFirst.slice(0, count);
  }

  add(entry: Omit<SlowLogEntry, 'id' | 'args'>, args: readonly Buffer[]): void {
    this.#entries.push({ ...entry, id: this.#nextId, args: cutArguments(args) });
    this.#nextId += 1;
    const excess = this.#entries.length - this.#lengthMax();
    if (excess > 0) this.#entries.splice(0, excess);
  }

  reset(): void {
    this.#entries = [];
  }
}

/** Copies: what arrived must not be kept alive by what is remembered of it. */
function cutArguments(args: readonly Buffer[]): Reply[] {
  const shown = redacted(asSent(args)).slice(0, argumentsMax).map(cutArgument);
  if (args.length > argumentsMax) {
    shown[argumentsMax - 1] = `... (${args.length - argumentsMax + 1} more arguments)`;
  }
  return shown;
}

function cutArgument(arg: Buffer): Reply {
  if (arg.length <= argumentBytesMax) return Buffer.from(arg);
  const rest = `... (${arg.length - argumentBytesMax} more bytes)`;
  return Buffer.concat([arg.subarray(0, argumentBytesMax), Buffer.from(rest)]);
}

/** The row `memory|usage` is called by that name inside; it came as two words. */
function asSent(args: readonly Buffer[]): readonly Buffer[] {
  const bar = args[0]!.indexOf('|');
  return bar < 0 ? args : [args[0]!.subarray(0, bar), ...args.slice(1)];
}

const redaction = Buffer.from('(redacted)');

/** Passwords are nobody's business. */
function redacted(args: readonly Buffer[]): readonly Buffer[] {
  const name = args[0]!.toString('latin1').toLowerCase();
  if (name === 'auth') return args.map((arg, at) => (at === 0 ? arg : redaction));
  if (name === 'hello') return args.map((arg, at) => (at < 2 ? arg : redaction));
  if (name === 'config') {
    return args.map((arg, at) => (at > 2 && isSecret(args[at - 1]!) ? redaction : arg));
  }
  return args;
}

function isSecret(option: Buffer): boolean {
  return optionRows.get(option.toString('latin1').toLowerCase())?.isSecret === true;
}

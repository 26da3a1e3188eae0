// A state machine with a stand-in for everything around it.
//
// Time is a number that a test sets; timers fire when the test says so; the files are real, in a
// directory of their own below the system's temporary one. Commands are written as strings, and
// replies come back in a form that reads well in an assertion: bulk strings as text, simple strings
// with a `+`, errors with a `-`, as on the wire.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { isErrorReply, type Reply } from '../../resp/index.js';
import {
  type CommandKind,
  commandByteLength,
  encodeCommand,
  encodeTransaction,
  type MachineClock,
  type MachineEntry,
  type MachineFiles,
  type MachineOptions,
  type MachineTimers,
  needsTick,
  readKind,
  SlicedRead,
  SqliteStateMachine,
  transactionByteLength,
  type WatchedVersion,
  writeKind,
} from '../../sqlite-sm/index.js';
import { checkMarker, writeMarker } from '../../sqlite-sm/marker.js';
import { machineFiles } from '../../src/files.js';

export type Argument = string | Buffer;
export type ShownReply = null | boolean | number | bigint | string | ShownReply[];

export const bootId = '0f1e2d3c';

/** The program's own, without waiting for the disk. */
export const realFiles: MachineFiles = {
  ...machineFiles,
  writeFileDurably: (name, bytes) => fs.writeFileSync(name, bytes),
  unlinkDurably: (name) => fs.rmSync(name, { force: true }),
};

/** One timer at a time, fired by hand. */
export class ManualTimers implements MachineTimers {
  #callback: (() => void) | undefined;
  /** How long the pending timer was asked to wait. */
  milliseconds: number | undefined;

  after(milliseconds: number, callback: () => void): () => void {
    assert(this.#callback === undefined, 'A second timer while one is pending');
    this.#callback = callback;
    this.milliseconds = milliseconds;
    return () => {
      this.#callback = undefined;
      this.milliseconds = undefined;
    };
  }

  get isPending(): boolean {
    return this.#callback !== undefined;
  }

  fire(): void {
    const callback = this.#callback;
    assert(callback !== undefined, 'No timer is pending');
    this.#callback = undefined;
    this.milliseconds = undefined;
    callback();
  }
}

const directories: string[] = [];

/** Removed by `removeDirectories`. */
export function makeDirectory(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holt-sqlite-sm-'));
  directories.push(directory);
  return directory;
}

export function removeDirectories(): void {
  for (const directory of directories.splice(0)) fs.rmSync(directory, { recursive: true });
}

/** The directory as a process would find it that starts after this one was killed right now. */
export function copyAsAfterKill(directory: string): string {
  const copy = makeDirectory();
  for (const name of fs.readdirSync(directory)) {
    fs.copyFileSync(path.join(directory, name), path.join(copy, name));
  }
  return copy;
}

/** The same, with a marker that fits the copy if there is one that fits what was copied. */
export function copyTrustedAsAfterKill(directory: string): string {
  const copy = copyAsAfterKill(directory);
  const { isTrusted } = checkMarker(realFiles, `${directory}/live.db`, bootId);
  if (isTrusted) writeMarker(realFiles, `${copy}/live.db`, bootId);
  return copy;
}

export function openMachine(
  directory: string,
  options: Partial<MachineOptions> = {},
): SqliteStateMachine {
  return SqliteStateMachine.open({
    directory,
    bootId,
    files: realFiles,
    timers: new ManualTimers(),
    clock: hastyClock(),
    random: seededFraction(1),
    // Small, so that tests meet pages that left the cache.
    cacheBytes: 256 * 1024,
    ...options,
  });
}

export interface BatchOptions {
  readonly db?: number;
  readonly kind?: CommandKind;
}

export function encodeBatch(commands: readonly Argument[][], options: BatchOptions = {}): Buffer {
  const batch = commands.map((args) => args.map(toBuffer));
  const length = batch.reduce((sum, args) => sum + commandByteLength(args), 0);
  const payload = Buffer.alloc(length);
  let offset = 0;
  for (const args of batch) {
    offset = encodeCommand(payload, offset, options.kind ?? writeKind, options.db ?? 0, args);
  }
  assert.equal(offset, length);
  return payload;
}

/** One transaction: the commands of `records`, each as `encodeBatch` gives it. */
export function encodeTransactionRecord(
  records: readonly Buffer[],
  watched: readonly WatchedVersion[] = [],
): Buffer {
  const commands = Buffer.concat(records);
  // Filled with ones: every byte of it must be written, not left as it was.
  const bytes = Buffer.alloc(transactionByteLength(watched, commands.length), 0xff);
  const end = encodeTransaction(bytes, 0, watched, records.length, commands);
  assert.equal(end, bytes.length);
  return bytes;
}

/** A machine and a clock, driven by commands. */
export class MachineHarness {
  machine: SqliteStateMachine;
  readonly directory: string;
  /** Stamp of the next entries. */
  nowMs = 1_000_000;
  #lastEntry: MachineEntry | undefined;

  constructor(options: Partial<MachineOptions> = {}) {
    this.directory = makeDirectory();
    this.machine = openMachine(this.directory, options);
  }

  /** Runs one command in an entry of its own. */
  run(...args: Argument[]): ShownReply {
    const replies = this.runBatch([args]);
    assert.equal(replies.length, 1);
    return replies[0] as ShownReply;
  }

  /** Runs commands in one entry. */
  runBatch(commands: readonly Argument[][], options: BatchOptions = {}): ShownReply[] {
    const replies: ShownReply[] = [];
    this.#lastEntry = this.entry(encodeBatch(commands, options));
    this.machine.apply(this.#lastEntry, {
      reply(position, reply) {
        assert.equal(position, replies.length);
        replies.push(show(reply));
      },
    });
    return replies;
  }

  /** One command in another database. */
  runIn(db: number, ...args: Argument[]): ShownReply {
    return this.runBatch([args], { db })[0] as ShownReply;
  }

  /** An entry without commands moves the applied stamp. */
  tick(): void {
    this.machine.apply({ ...this.entry(Buffer.alloc(0)), kind: 'noop' });
  }

  /** A read outside the log, by a reader whose clock shows `nowMs`. */
  read(...args: Argument[]): ShownReply | typeof needsTick {
    const reply = readWhole(this.machine, args.map(toBuffer), this.nowMs);
    return reply === needsTick ? needsTick : show(reply);
  }

  entry(payload: Buffer): MachineEntry {
    const index = this.machine.appliedIndex + 1;
    return { index, term: 1, stamp: this.nowMs, kind: 'command', payload };
  }

  /** What `run` and its like applied last, for another replica. */
  lastEntry(): MachineEntry {
    assert(this.#lastEntry !== undefined);
    return this.#lastEntry;
  }

  reopen(options: Partial<MachineOptions> = {}): void {
    this.machine.close();
    this.machine = openMachine(this.directory, options);
    assert.equal(this.machine.startedFrom, 'live');
  }
}

/** A harness for a `describe` block, fresh for each test and gone after it. */
export function useMachine(options: Partial<MachineOptions> = {}): () => MachineHarness {
  let harness: MachineHarness | undefined;
  beforeEach(() => {
    harness = new MachineHarness(options);
  });
  afterEach(() => {
    harness?.machine.close();
    removeDirectories();
  });
  return () => {
    assert(harness !== undefined);
    return harness;
  };
}

export function show(reply: Reply): ShownReply {
  if (reply === null || typeof reply !== 'object') return reply;
  if (reply instanceof Uint8Array) return Buffer.from(reply).toString('latin1');
  if (Array.isArray(reply)) return reply.map(show);
  if (isErrorReply(reply)) return `-${reply.text}`;
  if ('kind' in reply && reply.kind === 'nullArray') return '*-1';
  if ('kind' in reply && reply.kind === 'map') return reply.entries.flat().map(show);
  assert('kind' in reply && reply.kind === 'simple', 'A reply that no command gives yet');
  return `+${reply.text}`;
}

export function toBuffer(argument: Argument): Buffer {
  return typeof argument === 'string' ? Buffer.from(argument, 'latin1') : argument;
}

/** A read in database 0 outside the log, to its end when it comes in slices. */
export function readWhole(
  machine: SqliteStateMachine,
  args: readonly Buffer[],
  nowMs: number,
  db = 0,
): Reply | typeof needsTick {
  const first = machine.read(db, args, nowMs);
  if (!(first instanceof SlicedRead)) return first;
  for (;;) {
    const reply = machine.readSlice(db, first, nowMs);
    if (reply !== undefined) return reply;
  }
}

/** A second goes by whenever it is asked: nothing that has a pace is held up. */
function hastyClock(): MachineClock {
  let nowMs = 0;
  return {
    monotonicMs() {
      nowMs += 1000;
      return nowMs;
    },
  };
}

/** In [0, 1), the same in every run. */
function seededFraction(seed: number): () => number {
  const random = new SeededRandom(seed);
  return () => random.below(2 ** 30) / 2 ** 30;
}

/** Numbers that are the same in every run with the same seed (mulberry32). */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** 0 to `limit - 1`. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * limit);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)] as Item;
  }
}

export { readKind, writeKind };

// How long the loop is held when there are many keys: the longest single step of each operation.
//
//   node dist/bench/keyspace-stalls.bench.js [millions of keys]
//
// Fills a state machine (5 million keys by default, a fifth of them due at one moment) and does what
// could walk them all. The columns show how often a step was taken, the mean and the longest, on the
// clock and in processor time (which other programs disturb less), and the longest commit to SQLite
// between steps, which comes as often as in production: after 25 ms or 4 MiB. Expiry and reclaiming
// make the pauses that a server makes. No row takes longer than a minute. Needs about 500 MB a million
// keys in the system's directory for temporary files, and removes it in the end.

import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type { Reply } from '../resp/index.js';
import {
  commandByteLength,
  encodeCommand,
  expireDueCommand,
  type MachineTimers,
  SlicedRead,
  SqliteStateMachine,
  writeKind,
} from '../sqlite-sm/index.js';
import { benchFiles } from './machine-files.js';

const keyCount = Number(process.argv[2] ?? 5) * 1_000_000;
const commandsPerEntry = 500;
const freeBytesMin = 20 * 1024 ** 3;
const startMs = 1_000_000_000_000;
/** When a fifth of the keys are due. */
const dueMs = startMs + 1_000_000;
const value = 'a value of twenty b.';
const rowMsMax = 60_000;
/** As in src/housekeeping.ts. */
const pauseMs = 5;
const sliceMs = 3;
const sliceRows = 20;
const longValue = Buffer.alloc(64 * 1024 * 1024, 'v');

/** The machine's timer, fired between steps, as in a loop that never sleeps. */
class BenchTimer implements MachineTimers {
  longestMs = 0;
  longestCpuMs = 0;
  #callback: (() => void) | undefined;
  #dueMs = 0;

  after(milliseconds: number, callback: () => void): () => void {
    this.#callback = callback;
    this.#dueMs = performance.now() + milliseconds;
    return () => {
      this.#callback = undefined;
    };
  }

  fireIfDue(): void {
    const callback = this.#callback;
    const begin = performance.now();
    if (callback === undefined || begin < this.#dueMs) return;
    this.#callback = undefined;
    const cpuBegin = cpuMs();
    callback();
    this.longestCpuMs = Math.max(this.longestCpuMs, cpuMs() - cpuBegin);
    this.longestMs = Math.max(this.longestMs, performance.now() - begin);
  }
}

class Bench {
  readonly #directory: string;
  readonly #timer = new BenchTimer();
  #machine: SqliteStateMachine;
  #nowMs = startMs;

  constructor(directory: string) {
    this.#directory = directory;
    this.#machine = this.#open();
  }

  #open(): SqliteStateMachine {
    return SqliteStateMachine.open({
      directory: this.#directory,
      bootId: 'bench',
      files: benchFiles,
      timers: this.#timer,
      clock: { monotonicMs: () => performance.now() },
      random: Math.random,
    });
  }

  run(): void {
    const begin = performance.now();
    this.#fill(0, keyCount);
    console.log(`filled with ${keyCount} keys in ${seconds(begin)} s`);
    this.#reopen();

    console.log(`${' '.repeat(53)}longest ms     longest commit`);
    console.log(`${'operation'.padEnd(34)}   steps    mean ms   clock     CPU     clock     CPU`);
    this.#measure('DBSIZE', 1000, () => this.#read(0, 'DBSIZE'));
    this.#measure('keys of a slot, 100', 1000, (i) => this.#machine.namesInSlot(0, i, 100));
    this.#measure('RANDOMKEY', 2000, () => this.#read(0, 'RANDOMKEY'));
    this.#measureScan('SCAN', 0, 2000);
    this.#measureScan('SCAN COUNT 10000', 0, 100, 'COUNT', '10000');
    this.#measureScan('SCAN MATCH nothing', 0, 2000, 'MATCH', 'none*');
    this.#measureScan('SCAN TYPE list COUNT 1000', 0, 500, 'TYPE', 'list', 'COUNT', '1000');
    for (let i = 0; i < 3; i++) this.#apply(1, ['SET', `few:${i}`, value]);
    this.#measureScan('SCAN of 3 keys in db 1', 1, 100);
    this.#measure('RANDOMKEY of 3 keys in db 1', 1000, () => this.#read(1, 'RANDOMKEY'));
    this.#measure('DEL', 2000, (i) => this.#apply(0, ['DEL', `key:${5 * i + 1}`]));
    this.#measure('SET of 64 MiB', 3, () => this.#apply(0, ['SET', 'long', longValue]));
    this.#measure('DEL of 64 MiB', 1, () => this.#apply(0, ['DEL', 'long']));

    this.#nowMs = dueMs;
    const expires = this.#machine.expiresCount(0);
    const expireDue = () => this.#apply(0, [expireDueCommand.name]);
    this.#measureWhile(`expiry of ${expires} keys at once`, () => expireDue() !== 0, pauseMs);
    const keys = this.#machine.read(0, [Buffer.from('KEYS'), Buffer.from('none*')], this.#nowMs);
    if (!(keys instanceof SlicedRead)) throw new Error('KEYS comes in slices');
    this.#measureWhile('KEYS, a slice', () => {
      return this.#machine.readSlice(0, keys, this.#nowMs) === undefined;
    });

    this.#measure('FLUSHDB', 1, () => this.#apply(0, ['FLUSHDB']));
    const reclaim = (): boolean => {
      const end = performance.now() + sliceMs;
      do this.#machine.reclaim(sliceRows);
      while (this.#machine.hasGarbage && performance.now() < end);
      return this.#machine.hasGarbage;
    };
    this.#fill(0, keyCount / 10);
    this.#measureScan('SCAN among flushed keys', 0, 1000);
    this.#measureWhile('reclaim after FLUSHDB, a slice', reclaim, pauseMs);
    this.#fill(0, keyCount / 10);
    this.#measure('FLUSHALL', 1, () => this.#apply(0, ['FLUSHALL']));
    this.#measureWhile('reclaim after FLUSHALL, a slice', reclaim, pauseMs);
    this.#machine.close();
  }

  /** Counters are rebuilt from the indexes: the one walk over all keys. */
  #reopen(): void {
    this.#machine.close();
    const begin = performance.now();
    this.#machine = this.#open();
    console.log(`opened in ${seconds(begin)} s`);
  }

  #fill(db: number, count: number): void {
    for (let first = 0; first < count; first += commandsPerEntry) {
      const commands = Array.from({ length: commandsPerEntry }, (_, i) => {
        const n = first + i;
        const isDue = n % 5 === 0;
        return ['SET', `key:${n}`, value, ...(isDue ? ['PXAT', String(dueMs)] : [])];
      });
      this.#apply(db, ...commands);
      this.#timer.fireIfDue();
      if (first % 1_000_000 === 0 && first > 0) console.log(`  ${first} keys`);
    }
  }

  #measure(title: string, count: number, step: (i: number) => unknown): void {
    let i = 0;
    this.#measureWhile(title, () => {
      step(i);
      i++;
      return i < count;
    });
  }

  #measureScan(title: string, db: number, count: number, ...options: string[]): void {
    let cursor = '0';
    this.#measure(title, count, () => {
      [cursor] = this.#read(db, 'SCAN', cursor, ...options) as [string];
    });
  }

  /** Takes steps until one returns false. */
  #measureWhile(title: string, step: () => boolean, pauseMs = 0): void {
    const timer = this.#timer;
    timer.longestMs = 0;
    timer.longestCpuMs = 0;
    let longestMs = 0;
    let longestCpuMs = 0;
    let totalMs = 0;
    let steps = 0;
    const end = performance.now() + rowMsMax;
    for (let goesOn = true; goesOn && performance.now() < end; steps++) {
      const begin = performance.now();
      const cpuBegin = cpuMs();
      goesOn = step();
      longestCpuMs = Math.max(longestCpuMs, cpuMs() - cpuBegin);
      const took = performance.now() - begin;
      longestMs = Math.max(longestMs, took);
      totalMs += took;
      if (pauseMs > 0) Atomics.wait(sleeper, 0, 0, pauseMs);
      timer.fireIfDue();
    }
    const columns = [
      title.padEnd(34),
      String(steps).padStart(8),
      (totalMs / steps).toFixed(3).padStart(11),
      longestMs.toFixed(1).padStart(8),
      longestCpuMs.toFixed(1).padStart(8),
      timer.longestMs.toFixed(1).padStart(10),
      timer.longestCpuMs.toFixed(1).padStart(8),
    ];
    console.log(columns.join(''));
  }

  #read(db: number, ...args: string[]): Reply {
    const reply = this.#machine.read(
      db,
      args.map((arg) => Buffer.from(arg)),
      this.#nowMs,
    );
    if (typeof reply === 'symbol' || reply instanceof SlicedRead) {
      throw new Error('Nothing here needs a tick or slices');
    }
    return reply;
  }

  /** One entry; returns the last reply. */
  #apply(db: number, ...commands: (string | Buffer)[][]): Reply {
    const batch = commands.map((args) => args.map((arg) => Buffer.from(arg)));
    const payload = Buffer.alloc(batch.reduce((sum, args) => sum + commandByteLength(args), 0));
    let offset = 0;
    for (const args of batch) offset = encodeCommand(payload, offset, writeKind, db, args);
    const index = this.#machine.appliedIndex + 1;
    let last: Reply = null;
    this.#machine.apply(
      { index, term: 1, stamp: this.#nowMs, kind: 'command', payload },
      {
        reply: (_position, reply) => {
          last = reply;
        },
      },
    );
    return last;
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function seconds(begin: number): string {
  return ((performance.now() - begin) / 1000).toFixed(1);
}

const { bavail, bsize } = fs.statfsSync(os.tmpdir());
if (bavail * bsize < freeBytesMin) {
  console.error(`Less than 20 GiB are free in ${os.tmpdir()}: not filling it`);
  process.exit(1);
}
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holt-bench-'));
try {
  new Bench(directory).run();
} finally {
  fs.rmSync(directory, { recursive: true });
}

// What writing a snapshot costs the state machine that goes on applying.
//
//   node dist/bench/snapshot-copy.bench.js [GiB of data] [SETs a second, at most]
//
// Fills a machine with values of 4 KiB, 2 GiB of them by default, and then applies SETs of random keys,
// in entries of 50, with a turn of the loop after each: for some seconds as they are, then while a
// snapshot is written, then again as they are. The columns show the SETs a second, how long the turns of
// the loop took, entry, commit and checkpoint included, how long the WAL became, and how fast the copy was.
// The data, twice as much as asked for, goes to the system's directory for temporary files, and is
// removed in the end.

import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {
  commandByteLength,
  encodeCommand,
  type MachineTimers,
  SqliteStateMachine,
  writeKind,
} from '../sqlite-sm/index.js';
import { benchFiles } from './machine-files.js';

const dataBytes = Number(process.argv[2] ?? 2) * 1024 ** 3;
const setsPerSecondMax = Number(process.argv[3] ?? Number.POSITIVE_INFINITY);
const valueBytes = 4096;
const setsPerEntry = 50;
const idleSeconds = 5;
/** With its share of a leaf and of an index. */
const keyBytes = valueBytes + 450;
const keyCount = Math.floor(dataBytes / keyBytes);

/** The machine's timers, fired between entries. */
class BenchTimer implements MachineTimers {
  readonly #dueMs = new Map<() => void, number>();

  after(milliseconds: number, callback: () => void): () => void {
    const fire = (): void => callback();
    this.#dueMs.set(fire, performance.now() + milliseconds);
    return () => this.#dueMs.delete(fire);
  }

  fireIfDue(): void {
    const nowMs = performance.now();
    for (const [fire, dueMs] of this.#dueMs) {
      if (nowMs >= dueMs && this.#dueMs.delete(fire)) fire();
    }
  }
}

class Bench {
  readonly #directory: string;
  readonly #timer = new BenchTimer();
  readonly #machine: SqliteStateMachine;
  readonly #value = Buffer.alloc(valueBytes, 'v');

  constructor(directory: string) {
    this.#directory = directory;
    this.#machine = SqliteStateMachine.open({
      directory,
      bootId: 'bench',
      files: benchFiles,
      timers: this.#timer,
      clock: { monotonicMs: () => performance.now() },
      random: Math.random,
    });
  }

  async run(): Promise<void> {
    for (let key = 0; key < keyCount; key += setsPerEntry) this.#apply((i) => key + i);
    this.#machine.flush();
    const MiB = fs.statSync(`${this.#directory}/live.db`).size / 1024 ** 2;
    console.log(`${MiB.toFixed(0)} MiB in live.db, ${keyCount} keys`);
    console.log('                    SETs/s   p50 ms   p99 ms   longest ms   WAL MiB   copied');
    const idle = (): Promise<void> =>
      new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000));
    await this.#measure('as it is', idle);
    await this.#measure('with a snapshot', () => this.#snapshot(), MiB);
    await this.#measure('as it is', idle);
    this.#machine.close();
  }

  #snapshot(): Promise<void> {
    const target = `${this.#directory}/snapshot`;
    fs.mkdirSync(target);
    return new Promise((resolve, reject) => {
      this.#machine.writeSnapshot(target, (error) => {
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  }

  /** Applies, a turn after the other, until `work` is done. */
  async #measure(title: string, work: () => Promise<void>, copiedMiB = 0): Promise<void> {
    const turns: number[] = [];
    let walBytes = 0;
    let isDone = false;
    const begin = performance.now();
    const ended = work().finally(() => {
      isDone = true;
    });
    for (let turnBegin = begin; !isDone; ) {
      const isAhead = (turns.length * setsPerEntry * 1000) / setsPerSecondMax > turnBegin - begin;
      if (!isAhead) this.#apply(() => Math.floor(Math.random() * keyCount));
      this.#timer.fireIfDue();
      await new Promise((resolve) => setImmediate(resolve));
      const now = performance.now();
      if (!isAhead) turns.push(now - turnBegin);
      turnBegin = now;
      if (turns.length % 20 === 0) walBytes = Math.max(walBytes, this.#walBytes());
    }
    await ended;
    const seconds = (performance.now() - begin) / 1000;
    turns.sort((a, b) => a - b);
    const at = (share: number): string =>
      (turns[Math.floor((turns.length - 1) * share)] ?? 0).toFixed(1);
    const columns = [
      title.padEnd(16),
      Math.round((turns.length * setsPerEntry) / seconds)
        .toString()
        .padStart(10),
      at(0.5).padStart(9),
      at(0.99).padStart(9),
      at(1).padStart(13),
      (walBytes / 1024 ** 2).toFixed(1).padStart(10),
      copiedMiB > 0 ? `   ${(copiedMiB / seconds).toFixed(0)} MiB/s` : '',
    ];
    console.log(columns.join(''));
  }

  #walBytes(): number {
    return fs.statSync(`${this.#directory}/live.db-wal`).size;
  }

  #apply(keyAt: (i: number) => number): void {
    const set = Buffer.from('SET');
    const batch = Array.from({ length: setsPerEntry }, (_, i) => {
      return [set, Buffer.from(`key:${keyAt(i)}`), this.#value];
    });
    const payload = Buffer.alloc(batch.reduce((sum, args) => sum + commandByteLength(args), 0));
    let offset = 0;
    for (const args of batch) offset = encodeCommand(payload, offset, writeKind, 0, args);
    const index = this.#machine.appliedIndex + 1;
    this.#machine.apply({ index, term: 1, stamp: 1e12, kind: 'command', payload });
  }
}

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holt-bench-'));
try {
  await new Bench(directory).run();
} finally {
  fs.rmSync(directory, { recursive: true });
}

// What one command costs in the state machine: decode, run, SQLite, commit as in production.
//
//   node dist/bench/sqlite-apply.bench.js [seconds per row]
//
// 100,000 random keys; entries of 200 commands; the transaction is committed after 4 MiB or 25 ms,
// whichever comes first. A row shows the mean over everything, commits and checkpoints included, on
// the clock and in processor time (which other programs disturb less), and the longest single entry. The data goes to the system's directory for temporary files, and
// is removed in the end.

import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {
  commandByteLength,
  encodeCommand,
  type MachineTimers,
  readKind,
  SqliteStateMachine,
  writeKind,
} from '../sqlite-sm/index.js';
import { benchFiles } from './machine-files.js';

const keyCount = 100_000;
const commandsPerEntry = 200;
/** Enough that most keys of a run are different ones. */
const distinctEntries = 250;
const secondsPerRow = Number(process.argv[2] ?? 3);

interface Row {
  readonly title: string;
  readonly command: (key: Buffer, value: Buffer, n: number) => Buffer[];
  /** Keys that the commands spread over; the default is all. */
  readonly keys?: number;
  readonly isRead?: boolean;
  /** Once over all keys in their order, instead of at random for some seconds. */
  readonly isFill?: boolean;
}

const rows: readonly Row[] = [
  { title: 'SET, new key', command: (key, value) => [set, key, value], isFill: true },
  { title: 'SET', command: (key, value) => [set, key, value] },
  { title: 'SET, 1,000 keys', command: (key, value) => [set, key, value], keys: 1000 },
  { title: 'GET', command: (key) => [get, key], isRead: true },
  { title: 'GET, 1,000 keys', command: (key) => [get, key], isRead: true, keys: 1000 },
  { title: 'INCR', command: (_key, _value, n) => [incr, counterKeys[mix(n) % 1000] as Buffer] },
  { title: 'SET EX', command: (key, value) => [set, key, value, ex, hour] },
  { title: 'DEL', command: (key) => [del, key] },
];

const set = Buffer.from('SET');
const get = Buffer.from('GET');
const del = Buffer.from('DEL');
const ex = Buffer.from('EX');
const hour = Buffer.from('3600');
const incr = Buffer.from('INCR');

const keys = Array.from({ length: keyCount }, (_, i) => Buffer.from(`key:${mix(i)}`));
const counterKeys = Array.from({ length: 1000 }, (_, i) => Buffer.from(`counter:${i}`));

/** The machine's timer, fired between entries, as in a loop that never sleeps. */
class BenchTimer implements MachineTimers {
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
    if (this.#callback !== undefined && performance.now() >= this.#dueMs) this.#callback();
  }
}

function main(directory: string): void {
  console.log('values    command            µs/command    of CPU    commands/s   longest entry ms');
  for (const valueBytes of [64, 4096]) {
    fs.mkdirSync(`${directory}/${valueBytes}`);
    const timer = new BenchTimer();
    const machine = SqliteStateMachine.open({
      directory: `${directory}/${valueBytes}`,
      bootId: 'bench',
      files: benchFiles,
      timers: timer,
      clock: { monotonicMs: () => performance.now() },
      random: Math.random,
    });
    for (const row of rows) measure(machine, timer, row, valueBytes);
    machine.close();
  }
}

function measure(
  machine: SqliteStateMachine,
  timer: BenchTimer,
  row: Row,
  valueBytes: number,
): void {
  const entryCount = row.isFill ? keyCount / commandsPerEntry : distinctEntries;
  const payloads = Array.from({ length: entryCount }, (_, i) => makePayload(row, i, valueBytes));
  const sink = { reply: () => {} };
  const cpuBegin = process.cpuUsage();
  const begin = performance.now();
  const end = begin + secondsPerRow * 1000;
  let longestMs = 0;
  let entries = 0;
  while (row.isFill ? entries < entryCount : performance.now() < end) {
    const payload = payloads[entries % entryCount] as Buffer;
    const start = performance.now();
    const index = machine.appliedIndex + 1;
    machine.apply({ index, term: 1, stamp: 1e12, kind: 'command', payload }, sink);
    timer.fireIfDue();
    longestMs = Math.max(longestMs, performance.now() - start);
    entries++;
  }
  const seconds = (performance.now() - begin) / 1000;
  const cpu = process.cpuUsage(cpuBegin);
  const commands = entries * commandsPerEntry;
  const columns = [
    `${valueBytes} B`.padEnd(10) + row.title.padEnd(20),
    ((seconds * 1e6) / commands).toFixed(2).padStart(9),
    ((cpu.user + cpu.system) / commands).toFixed(2).padStart(10),
    String(Math.round(commands / seconds)).padStart(14),
    longestMs.toFixed(1).padStart(19),
  ];
  console.log(columns.join(''));
}

function makePayload(row: Row, entry: number, valueBytes: number): Buffer {
  const value = Buffer.alloc(valueBytes, 'v');
  const commands = Array.from({ length: commandsPerEntry }, (_, i) => {
    const n = entry * commandsPerEntry + i;
    const key = keys[row.isFill ? n : mix(n) % (row.keys ?? keyCount)] as Buffer;
    return row.command(key, value, n);
  });
  const payload = Buffer.alloc(commands.reduce((sum, args) => sum + commandByteLength(args), 0));
  let offset = 0;
  for (const args of commands) {
    offset = encodeCommand(payload, offset, row.isRead ? readKind : writeKind, 0, args);
  }
  return payload;
}

/** Spreads consecutive numbers, the same in every run. */
function mix(n: number): number {
  let x = Math.imul(n + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca77);
  return (x ^ (x >>> 13)) >>> 0;
}

const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'holt-bench-'));
try {
  main(directory);
} finally {
  fs.rmSync(directory, { recursive: true });
}

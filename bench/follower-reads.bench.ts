// What a read costs at a follower, and whether reads scale with replicas.
//
//   node dist/bench/follower-reads.bench.js [seconds a row] [base port]
//
// Three Holt servers, 100,000 keys of 64 bytes, and GETs of random keys by clients that each wait for
// their answer, in this process: at the leader alone, at one follower alone (after READONLY), at both
// followers, at all three. A column for each server has its processor time per read of the row, so the
// leader's share in reads that followers answer shows. Servers and load share the machine: reads/s grow
// with replicas only as far as there are processors for them.

import net from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds } from './cpu-time.js';
import { makeDirectory } from './directory.js';
import { keyName, loadKeys } from './load-keys.js';
import { holt } from './peers/holt.js';
import { keyCount } from './rows.js';

const seconds = Number(process.argv[2] ?? 10);
const basePort = Number(process.argv[3] ?? 21_000);
const valueBytes = 64;
const clientCount = 96;
const warmUpMs = 2_000;
/** `$64`, the value, and their line ends. */
const replyBytes = 5 + valueBytes + 2;
const okBytes = Buffer.byteLength('+OK\r\n');

/** One GET after the other, until it is closed. */
class Reader {
  reads = 0;
  readonly #socket: net.Socket;
  #expected = 0;
  #received = 0;

  constructor(port: number, isFollower: boolean) {
    this.#socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('error', (error) => fail(`a client of port ${port}: ${error.message}`));
    this.#socket.on('data', (chunk) => this.#onData(chunk));
    if (isFollower) {
      this.#expected = okBytes;
      this.#socket.write('READONLY\r\n');
    } else this.#ask();
  }

  close(): void {
    this.#socket.destroy();
  }

  #ask(): void {
    const name = keyName(Math.floor(Math.random() * keyCount));
    this.#expected = replyBytes;
    this.#received = 0;
    this.#socket.write(`GET ${name}\r\n`);
  }

  #onData(chunk: Buffer): void {
    // Redirections and errors begin otherwise, and count as nothing here.
    if (chunk[0] === 0x2d) fail(`it answered ${chunk.toString()}`);
    this.#received += chunk.length;
    if (this.#received < this.#expected) return;
    if (this.#expected === replyBytes) this.reads += 1;
    this.#ask();
  }
}

function fail(text: string): never {
  process.stderr.write(`bench: ${text}\n`);
  process.exit(1);
}

interface Target {
  readonly port: number;
  readonly pid: number;
  readonly isFollower: boolean;
}

async function measure(title: string, targets: readonly Target[], all: readonly Target[]) {
  const readers = targets.flatMap(({ port, isFollower }) =>
    Array.from({ length: clientCount / targets.length }, () => new Reader(port, isFollower)),
  );
  const count = (): number => readers.reduce((sum, { reads }) => sum + reads, 0);
  await sleep(warmUpMs);
  const before = all.map(({ pid }) => cpuSeconds([pid]));
  const readsBefore = count();
  const begunMs = performance.now();
  await sleep(seconds * 1000);
  const reads = count() - readsBefore;
  const elapsed = (performance.now() - begunMs) / 1000;
  const used = all.map(({ pid }, at) => cpuSeconds([pid]) - before[at]!);
  for (const reader of readers) reader.close();
  const micros = used.map((each) => ((each / reads) * 1e6).toFixed(1));
  const total = used.reduce((sum, each) => sum + each, 0);
  console.log(
    `| ${title} | ${Math.round(reads / elapsed)} | ${micros.join(' | ')} | ${((total / reads) * 1e6).toFixed(1)} |`,
  );
}

const directory = makeDirectory(resolve(import.meta.dirname, '../..'));
const running = await holt.start(directory, basePort);
try {
  await loadKeys(running.port, valueBytes);
  const ports = [1, 101, 201].map((offset) => basePort + offset);
  const followers = ports.filter((port) => port !== running.port);
  const all = [running.port, ...followers].map((port, at) => ({
    port,
    pid: running.pids[at]!,
    isFollower: at > 0,
  }));
  const [leader, one, other] = all as [Target, Target, Target];
  console.log('| GETs at | reads/s | leader, µs CPU a read | follower | follower | all three |');
  console.log('|---|---|---|---|---|---|');
  await measure('the leader', [leader], all);
  await measure('a follower', [one], all);
  await measure('both followers', [one, other], all);
  await measure('all three', all, all);
} finally {
  await running.dispose();
}

// One measurement: redis-benchmark against one server, for about as long as was asked for.
//
// redis-benchmark takes a number of requests and no duration. So it is run with few of them first,
// then more, until a run has taken long enough to tell the pace; that is the warm-up, too. The run
// after it is the one that counts, however long it took: to repeat those that came out short would
// be to drop the fast ones.
//
// redis-benchmark ends with an error at the first error reply, and so does the measurement.

import { spawn } from 'node:child_process';
import { Trouble } from '../cluster-scripts/trouble.js';
import { atEnd } from './cleanup.js';
import { keyCount, type ThroughputRow } from './rows.js';

export interface Settings {
  readonly rounds: number;
  /** Of one measurement. */
  readonly seconds: number;
  readonly memoryRequests: number;
}

export interface Figures {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Driven extends Figures {
  readonly seconds: number;
  /** Of all processes of the peer together. */
  readonly cpuSecondsPer100k: number;
}

/** Few enough for a slow disk, where one client waits for each: seconds, not minutes. */
const requestsAtFirst = 100;
/**
 * The last warm-up run, as a share of the one that counts: 3 of 10 seconds. Holt is compiled by V8 while
 * it runs, and is at half of its pace for the first second or two.
 */
const warmUpShare = 0.3;
/** Some faster than the warm-up is still long enough. */
const margin = 1.2;
/** What a run may take beyond a minute, as a multiple of what was expected. */
const patience = 20;

/** `cpuSecondsNow` is called right before and right after the run that counts. */
export async function drive(
  port: number,
  row: ThroughputRow,
  seconds: number,
  cpuSecondsNow: () => number,
): Promise<Driven> {
  let requests = Math.max(requestsAtFirst, row.clients * row.pipeline);
  let warmUp = await run(port, row, requests, seconds);
  while (requests / warmUp.requestsPerSecond < seconds * warmUpShare) {
    requests = nextRequests(requests, warmUp.requestsPerSecond, seconds * warmUpShare);
    warmUp = await run(port, row, requests, seconds);
  }
  requests = Math.ceil(warmUp.requestsPerSecond * seconds * margin);
  const cpuBefore = cpuSecondsNow();
  const figures = await run(port, row, requests, seconds);
  const cpuAfter = cpuSecondsNow();
  return {
    ...figures,
    seconds: requests / figures.requestsPerSecond,
    cpuSecondsPer100k: ((cpuAfter - cpuBefore) / requests) * 100_000,
  };
}

/** More, as many as should last `seconds`, yet not many more: the first pace is no good guess. */
export function nextRequests(requests: number, perSecond: number, seconds: number): number {
  return Math.ceil(Math.max(requests * 1.5, Math.min(requests * 20, perSecond * seconds * margin)));
}

async function run(
  port: number,
  { command, valueBytes, clients, pipeline }: ThroughputRow,
  requests: number,
  seconds: number,
): Promise<Figures> {
  const output = await redisBenchmark(
    [
      ...['-h', '127.0.0.1', '-p', String(port), '--csv', '-t', command.toLowerCase()],
      ...['-n', String(requests), '-r', String(keyCount), '-d', String(valueBytes)],
      ...['-c', String(clients), '-P', String(pipeline)],
    ],
    60 + patience * seconds,
  );
  return parseFigures(output, command);
}

/** Resolves with its output. Rejects, with what it said, when it fails or takes too long. */
export function redisBenchmark(args: readonly string[], deadlineSeconds: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('redis-benchmark', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const release = atEnd(() => child.kill('SIGKILL'));
    let stdout = '';
    let stderr = '';
    let isLate = false;
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk;
    });
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, deadlineSeconds * 1000);
    child.once('error', (error) => {
      clearTimeout(timer);
      release();
      reject(new Trouble('cannot run redis-benchmark (Debian: redis-tools)', { cause: error }));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      release();
      if (code === 0) return resolve(stdout);
      const how = isLate
        ? `was not done after ${deadlineSeconds} s`
        : `ended with ${signal ?? `exit code ${code}`}`;
      reject(new Trouble(`redis-benchmark ${args.join(' ')} ${how}:\n${stdout}${stderr}`));
    });
  });
}

/** The line of `test` in what `redis-benchmark --csv` prints. Throws when it is not what 7.0 prints. */
export function parseFigures(csv: string, test: string): Figures {
  const [header = [], ...lines] = csv.trim().split('\n').map(fieldsOf);
  const line = lines.find(([name]) => name === test);
  if (line === undefined) throw new Error(`redis-benchmark printed no figures of ${test}:\n${csv}`);
  const figure = (column: string): number => {
    const value = Number(line[header.indexOf(column)] || Number.NaN);
    if (!Number.isFinite(value)) throw new Error(`redis-benchmark printed no ${column}:\n${csv}`);
    return value;
  };
  const requestsPerSecond = figure('rps');
  if (requestsPerSecond === 0) throw new Error(`redis-benchmark made no requests:\n${csv}`);
  return {
    requestsPerSecond,
    p50Ms: figure('p50_latency_ms'),
    p99Ms: figure('p99_latency_ms'),
    maxMs: figure('max_latency_ms'),
  };
}

/** `"SET","1.5"`: no field of redis-benchmark has a quote inside. */
function fieldsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"/g)].map(([, field]) => field!);
}

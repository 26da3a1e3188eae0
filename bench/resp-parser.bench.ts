// What do the limits cost?
//
// RequestParser walks every request before redis-parser may have it. This measures the price: both
// are fed the same chunks of SET commands and give out the same arguments. Every figure is the
// median of several rounds, and the two take turns, so that a busy machine disturbs both alike.
//
//   npm run build && node dist/bench/resp-parser.bench.js

import { Buffer } from 'node:buffer';
import RedisParser from 'redis-parser';
import { RequestParser } from '../resp/index.js';

const rounds = 15;
const roundMilliseconds = 60;

interface Workload {
  readonly valueBytes: number;
  /** Commands in one chunk. */
  readonly pipeline: number;
}

const workloads: readonly Workload[] = [
  { valueBytes: 64, pipeline: 1 },
  { valueBytes: 64, pipeline: 16 },
  { valueBytes: 4096, pipeline: 1 },
  { valueBytes: 4096, pipeline: 16 },
];

/** Feeds one chunk and takes all its commands; returns how many arguments they had. */
type Feed = (chunk: Buffer) => number;

function requestParser(): Feed {
  const parser = new RequestParser();
  parser.authenticated = true;
  return (chunk) => {
    let args = 0;
    parser.feed(chunk);
    for (let command = parser.next(); command !== undefined; command = parser.next()) {
      args += command.length;
    }
    return args;
  };
}

function bareRedisParser(): Feed {
  let args = 0;
  const parser = new RedisParser({
    returnBuffers: true,
    returnReply: (command: Buffer[]) => {
      args += command.length;
    },
    returnError: (error) => {
      throw error;
    },
  });
  return (chunk) => {
    args = 0;
    parser.execute(chunk);
    return args;
  };
}

function chunkOf({ valueBytes, pipeline }: Workload): Buffer {
  const value = 'v'.repeat(valueBytes);
  const commands = Array.from({ length: pipeline }, (_, index) => {
    const key = `key:${String(index).padStart(12, '0')}`;
    return `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${valueBytes}\r\n${value}\r\n`;
  });
  return Buffer.from(commands.join(''));
}

/** Nanoseconds per command over one round. */
function measure(feed: Feed, chunk: Buffer, pipeline: number): number {
  const start = process.hrtime.bigint();
  const end = start + BigInt(roundMilliseconds) * 1_000_000n;
  let commands = 0;
  let args = 0;
  let now = start;
  while (now < end) {
    for (let i = 0; i < 256; i += 1) args += feed(chunk);
    commands += 256 * pipeline;
    now = process.hrtime.bigint();
  }
  if (args !== commands * 3) throw new Error(`Parsed ${args} arguments, expected ${commands * 3}`);
  return Number(now - start) / commands;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!;
}

console.log('value    in a chunk   redis-parser   RequestParser   ratio   (ns per SET)');
for (const workload of workloads) {
  const chunk = chunkOf(workload);
  const contestants = [bareRedisParser(), requestParser()] as const;
  const figures: [number[], number[]] = [[], []];
  for (const feed of contestants) measure(feed, chunk, workload.pipeline); // warm up
  for (let round = 0; round < rounds; round += 1) {
    figures[0].push(measure(contestants[0], chunk, workload.pipeline));
    figures[1].push(measure(contestants[1], chunk, workload.pipeline));
  }
  const [bare, ours] = figures.map(median) as [number, number];
  console.log(
    `${String(workload.valueBytes).padStart(4)} B${String(workload.pipeline).padStart(13)}` +
      `${bare.toFixed(0).padStart(15)}${ours.toFixed(0).padStart(16)}` +
      `${(ours / bare).toFixed(2).padStart(8)}`,
  );
}

// The load beside which a group does its other work: SETs of 4 KiB by 200 clients, at the leader.

import { RespClient } from '../../cluster-scripts/resp-client.js';
import { type Figures, parseFigures, redisBenchmark } from '../drive.js';
import { keyName } from '../load-keys.js';
import type { RunningGroup } from './running-group.js';

export const valueBytes = 4096;
const clients = 200;
const keysPerBatch = 1000;
const answerTimeoutMs = 120_000;
const paceRequests = 20_000;

/** How many keys of 4 KiB make a database of so many bytes. */
export function keysOf(bytes: number): number {
  return Math.ceil(bytes / valueBytes);
}

/** Writes each key once, under the names that redis-benchmark uses. */
export async function fill(group: RunningGroup, keys: number): Promise<void> {
  const { host, clientPort: port } = await group.leader();
  const client = new RespClient({ host, port }, answerTimeoutMs);
  try {
    const value = 'x'.repeat(valueBytes);
    for (let first = 0; first < keys; first += keysPerBatch) {
      const count = Math.min(keysPerBatch, keys - first);
      await Promise.all(
        Array.from({ length: count }, (_, at) => client.command('SET', keyName(first + at), value)),
      );
    }
  } finally {
    client.close();
  }
}

/** Random keys out of `keys`, for about `seconds`. */
export async function loadFor(
  group: RunningGroup,
  keys: number,
  seconds: number,
): Promise<Figures> {
  const pace = await load(group, keys, paceRequests);
  return load(group, keys, Math.ceil(pace.requestsPerSecond * seconds));
}

/** Until `isOver`, in runs of `requests`; returns the figures of each. */
export async function loadUntil(
  group: RunningGroup,
  keys: number,
  requests: number,
  isOver: () => boolean,
): Promise<Figures[]> {
  const runs: Figures[] = [];
  do runs.push(await load(group, keys, requests));
  while (!isOver());
  return runs;
}

export async function load(group: RunningGroup, keys: number, requests: number): Promise<Figures> {
  const { clientPort } = await group.leader();
  const output = await redisBenchmark(
    [
      ...['-h', '127.0.0.1', '-p', String(clientPort), '--csv', '-t', 'set'],
      ...['-c', String(clients), '-d', String(valueBytes)],
      ...['-n', String(requests), '-r', String(keys)],
    ],
    600,
  );
  return parseFigures(output, 'SET');
}

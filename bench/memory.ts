// What a peer's processes hold in memory: idle, with many connections, and after many requests.
//
// Resident memory is read some seconds after the work, as an operator would see it. It moves by some
// megabytes with the moment of a garbage collection; a leak of a byte a request shows all the same.

import fs from 'node:fs';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Trouble } from '../cluster-scripts/trouble.js';
import { redisBenchmark, type Settings } from './drive.js';
import type { RunningPeer } from './peers/peer.js';
import { idleConnections, keyCount } from './rows.js';

export interface MemoryFigures {
  /** Of the largest process. Bytes. */
  readonly idleBytes: number;
  /** More, of the process that the clients are connected to. Bytes. */
  readonly connectionsBytes: number;
  /** Of the largest process, when there is each key. Bytes. */
  readonly filledBytes: number;
  /** Of the largest process, many requests later. Bytes. */
  readonly lateBytes: number;
}

const settleMs = 5000;
const connectionsAtOnce = 500;
const valueBytes = 64;

export async function measureMemory(
  peer: RunningPeer,
  { memoryRequests }: Settings,
): Promise<MemoryFigures> {
  const [driven] = peer.pids;
  await sleep(settleMs);
  const idleBytes = largest(peer.pids);
  const before = residentBytes(driven!);
  const connectionsBytes = await withConnections(peer.port, async () => {
    await sleep(settleMs);
    return residentBytes(driven!) - before;
  });
  // Ten times as many requests as there are keys leave one in 20,000 keys out.
  await requests(peer.port, 10 * keyCount);
  await sleep(settleMs);
  const filledBytes = largest(peer.pids);
  await requests(peer.port, memoryRequests);
  await sleep(settleMs);
  return { idleBytes, connectionsBytes, filledBytes, lateBytes: largest(peer.pids) };
}

/** Each connection has asked once, so that it has what a connection in use has. */
async function withConnections<T>(port: number, measure: () => Promise<T>): Promise<T> {
  const sockets: net.Socket[] = [];
  try {
    while (sockets.length < idleConnections) {
      const opened = await Promise.all(
        Array.from({ length: connectionsAtOnce }, () => answeredConnection(port)),
      );
      sockets.push(...opened);
    }
    return await measure();
  } finally {
    for (const socket of sockets) socket.destroy();
  }
}

function answeredConnection(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('an idle connection was closed by the server')));
    socket.once('data', (reply) => {
      if (reply.toString() === '+PONG\r\n') resolve(socket);
      else reject(new Error(`an idle connection was answered ${reply}`));
    });
    socket.write('PING\r\n');
  });
}

async function requests(port: number, count: number): Promise<void> {
  await redisBenchmark(
    [
      ...['-h', '127.0.0.1', '-p', String(port), '--csv', '-t', 'set', '-c', '50', '-P', '16'],
      ...['-n', String(count), '-r', String(keyCount), '-d', String(valueBytes)],
    ],
    60 + count / 1000,
  );
}

function largest(pids: readonly number[]): number {
  return Math.max(...pids.map(residentBytes));
}

/** Throws when the process has ended. */
function residentBytes(pid: number): number {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kibibytes === undefined) throw new Trouble(`the server process ${pid} has ended by itself`);
  return Number(kibibytes) * 1024;
}

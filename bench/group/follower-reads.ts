// What a read costs at a follower, and whether reads scale with replicas.
//
// GETs of random keys by clients that each wait for their answer, in this process: at the leader alone,
// at one follower alone (after READONLY), at both followers, at all three. The processor time is that of
// each server, so the leader's share in reads that followers answer shows. Servers and load share the
// machine: reads/s grow with replicas only as far as there are processors for them.

import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LocalServer } from '../../cluster-scripts/local-cluster.js';
import { Trouble } from '../../cluster-scripts/trouble.js';
import { cpuSeconds } from '../cpu-time.js';
import { keyName, loadKeys } from '../load-keys.js';
import { median } from '../median.js';
import { keyCount } from '../rows.js';
import type { Figure, Measurement } from './figure.js';
import type { RunningGroup } from './running-group.js';

const valueBytes = 64;
const clientCount = 96;
const warmUpMs = 2_000;
/** `$64`, the value, and their line ends. */
const replyBytes = 5 + valueBytes + 2;
const okBytes = Buffer.byteLength('+OK\r\n');

interface Target {
  readonly port: number;
  readonly pid: number;
  readonly isFollower: boolean;
}

interface ReadFigures {
  readonly perSecond: number;
  /** Of each target there is, asked or not. Microseconds of processor time. */
  readonly microsPerRead: readonly number[];
}

export const followerReads: Measurement = {
  name: 'reads',
  async run(group, { rounds, seconds }) {
    const all = await targetsOf(group);
    const [leader, one, other] = all as [Target, Target, Target];
    await loadKeys(leader.port, valueBytes);
    const rows: readonly [string, readonly Target[]][] = [
      ['the leader', [leader]],
      ['one follower', [one]],
      ['both followers', [one, other]],
      ['all three', all],
    ];
    const runs = rows.map((): ReadFigures[] => []);
    for (let round = 0; round < rounds; round += 1) {
      for (const [at, [, targets]] of rows.entries()) {
        runs[at]!.push(await read(targets, all, seconds));
      }
    }
    return rows.map(([title], at) => figureOf(title, runs[at]!));
  },
};

/** The leader first. */
async function targetsOf(group: RunningGroup): Promise<Target[]> {
  const leader = await group.leader();
  const servers: LocalServer[] = [leader, ...(await group.followers())];
  return Promise.all(
    servers.map(async (server) => ({
      port: server.clientPort,
      pid: await group.pid(server),
      isFollower: server !== leader,
    })),
  );
}

async function read(
  targets: readonly Target[],
  all: readonly Target[],
  seconds: number,
): Promise<ReadFigures> {
  const readers = targets.flatMap((target) =>
    Array.from({ length: clientCount / targets.length }, () => new Reader(target)),
  );
  const count = (): number => {
    for (const { trouble } of readers) if (trouble !== undefined) throw new Trouble(trouble);
    return readers.reduce((sum, { reads }) => sum + reads, 0);
  };
  try {
    await sleep(warmUpMs);
    const before = all.map(({ pid }) => cpuSeconds([pid]));
    const readsBefore = count();
    const begunMs = performance.now();
    await sleep(seconds * 1000);
    const reads = count() - readsBefore;
    const elapsed = (performance.now() - begunMs) / 1000;
    const used = all.map(({ pid }, at) => cpuSeconds([pid]) - before[at]!);
    return {
      perSecond: reads / elapsed,
      microsPerRead: used.map((each) => (each / reads) * 1e6),
    };
  } finally {
    for (const reader of readers) reader.close();
  }
}

function figureOf(title: string, runs: readonly ReadFigures[]): Figure {
  const perSecond = Math.round(median(runs.map((run) => run.perSecond)));
  const micros = runs[0]!.microsPerRead.map((_, at) =>
    median(runs.map((run) => run.microsPerRead[at]!)),
  );
  const total = micros.reduce((sum, each) => sum + each, 0);
  const shares = micros.map((each) => each.toFixed(0)).join(' + ');
  return {
    work:
      `GET ${valueBytes} B, ${clientCount} clients at ${title}: reads/s, ` +
      'µs of CPU a read (leader + follower + follower)',
    measured: `${perSecond}, ${total.toFixed(0)} (${shares})`,
    wanted: '',
  };
}

/** One GET after the other, until it is closed. */
class Reader {
  reads = 0;
  /** What ended it before its time. */
  trouble: string | undefined;
  readonly #socket: net.Socket;
  #expected = 0;
  #received = 0;

  constructor({ port, isFollower }: Target) {
    this.#socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('error', (error) => {
      this.trouble = `a client of port ${port}: ${error.message}`;
    });
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
    // A redirection counts as no read, and neither does an error.
    if (chunk[0] === 0x2d) {
      this.trouble = `a server answered ${chunk.toString().trim()}`;
      this.close();
      return;
    }
    this.#received += chunk.length;
    if (this.#received < this.#expected) return;
    if (this.#expected === replyBytes) this.reads += 1;
    this.#ask();
  }
}

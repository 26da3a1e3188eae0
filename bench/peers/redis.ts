// Redis as it is run by those who want every write on the disk: alone, and with two replicas.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RespClient } from '../../cluster-scripts/resp-client.js';
import { parseInfo } from '../../cluster-scripts/status.js';
import { Trouble } from '../../cluster-scripts/trouble.js';
import { atEnd } from '../cleanup.js';
import type { Peer, RunningPeer } from './peer.js';

const startTimeoutMs = 30_000;
const pollMs = 50;
const linesShown = 8;
/** Above the cluster's three client ports. */
const portOffset = 301;

export const redis: Peer = {
  title: 'Redis, 1 server',
  note: '`appendfsync always`: a write is on one disk before it is acknowledged',
  start: (directory, basePort) => start(directory, basePort, 0),
};

export const redisWithReplicas: Peer = {
  title: 'Redis, 3 servers',
  note:
    'a primary and two replicas, each with `appendfsync always`, and `min-replicas-to-write 1`: ' +
    'this is still not synchronous replication. A write is acknowledged when it is on the disk of ' +
    'the primary; a replica must have been connected lately, and need not have the write',
  start: (directory, basePort) => start(directory, basePort, 2),
};

/** A replica that falls behind is waited for: by default it is dropped, and writes are refused. */
const replicationOptions = [
  ...['--min-replicas-to-write', '1', '--repl-diskless-sync-delay', '0'],
  ...['--client-output-buffer-limit', 'replica 0 0 0'],
];

async function start(directory: string, basePort: number, replicas: number): Promise<RunningPeer> {
  const port = basePort + portOffset;
  const primary = new RedisProcess(join(directory, 'primary'), port, [
    ...(replicas > 0 ? replicationOptions : []),
  ]);
  const others = Array.from({ length: replicas }, (_, at) => {
    const options = ['--replicaof', `127.0.0.1 ${port}`];
    return new RedisProcess(join(directory, `replica-${at + 1}`), port + 1 + at, options);
  });
  await untilServing(primary, others);
  const servers = [primary, ...others];
  return {
    port,
    pids: servers.map(({ pid }) => pid),
    version: versionText(),
    lastLogLines: () => servers.map((server) => server.lastLogLines()).join('\n'),
    async dispose() {
      await Promise.all(servers.map((server) => server.kill()));
      fs.rmSync(directory, { recursive: true });
    },
  };
}

class RedisProcess {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  readonly #release: () => void;
  #output = '';

  constructor(directory: string, port: number, options: readonly string[]) {
    fs.mkdirSync(directory);
    this.port = port;
    this.#child = spawn(
      'redis-server',
      [
        ...['--port', String(port), '--bind', '127.0.0.1', '--dir', directory],
        ...['--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
        ...['--maxclients', '12000', ...options],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#release = atEnd(() => this.#child.kill('SIGKILL'));
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk;
      });
    }
    this.#closed = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
    });
    this.#child.once('error', (error) => {
      this.#output += `${error.message} (Debian: redis-server)\n`;
    });
  }

  get pid(): number {
    this.assertAlive();
    return this.#child.pid!;
  }

  assertAlive(): void {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid !== undefined && exitCode === null && signalCode === null) return;
    throw new Trouble(`redis-server has ended:\n${this.lastLogLines()}`);
  }

  lastLogLines(): string {
    const lines = this.#output.trimEnd().split('\n').slice(-linesShown);
    return [`redis-server on port ${this.port}:`, ...lines.map((line) => `  ${line}`)].join('\n');
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#closed;
    this.#release();
  }
}

/** With all replicas in step, so that the transfer of an empty database is not measured. */
async function untilServing(
  primary: RedisProcess,
  replicas: readonly RedisProcess[],
): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  for (;;) {
    for (const server of [primary, ...replicas]) server.assertAlive();
    const info = await infoOf(primary.port);
    const online = [...info].filter(([, value]) => value.includes('state=online')).length;
    const isGood = replicas.length === 0 || info.get('min_slaves_good_slaves') === String(online);
    // Another program may have the port, and ours be about to say so and end.
    const isOurs = info.get('process_id') === String(primary.pid);
    if (isOurs && online === replicas.length && isGood) return;
    if (performance.now() > deadline) {
      throw new Trouble(`Redis does not serve after ${startTimeoutMs / 1000} s`);
    }
    await sleep(pollMs);
  }
}

/** Empty while nobody listens. */
async function infoOf(port: number): Promise<Map<string, string>> {
  const client = new RespClient({ host: '127.0.0.1', port }, 1000);
  try {
    return parseInfo(String(await client.command('INFO', 'server', 'replication')));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return new Map();
    throw error;
  } finally {
    client.close();
  }
}

function versionText(): string {
  const output = execFileSync('redis-server', ['--version'], { encoding: 'utf8' });
  return `Redis ${/v=(\S+)/.exec(output)?.[1] ?? 'of an unknown version'}`;
}

// Clients of other languages, as Debian packages them: redis-py, redis-rb, phpredis and hiredis.
//
// Each has a program in programs/ that does a step and exits with 0, or says what was not as it
// should be. The programs are the same for a real Redis.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { runProgram } from './run-program.js';

const password = 'correct horse battery';
/** The programs are no TypeScript: they stay where they are when this is compiled. */
const programs = fileURLToPath(new URL('../../../test/interop/programs/', import.meta.url));

interface Client {
  readonly name: string;
  readonly command: readonly [program: string, ...args: string[]];
  readonly isCluster: boolean;
  readonly hasTransactions: boolean;
}

const scripted = [
  { name: 'redis-py', runtime: '/usr/bin/python3', file: 'redis_py.py' },
  { name: 'redis-rb', runtime: '/usr/bin/ruby', file: 'redis_rb.rb' },
  { name: 'phpredis', runtime: '/usr/bin/php', file: 'phpredis.php' },
] as const;

const buildDirectory = fs.mkdtempSync(join(os.tmpdir(), 'holt-hiredis-'));
const hiredisProgram = join(buildDirectory, 'hiredis_client');

const clients: readonly Client[] = [
  ...scripted.flatMap(({ name, runtime, file }) =>
    (['plain', 'cluster'] as const).map((mode) => ({
      name: `${name}, ${mode}`,
      command: [runtime, join(programs, file), mode] as const,
      isCluster: mode === 'cluster',
      // RedisCluster of redis-py 4 has none.
      hasTransactions: !(name === 'redis-py' && mode === 'cluster'),
    })),
  ),
  { name: 'hiredis', command: [hiredisProgram], isCluster: false, hasTransactions: true },
];

describe('Clients of other languages', () => {
  let cluster: ClusterUnderTest;
  let guarded: ClusterUnderTest;
  let guardedPort: number;

  before(async () => {
    await compileHiredisProgram();
    cluster = await ClusterUnderTest.start();
    guarded = await ClusterUnderTest.start({
      serverCount: 1,
      environment: { HOLT_REQUIREPASS: password },
      password,
    });
    guardedPort = guarded.server(1).clientPort;
  });
  after(() => {
    fs.rmSync(buildDirectory, { recursive: true });
    guarded?.dispose();
    cluster?.dispose();
  });

  async function run(client: Client, step: string, ...args: (string | number)[]): Promise<void> {
    const [program, ...first] = client.command;
    const { code, stdout, stderr } = await runProgram(program, [
      ...first,
      step,
      ...args.map(String),
    ]);
    assert.equal(code, 0, `${client.name}, ${step}: ${stdout}${stderr}`);
  }

  /** A cluster client may be told of any server. */
  async function seedOf(client: Client): Promise<ServerUnderTest> {
    return client.isCluster ? (await cluster.followers())[0]! : cluster.leader();
  }

  for (const client of clients) {
    describe(client.name, () => {
      it('reads, writes, counts, expires, pipelines and scans', async () => {
        await run(client, 'data', (await seedOf(client)).clientPort);
      });

      it('does so with a password, and is refused without', async () => {
        await run(client, 'refused', guardedPort);
        await run(client, 'data', guardedPort, password);
      });

      if (client.hasTransactions) {
        it('has transactions and WATCH', async () => {
          await run(client, 'transactions', (await seedOf(client)).clientPort);
        });
      }

      // A plain client goes on knocking at the one port that it was told of.
      if (client.isCluster) {
        it('goes on when the leader is killed', async () => {
          const leader = await cluster.leader();
          await run(client, 'survive', (await seedOf(client)).clientPort, leader.pid);
          await leader.exited();
          await leader.start();
          await cluster.converged();
        });
      }
    });
  }

  it('hiredis finds the new leader among the ports it is told of', async () => {
    const hiredis = clients.find(({ name }) => name === 'hiredis')!;
    const leader = await cluster.leader();
    const others = await cluster.followers();
    const ports = [leader, ...others].map(({ clientPort }) => clientPort);
    await run(hiredis, 'survive', leader.pid, ...ports);
    await leader.exited();
    await leader.start();
    await cluster.converged();
  });

  it('plain clients come back to a leader that was stopped and started', async () => {
    const leader = await guarded.leader();
    await leader.restart();
    await guarded.leader();
    for (const client of clients) await run(client, 'data', guardedPort, password);
  });
});

async function compileHiredisProgram(): Promise<void> {
  const source = join(programs, 'hiredis_client.c');
  const flags = ['-std=c11', '-D_DEFAULT_SOURCE', '-Wall', '-Wextra', '-Werror'];
  const { code, stderr } = await runProgram('gcc', [
    ...flags,
    ...['-o', hiredisProgram],
    source,
    '-lhiredis',
  ]);
  assert.equal(code, 0, stderr);
}

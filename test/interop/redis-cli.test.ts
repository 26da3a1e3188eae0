// redis-cli as people use it: one-off commands, cluster mode, a terminal, its special modes.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { type ProgramResult, runProgram } from './run-program.js';
import { typedSession } from './typed-session.js';

describe('redis-cli', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;
  let follower: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
    [follower] = (await cluster.followers()) as [ServerUnderTest, ServerUnderTest];
  });
  after(() => cluster.dispose());

  function cli(
    server: ServerUnderTest,
    args: readonly string[],
    input?: string | Buffer,
  ): Promise<ProgramResult> {
    return runProgram('redis-cli', ['-p', String(server.clientPort), ...args], {
      ...(input === undefined ? {} : { input }),
    });
  }

  async function said(server: ServerUnderTest, ...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await cli(server, args);
    assert.equal(code, 0, stdout + stderr);
    return stdout.trimEnd();
  }

  it('reads and writes at the leader', async () => {
    assert.equal(await said(leader, 'SET', 'fruit', 'apple'), 'OK');
    assert.equal(await said(leader, 'GET', 'fruit'), 'apple');
    assert.equal(await said(leader, 'GET', 'nothing'), '');
    assert.equal(await said(leader, 'INCR', 'count'), '1');
    assert.equal(await said(leader, 'INCRBY', 'count', '41'), '42');
    assert.equal(await said(leader, 'DEL', 'fruit'), '1');
  });

  it('follows redirections from a follower with -c, and shows them without', async () => {
    assert.equal(await said(follower, '-c', 'SET', 'sent-on', '1'), 'OK');
    assert.equal(await said(follower, '-c', 'INCR', 'sent-on'), '2');
    assert.equal(await said(follower, '-c', 'GET', 'sent-on'), '2');
    assert.equal(await said(follower, '-c', 'DEL', 'sent-on'), '1');
    const plain = await cli(follower, ['SET', 'sent-on', '1']);
    assert.match(plain.stdout, new RegExp(`^MOVED \\d+ ${leader.address}\n`));
  });

  it('speaks RESP3 with -3 and prints JSON with --json', async () => {
    assert.equal(await said(leader, '-3', 'SET', 'three', '3'), 'OK');
    assert.match(await said(leader, '-3', 'HELLO'), /"?proto"?.* 3/);
    const config = await said(leader, '--json', 'CONFIG', 'GET', 'appendonly');
    assert.deepEqual(JSON.parse(config), { appendonly: 'yes' });
    assert.deepEqual(JSON.parse(await said(leader, '--json', 'GET', 'three')), '3');
  });

  it('works at a terminal, with hints and history', async () => {
    // There it first asks for COMMAND DOCS, to know what to hint at, and is strict about the answer.
    const { code, screen } = await typedSession(`redis-cli -p ${leader.clientPort}`, /\d> /, [
      'SET typed "by hand"',
      'GET typed',
      'HELLO 3',
      'CONFIG GET save',
      'NOSUCH',
      'quit',
    ]);
    assert.equal(code, 0, screen);
    assert.match(screen, /\nOK/);
    assert.match(screen, /\n"by hand"/);
    assert.match(screen, /1# "save" => ""/);
    assert.match(screen, /\(error\) ERR unknown command 'NOSUCH'/);
  });

  it('follows redirections at a terminal in cluster mode', async () => {
    const command = `redis-cli -c -p ${follower.clientPort}`;
    const { code, screen } = await typedSession(command, /\d> /, [
      'SET typed again',
      'GET typed',
      'quit',
    ]);
    assert.equal(code, 0, screen);
    assert.match(screen, new RegExp(`Redirected to slot \\[\\d+\\] located at ${leader.address}`));
    assert.match(screen, /\n"again"/);
  });

  it('--scan lists every key once', async () => {
    await said(leader, 'FLUSHALL');
    const names = Array.from({ length: 2500 }, (_, at) => `scanned:${at}`);
    const connection = await leader.connect();
    await connection.pipeline(names.map((name) => ['SET', name, 'x']));
    connection.close();
    const found = (await said(leader, '--scan')).split('\n');
    assert.deepEqual(found.toSorted(), names.toSorted());
    const some = (await said(leader, '--scan', '--pattern', 'scanned:1?')).split('\n');
    assert.equal(some.length, 10);
  });

  it('--pipe loads commands in bulk', async () => {
    const count = 5000;
    const lines = Array.from({ length: count }, (_, at) => `SET piped:${at} ${at}\r\n`);
    const { code, stdout } = await cli(leader, ['--pipe'], lines.join(''));
    assert.equal(code, 0, stdout);
    assert.match(stdout, new RegExp(`errors: 0, replies: ${count}`));
    assert.equal(await said(leader, 'GET', `piped:${count - 1}`), String(count - 1));
  });

  it('--bigkeys finds the biggest', async () => {
    await said(leader, 'SET', 'bulky', 'x'.repeat(10_000));
    const { stdout } = await cli(leader, ['--bigkeys']);
    assert.match(stdout, /Biggest string found.*bulky.* 10000 bytes/);
  });

  it('--stat shows a line of figures', async () => {
    // It goes on for ever, and into a pipe it prints nothing until much has gathered.
    const command = `timeout 1 redis-cli -p ${leader.clientPort} --stat -i 0.1`;
    const { stdout } = await runProgram('script', ['-qec', command, '/dev/null']);
    assert.match(stdout, /keys\s+mem\s+clients\s+blocked\s+requests\s+connections/);
    assert.match(stdout, /^\d+\s+[\d.]+[KMG]\s+\d+\s+\d+\s+\d+ \(\+\d+\)\s+\d+/m);
  });

  it('--latency measures', async () => {
    // Without a terminal it prints "min max avg samples" once and ends.
    const stdout = await said(leader, '--latency', '-i', '1');
    assert.match(stdout, /^\d+ \d+ [\d.]+ \d+/);
  });

  it('--cluster check and info find nothing wrong', async () => {
    const check = await said(follower, '--cluster', 'check', leader.address);
    assert.match(check, /\[OK\] All nodes agree about slots configuration\./);
    assert.match(check, /\[OK\] All 16384 slots covered\./);
    assert.match(check, /2 additional replica\(s\)/);
    const info = await said(leader, '--cluster', 'info', follower.address);
    assert.match(info, new RegExp(`${leader.address} .*16384 slots \\| 2 slaves\\.`));
  });

  it('shows the same map in CLUSTER SLOTS, SHARDS and NODES on every server', async () => {
    for (const server of cluster.servers) {
      const slots = JSON.parse(await said(server, '--json', 'CLUSTER', 'SLOTS')) as unknown[][];
      assert.equal(slots.length, 1);
      const [first, last, master, ...replicas] = slots[0]! as [number, number, unknown[]];
      assert.deepEqual([first, last], [0, 16_383]);
      assert.deepEqual(master.slice(0, 2), ['127.0.0.1', leader.clientPort]);
      assert.equal(replicas.length, 2);

      const shards = await said(server, 'CLUSTER', 'SHARDS');
      for (const other of cluster.servers) assert(shards.includes(String(other.clientPort)));

      const nodes = (await said(server, 'CLUSTER', 'NODES')).split('\n');
      assert.equal(nodes.length, 3);
      const own = nodes.find((line) => line.includes('myself'))!;
      assert.match(own, new RegExp(`^[0-9a-f]{40} ${server.address}@${server.busPort} `));
      const masters = nodes.filter((line) => line.includes('master'));
      assert.equal(masters.length, 1);
      assert.match(masters[0]!, new RegExp(`${leader.address}@.* connected 0-16383$`));
    }
  });

  it('INFO has what tools look for', async () => {
    const info = await said(leader, 'INFO');
    for (const line of [
      /^redis_version:7\.\d+\.\d+/m,
      /^redis_mode:cluster/m,
      /^loading:0/m,
      /^maxmemory_policy:noeviction/m,
      /^role:master/m,
      /^connected_slaves:2/m,
      /^cluster_enabled:1/m,
      /^db0:keys=\d+,expires=0,avg_ttl=0/m,
    ]) {
      assert.match(info, line);
    }
    assert.match(await said(follower, 'INFO', 'replication'), /^role:slave/m);
  });
});

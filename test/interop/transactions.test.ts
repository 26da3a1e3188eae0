// MULTI, EXEC and WATCH on real servers: with the usual clients, and while leaders are killed.

import assert from 'node:assert/strict';
import { Redis } from 'ioredis';
import { createClient, WatchError } from 'redis';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { pause } from './eventually.js';
import { ConnectionLost, type RespConnection } from './resp-connection.js';
import { runProgram } from './run-program.js';

describe('Transactions', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start();
  });
  beforeEach(async () => {
    leader = await cluster.leader();
  });
  after(() => cluster.dispose());

  it('of redis-cli, line by line', async () => {
    const lines = [
      'MULTI',
      'SET cli 1',
      'INCR cli',
      'EXEC',
      'WATCH cli',
      'MULTI',
      'GET cli',
      'EXEC',
    ];
    const { stdout } = await runProgram('redis-cli', ['-p', String(leader.clientPort)], {
      input: `${lines.join('\n')}\n`,
    });
    assert.deepEqual(stdout.split('\n').filter(Boolean), [
      ...['OK', 'QUEUED', 'QUEUED', 'OK', '2', 'OK', 'OK', 'QUEUED', '2'],
    ]);
  });

  it('of ioredis, pipelined and with WATCH', async () => {
    const client = new Redis(leader.clientPort, '127.0.0.1');
    const other = new Redis(leader.clientPort, '127.0.0.1');
    try {
      const results = await client.multi().set('{io}a', '1').incr('{io}a').get('{io}a').exec();
      assert.deepEqual(results, [
        [null, 'OK'],
        [null, 2],
        [null, '2'],
      ]);
      await client.watch('{io}a');
      await other.set('{io}a', '5');
      assert.equal(await client.multi().incr('{io}a').exec(), null);
      await client.watch('{io}a');
      assert.deepEqual(await client.multi().incr('{io}a').exec(), [[null, 6]]);
      await assert.rejects(
        client.multi().set('{io}a', '1').call('SET', '{io}a').exec(),
        /EXECABORT/,
      );
      assert.equal(await client.get('{io}a'), '6');
    } finally {
      client.disconnect();
      other.disconnect();
    }
  });

  for (const RESP of [2, 3] as const) {
    it(`of node-redis, RESP${RESP}`, async () => {
      const client = createClient({ url: `redis://${leader.address}`, RESP });
      client.on('error', () => undefined);
      await client.connect();
      try {
        const replies = await client.multi().set('{nr}a', '1').incr('{nr}a').mGet(['{nr}a']).exec();
        assert.deepEqual(replies, ['OK', 2, ['2']]);
        await client.watch('{nr}a');
        await leader.call('SET', '{nr}a', '5');
        await assert.rejects(client.multi().incr('{nr}a').exec(), WatchError);
        await client.watch('{nr}a');
        assert.deepEqual(await client.multi().incr('{nr}a').exec(), [6]);
      } finally {
        client.destroy();
      }
    });
  }

  it('larger than a usual entry are one', async () => {
    const connection = await leader.connect();
    const value = Buffer.alloc(512 * 1024, 'v');
    const sets = [1, 2, 3, 4].map((at) => ['SET', `{big}${at}`, value]);
    const answers = await connection.pipeline([['MULTI'], ...sets, ['STRLEN', '{big}4'], ['EXEC']]);
    assert.deepEqual(answers.at(-1), ['OK', 'OK', 'OK', 'OK', value.length]);
    connection.close();
    await cluster.converged();
  });

  it('expires what is watched by time', async () => {
    const connection = await leader.connect();
    const lifeMs = 1000;
    await connection.call('SET', 'brief', '1', 'PX', lifeMs);
    await connection.call('WATCH', 'brief');
    assert.equal(await connection.call('EXISTS', 'brief'), 1);
    await connection.call('MULTI');
    await connection.call('SET', 'brief', '2');
    await pause(lifeMs);
    assert.equal(await connection.call('EXEC'), null);
    assert.equal(await connection.call('GET', 'brief'), null);
    connection.close();
  });

  it('follow the redirection: MOVED at a follower, for queued and watched keys', async () => {
    const [follower] = await cluster.followers();
    const connection = await follower!.connect();
    const moved = new RegExp(`^-MOVED \\d+ ${leader.address}$`);
    const answers = await connection.pipeline([
      ['WATCH', 'a'],
      ['MULTI'],
      ['SET', 'a', '1'],
      ['EXEC'],
    ]);
    assert.match(String(answers[0]), moved);
    assert.equal(answers[1], 'OK');
    assert.match(String(answers[2]), moved);
    assert.equal(answers[3], '-EXECABORT Transaction discarded because of previous errors.');
    connection.close();
  });

  it('that wait for EXEC when the leadership moves are refused as a whole', async () => {
    const watching = await leader.connect();
    const queued = await leader.connect();
    await watching.pipeline([['SET', '{move}w', '1'], ['WATCH', '{move}w'], ['MULTI']]);
    await queued.pipeline([['MULTI'], ['SET', '{move}a', '1'], ['SET', '{move}b', '1']]);
    // A pause and not a kill: the old leader comes back with its clients connected.
    leader.pause();
    const next = await cluster.leader();
    assert.notEqual(next, leader);
    await next.call('SET', '{move}w', '2');
    leader.resume();
    const answers = await Promise.all([watching.call('EXEC'), queued.call('EXEC')]);
    for (const answer of answers)
      assert.match(String(answer), /^-(?:MOVED|CLUSTERDOWN|UNCERTAIN) /);
    await cluster.converged();
    assert.equal(await next.call('EXISTS', '{move}a', '{move}b'), 0);
    watching.close();
    queued.close();
  });
});

describe('Optimistic locking while leaders are killed', () => {
  const clientCount = 6;
  let cluster: ClusterUnderTest;

  beforeEach(async () => {
    cluster = await ClusterUnderTest.start();
  });
  afterEach(() => cluster.dispose());

  it('loses no increment, and never applies a part', async () => {
    const counts = { acknowledged: 0, unknown: 0, conflicts: 0 };
    let isOver = false;

    /** A connection to the leader, in whatever state it is. */
    async function increment(connection: RespConnection): Promise<'again' | 'reconnect'> {
      let isSent = false;
      try {
        const watched = await connection.call('WATCH', '{c}count');
        if (watched !== 'OK') return 'reconnect';
        const value = await connection.call('GET', '{c}count');
        if (typeof value === 'string' && value.startsWith('-')) return 'reconnect';
        const next = String(Number(value ?? 0) + 1);
        isSent = true;
        const answers = await connection.pipeline([
          ['MULTI'],
          ['SET', '{c}count', next],
          ['INCR', '{c}twin'],
          ['EXEC'],
        ]);
        const answer = answers.at(-1);
        if (Array.isArray(answer)) {
          counts.acknowledged += 1;
          // Both were changed together, each time.
          assert.deepEqual(answer, ['OK', Number(next)]);
          return 'again';
        }
        if (answer === null) {
          counts.conflicts += 1;
          return 'again';
        }
        if (String(answer).startsWith('-UNCERTAIN')) counts.unknown += 1;
        else assert.match(String(answer), /^-(?:MOVED|CLUSTERDOWN|EXECABORT)/);
        return 'reconnect';
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error;
        if (isSent) counts.unknown += 1;
        return 'reconnect';
      }
    }

    async function run(): Promise<void> {
      while (!isOver) {
        const leader = await cluster.leader();
        let connection: RespConnection;
        try {
          connection = await leader.connect();
        } catch {
          continue;
        }
        while (!isOver && (await increment(connection)) === 'again');
        connection.close();
      }
    }

    const running = Promise.all(Array.from({ length: clientCount }, run));
    // A failure in a client is heard below, after the kills.
    running.catch(() => undefined);
    try {
      for (let kill = 0; kill < 3; kill += 1) {
        await pause(700);
        const leader = await cluster.leader();
        await leader.kill9();
        await cluster.leader();
        await leader.start();
      }
      await pause(700);
    } finally {
      isOver = true;
    }
    await running;
    await cluster.converged();

    const answers = await (await cluster.leader()).call('MGET', '{c}count', '{c}twin');
    const [count, twin] = (answers as string[]).map(Number) as [number, number];
    const { acknowledged, unknown, conflicts } = counts;
    const account = `${acknowledged} acknowledged, ${unknown} unknown, count ${count}, twin ${twin}`;
    assert.equal(count, twin, account);
    assert(acknowledged > 50, account);
    assert(conflicts > 10, `only ${conflicts} conflicts`);
    assert(count >= acknowledged && count <= acknowledged + unknown, account);
  });
});

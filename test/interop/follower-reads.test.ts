// Reads on followers, after READONLY: as fresh as the leader's, or sent to the leader.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Cluster } from 'ioredis';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually, pause } from './eventually.js';
import { WriteLoad } from './insistent-client.js';
import type { RespConnection } from './resp-connection.js';
import { runProgram } from './run-program.js';

const programs = fileURLToPath(new URL('../../../test/interop/programs/', import.meta.url));

/** `follower-read-timeout-ms`, and a busy machine. */
const redirectMsMax = 500 + 700;

describe('Reads on followers', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;
  let followers: ServerUnderTest[];
  let writer: RespConnection;
  let readers: RespConnection[];
  const opened: RespConnection[] = [];

  before(async () => {
    cluster = await ClusterUnderTest.start();
  });
  beforeEach(async () => {
    leader = await cluster.leader();
    followers = await cluster.followers();
    assert.equal(followers.length, 2);
    writer = await open(leader);
    readers = await Promise.all(followers.map(openReader));
  });
  afterEach(() => {
    for (const connection of opened.splice(0)) connection.close();
  });
  after(() => cluster?.dispose());

  async function open(server: ServerUnderTest): Promise<RespConnection> {
    const connection = await server.connect();
    opened.push(connection);
    return connection;
  }

  /** A follower that was just started, or leads no more, takes a moment until it knows its leader. */
  async function openReader(server: ServerUnderTest): Promise<RespConnection> {
    const connection = await open(server);
    assert.equal(await connection.call('READONLY'), 'OK');
    await eventually('the follower answers reads', 10_000, async () => {
      const answer = await connection.call('GET', 'nothing');
      assert.equal(answer, null);
      return true;
    });
    return connection;
  }

  function movedTo(server: ServerUnderTest): RegExp {
    return new RegExp(`^-MOVED \\d+ ${server.address}$`);
  }

  async function followerReads(): Promise<number> {
    const infos = await Promise.all(followers.map((server) => server.info('stats')));
    return infos.reduce((sum, info) => sum + Number(info.get('total_follower_reads')), 0);
  }

  it('see a write the moment it is acknowledged', async () => {
    const before = await followerReads();
    for (let at = 0; at < 300; at += 1) {
      assert.equal(await writer.call('SET', 'fresh', at), 'OK');
      const answers = await Promise.all(readers.map((reader) => reader.call('GET', 'fresh')));
      assert.deepEqual(answers, [String(at), String(at)]);
    }
    assert((await followerReads()) - before >= 600);
  });

  it('see every kind of write, answered at commit or when it is applied', async () => {
    for (let at = 1; at <= 100; at += 1) {
      assert.equal(await writer.call('INCR', 'counted'), at);
      assert.equal(await writer.call('MSET', '{m}a', at, '{m}b', -at), 'OK');
      for (const reader of readers) {
        assert.deepEqual(
          await reader.pipeline([
            ['GET', 'counted'],
            ['MGET', '{m}a', '{m}b'],
          ]),
          [String(at), [String(at), String(-at)]],
        );
      }
    }
    await writer.call('FLUSHALL');
    for (const reader of readers) assert.equal(await reader.call('DBSIZE'), 0);
  });

  it('see it under load, or are sent to the leader', async () => {
    const load = new WriteLoad(cluster, { clientCount: 20, valueBytes: 1000 });
    let answered = 0;
    try {
      for (let at = 0; at < 300; at += 1) {
        assert.equal(await writer.call('SET', 'fresh', at), 'OK');
        for (const answer of await Promise.all(readers.map((each) => each.call('GET', 'fresh')))) {
          if (answer === String(at)) answered += 1;
          else assert.match(String(answer), movedTo(leader));
        }
      }
    } finally {
      load.abort();
    }
    assert(answered > 300, `only ${answered} of 600 were answered`);
  });

  it('answer many at once, in order', async () => {
    const commands = Array.from({ length: 500 }, (_, at) => ['SET', `many:${at}`, String(at)]);
    await writer.pipeline(commands);
    for (const reader of readers) {
      const answers = await reader.pipeline(commands.map(([, key]) => ['GET', key!]));
      assert.deepEqual(
        answers,
        commands.map(([, , value]) => value),
      );
    }
  });

  it('walk the keys, also from one follower to the next', async () => {
    await writer.call('FLUSHALL');
    const names = Array.from({ length: 6000 }, (_, at) => `walk:${at}`);
    await writer.pipeline(names.map((name) => ['SET', name, 'x']));
    // Thousands at once may leave them so far behind that they send reads away for a moment.
    await cluster.converged();
    for (const reader of readers) {
      assert.equal(await reader.call('DBSIZE'), names.length);
      assert.equal(((await reader.call('KEYS', 'walk:*')) as unknown[]).length, names.length);
      assert.match(String(await reader.call('RANDOMKEY')), /^walk:\d+$/);
      assert.equal(await reader.call('OBJECT', 'ENCODING', 'walk:0'), 'embstr');
    }
    const found = new Set<string>();
    let cursor = '0';
    let calls = 0;
    do {
      const reader = readers[calls % 2]!;
      const [next, some] = (await reader.call('SCAN', cursor, 'COUNT', 500)) as [string, string[]];
      for (const name of some) found.add(name);
      cursor = next;
      calls += 1;
    } while (cursor !== '0');
    assert.equal(found.size, names.length);
    await writer.call('FLUSHALL');
  });

  it('see keys expire exactly, and never again', async () => {
    for (let round = 0; round < 15; round += 1) {
      const lifeMs = 60 + round * 13;
      const setAtMs = performance.now();
      await writer.call('SET', 'brief', 'x', 'PX', lifeMs);
      const acknowledgedAtMs = performance.now();
      let isGone = false;
      let left = lifeMs;
      for (let ask = 0; !isGone || ask % 6 !== 0; ask += 1) {
        const connection = [writer, ...readers][ask % 3]!;
        const askedAtMs = performance.now();
        const [value, pttl] = await connection.pipeline([
          ['GET', 'brief'],
          ['PTTL', 'brief'],
        ]);
        // The leader's clock is pulled toward that of the majority by up to a tenth.
        const oldMs = askedAtMs - acknowledgedAtMs;
        const youngMs = performance.now() - setAtMs;
        if (value === 'x') {
          assert.equal(isGone, false, 'it came back');
          assert(oldMs < lifeMs * 1.12 + 5, `it is there ${oldMs} ms after it was set`);
        } else {
          assert.equal(value, null);
          assert.equal(pttl, -2);
        }
        if (pttl === -2) {
          assert(youngMs > lifeMs * 0.88 - 5, `it is gone ${youngMs} ms after it was set`);
          isGone = true;
        } else {
          assert((pttl as number) >= 0 && (pttl as number) <= left, `${pttl} left of ${left}`);
          left = pttl as number;
        }
      }
    }
  });

  it('end with READWRITE, RESET and the connection', async () => {
    const [reader] = readers;
    assert.equal(await reader!.call('READWRITE'), 'OK');
    assert.match(String(await reader!.call('GET', 'fresh')), movedTo(leader));
    await reader!.call('READONLY');
    assert.equal(await reader!.call('RESET'), 'RESET');
    assert.match(String(await reader!.call('GET', 'fresh')), movedTo(leader));
    assert.match(String(await followers[0]!.call('GET', 'fresh')), movedTo(leader));
  });

  it('leave writes to the leader, in their place among the answers', async () => {
    await writer.call('SET', 'fresh', 'x');
    const answers = await readers[0]!.pipeline([
      ['GET', 'fresh'],
      ['SET', 'fresh', 'y'],
      ['GET', 'fresh'],
      ['DEL', 'fresh'],
    ]);
    assert.deepEqual([answers[0], answers[2]], ['x', 'x']);
    assert.match(String(answers[1]), movedTo(leader));
    assert.match(String(answers[3]), movedTo(leader));
  });

  it('may be a transaction, with WATCH', async () => {
    const [reader] = readers;
    await writer.pipeline([
      ['SET', '{t}a', '1'],
      ['SET', '{t}b', '2'],
    ]);
    const transaction = [['MULTI'], ['GET', '{t}a'], ['PING'], ['GET', '{t}b'], ['EXEC']];
    assert.deepEqual((await reader!.pipeline(transaction)).at(-1), ['1', 'PONG', '2']);
    assert.equal(await reader!.call('WATCH', '{t}a'), 'OK');
    await writer.call('SET', '{t}a', '3');
    assert.equal((await reader!.pipeline(transaction)).at(-1), null);
    assert.deepEqual((await reader!.pipeline(transaction)).at(-1), ['3', 'PONG', '2']);
    const refused = await reader!.pipeline([['MULTI'], ['SET', '{t}a', '4'], ['EXEC']]);
    assert.match(String(refused[1]), movedTo(leader));
    assert.match(String(refused[2]), /^-EXECABORT /);
  });

  it('see a transaction as a whole, or not at all', async () => {
    let isWriting = true;
    const write = async (): Promise<void> => {
      for (let at = 0; isWriting; at += 1) {
        const pair = [
          ['SET', '{w}a', at],
          ['SET', '{w}b', at],
        ];
        await writer.pipeline([['MULTI'], ...pair, ['EXEC']]);
      }
    };
    const writing = write();
    try {
      for (let at = 0; at < 300; at += 1) {
        const [a, b] = (await readers[at % 2]!.call('MGET', '{w}a', '{w}b')) as string[];
        assert.equal(a, b);
      }
    } finally {
      isWriting = false;
      await writing;
    }
  });

  it('that waited in a paused follower are fresh when it goes on', async () => {
    const [follower] = followers;
    const [reader] = readers;
    await writer.call('SET', 'fresh', 'old');
    assert.equal(await reader!.call('GET', 'fresh'), 'old');
    follower!.pause();
    const waiting = Array.from({ length: 20 }, () => reader!.call('GET', 'fresh'));
    await writer.call('SET', 'fresh', 'new');
    await pause(300);
    follower!.resume();
    for (const answer of await Promise.all(waiting)) {
      if (answer !== 'new') assert.match(String(answer), movedTo(leader));
    }
    await cluster.converged();
  });

  it('are sent away within the bound while the leader is paused, and fresh under the next', async () => {
    await writer.call('SET', 'fresh', 'old');
    leader.pause();
    const askedAtMs = performance.now();
    const answers = await Promise.all(readers.map((reader) => reader.call('GET', 'fresh')));
    const tookMs = performance.now() - askedAtMs;
    assert(tookMs < redirectMsMax, `they waited for ${Math.round(tookMs)} ms`);
    for (const answer of answers) assert.match(String(answer), movedTo(leader));

    const next = await cluster.leader();
    const at = followers.findIndex((server) => server !== next);
    assert.equal(await next.call('SET', 'fresh', 'new'), 'OK');
    assert.equal(await readers[at]!.call('GET', 'fresh'), 'new');
    const old = leader;
    old.resume();
    // What it still believes to be, it answers nothing that is old.
    const late = await open(old);
    await late.call('READONLY');
    await eventually('the old leader answers as a follower', 10_000, async () => {
      const answer = await late.call('GET', 'fresh');
      if (answer === 'new') return true;
      assert.match(String(answer), /^-(MOVED|CLUSTERDOWN) /);
      return false;
    });
    await cluster.converged();
  });

  it('ioredis reads from them: scaleReads slave', async () => {
    const seeds = cluster.servers.map(({ clientPort }) => ({
      host: '127.0.0.1',
      port: clientPort,
    }));
    const client = new Cluster(seeds, { scaleReads: 'slave' });
    try {
      const before = await followerReads();
      for (let at = 0; at < 200; at += 1) {
        await client.set('io:fresh', at);
        assert.equal(await client.get('io:fresh'), String(at));
      }
      assert((await followerReads()) - before >= 200);
    } finally {
      client.disconnect();
    }
  });

  it('redis-py reads from them: read_from_replicas', async () => {
    const before = await followerReads();
    const program = join(programs, 'redis_py.py');
    const args = [program, 'cluster', 'replicas', String(leader.clientPort)];
    const { code, stdout, stderr } = await runProgram('/usr/bin/python3', args);
    assert.equal(code, 0, stdout + stderr);
    // It takes turns with the leader.
    assert((await followerReads()) - before >= 100);
  });
});

describe('read-mode lease', () => {
  let cluster: ClusterUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start({ serverArguments: ['--read-mode', 'lease'] });
  });
  after(() => cluster?.dispose());

  it('reads what was written, on leader and followers', async () => {
    const leader = await cluster.leader();
    assert.deepEqual(await leader.call('CONFIG', 'GET', 'read-mode'), ['read-mode', 'lease']);
    const connection = await leader.connect();
    const [follower] = await cluster.followers();
    const reader = await follower!.connect();
    try {
      await reader.call('READONLY');
      for (let at = 0; at < 200; at += 1) {
        await connection.call('SET', 'leased', at);
        assert.equal(await connection.call('GET', 'leased'), String(at));
        assert.equal(await reader.call('GET', 'leased'), String(at));
      }
    } finally {
      connection.close();
      reader.close();
    }
  });

  it('a leader that was paused until another led answers nothing old', async () => {
    const old = await cluster.leader();
    await old.call('SET', 'stale', 'old');
    const readers = await Promise.all(Array.from({ length: 10 }, () => old.connect()));
    try {
      for (const reader of readers) assert.equal(await reader.call('GET', 'stale'), 'old');
      old.pause();
      const waiting = readers.map((reader) => reader.call('GET', 'stale'));
      const next = await cluster.leader();
      assert.equal(await next.call('SET', 'stale', 'new'), 'OK');
      old.resume();
      for (const answer of await Promise.all(waiting)) {
        if (answer !== 'new') assert.match(String(answer), /^-(MOVED|CLUSTERDOWN) /);
      }
      await cluster.converged();
    } finally {
      for (const reader of readers) reader.close();
    }
  });
});

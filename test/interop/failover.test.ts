// Servers are killed, stopped and paused while clients write. What was acknowledged stays, what was
// refused never happens, and writing goes on within the time that is promised.
//
// `kill -9` leaves the page cache alone, so this says nothing about fsync: the simulator does.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually, pause } from './eventually.js';
import { WriteLoad } from './insistent-client.js';
import { ConnectionLost, type RespConnection } from './resp-connection.js';

/** An election takes one to two election timeouts of 1 s, and what was lost is asked again. */
const resumeMsMax = 3000;
/** Long enough that all parts of a server are under way when it is hit. */
const loadMs = 700;

describe('Failover', () => {
  let cluster: ClusterUnderTest;
  let load: WriteLoad | undefined;

  beforeEach(async () => {
    cluster = await ClusterUnderTest.start();
  });
  afterEach(() => {
    load?.abort();
    load = undefined;
    cluster.dispose();
  });

  function startLoad(options: { readonly answerDeadlineMs?: number } = {}): WriteLoad {
    load = new WriteLoad(cluster, options);
    return load;
  }

  async function verify(load: WriteLoad): Promise<void> {
    await load.stop();
    const acknowledged = load.writes.filter(({ outcome }) => outcome === 'acknowledged');
    assert(acknowledged.length > 100, `only ${acknowledged.length} writes were acknowledged`);
    const connection = await (await cluster.leader()).connect();
    try {
      const found = await connection.pipeline(acknowledged.map(({ key }) => ['GET', key]));
      const missing = acknowledged.filter(({ value }, at) => found[at] !== value);
      assert.deepEqual(missing, [], 'acknowledged, and not there');
    } finally {
      connection.close();
    }
  }

  async function resumes(load: WriteLoad, sinceMs: number): Promise<void> {
    const first = await eventually('writes go on', 15_000, () => {
      return load.firstAcknowledgedSince(sinceMs);
    });
    const tookMs = first.answeredAtMs - sinceMs;
    assert(tookMs <= resumeMsMax, `the first acknowledgement came after ${Math.round(tookMs)} ms`);
  }

  it('the leader is killed: writes go on within 3 s, none is lost, it comes back', async () => {
    const load = startLoad();
    await pause(loadMs);
    const leader = await cluster.leader();
    const killedAtMs = performance.now();
    await leader.kill9();
    await resumes(load, killedAtMs);
    await pause(loadMs);
    await leader.start();
    await verify(load);
    await cluster.converged();
  });

  it('a follower is killed: the others go on as if nothing had been, it catches up', async () => {
    const load = startLoad();
    await pause(loadMs);
    const [follower] = await cluster.followers();
    const errorsBefore = [...load.errors];
    const killedAtMs = performance.now();
    await follower!.kill9();
    await resumes(load, killedAtMs);
    await pause(loadMs);
    await follower!.start();
    await verify(load);
    assert.deepEqual([...load.errors], errorsBefore);
    await cluster.converged();
  });

  it('all are killed at once: what was acknowledged is there when they are back', async () => {
    const load = startLoad();
    await pause(loadMs);
    await Promise.all(cluster.servers.map((server) => server.kill9()));
    await Promise.all(cluster.servers.map((server) => server.start()));
    await resumes(load, performance.now());
    await verify(load);
    await cluster.converged();
  });

  it('the leader is told to end: it hands over, and clients hear MOVED and nothing else', async () => {
    const load = startLoad();
    await pause(loadMs);
    const leader = await cluster.leader();
    const toldAtMs = performance.now();
    assert.equal(await leader.stop(), 0);
    await resumes(load, toldAtMs);
    await verify(load);
    const { MOVED, ...others } = Object.fromEntries(load.errors);
    assert(MOVED !== undefined);
    assert.deepEqual(others, {});
    await leader.start();
    await cluster.converged();
  });

  it('each server in turn is restarted: no acknowledged write is lost, none is uncertain', async () => {
    const load = startLoad();
    for (const server of cluster.servers) {
      await pause(300);
      await server.restart();
      await cluster.leader();
    }
    await verify(load);
    assert.equal(load.errors.get('UNCERTAIN'), undefined);
    await cluster.converged();
  });

  describe('the leader is paused until another leads', () => {
    let old: ServerUnderTest;
    let connections: RespConnection[];

    beforeEach(async () => {
      old = await cluster.leader();
      connections = [];
    });
    afterEach(() => {
      for (const connection of connections) connection.close();
    });

    async function connectToOld(): Promise<RespConnection> {
      const connection = await old.connect();
      connections.push(connection);
      return connection;
    }

    it('it gives no stale answer to reads that waited in its sockets', async () => {
      await old.call('SET', 'stale', 'old');
      const readers = await Promise.all(Array.from({ length: 20 }, connectToOld));
      for (const reader of readers) assert.equal(await reader.call('GET', 'stale'), 'old');
      old.pause();
      const waiting = readers.map((reader) => reader.call('GET', 'stale'));
      const next = await cluster.leader();
      assert.equal(await next.call('SET', 'stale', 'new'), 'OK');
      old.resume();
      for (const answer of await Promise.all(waiting)) {
        const moved = new RegExp(`^-MOVED \\d+ ${next.address}$`);
        assert(answer === 'new' || moved.test(String(answer)), `stale: ${String(answer)}`);
      }
      await cluster.converged();
    });

    it('writes that waited in its sockets happen or do not, as it says', async () => {
      const writers = await Promise.all(Array.from({ length: 20 }, connectToOld));
      old.pause();
      const waiting = writers.map((writer, at) => writer.call('SET', `late:${at}`, at));
      const next = await cluster.leader();
      await next.call('SET', 'meanwhile', '1');
      old.resume();
      const answers = await Promise.all(waiting);
      await cluster.converged();
      for (const [at, answer] of answers.entries()) {
        const found = await (await cluster.leader()).call('GET', `late:${at}`);
        if (answer === 'OK') assert.equal(found, String(at));
        else if (/^-(MOVED|CLUSTERDOWN) /.test(String(answer))) assert.equal(found, null);
        else assert.match(String(answer), /^-UNCERTAIN /);
      }
    });

    it('others take over within 3 s, and nothing acknowledged is lost', async () => {
      const load = startLoad({ answerDeadlineMs: 500 });
      await pause(loadMs);
      const pausedAtMs = performance.now();
      old.pause();
      await resumes(load, pausedAtMs);
      await pause(loadMs);
      old.resume();
      await pause(loadMs);
      await verify(load);
      await cluster.converged();
    });
  });

  it('a client that only waits hears of the end of its connection', async () => {
    const leader = await cluster.leader();
    const connection = await leader.connect();
    try {
      await connection.call('PING');
      const heard = assert.rejects(connection.next(), ConnectionLost);
      await leader.kill9();
      await heard;
    } finally {
      connection.close();
    }
  });
});

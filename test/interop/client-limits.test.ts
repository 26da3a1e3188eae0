// Many clients, slow clients, clients that never read: memory stays bounded, nobody else waits.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually, pause } from './eventually.js';
import { type ErrorAnswer, encodeRequest, type RespConnection } from './resp-connection.js';

const MiB = 1024 * 1024;
/** An idle server needs some 100 MiB. Resident memory includes what the collector has not returned. */
const residentBytesMax = 400 * MiB;

describe('Limits of clients', () => {
  describe('with the defaults', () => {
    let cluster: ClusterUnderTest;
    let leader: ServerUnderTest;
    const connections: RespConnection[] = [];

    before(async () => {
      cluster = await ClusterUnderTest.start();
      leader = await cluster.leader();
    });
    afterEach(() => {
      for (const connection of connections.splice(0)) connection.close();
    });
    after(() => cluster.dispose());

    async function connect(): Promise<RespConnection> {
      const connection = await leader.connect();
      connections.push(connection);
      return connection;
    }

    /** Others are served, and the server has not grown, while `socket` takes no byte. */
    async function servesOthers(): Promise<void> {
      const other = await connect();
      for (let at = 0; at < 200; at += 1) {
        assert.equal(await other.call('SET', 'other', at), 'OK');
        assert.equal(await other.call('GET', 'other'), String(at));
        const { residentBytes } = leader;
        assert(residentBytes < residentBytesMax, `${Math.round(residentBytes / MiB)} MiB resident`);
      }
    }

    it('a client that pipelines reads of 1 MiB and takes no answer costs no memory', async () => {
      const greedy = await connect();
      await greedy.callBytes('SET', 'huge', Buffer.alloc(MiB, 'x'));
      greedy.socket.pause();
      greedy.send(
        Buffer.concat(Array.from({ length: 2000 }, () => encodeRequest(['GET', 'huge']))),
      );
      await servesOthers();
    });

    it('nor does one whose reads stand behind a write', async () => {
      const greedy = await connect();
      await greedy.callBytes('SET', 'huge', Buffer.alloc(MiB, 'x'));
      greedy.socket.pause();
      const get = encodeRequest(['GET', 'huge']);
      const gets = Array.from({ length: 2000 }, () => get);
      greedy.send(Buffer.concat([encodeRequest(['SET', 'behind', '1']), ...gets]));
      await servesOthers();
    });

    it('a pipeline of 500 reads of 1 MiB is answered whole to a client that reads', async () => {
      const patient = await connect();
      await patient.callBytes('SET', 'huge', Buffer.alloc(MiB, 'x'));
      const gets = Buffer.concat(Array.from({ length: 500 }, () => encodeRequest(['GET', 'huge'])));
      const answers = Array.from({ length: 500 }, () => patient.next());
      patient.send(gets);
      for (const answer of answers) assert.equal(((await answer) as Buffer).length, MiB);
      const { residentBytes } = leader;
      assert(residentBytes < residentBytesMax, `${Math.round(residentBytes / MiB)} MiB resident`);
    });

    it('a connection that is never idle keeps nothing of what was answered', async () => {
      // Always some commands under way, as of a client library that many callers share.
      const busy = await connect();
      await busy.callBytes('SET', 'small', 'x');
      const before = leader.residentBytes;
      const args = Buffer.alloc(2048, 'y');
      let left = 120_000;
      async function caller(_: unknown, number: number): Promise<void> {
        // Not all in step, so that at every answer some are still without theirs.
        await pause(number % 10);
        while (left > 0) {
          left -= 1;
          await busy.callBytes('GET', args);
        }
      }
      await Promise.all(Array.from({ length: 100 }).map(caller));
      const grown = leader.residentBytes - before;
      assert(grown < 120 * MiB, `grown by ${Math.round(grown / MiB)} MiB`);
    });

    it('half a command and then silence holds up nobody', async () => {
      const halves = await Promise.all(Array.from({ length: 50 }, connect));
      for (const [at, half] of halves.entries()) {
        half.send('*3\r\n$3\r\nSET\r\n$4\r\nhalf\r\n$100\r\nonly the beginn'.slice(0, 5 + at));
      }
      await servesOthers();
      assert.equal(await leader.call('GET', 'half'), null);
    });

    it('serves 1,000 connections', async () => {
      for (let at = 0; at < 1000; at += 1) await connect();
      const answers = await Promise.all(
        connections.map((connection, at) => connection.call('SET', `client:${at}`, at)),
      );
      assert(answers.every((answer) => answer === 'OK'));
      const values = await Promise.all(
        connections.map((connection, at) => connection.call('GET', `client:${at}`)),
      );
      assert.deepEqual(
        values,
        connections.map((_, at) => String(at)),
      );
    });

    it('forgets clients that are gone', async () => {
      for (let at = 0; at < 100; at += 1) await connect();
      for (const connection of connections.splice(0)) connection.close();
      await eventually('nobody but the asking client is connected', 5000, async () => {
        return (await leader.info('clients')).get('connected_clients') === '1';
      });
    });
  });

  describe('with --maxclients 10', () => {
    let cluster: ClusterUnderTest;
    let leader: ServerUnderTest;

    before(async () => {
      cluster = await ClusterUnderTest.start({ serverArguments: ['--maxclients', '10'] });
      leader = await cluster.leader();
    });
    after(() => cluster.dispose());

    /** Ten that are let in. The server may not have noticed yet that those before have gone. */
    async function fillUp(connections: RespConnection[]): Promise<void> {
      while (connections.length < 10) {
        const connection = await eventually('a client is let in', 5000, async () => {
          const next = await leader.connect();
          if ((await next.call('PING')) === 'PONG') return next;
          next.close();
          return undefined;
        });
        connections.push(connection);
      }
    }

    it('tells the eleventh client and closes it, and takes the next when one has gone', async () => {
      const connections: RespConnection[] = [];
      try {
        await fillUp(connections);
        const refused = await leader.connect();
        const answer = await refused.next();
        assert.equal((answer as ErrorAnswer).text, 'ERR max number of clients reached');
        await refused.closed;
        connections.pop()!.close();
        await eventually('there is room again', 5000, async () => {
          const next = await leader.connect();
          const reply = await next.call('PING').finally(() => next.close());
          return reply === 'PONG';
        });
      } finally {
        for (const connection of connections) connection.close();
      }
    });

    it('keeps no descriptor of the clients it refused', async () => {
      const connections: RespConnection[] = [];
      try {
        await fillUp(connections);
        const before = leader.descriptorCount;
        for (let at = 0; at < 50; at += 1) {
          const refused = await leader.connect();
          // What a client library says at once, before it has read that it is not welcome.
          refused.send(encodeRequest(['HELLO', '3']));
          await refused.closed;
        }
        await eventually('the descriptors are given back', 5000, () => {
          return leader.descriptorCount <= before + 2;
        });
      } finally {
        for (const connection of connections) connection.close();
      }
    });
  });
});

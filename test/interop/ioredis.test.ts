// ioredis, unchanged and with its defaults: a plain client at the leader and a Cluster client that is
// told of any one server.

import assert from 'node:assert/strict';
import { Cluster, Redis } from 'ioredis';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';

const binary = Buffer.from(Array.from({ length: 256 }, (_, at) => at));

describe('ioredis', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
  });
  after(() => cluster.dispose());

  for (const protocol of [2, 3] as const) {
    describe(`Redis at the leader, RESP${protocol}`, () => {
      let client: Redis;

      before(() => {
        client = new Redis({ host: '127.0.0.1', port: leader.clientPort, protocol });
      });
      after(() => client.disconnect());

      it('reads, writes, counts and deletes', async () => {
        assert.equal(await client.set('io', 'value'), 'OK');
        assert.equal(await client.get('io'), 'value');
        assert.equal(await client.get('io:none'), null);
        assert.equal(await client.incrby('io:count', 5), 5);
        assert.equal(await client.append('io', '!'), 6);
        assert.equal(await client.exists('io'), 1);
        assert.equal(await client.del('io'), 1);
        assert.equal(await client.del('io:count'), 1);
      });

      it('expires', async () => {
        await client.set('io:brief', 'x', 'EX', 100);
        const seconds = await client.ttl('io:brief');
        assert(seconds > 90 && seconds <= 100);
        assert.equal(await client.persist('io:brief'), 1);
        assert.equal(await client.ttl('io:brief'), -1);
      });

      it('pipelines, with an error in its place', async () => {
        const results = await client
          .pipeline()
          .set('io:pipe', 'text')
          .incr('io:pipe')
          .get('io:pipe')
          .exec();
        const [set, incr, get] = results!;
        assert.deepEqual(set, [null, 'OK']);
        assert.match(String(incr![0]), /value is not an integer/);
        assert.deepEqual(get, [null, 'text']);
      });

      it('keeps binary keys and values', async () => {
        await client.set(binary, binary);
        assert.deepEqual(await client.getBuffer(binary), binary);
      });

      it('runs 2,000 commands at once', async () => {
        const answers = await Promise.all(
          Array.from({ length: 2000 }, () => client.incr('io:many')),
        );
        assert.deepEqual(
          answers.toSorted((a, b) => a - b),
          answers,
        );
        assert.equal(await client.del('io:many'), 1);
      });

      it('knows the server by INFO', async () => {
        assert.match(await client.info(), /redis_mode:cluster/);
      });
    });
  }

  describe('Cluster', () => {
    for (const seed of [1, 2, 3]) {
      it(`finds the leader from server ${seed}`, async () => {
        const client = new Cluster([{ host: '127.0.0.1', port: cluster.server(seed).clientPort }]);
        try {
          assert.equal(await client.set(`seed:${seed}`, 'x'), 'OK');
          assert.equal(await client.get(`seed:${seed}`), 'x');
          assert.equal(client.nodes('master').length, 1);
          assert.equal(client.nodes('slave').length, 2);
        } finally {
          client.disconnect();
        }
      });
    }

    it('goes on when the leader is killed', async () => {
      const seeds = cluster.servers.map(({ clientPort }) => ({
        host: '127.0.0.1',
        port: clientPort,
      }));
      const client = new Cluster(seeds);
      // What it has to say of the server that is gone.
      client.on('error', () => undefined);
      try {
        const before = await client.incr('io:survives');
        const old = await cluster.leader();
        await old.kill9();
        const value = await eventually('writes go on', 20_000, () => client.incr('io:survives'));
        // It sends a command again whose connection broke: at least once, as with any Redis.
        assert(value > before);
        assert.equal(await client.get('io:survives'), String(value));
        await old.start();
        await cluster.converged();
      } finally {
        client.disconnect();
      }
    });
  });
});

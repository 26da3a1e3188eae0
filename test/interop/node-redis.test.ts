// node-redis, unchanged and with its defaults: a plain client at the leader and a cluster client that
// is told of any one server.

import assert from 'node:assert/strict';
import { createClient, createCluster, RESP_TYPES } from 'redis';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';

const binary = Buffer.from(Array.from({ length: 256 }, (_, at) => at));

describe('node-redis', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
  });
  after(() => cluster.dispose());

  for (const protocol of [2, 3] as const) {
    describe(`createClient at the leader, RESP${protocol}`, () => {
      let client: ReturnType<typeof connect>;

      function connect() {
        return createClient({ url: `redis://${leader.address}`, RESP: protocol });
      }

      before(async () => {
        client = connect();
        client.on('error', () => undefined);
        await client.connect();
      });
      after(() => client.destroy());

      it('reads, writes, counts and deletes', async () => {
        assert.equal(await client.set('nr', 'value'), 'OK');
        assert.equal(await client.get('nr'), 'value');
        assert.equal(await client.get('nr:none'), null);
        assert.equal(await client.incrBy('nr:count', 5), 5);
        assert.equal(await client.append('nr', '!'), 6);
        assert.equal(await client.exists('nr'), 1);
        assert.equal(await client.del(['{nr}', 'nr']), 1);
        assert.equal(await client.del('nr:count'), 1);
      });

      it('expires', async () => {
        await client.set('nr:brief', 'x', { expiration: { type: 'EX', value: 100 } });
        const seconds = await client.ttl('nr:brief');
        assert(seconds > 90 && seconds <= 100);
      });

      it('pipelines, with an error in its place', async () => {
        const results = await Promise.allSettled([
          client.set('nr:pipe', 'text'),
          client.incr('nr:pipe'),
          client.get('nr:pipe'),
        ]);
        const [set, incr, get] = results;
        assert.deepEqual(set, { status: 'fulfilled', value: 'OK' });
        assert.equal(incr!.status, 'rejected');
        assert.deepEqual(get, { status: 'fulfilled', value: 'text' });
      });

      it('keeps binary values', async () => {
        await client.set('nr:binary', binary);
        const buffers = client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
        assert.deepEqual(await buffers.get('nr:binary'), binary);
      });

      it('runs 2,000 commands at once', async () => {
        const answers = await Promise.all(
          Array.from({ length: 2000 }, () => client.incr('nr:many')),
        );
        assert.deepEqual(
          answers.toSorted((a, b) => a - b),
          answers,
        );
        assert.equal(await client.del('nr:many'), 1);
      });

      it('selects a database', async () => {
        await client.select(3);
        assert.equal(await client.get('nr:binary'), null);
        await client.select(0);
        assert.notEqual(await client.get('nr:binary'), null);
      });
    });
  }

  describe('createCluster', () => {
    for (const seed of [1, 2, 3]) {
      it(`finds the leader from server ${seed}`, async () => {
        const client = createCluster({
          rootNodes: [{ url: `redis://${cluster.server(seed).address}` }],
        });
        client.on('error', () => undefined);
        await client.connect();
        try {
          assert.equal(await client.set(`nr:seed:${seed}`, 'x'), 'OK');
          assert.equal(await client.get(`nr:seed:${seed}`), 'x');
          assert.equal(client.masters.length, 1);
        } finally {
          client.destroy();
        }
      });
    }

    it('goes on when the leader is killed', async () => {
      const client = createCluster({
        rootNodes: cluster.servers.map(({ address }) => ({ url: `redis://${address}` })),
      });
      client.on('error', () => undefined);
      await client.connect();
      try {
        const before = await client.incr('nr:survives');
        const old = await cluster.leader();
        await old.kill9();
        // While it knows only the old map a command may fail; then it asks for the new one.
        const value = await eventually('writes go on', 20_000, () => client.incr('nr:survives'));
        assert(value > before);
        assert.equal(await client.get('nr:survives'), String(value));
        await old.start();
        await cluster.converged();
      } finally {
        client.destroy();
      }
    });
  });
});

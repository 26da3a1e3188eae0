// Hits, misses and expired keys in INFO, beside those of a real Redis.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';
import { RedisOracle } from './redis-oracle.js';
import type { RespConnection } from './resp-connection.js';

/** There is a string `k`; before each command all is as it was. */
const commands = [
  ...['GET k', 'GET no', 'MGET k no k', 'STRLEN k', 'GETRANGE no 0 1', 'SUBSTR k 0 1', 'LCS k no'],
  ...['EXISTS k no', 'TOUCH k no', 'TYPE k', 'TYPE no', 'TTL k', 'PTTL no', 'EXPIRETIME k'],
  ...['PEXPIRETIME no', 'OBJECT ENCODING k', 'OBJECT ENCODING no', 'OBJECT REFCOUNT k'],
  ...['OBJECT IDLETIME no', 'OBJECT HELP', 'MEMORY USAGE k', 'MEMORY USAGE no', 'KEYS *', 'SCAN 0'],
  ...['RANDOMKEY', 'DBSIZE', 'GETEX k', 'GETEX no', 'GETEX k EX 100', 'GETSET k v', 'GETSET no v'],
  ...['GETDEL k', 'GETDEL no', 'SET k v GET', 'SET no v GET', 'SET k v', 'SET k v XX', 'SETNX k v'],
  ...['MSETNX k v', 'INCR no', 'INCRBYFLOAT no 1', 'APPEND k v', 'SETRANGE k 1 v', 'EXPIRE k 100'],
  ...['EXPIRE k -1', 'PERSIST k', 'RENAME k other', 'RENAMENX k other', 'MOVE k 1', 'COPY k other'],
  ...['COPY no other', 'DEL k no', 'UNLINK k', 'GET', 'GETRANGE k x 1', 'WATCH k no', 'UNWATCH'],
];

describe('Statistics of the keyspace', () => {
  let cluster: ClusterUnderTest;
  let redis: RedisOracle;
  let ours: RespConnection;
  let theirs: RespConnection;

  before(async () => {
    cluster = await ClusterUnderTest.start({ serverCount: 1 });
    redis = await RedisOracle.start();
    const leader: ServerUnderTest = await cluster.leader();
    ours = await leader.connect();
    theirs = await redis.connect();
  });
  after(async () => {
    ours?.close();
    theirs?.close();
    await redis?.stop();
    cluster?.dispose();
  });

  async function counts(connection: RespConnection): Promise<Record<string, number>> {
    const text = (await connection.call('INFO', 'stats')) as string;
    const names = ['keyspace_hits', 'keyspace_misses', 'expired_keys'];
    return Object.fromEntries(
      names.map((name) => [name, Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(text)?.[1])]),
    );
  }

  async function countsOf(connection: RespConnection, line: string): Promise<object> {
    await connection.pipeline([['FLUSHALL'], ['SET', '{t}k', 'value'], ['CONFIG', 'RESETSTAT']]);
    // All in one slot.
    await connection.call(...line.replace(/\b(k|no|other)\b/g, '{t}$1').split(' '));
    return counts(connection);
  }

  it('are those of Redis after every command', async () => {
    for (const line of commands) {
      assert.deepEqual(await countsOf(ours, line), await countsOf(theirs, line), line);
    }
  });

  it('are the same inside a transaction', async () => {
    const transaction = [
      ['FLUSHALL'],
      ['SET', 'k', 'value'],
      ['CONFIG', 'RESETSTAT'],
      ['MULTI'],
      ['GET', 'k'],
      ['GETDEL', 'k'],
      ['GET', 'k'],
      ['EXEC'],
    ];
    for (const connection of [ours, theirs]) await connection.pipeline(transaction);
    assert.deepEqual(await counts(ours), await counts(theirs));
  });

  it('count each key that expires once', async () => {
    for (const connection of [ours, theirs]) {
      await connection.pipeline([
        ['FLUSHALL'],
        ['CONFIG', 'RESETSTAT'],
        ...['a', 'b', 'c'].map((name) => ['SET', name, 'v', 'PX', '20']),
      ]);
      await eventually('all three have expired', 10_000, async () => {
        await connection.call('GET', 'a');
        const { expired_keys: expired } = await counts(connection);
        assert(expired !== undefined && expired <= 3, `${expired} keys expired`);
        return expired === 3;
      });
    }
  });
});

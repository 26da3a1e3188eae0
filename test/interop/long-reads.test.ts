// KEYS comes in slices, and keeps its place among the commands of its connection.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';

/** Enough for many slices. */
const keyCount = 30_000;

describe('KEYS of many keys', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
    const connection = await leader.connect();
    for (let first = 0; first < keyCount; first += 1000) {
      const commands = Array.from({ length: 1000 }, (_, i) => ['SET', `key:${first + i}`, '']);
      await connection.pipeline(commands);
    }
    connection.close();
  });
  after(() => cluster.dispose());

  it('stands where it was sent, behind a write and before another', async () => {
    const connection = await leader.connect();
    const replies = await connection.pipeline([
      ['SET', 'before', ''],
      ['KEYS', '*e*'],
      ['GET', 'key:1'],
      ['SET', 'key:behind', ''],
      ['KEYS', 'key:be*'],
      ['DEL', 'key:behind'],
    ]);
    connection.close();
    const [, all, , , behind] = replies as [unknown, unknown[], unknown, unknown, unknown[]];
    const names = all.map(String);
    assert.equal(names.length, keyCount + 1);
    assert(names.includes('before') && !names.includes('key:behind'));
    assert.deepEqual(behind.map(String), ['key:behind']);
    assert.equal(replies[5], 1);
  });

  it('is forgotten when its client goes away', async () => {
    const connection = await leader.connect();
    connection.send('KEYS nothing\r\n');
    await leader.call('PING');
    connection.close();
    assert.equal(String(await leader.call('GET', 'key:1')), '');
  });
});

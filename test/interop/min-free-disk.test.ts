// A disk that is nearly full: commands that need room are refused, the others go on, and with room
// all do.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually, pause } from './eventually.js';
import type { RespConnection } from './resp-connection.js';
import { mountSmallDisk, resizeDisk, unmountDisk } from './small-disk.js';

const misconf = /^-MISCONF The disk has less free space than min-free-disk/;

describe('A disk that is nearly full', () => {
  let cluster: ClusterUnderTest | undefined;
  let server: ServerUnderTest;
  let mountPoint: string | undefined;
  let client: RespConnection;

  before(async () => {
    cluster = await ClusterUnderTest.start({
      serverCount: 1,
      serverArguments: ['--min-free-disk', '24mb', '--max-segment-file-size', '4mb'],
      prepare: async ([only]) => {
        mountPoint = await mountSmallDisk(only!, '64m');
      },
    });
    server = await cluster.leader();
    client = await server.connect();
  });
  after(async () => {
    client?.close();
    for (const each of cluster?.servers ?? []) each.killIfRunning();
    if (mountPoint !== undefined) await unmountDisk(mountPoint);
    cluster?.dispose();
  });

  async function becomesLow(): Promise<void> {
    await eventually('it is low', 10_000, async () => misconf.test(await write()) || undefined);
  }

  async function hasRoom(): Promise<void> {
    await eventually('there is room', 10_000, async () => (await write()) === 'OK' || undefined);
  }

  async function write(): Promise<string> {
    return String(await client.call('SET', 'small', '1'));
  }

  it('comes about by writes, which are then refused', async () => {
    const value = Buffer.alloc(16 * 1024, 'x');
    for (let at = 0; ; at += 1) {
      const answer = String(await client.call('SET', `key:${at}`, value));
      if (answer !== 'OK') {
        assert.match(answer, misconf);
        assert(at > 100, `refused after ${at} writes`);
        return;
      }
      // Slower than the disk is looked at.
      await pause(4);
    }
  });

  it('leaves reads, deletes and all that needs no room', async () => {
    for (const [line, expected] of [
      ['STRLEN key:1', 16 * 1024],
      ['EXPIRE key:1 1000', 1],
      ['PERSIST key:1', 1],
      ['RENAME key:1 key:1', 'OK'],
      ['DEL key:1', 1],
      ['DEL key:1', 0],
      ['EXISTS key:2', 1],
      ['PING', 'PONG'],
    ] as const) {
      assert.equal(await client.call(...line.split(' ')), expected, line);
    }
    for (const line of ['SET a 1', 'INCR a', 'APPEND key:2 x', 'MSET a 1', 'COPY key:2 key:2x']) {
      assert.match(String(await client.call(...line.split(' '))), /^-(MISCONF|CROSSSLOT) /, line);
    }
    assert.equal(await client.call('EXISTS', 'a'), 0);
    const deleting = await client.pipeline([['MULTI'], ['DEL', 'key:3'], ['EXEC']]);
    assert.deepEqual(deleting, ['OK', 'QUEUED', [1]]);
    const writing = await client.pipeline([['MULTI'], ['SET', 'a', '1'], ['EXEC']]);
    assert.match(String(writing[1]), misconf);
    assert.match(String(writing[2]), /^-EXECABORT /);
  });

  it('is told by INFO and the log', async () => {
    const info = await server.info('everything');
    assert.equal(info.get('disk_low'), '1');
    const free = Number(info.get('disk_free_bytes'));
    assert(free > 0 && free < 27 * 1024 * 1024, `${free} bytes are free`);
    assert.match(info.get('errorstat_MISCONF') ?? '', /^count=[1-9]/);
    assert.match(
      server.log,
      /"freeBytes":\d+,"minFreeDisk":25165824,"msg":"the disk is nearly full/,
    );
  });

  it('is a matter of the option, which can be changed', async () => {
    assert.equal(await client.call('CONFIG', 'SET', 'min-free-disk', '0'), 'OK');
    await hasRoom();
    assert.equal(await client.call('CONFIG', 'SET', 'min-free-disk', '24mb'), 'OK');
    await becomesLow();
  });

  it('is over when there is room', async () => {
    await resizeDisk(mountPoint!, '1g');
    await hasRoom();
    assert.equal((await server.info('persistence')).get('disk_low'), '0');
    assert.match(server.log, /"msg":"there is room on the disk again: writes are taken"/);
  });
});

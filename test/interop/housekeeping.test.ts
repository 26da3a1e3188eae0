// What servers do unasked: keys that are due go, and so does what was flushed.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';

const keyCount = 5000;

describe('Housekeeping', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
  });
  after(() => cluster.dispose());

  async function fill(...options: string[]): Promise<void> {
    const connection = await leader.connect();
    const names = Array.from({ length: keyCount }, (_, i) => `key:${i}`);
    await connection.pipeline(names.map((name) => ['SET', name, 'x'.repeat(100), ...options]));
    connection.close();
  }

  it('due keys go on every replica, though nobody touches them', async () => {
    await fill('PX', '500');
    await leader.call('SET', 'stays', '1');
    for (const server of cluster.servers) {
      await eventually(`one key is left on ${server.address}`, 20_000, async () => {
        return (await server.info('keyspace')).get('db0') === 'keys=1,expires=0,avg_ttl=0';
      });
    }
    // Clients cannot ask for it.
    const reply = await leader.call('holt|expire-due').catch((error: unknown) => error);
    assert.match(String(reply), /unknown command 'holt\|expire-due'/);
  });

  it('what was flushed goes from the files, though nobody touches it', async () => {
    await fill();
    await leader.call('FLUSHDB');
    await fill();
    await leader.call('FLUSHALL');
    await fill('PX', '60000');
    await leader.call('FLUSHDB');
    await leader.call('SET', 'stays', '1');
    for (const server of cluster.servers) {
      await eventually(`nothing dead is left at ${server.address}`, 20_000, async () => {
        const { rows, deadTables } = contents(server);
        return rows === 1 && deadTables === 0;
      });
    }
  });

  /** Of a copy: the server keeps the file locked. One that is torn throws, and is made again. */
  function contents(server: ServerUnderTest): { rows: unknown; deadTables: unknown } {
    const directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-housekeeping-'));
    try {
      for (const name of ['live.db', 'live.db-wal']) {
        fs.copyFileSync(join(server.groupDirectory, name), join(directory, name));
      }
      const file = new BetterSqlite3(join(directory, 'live.db'));
      const count = (table: string) => file.prepare(`SELECT count(*) FROM ${table}`).pluck().get();
      const rows = count('keys');
      const deadTables = count(`sqlite_schema WHERE type = 'table' AND name GLOB 'dead_[0-9]*'`);
      file.close();
      return { rows, deadTables };
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  }
});

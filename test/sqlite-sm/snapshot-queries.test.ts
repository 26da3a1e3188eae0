// docs/snapshots.md, tried on a snapshot.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { keySlot } from '../../sqlite-sm/index.js';
import { MachineHarness, removeDirectories } from './machine-fixture.js';
import { takeSnapshot } from './snapshot-fixture.js';

const page = fs.readFileSync(
  join(resolve(import.meta.dirname, '../../..'), 'docs/snapshots.md'),
  'utf8',
);
const queries = [...page.matchAll(/```sql\n(.*?)```/gs)].map(([, sql]) => sql as string);

describe('docs/snapshots.md', () => {
  let snapshot: BetterSqlite3.Database;

  before(async () => {
    const harness = new MachineHarness();
    harness.nowMs = Date.UTC(2026, 0, 1);
    harness.runIn(2, 'SET', 'dead', 'x'.repeat(99_999), 'PX', '1000');
    harness.runIn(2, 'FLUSHDB');
    harness.runIn(2, 'SET', 'alive', 'xyz');
    harness.run('SET', 'soon', '12345', 'EX', '90');
    harness.run('SET', 'in an hour', '1', 'EX', '3600');
    harness.run('SET', 'later', '1', 'EX', '3601');
    harness.run('SET', 'never', '1');
    harness.run('SET', '{soon}2', '1234567');
    const { directory } = await takeSnapshot(harness.machine);
    harness.machine.close();
    snapshot = new BetterSqlite3(`${directory}/data.db`, { readonly: true });
  });
  after(() => {
    snapshot.close();
    removeDirectories();
  });

  const run = (at: number): unknown[] => snapshot.prepare(queries[at] as string).all();

  it('has three queries', () => assert.equal(queries.length, 3));

  it('counts keys by database and type', () => {
    assert.deepEqual(run(0), [
      { db: 0, type: 'string', keys: 5, name_bytes: 31, value_bytes: 15, largest: 7 },
      { db: 2, type: 'string', keys: 1, name_bytes: 5, value_bytes: 3, largest: 3 },
    ]);
  });

  it('finds what expires within an hour', () => {
    assert.deepEqual(run(1), [
      { name: 'soon', expires: '2026-01-01 00:01:30', seconds_left: 90 },
      { name: 'in an hour', expires: '2026-01-01 01:00:00', seconds_left: 3600 },
    ]);
  });

  it('finds the largest slots and values', () => {
    const rows = run(2);
    assert.deepEqual(rows[0], {
      slot: keySlot(Buffer.from('soon')),
      keys: 2,
      value_bytes: 12,
      largest: 7,
      largest_name: '{soon}2',
    });
    assert.equal(rows.length, 5);
  });

  it('names every table and every column that it speaks of', () => {
    const tables = snapshot
      .prepare<[], string>(`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`)
      .pluck()
      .all();
    assert.deepEqual(tables, ['databases', 'dead_spaces', 'keys', 'meta']);
    for (const table of tables) assert(page.includes(`| \`${table}\` |`), table);
  });

  it('may promise that .schema explains the columns', () => {
    const definitions = snapshot
      .prepare<[], string>(`SELECT sql FROM sqlite_schema WHERE type = 'table'`)
      .pluck()
      .all();
    for (const definition of definitions) assert.match(definition, / -- \w+/);
  });
});

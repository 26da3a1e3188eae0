import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { Database, pageBytes } from '../../sqlite-sm/database.js';
import { readChangedPages } from '../../sqlite-sm/wal-file.js';
import { makeDirectory, realFiles, removeDirectories, SeededRandom } from './machine-fixture.js';

describe('readChangedPages', () => {
  let path: string;
  let database: Database;

  beforeEach(() => {
    path = `${makeDirectory()}/live.db`;
    database = Database.open(path, { cacheBytes: 256 * 1024 });
    database.setAutomaticCheckpoints(false);
    database.execute('CREATE TABLE numbers (id INTEGER PRIMARY KEY, value BLOB)');
    write(`
      WITH RECURSIVE ids(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM ids WHERE id < 2000)
      INSERT INTO numbers SELECT id, randomblob(3000) FROM ids
    `);
    database.checkpoint('TRUNCATE');
  });
  afterEach(() => {
    database.close();
    removeDirectories();
  });

  function write(sql: string): void {
    database.execute(`BEGIN; ${sql}; COMMIT`);
  }

  function changedPages(frameCount: number): Set<number> {
    const wal = realFiles.open(`${path}-wal`, 'read');
    try {
      return readChangedPages(wal, frameCount);
    } finally {
      wal.closeSync();
    }
  }

  /** Pages in which two states of the main file differ. */
  function differingPages(before: Buffer, after: Buffer): number[] {
    const pages: number[] = [];
    for (let page = 0; page * pageBytes < before.length; page++) {
      const start = page * pageBytes;
      const end = start + pageBytes;
      if (!before.subarray(start, end).equals(after.subarray(start, end))) pages.push(page);
    }
    return pages;
  }

  it('knows every page that a checkpoint changes', () => {
    const random = new SeededRandom(5);
    for (let round = 0; round < 8; round++) {
      for (let i = random.below(60); i >= 0; i--) {
        const id = random.below(2100);
        write(`INSERT OR REPLACE INTO numbers VALUES (${id}, randomblob(${random.below(9000)}))`);
        if (random.below(4) === 0) write(`DELETE FROM numbers WHERE id = ${id + 1}`);
      }
      const before = fs.readFileSync(path);
      const { frames } = database.checkpoint('NOOP');
      const known = changedPages(frames);
      assert(known.size <= frames);
      database.checkpoint(random.below(2) === 0 ? 'PASSIVE' : 'TRUNCATE');
      const changed = differingPages(before, fs.readFileSync(path));
      assert(changed.length > 0);
      for (const page of changed) assert(known.has(page), `Page ${page} in round ${round}`);
    }
  });

  it('refuses frames of an earlier use of the file', () => {
    write('UPDATE numbers SET value = randomblob(3000) WHERE id <= 300');
    const { frames } = database.checkpoint('PASSIVE');
    write('UPDATE numbers SET value = randomblob(3000) WHERE id = 1');
    const now = database.checkpoint('NOOP').frames;
    assert(now < frames);
    assert(changedPages(now).size > 0);
    assert.throws(() => changedPages(frames), /fewer than \d+ frames are in use/);
  });

  it('refuses a file that ends before, or is something else', () => {
    assert.throws(() => changedPages(1), /its header is not one of ours/);
    write('UPDATE numbers SET value = randomblob(3000) WHERE id = 1');
    const { frames } = database.checkpoint('NOOP');
    assert.throws(() => changedPages(frames + 1), /it ends before frame/);
    fs.copyFileSync(path, `${path}.other`);
    const other = realFiles.open(`${path}.other`, 'read');
    assert.throws(() => readChangedPages(other, 1), /its header is not one of ours/);
    other.closeSync();
  });
});

import assert from 'node:assert/strict';
import { BufferPool } from '../../../raft/buffer-pool.js';
import { EntryCache } from '../../../raft/entry-cache.js';
import { GarblingPool } from '../../faults/garbling-pool.js';
import { seededRandom } from '../../faults/seeded-random.js';
import { entriesOf, type entry } from '../log/journals.js';

const MiB = 1024 * 1024;

describe('BufferPool', () => {
  it('gives room for a frame and its padding, in multiples of 4096', () => {
    const pool = new BufferPool(MiB);
    for (const bytes of [1, 4096, 8192, 8193, 100_000, 5 * MiB + 1]) {
      const { buffer } = pool.take(bytes);
      assert(buffer.length >= bytes);
      assert.equal(buffer.length % 4096, 0);
    }
  });

  it('uses a buffer again once the last user let it go', () => {
    const pool = new BufferPool(MiB);
    const block = pool.take(10_000);
    block.retain();
    block.release();
    assert.notEqual(pool.take(10_000).buffer, block.buffer);
    block.release();
    assert.equal(pool.take(10_000).buffer, block.buffer);
  });

  it('stops whoever releases twice or uses what was released', () => {
    const block = new BufferPool(MiB).take(1);
    block.release();
    assert.throws(() => block.release(), /released twice/);
    assert.throws(() => block.retain(), /released block/);
  });

  it('never takes an abandoned block back', () => {
    const pool = new BufferPool(MiB);
    const block = pool.take(1);
    block.abandon();
    block.release();
    assert.notEqual(pool.take(1).buffer, block.buffer);
  });

  it('keeps a bounded number of bytes', () => {
    const pool = new BufferPool(2 * MiB);
    const blocks = Array.from({ length: 5 }, () => pool.take(MiB));
    const buffers = new Set(blocks.map(({ buffer }) => buffer));
    for (const block of blocks) block.release();
    const again = Array.from({ length: 5 }, () => pool.take(MiB).buffer);
    assert.equal(again.filter((buffer) => buffers.has(buffer)).length, 2);
  });
});

describe('EntryCache', () => {
  it('equals the log it was told about, after every append, truncation and eviction', () => {
    // Scenario 28: a shadow of plain arrays.
    const random = seededRandom(3);
    const pool = new GarblingPool(MiB);
    const cache = new EntryCache(0);
    let log: ReturnType<typeof entry>[] = [];
    let evicted = 0;
    for (let step = 0; step < 3_000; step += 1) {
      const chance = random();
      if (chance < 0.6) {
        const count = 1 + Math.floor(random() * 3);
        const block = pool.take(4096);
        for (const fresh of entriesOf(log.length + 1, log.length + count, step)) {
          cache.push(fresh, block);
          log.push(fresh);
        }
        block.release();
      } else if (chance < 0.75 && log.length > evicted) {
        const last = evicted + Math.floor(random() * (log.length - evicted));
        cache.truncateAfter(last);
        log = log.slice(0, last);
      } else {
        const upTo = Math.min(log.length, evicted + Math.floor(random() * 5));
        cache.evictTo(upTo);
        evicted = Math.max(evicted, upTo);
      }
      assert.equal(cache.lastIndex, log.length);
      assert.equal(cache.firstIndex, evicted + 1);
      for (let index = Math.max(1, log.length - 10); index <= log.length + 1; index += 1) {
        const expected = index > evicted ? log[index - 1] : undefined;
        assert.equal(cache.get(index), expected);
      }
    }
    cache.evictTo(log.length);
    assert.equal(cache.byteLength, 0);
  });

  it('counts what small entries keep in use', () => {
    const pool = new BufferPool(MiB);
    const cache = new EntryCache(0);
    for (const one of entriesOf(1, 10, 1)) {
      const block = pool.take(100);
      cache.push(one, block);
      block.release();
    }
    assert.equal(cache.byteLength, 10 * 8192);
    const shared = pool.take(100);
    for (const one of entriesOf(11, 20, 1)) cache.push(one, shared);
    assert.equal(cache.byteLength, 11 * 8192);
  });
});

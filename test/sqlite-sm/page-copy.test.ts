import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { CopyPace } from '../../sqlite-sm/copy-pace.js';
import { pageBytes } from '../../sqlite-sm/database.js';
import type { FileDone, MachineFile } from '../../sqlite-sm/index.js';
import { PageCopy } from '../../sqlite-sm/page-copy.js';
import { ManualTimers, SeededRandom } from './machine-fixture.js';

/** In memory; what runs beside everything else waits for `step`, and a read may see two states. */
class MemoryFile implements MachineFile {
  bytes: Buffer;
  failure: Error | undefined;
  isSyncing = false;
  /** Where syncs wait that a test ends by itself. */
  heldSyncs: (() => void)[] | undefined;
  syncCount = 0;
  /** Written since the last sync, and the most that ever was. */
  unsyncedBytes = 0;
  unsyncedBytesMax = 0;
  readonly #waiting: (() => void)[];

  constructor(bytes: Buffer, waiting: (() => void)[]) {
    this.bytes = bytes;
    this.#waiting = waiting;
  }

  read(target: Buffer, position: number, done: FileDone): void {
    const middle = Math.floor(target.length / 2);
    this.readSync(target.subarray(0, middle), position);
    this.#wait(done, () => this.readSync(target.subarray(middle), position + middle));
  }

  readSync(target: Buffer, position: number): number {
    return this.bytes.copy(target, 0, position, position + target.length);
  }

  write(sources: readonly Buffer[], position: number, done: FileDone): void {
    this.#wait(done, () => this.writeSync(Buffer.concat(sources), position));
  }

  writeSync(source: Buffer, position: number): void {
    const missing = position + source.length - this.bytes.length;
    if (missing > 0) this.bytes = Buffer.concat([this.bytes, Buffer.alloc(missing)]);
    source.copy(this.bytes, position);
    this.unsyncedBytes += source.length;
    this.unsyncedBytesMax = Math.max(this.unsyncedBytesMax, this.unsyncedBytes);
  }

  sync(done: FileDone): void {
    assert(!this.isSyncing, 'One sync at a time');
    this.isSyncing = true;
    (this.heldSyncs ?? this.#waiting).push(() => {
      this.isSyncing = false;
      this.syncCount++;
      this.unsyncedBytes = 0;
      done(this.failure);
    });
  }

  closeSync(): void {
    throw new Error('The files belong to somebody else');
  }

  #wait(done: FileDone, work: () => void): void {
    this.#waiting.push(() => {
      if (this.failure === undefined) work();
      done(this.failure);
    });
  }
}

class CopyUnderTest {
  readonly pageCount: number;
  readonly original: Buffer;
  readonly source: MemoryFile;
  readonly target: MemoryFile;
  readonly copy: PageCopy;
  readonly waiting: (() => void)[] = [];
  readonly timers = new ManualTimers();
  #nowMs = 0;
  /** Of `done`. */
  readonly results: (Error | undefined)[] = [];
  sum = 0;

  /** By default the clock goes on so fast that the copy is never held up. */
  constructor(pageCount: number, msPerQuestion = 1000) {
    this.pageCount = pageCount;
    this.original = Buffer.alloc(pageCount * pageBytes);
    for (let page = 0; page < pageCount; page++) fillPage(this.original, page, page);
    this.source = new MemoryFile(Buffer.from(this.original), this.waiting);
    this.target = new MemoryFile(Buffer.alloc(0), this.waiting);
    this.copy = new PageCopy({
      source: this.source,
      target: this.target,
      pageCount,
      pace: new CopyPace({
        clock: {
          monotonicMs: () => {
            this.#nowMs += msPerQuestion;
            return this.#nowMs;
          },
        },
        appliedBytes: () => this.#nowMs,
      }),
      timers: this.timers,
      amend: (slice) => this.#amend(slice),
      done: (error, sum) => {
        this.results.push(error);
        this.sum = sum;
      },
    });
  }

  step(at = 0): void {
    this.waiting.splice(at, 1)[0]?.();
  }

  finish(): void {
    while (this.waiting.length > 0) this.step();
  }

  overwrite(pages: ReadonlySet<number>, value: number): void {
    this.copy.keep(pages);
    for (const page of pages) {
      if ((page + 1) * pageBytes <= this.source.bytes.length) {
        fillPage(this.source.bytes, page, value);
      }
    }
  }

  assertUnderWay(): void {
    assert.equal(this.results.length, 0);
  }

  assertWhole(): void {
    assert.deepEqual(this.results, [undefined]);
    const wanted = Buffer.from(this.original);
    this.#amend(wanted);
    assert(this.target.bytes.equals(wanted));
    assert.equal(this.sum, crc32(wanted));
  }

  #amend(slice: Buffer): void {
    slice.writeUInt32LE(0xabcd_ef01, 20);
  }
}

/** The number in every four bytes, so that a torn page shows. */
function fillPage(bytes: Buffer, page: number, value: number): void {
  const start = page * pageBytes;
  for (let offset = start; offset < start + pageBytes; offset += 4) {
    bytes.writeUInt32LE(value, offset);
  }
}

describe('PageCopy', () => {
  for (const pageCount of [1, 2, 255, 256, 257, 512, 513, 1000]) {
    it(`copies a file of ${pageCount} pages that stays as it is`, () => {
      const test = new CopyUnderTest(pageCount);
      test.finish();
      test.assertWhole();
    });
  }

  for (let seed = 1; seed <= 12; seed++) {
    it(`copies the first state of a file that changes all the time (seed ${seed})`, () => {
      const random = new SeededRandom(seed);
      const test = new CopyUnderTest(1 + random.below(1200));
      const burst = random.pick([1, 20, 300]);
      for (let value = 1_000_000; test.results.length === 0; value++) {
        const pages = new Set<number>();
        const first = random.below(test.pageCount);
        for (let i = random.below(burst + 1); i > 0; i--) {
          // Some lie behind the copy's end: the file has grown.
          pages.add(random.below(2) === 0 ? first + i : random.below(test.pageCount + 50));
        }
        test.overwrite(pages, value);
        if (random.below(3) === 0) test.step(random.below(test.waiting.length));
      }
      test.assertWhole();
    });
  }

  it('needs a page before it is overwritten, and only then', () => {
    const test = new CopyUnderTest(600);
    // Read, but not written yet.
    test.step();
    test.overwrite(new Set([0, 255]), 7);
    assert.equal(test.target.bytes.length, 0);
    // Its slice is being read; its slice is still to be read.
    test.overwrite(new Set([256, 599]), 7);
    assert.equal(test.target.bytes.readUInt32LE(256 * pageBytes), 256);
    assert.equal(test.target.bytes.readUInt32LE(599 * pageBytes), 599);
    test.finish();
    test.assertWhole();
  });

  for (const side of ['source', 'target'] as const) {
    it(`ends with the error of the ${side}, when nothing is under way`, () => {
      const test = new CopyUnderTest(1000);
      test[side].failure = new Error(`no ${side}`);
      while (test.waiting.length > 0) {
        assert.deepEqual(test.results, []);
        test.step();
      }
      assert.deepEqual(
        test.results.map((error) => error?.message),
        [`no ${side}`],
      );
    });
  }

  it('ends early when it is stopped', () => {
    const test = new CopyUnderTest(3000);
    test.step();
    test.copy.stop();
    test.finish();
    assert.deepEqual(test.results, [undefined]);
    assert(test.target.bytes.length < test.original.length / 2);
  });

  it('waits when its pace says so, and goes on by the timer', () => {
    const test = new CopyUnderTest(1000, 4);
    assert.equal(test.waiting.length, 0);
    for (let slice = 0; slice < 4; slice++) {
      while (test.waiting.length === 0) test.timers.fire();
      test.finish();
    }
    assert(!test.timers.isPending);
    test.assertWhole();
  });

  it('ends soon when it is stopped while it waits, and not from within', () => {
    const test = new CopyUnderTest(1000, 4);
    assert((test.timers.milliseconds ?? 0) > 0);
    test.copy.stop();
    test.copy.stop();
    test.assertUnderWay();
    assert.equal(test.timers.milliseconds, 0);
    test.timers.fire();
    assert.deepEqual(test.results, [undefined]);
    assert(!test.timers.isPending);
  });

  it('ends with the error of a slice while the other one waits for its turn', () => {
    const test = new CopyUnderTest(1000, 8);
    while (test.waiting.length === 0) test.timers.fire();
    assert(test.timers.isPending);
    test.source.failure = new Error('no source');
    test.step();
    test.assertUnderWay();
    test.timers.fire();
    assert.deepEqual(
      test.results.map((error) => error?.message),
      ['no source'],
    );
  });

  it('syncs as it goes, and begins no slice meanwhile', () => {
    const test = new CopyUnderTest(16_384);
    test.target.heldSyncs = [];
    for (let value = 1_000_000; ; value++) {
      test.finish();
      const endSync = test.target.heldSyncs.pop();
      if (endSync === undefined) break;
      // Pages are kept all the same.
      test.overwrite(new Set([test.pageCount - value + 1_000_000 - 1]), value);
      endSync();
    }
    test.assertWhole();
    assert.equal(test.target.syncCount, 3);
    // The slice that was under way, and what was kept.
    const { unsyncedBytesMax } = test.target;
    assert(unsyncedBytesMax <= 18 * 1024 * 1024, `${unsyncedBytesMax} bytes not synced`);
  });

  it('ends with the error of a sync, when nothing is under way', () => {
    const test = new CopyUnderTest(8192);
    while (!test.target.isSyncing) test.step();
    test.target.failure = new Error('no sync');
    while (test.waiting.length > 0) {
      test.assertUnderWay();
      test.step();
    }
    assert.deepEqual(
      test.results.map((error) => error?.message),
      ['no sync'],
    );
  });

  it('ends when it is stopped during a sync', () => {
    const test = new CopyUnderTest(8192);
    while (!test.target.isSyncing) test.step();
    test.copy.stop();
    test.finish();
    assert.deepEqual(test.results, [undefined]);
    assert(test.target.bytes.length < test.original.length);
  });

  it('tells when the file has become shorter', () => {
    const test = new CopyUnderTest(1000);
    test.source.bytes = test.source.bytes.subarray(0, 999 * pageBytes + 100);
    assert.throws(() => test.copy.keep(new Set([999])), /shorter/);
  });
});

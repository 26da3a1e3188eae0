import assert from 'node:assert/strict';
import { dataCommands } from '../../sqlite-sm/index.js';
import { DiskWatch } from '../../src/disk-watch.js';

/** A disk that answers when the test says so, and a timer that fires when the test says so. */
class World {
  minFreeBytes = 800;
  readonly said: string[] = [];
  readonly watch: DiskWatch;
  #answer: ((error: Error | undefined, bytes: number | undefined) => void) | undefined;
  #looks = 0;
  #tick: (() => void) | undefined;

  constructor() {
    this.watch = new DiskWatch({
      path: '/data',
      minFreeBytes: () => this.minFreeBytes,
      freeBytes: (path, done) => {
        assert.equal(path, '/data');
        assert(this.#answer === undefined, 'Asked while it is asked');
        this.#looks += 1;
        this.#answer = done;
      },
      timers: {
        every: (_ms, callback) => {
          this.#tick = callback;
          return () => {
            this.#tick = undefined;
          };
        },
      },
      onChange: (isLow, bytes) => this.said.push(`${isLow ? 'low' : 'room'} ${bytes}`),
      onFailed: (error) => this.said.push(error.message),
    });
    this.watch.start();
  }

  get looks(): number {
    return this.#looks;
  }

  get isTicking(): boolean {
    return this.#tick !== undefined;
  }

  tick(): void {
    this.#tick?.();
  }

  answer(bytes: number | Error): void {
    const done = this.#answer!;
    this.#answer = undefined;
    if (typeof bytes === 'number') done(undefined, bytes);
    else done(bytes, undefined);
  }

  /** One look that finds this. */
  find(bytes: number): void {
    this.tick();
    this.answer(bytes);
  }
}

describe('The disk watch', () => {
  it('lets a snapshot take of what is kept free, but for an eighth', () => {
    const world = new World();
    assert.equal(world.watch.whyNoRoomFor(1e9), undefined, 'nobody knows yet');
    world.answer(700);
    assert(world.watch.isLow);
    assert.equal(world.watch.whyNoRoomFor(600), undefined);
    assert.equal(
      world.watch.whyNoRoomFor(601),
      'it takes about 601 bytes, 700 are free, and 100 must stay so, an eighth of min-free-disk',
    );
    world.minFreeBytes = 0;
    assert.equal(world.watch.whyNoRoomFor(1e9), undefined, 'never');
  });

  it('looks at once, and knows nothing before it is answered', () => {
    const { watch, looks } = new World();
    assert.equal(looks, 1);
    assert.deepEqual([watch.isLow, watch.freeBytes], [false, undefined]);
  });

  it('is low below the minimum, and not before there is an eighth above it', () => {
    const world = new World();
    world.answer(800);
    assert.equal(world.watch.isLow, false);
    world.find(799);
    assert.deepEqual([world.watch.isLow, world.watch.freeBytes], [true, 799]);
    world.find(801);
    world.find(899);
    assert.equal(world.watch.isLow, true);
    world.find(900);
    assert.equal(world.watch.isLow, false);
    world.find(800);
    assert.deepEqual(world.said, ['low 799', 'room 900']);
  });

  it('takes a changed minimum at the next look, which may be asked for', () => {
    const world = new World();
    world.answer(500);
    world.minFreeBytes = 0;
    world.watch.look();
    world.answer(0);
    assert.equal(world.watch.isLow, false);
    world.minFreeBytes = 1;
    world.watch.look();
    world.answer(0);
    assert.deepEqual(world.said, ['low 500', 'room 0', 'low 0']);
  });

  it('does not ask again while it is asking', () => {
    const world = new World();
    world.tick();
    world.watch.look();
    assert.equal(world.looks, 1);
    world.answer(1000);
    world.tick();
    assert.equal(world.looks, 2);
  });

  it('stays with what it knew while it cannot look, and says so once', () => {
    const world = new World();
    world.answer(1);
    for (const text of ['gone', 'gone again']) {
      world.tick();
      world.answer(new Error(text));
    }
    assert.deepEqual([world.watch.isLow, world.watch.freeBytes], [true, 1]);
    world.find(1000);
    world.tick();
    world.answer(new Error('gone'));
    assert.deepEqual(world.said, ['low 1', 'gone', 'room 1000', 'gone']);
  });

  it('is silent when it is stopped', () => {
    const world = new World();
    world.watch.stop();
    world.answer(1);
    assert.deepEqual([world.isTicking, world.said], [false, []]);
  });
});

describe('Commands that need room', () => {
  it('are those that Redis refuses when memory is short', () => {
    const growing = dataCommands.filter(({ flags }) =>
      (flags as readonly string[]).includes('denyoom'),
    );
    assert.deepEqual(growing.map(({ name }) => name).toSorted(), [
      ...['append', 'copy', 'decr', 'decrby', 'getset', 'incr', 'incrby', 'incrbyfloat', 'mset'],
      ...['msetnx', 'psetex', 'set', 'setex', 'setnx', 'setrange'],
    ]);
  });
});

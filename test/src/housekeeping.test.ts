import assert from 'node:assert/strict';
import { decodeCommand, expireDueCommand } from '../../sqlite-sm/index.js';
import { Housekeeping, type InternalCommand } from '../../src/housekeeping.js';

/** Timers that fire when the test says so, a clock that moves with each look, a machine of numbers. */
class World {
  isServing = true;
  leaderMs = 1000;
  /** When keys are due. */
  due: number[] = [];
  garbage = 0;
  readonly reclaimed: number[] = [];
  readonly proposed: InternalCommand[] = [];
  readonly batchBuffer = Buffer.alloc(100);
  #monotonicMs = 0;
  #every: (() => void) | undefined;
  readonly #after = new Set<() => void>();
  readonly housekeeping: Housekeeping;

  constructor() {
    const world = this;
    this.housekeeping = new Housekeeping({
      machine: {
        get hasGarbage() {
          return world.garbage > 0;
        },
        reclaim: (rows) => {
          world.garbage = Math.max(0, world.garbage - rows);
          world.reclaimed.push(rows);
        },
        hasDueKeys: (stamp) => world.due.some((each) => each <= stamp),
      },
      log: {
        get isServing() {
          return world.isServing;
        },
        nowMs: () => world.leaderMs,
        reserve: (_byteLength, context) => {
          world.proposed.push(context);
          return 0;
        },
        batchBuffer: this.batchBuffer,
      },
      timers: {
        every: (_ms, callback) => {
          this.#every = callback;
          return () => {
            this.#every = undefined;
          };
        },
        after: (_ms, callback) => {
          this.#after.add(callback);
          return () => this.#after.delete(callback);
        },
        atTurnEnd: () => assert.fail('Not used'),
      },
      clock: {
        wallMs: () => assert.fail('Not used'),
        monotonicMs: () => this.#monotonicMs++,
      },
    });
    this.housekeeping.start();
  }

  look(): void {
    this.#every?.();
  }

  /** The pauses that are running end. */
  afterPauses(): void {
    const due = [...this.#after];
    this.#after.clear();
    for (const callback of due) callback();
  }

  get isWaiting(): boolean {
    return this.#every !== undefined || this.#after.size > 0;
  }
}

describe('Housekeeping', () => {
  it('proposes one deletion after the other while keys are due', () => {
    const world = new World();
    world.due = [1001];
    world.look();
    assert.equal(world.proposed.length, 0);
    world.leaderMs = 1001;
    world.look();
    assert.equal(world.proposed.length, 1);
    const { args } = decodeCommand(world.batchBuffer, 0);
    assert.deepEqual(args.map(String), [expireDueCommand.name]);

    world.look();
    world.afterPauses();
    assert.equal(world.proposed.length, 1, 'not before the first is applied');
    world.proposed[0]?.done();
    world.look();
    assert.equal(world.proposed.length, 1, 'not without a pause');
    world.afterPauses();
    assert.equal(world.proposed.length, 2);
    world.due = [];
    world.proposed[1]?.done();
    world.afterPauses();
    world.look();
    assert.equal(world.proposed.length, 2);
  });

  it('leaves the proposing to the leader', () => {
    const world = new World();
    world.due = [1];
    world.isServing = false;
    world.look();
    assert.equal(world.proposed.length, 0);
    world.isServing = true;
    world.look();
    assert.equal(world.proposed.length, 1);
    // The leadership is lost, and the proposal with it.
    world.isServing = false;
    world.proposed[0]?.done();
    world.afterPauses();
    assert.equal(world.proposed.length, 1);
    world.isServing = true;
    world.look();
    assert.equal(world.proposed.length, 2);
  });

  it('wins room back in slices, on every replica', () => {
    const world = new World();
    world.isServing = false;
    world.look();
    assert.equal(world.reclaimed.length, 0);
    world.garbage = 200;
    world.look();
    const slice = world.reclaimed.length;
    assert(slice > 0 && world.garbage > 0, 'a slice ends with its time');
    world.look();
    assert.equal(world.reclaimed.length, slice, 'not without a pause');
    while (world.garbage > 0) world.afterPauses();
    world.afterPauses();
    const total = world.reclaimed.length;
    world.afterPauses();
    world.look();
    assert.equal(world.reclaimed.length, total);
  });

  it('does nothing more when it is stopped', () => {
    const world = new World();
    world.garbage = 1000;
    world.due = [1];
    world.look();
    world.proposed[0]?.done();
    world.housekeeping.stop();
    assert(!world.isWaiting);
  });
});

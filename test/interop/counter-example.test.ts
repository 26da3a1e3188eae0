// examples/counter.ts in three processes, through HTTP alone: what raft/README.md promises.

import assert from 'node:assert/strict';
import { CounterUnderTest } from './counter-under-test.js';
import { eventually, pause } from './eventually.js';

/** Counts at all replicas in turn, and remembers what it was told. */
class Counting {
  /** The value that each counted increment had. */
  readonly values: number[] = [];
  /** Increments of which nobody knows: a connection that broke, or 504. */
  uncertain = 0;
  #isOver = false;
  readonly #over: Promise<void>;

  constructor(counter: CounterUnderTest, name: string) {
    this.#over = this.#count(counter, name);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#over;
  }

  async #count(counter: CounterUnderTest, name: string): Promise<void> {
    for (let turn = 0; !this.#isOver; turn += 1) {
      const replica = counter.replicas[turn % counter.replicas.length]!;
      if (!replica.isRunning) continue;
      try {
        const { status, text } = await replica.request('POST', `/${name}/increment`);
        if (status === 200) this.values.push(Number(text));
        else if (status === 504) this.uncertain += 1;
        else {
          assert.equal(status, 503);
          await pause(20);
        }
      } catch (error) {
        // Of `fetch` alone: the process was killed, with the increment or before it.
        if (!(error instanceof TypeError)) throw error;
        this.uncertain += 1;
        await pause(20);
      }
    }
  }

  /** Nothing that was counted is lost, nothing is there twice. */
  check(value: number): void {
    assert.equal(new Set(this.values).size, this.values.length, 'A value was given twice');
    assert(value >= Math.max(...this.values), `${value} is less than was told`);
    assert(value >= this.values.length, `${this.values.length} were counted, ${value} are there`);
    assert(
      value <= this.values.length + this.uncertain,
      `${value} are there, of ${this.values.length} counted and ${this.uncertain} uncertain`,
    );
  }
}

describe('examples/counter.ts', () => {
  let counter: CounterUnderTest;

  before(async () => {
    counter = await CounterUnderTest.start();
    await counter.leader();
  });
  after(() => counter.dispose());

  it('counts at every replica, and each sees all of it at once', async () => {
    for (let turn = 1; turn <= 9; turn += 1) {
      const replica = counter.replicas[turn % 3]!;
      const other = counter.replicas[(turn + 1) % 3]!;
      const counted = await replica.request('POST', '/turns/increment');
      assert.deepEqual(counted, { status: 200, text: String(turn) });
      assert.deepEqual(await other.request('GET', '/turns'), counted);
    }
    assert.deepEqual(await counter.replicas[0]!.request('GET', '/other'), {
      status: 200,
      text: '0',
    });
  });

  it('sends a client to the leader, with the method it came with', async () => {
    const leader = await counter.leader();
    const follower = counter.replicas.find((replica) => replica !== leader)!;
    const response = await fetch(`${follower.url}/a/increment`, {
      method: 'POST',
      redirect: 'manual',
    });
    assert.equal(response.status, 307);
    assert.equal(response.headers.get('location'), `${leader.url}/a/increment`);
    assert.equal((await leader.request('POST', '/a/b/c')).status, 404);
  });

  it('loses and doubles nothing when the leader is killed, twice, and started again', async () => {
    const counting = new Counting(counter, 'killed');
    for (let round = 0; round < 2; round += 1) {
      const leader = await counter.leader();
      const { length } = counting.values;
      await eventually('some are counted', 20_000, () => counting.values.length > length + 20);
      await leader.end('SIGKILL');
      await eventually('more are counted', 20_000, () => counting.values.length > length + 40);
      await leader.start();
    }
    await counting.stop();
    counting.check(await counter.value('killed'));
    const { lastIndex } = await (await counter.leader()).status();
    for (const replica of counter.replicas) {
      await eventually('it caught up', 20_000, async () => {
        return (await replica.status()).appliedIndex >= lastIndex;
      });
    }
  });

  it('begins with a snapshot and goes on from there', async () => {
    const counting = new Counting(counter, 'snapshots');
    await eventually('some are counted', 20_000, () => counting.values.length > 50);
    const indices: number[] = [];
    for (const replica of counter.replicas) {
      const { status, text } = await replica.request('POST', '/snapshot');
      assert.equal(status, 200, text);
      indices.push(Number(text));
    }
    await eventually('more are counted', 20_000, () => counting.values.length > 100);
    await counting.stop();
    for (const replica of counter.replicas) await replica.end('SIGKILL');
    await Promise.all(counter.replicas.map((replica) => replica.start()));
    counting.check(await counter.value('snapshots'));
    for (const [at, replica] of counter.replicas.entries()) {
      const { snapshots } = await replica.status();
      assert.equal(snapshots.newest!.manifest.index, indices[at]);
    }
  });

  it('stops cleanly under load, one after the other, and knows everything afterwards', async () => {
    const counting = new Counting(counter, 'stopped');
    for (const replica of counter.replicas) {
      const { length } = counting.values;
      assert.equal(await replica.end('SIGTERM'), 0, replica.log);
      await eventually('it goes on', 20_000, () => counting.values.length > length + 20);
      await replica.start();
    }
    await counting.stop();
    counting.check(await counter.value('stopped'));
    for (const replica of counter.replicas) assert.equal(await replica.end('SIGTERM'), 0);
    await Promise.all(counter.replicas.map((replica) => replica.start()));
    counting.check(await counter.value('stopped'));
  });
});

import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Fifo } from '../../resp/fifo.js';
import { seededRandom } from './chunkings.js';

describe('Fifo', () => {
  it('gives elements back in the order they came, like an array', () => {
    const random = seededRandom(11);
    const fifo = new Fifo<{ readonly id: number }>();
    const model: { readonly id: number }[] = [];
    for (let id = 0; id < 20_000; id += 1) {
      // Waves, so that the queue both grows beyond what it keeps and runs empty.
      if (random() < 0.5 + 0.4 * Math.sin(id / 500)) {
        fifo.push({ id });
        model.push({ id });
      } else {
        assert.deepEqual(fifo.shift(), model.shift());
      }
      assert.equal(fifo.length, model.length);
    }
  });

  it('forgets what it gave back', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const fifo = new Fifo<object>();
    const taken = [1, 2, 3].map((id) => {
      const element = { id };
      fifo.push(element);
      return new WeakRef(element);
    });
    fifo.push({});
    for (const _ of taken) fifo.shift();
    // A reference made in this turn of the loop keeps its object until the turn ends.
    await setImmediate();
    collectGarbage();
    assert.deepEqual(
      taken.map((element) => element.deref()),
      [undefined, undefined, undefined],
    );
    assert.equal(fifo.length, 1);
  });

  it('is empty when cleared', () => {
    const fifo = new Fifo<{ readonly id: number }>();
    fifo.push({ id: 1 });
    fifo.push({ id: 2 });
    fifo.clear();
    assert.equal(fifo.length, 0);
    assert.equal(fifo.shift(), undefined);
    fifo.push({ id: 3 });
    assert.deepEqual(fifo.shift(), { id: 3 });
  });
});

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { needsTick, SlicedRead, slotCount } from '../../../sqlite-sm/index.js';
import { MachineHarness, removeDirectories, useMachine } from '../machine-fixture.js';

describe('Ways through the keys', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('KEYS lists the live keys of its database that match', () => {
    run('MSET', 'one', '1', 'two', '2', 'three', '3');
    run('SET', 'tea', '1', 'PX', '5');
    harness().runIn(1, 'SET', 'ten', '1');
    harness().nowMs += 5;
    assert.equal(harness().read('KEYS', 't*'), needsTick);
    // A key that is left out anyway needs no tick.
    assert.deepEqual(harness().read('KEYS', 'o*'), ['one']);
    harness().tick();
    assert.deepEqual((harness().read('KEYS', 't*') as string[]).sort(), ['three', 'two']);
    assert.deepEqual((run('KEYS', '*') as string[]).sort(), ['one', 'three', 'two']);
  });

  it('KEYS comes in slices, and lists what is there all the time', () => {
    const names = Array.from({ length: 5000 }, (_, i) => `key:${i}`);
    harness().runBatch(names.map((name) => ['SET', name, '']));
    const { machine, nowMs } = harness();
    const read = machine.read(0, [Buffer.from('KEYS'), Buffer.from('*')], nowMs);
    assert(read instanceof SlicedRead);
    const slice = () => machine.readSlice(0, read, harness().nowMs);
    assert.equal(slice(), undefined);
    run('DEL', 'key:7', 'key:1234');
    run('SET', 'soon', '', 'PX', '5');
    harness().nowMs += 5;
    // The last slices wait for the tick, and go on behind it.
    let reply = slice();
    while (reply === undefined) reply = slice();
    if (reply === needsTick) harness().tick();
    while (reply === undefined || reply === needsTick) reply = slice();
    const listed = (reply as Buffer[]).map(String);
    assert.equal(new Set(listed).size, listed.length);
    assert(!listed.includes('soon'));
    const stayed = names.filter((name) => name !== 'key:7' && name !== 'key:1234');
    for (const name of stayed) assert(listed.includes(name), name);
    // In an entry it runs to its end.
    assert.equal((run('KEYS', '*') as string[]).length, stayed.length);
  });

  it('RANDOMKEY meets every live key of its database, and no other', () => {
    assert.equal(run('RANDOMKEY'), null);
    for (let i = 0; i < 20; i++) run('SET', `key:${i}`, '');
    run('SET', 'due', '', 'PX', '5');
    for (let i = 0; i < 50; i++) harness().runIn(1, 'SET', `other:${i}`, '');
    harness().nowMs += 5;
    harness().tick();
    const met = new Set(Array.from({ length: 500 }, () => run('RANDOMKEY')));
    assert.deepEqual([...met].sort(), Array.from({ length: 20 }, (_, i) => `key:${i}`).sort());
    run('FLUSHDB');
    run('SET', 'due', '', 'PX', '5');
    harness().nowMs += 5;
    harness().tick();
    assert.equal(run('RANDOMKEY'), null);
  });

  it('RANDOMKEY guesses among the keys of a large slot', () => {
    const commands = Array.from({ length: 3000 }, (_, i) => ['SET', `{tag}:${i}`, '']);
    harness().runBatch(commands);
    const met = new Set<unknown>();
    for (let i = 0; i < 300; i++) {
      const name = run('RANDOMKEY');
      assert.match(String(name), /^\{tag\}:\d+$/);
      met.add(name);
    }
    assert(met.size > 100, `${met.size} different keys in 300 draws`);
  });

  it('namesInSlot lists the keys of a slot', () => {
    run('MSET', '{t}1', '', '{t}2', '', 'elsewhere', '');
    const { machine } = harness();
    const slots = Array.from({ length: slotCount }, (_, slot) => slot);
    const slot = slots.find((each) => machine.keysInSlot(0, each) === 2) as number;
    const names = machine.namesInSlot(0, slot, 10).map(String);
    assert.deepEqual(names.sort(), ['{t}1', '{t}2']);
    assert.equal(machine.namesInSlot(0, slot, 1).length, 1);
    assert.deepEqual(machine.namesInSlot(1, slot, 10), []);
  });
});

describe('SCAN of many keys', () => {
  /** More than are sorted for a step. */
  const count = 6000;
  let harness: MachineHarness;

  before(() => {
    harness = new MachineHarness();
    const fill = (db: number, prefix: string, keys: number) => {
      const commands = Array.from({ length: keys }, (_, i) => ['SET', `${prefix}:${i}`, '']);
      harness.runBatch(commands, { db });
    };
    fill(1, 'old', count);
    harness.runIn(1, 'FLUSHDB');
    fill(1, 'other', count);
    fill(0, 'few', 30);
    fill(1, 'more', count);
    fill(2, 'many', count);
  });
  after(() => {
    harness.machine.close();
    removeDirectories();
  });

  function scanAll(db: number, ...options: string[]): { names: string[]; calls: number } {
    const names: string[] = [];
    let cursor = '0';
    let calls = 0;
    do {
      const reply = harness.runIn(db, 'SCAN', cursor, ...options) as [string, string[]];
      names.push(...reply[1]);
      cursor = reply[0];
      calls++;
    } while (cursor !== '0');
    return { names, calls };
  }

  it('meets each key of its database once', () => {
    for (const [db, keys] of [
      [0, 30],
      [1, 2 * count],
      [2, count],
    ] as const) {
      const { names } = scanAll(db, 'COUNT', '777');
      assert.equal(names.length, keys);
      assert.equal(new Set(names).size, keys);
    }
  });

  it('finds a few keys among many of other databases in a few calls', () => {
    assert.equal(scanAll(0, 'COUNT', '10').calls, 4);
    // Passing over other databases is bounded, so it takes calls that find nothing.
    const { calls } = scanAll(2, 'COUNT', '3000');
    assert(calls > 4 && calls < 10, `${calls} calls`);
  });

  it('goes on where it was when its database grows or shrinks', () => {
    const [cursor, first] = harness.run('SCAN', '0', 'COUNT', '10') as [string, string[]];
    const fill = Array.from({ length: count }, (_, i) => ['SET', `new:${i}`, '']);
    harness.runBatch(fill);
    const seen = new Set(first);
    for (let next = cursor; next !== '0'; ) {
      const [after, names] = harness.run('SCAN', next, 'COUNT', '1000') as [string, string[]];
      for (const name of names) {
        assert(!seen.has(name), name);
        seen.add(name);
      }
      next = after;
    }
    assert.equal(seen.size, 30 + count);
  });

  it('meets a name that another key was renamed to', () => {
    harness.run('FLUSHDB');
    for (const name of ['a', 'b', 'c']) harness.run('SET', name, '');
    const [cursor] = harness.run('SCAN', '0', 'COUNT', '1') as [string];
    // `a` has been passed, `c` not yet; `c` exists all the time.
    harness.run('RENAME', 'a', 'c');
    const [, names] = harness.run('SCAN', cursor, 'COUNT', '10') as [string, string[]];
    assert(names.includes('c'), String(names));
  });
});

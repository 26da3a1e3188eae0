import assert from 'node:assert/strict';
import { expireDueCommand } from '../../sqlite-sm/index.js';
import { makeDirectory, openMachine, useMachine } from './machine-fixture.js';

describe('An entry that deletes due keys', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);
  const expireDue = () => run(expireDueCommand.name);

  it('deletes what is due at its own stamp, in all databases', () => {
    run('SET', 'a', '1', 'PX', '10');
    run('SET', 'b', '1', 'PX', '11');
    run('SET', 'c', '1');
    harness().runIn(3, 'SET', 'a', '1', 'PX', '5');
    const { machine } = harness();
    assert(!machine.hasDueKeys(harness().nowMs + 4));
    assert(machine.hasDueKeys(harness().nowMs + 5));
    assert.equal(expireDue(), 0);
    harness().nowMs += 10;
    assert.equal(expireDue(), 2);
    assert.equal(machine.keyCount(0), 2);
    assert.equal(machine.keyCount(3), 0);
    assert.equal(machine.expiresCount(0), 1);
    assert(!machine.hasDueKeys(harness().nowMs));
  });

  it('spares a key that was given more time before it', () => {
    run('SET', 'a', '1', 'PX', '10');
    harness().nowMs += 10;
    const replies = harness().runBatch([['SET', 'a', '2', 'PX', '10'], [expireDueCommand.name]]);
    assert.deepEqual(replies, ['+OK', 0]);
    assert.equal(run('GET', 'a'), '2');
  });

  it('deletes a bounded number, the longest overdue first', () => {
    const commands = Array.from({ length: 450 }, (_, i) => [
      'SET',
      `key:${i}`,
      '',
      'PX',
      `${i + 1}`,
    ]);
    harness().runBatch(commands);
    harness().nowMs += 1000;
    assert.equal(expireDue(), 200);
    const { machine } = harness();
    assert.equal(machine.keyCount(0), 250);
    assert(!machine.hasDueKeys(harness().nowMs - 1000 + 200));
    assert(machine.hasDueKeys(harness().nowMs - 1000 + 201));
    assert.deepEqual([expireDue(), expireDue(), expireDue()], [200, 50, 0]);
  });

  it('stops behind a few megabytes of values', () => {
    for (let i = 0; i < 7; i++) run('SET', `key:${i}`, 'x'.repeat(1024 * 1024), 'PX', '1');
    harness().nowMs += 1;
    assert.equal(expireDue(), 4);
    assert.equal(expireDue(), 3);
  });

  it('does not see what was flushed, whether or not it was reclaimed', () => {
    const reclaimed = openMachine(makeDirectory());
    const lazy = harness().machine;
    const apply = (...commands: string[][]) => {
      const before = lazy.appliedIndex;
      const replies = harness().runBatch(commands);
      const { payload, ...entry } = harness().lastEntry();
      assert.equal(lazy.appliedIndex, before + 1);
      reclaimed.apply({ ...entry, payload });
      return replies;
    };
    for (let i = 0; i < 300; i++) apply(['SET', `old:${i}`, '', 'PX', '10']);
    apply(['FLUSHDB']);
    for (let i = 0; i < 300; i++) apply(['SET', `new:${i}`, '', 'PX', '20']);
    while (reclaimed.hasGarbage) reclaimed.reclaim(50);
    harness().nowMs += 20;
    assert.deepEqual(apply([expireDueCommand.name]), [200]);
    assert(lazy.hasGarbage);
    assert.equal(reclaimed.digest(), lazy.digest());
    assert.equal(reclaimed.keyCount(0), 100);
    reclaimed.close();
  });
});

import assert from 'node:assert/strict';
import { useMachine } from '../machine-fixture.js';

describe('DBSIZE and FLUSHALL', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('DBSIZE counts the keys of its database', () => {
    run('MSET', 'a', '1', 'b', '2', 'a', '3');
    harness().runIn(1, 'SET', 'c', '1');
    assert.equal(run('DBSIZE'), 2);
    assert.equal(harness().runIn(1, 'DBSIZE'), 1);
    assert.equal(harness().runIn(2, 'DBSIZE'), 0);
    run('DEL', 'a', 'b');
    assert.equal(run('DBSIZE'), 0);
  });

  for (const args of [[], ['ASYNC'], ['sync']]) {
    it(`FLUSHALL ${args.join(' ')} empties every database`, () => {
      run('SET', 'a', '1', 'EX', '10');
      harness().runIn(3, 'SET', 'b', '1');
      assert.equal(run('FLUSHALL', ...args), '+OK');
      assert.equal(run('DBSIZE'), 0);
      assert.equal(harness().runIn(3, 'DBSIZE'), 0);
      assert.equal(run('GET', 'a'), null);
      assert.equal(harness().machine.expiresCount(0), 0);
      assert.deepEqual(run('SCAN', '0'), ['0', []]);
      run('SET', 'a', '2');
      assert.equal(run('GET', 'a'), '2');
    });
  }

  it('refuse what they do not know', () => {
    assert.equal(run('FLUSHALL', 'NOW'), '-ERR syntax error');
    assert.equal(run('FLUSHALL', 'ASYNC', 'SYNC'), '-ERR syntax error');
    assert.equal(run('DBSIZE', 'x'), "-ERR wrong number of arguments for 'dbsize' command");
  });

  it('FLUSHALL leaves rows that are reclaimed in slices', () => {
    const { machine } = harness();
    for (let i = 0; i < 100; i++) run('SET', `key:${i}`, 'x'.repeat(5000));
    run('FLUSHALL');
    for (let i = 0; i < 50; i++) run('SET', `key:${i}`, 'y', 'EX', '100');
    run('FLUSHALL');
    run('SET', 'a', '1');
    const before = machine.digest();
    let slices = 0;
    while (machine.hasGarbage) {
      machine.reclaim(30);
      slices++;
      assert.equal(machine.digest(), before);
      assert.equal(run('GET', 'a'), '1');
    }
    assert.equal(slices, 4 + 2);
    machine.reclaim(30);
    assert.equal(run('DBSIZE'), 1);
  });

  it('FLUSHALL leaves garbage that survives a restart', () => {
    for (let i = 0; i < 10; i++) run('SET', `key:${i}`, '');
    run('FLUSHALL');
    harness().machine.reclaim(3);
    const before = harness().machine.digest();
    harness().reopen();
    assert.equal(harness().machine.digest(), before);
    assert(harness().machine.hasGarbage);
    harness().machine.reclaim(100);
    assert(!harness().machine.hasGarbage);
    harness().reopen();
    assert(!harness().machine.hasGarbage);
    assert.equal(run('DBSIZE'), 0);
  });

  it('FLUSHALL of nothing leaves nothing to reclaim', () => {
    run('FLUSHALL');
    run('FLUSHALL');
    assert(!harness().machine.hasGarbage);
  });
});

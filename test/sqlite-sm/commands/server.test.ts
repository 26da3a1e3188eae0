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

  for (const args of [[], ['ASYNC'], ['sync']]) {
    it(`FLUSHDB ${args.join(' ')} empties its database alone`, () => {
      run('SET', 'a', '1', 'EX', '10');
      harness().runIn(3, 'SET', 'a', '1');
      assert.equal(run('FLUSHDB', ...args), '+OK');
      assert.equal(run('DBSIZE'), 0);
      assert.equal(run('GET', 'a'), null);
      assert.equal(harness().machine.expiresCount(0), 0);
      assert.deepEqual(run('SCAN', '0'), ['0', []]);
      assert.equal(harness().runIn(3, 'GET', 'a'), '1');
      assert.equal(run('SETNX', 'a', '2'), 1);
      assert.equal(run('GET', 'a'), '2');
    });
  }

  it('FLUSHDB leaves rows that are reclaimed in slices, also after a restart', () => {
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 50; i++) run('SET', `key:${i}`, 'x'.repeat(5000), 'EX', '10');
      run('FLUSHDB');
    }
    run('SET', 'a', '1', 'EX', '10');
    const before = harness().machine.digest();
    harness().reopen();
    const { machine } = harness();
    assert.equal(machine.digest(), before);
    assert.equal(machine.keyCount(0), 1);
    assert.equal(machine.expiresCount(0), 1);
    let slices = 0;
    while (machine.hasGarbage) {
      machine.reclaim(30);
      slices++;
      assert.equal(machine.digest(), before);
    }
    assert.equal(slices, 3 * 2);
    assert.equal(run('GET', 'a'), '1');
    harness().reopen();
    assert(!harness().machine.hasGarbage);
  });

  it('a slice ends early when values are long', () => {
    for (let i = 0; i < 4; i++) run('SET', `key:${i}`, 'x'.repeat(1024 * 1024));
    run('FLUSHDB');
    let slices = 0;
    for (; harness().machine.hasGarbage; slices++) harness().machine.reclaim(100);
    assert.equal(slices, 4);
  });

  it('FLUSHALL takes along what FLUSHDB left', () => {
    run('SET', 'a', '1');
    harness().runIn(1, 'SET', 'a', '1');
    run('FLUSHDB');
    run('FLUSHALL');
    run('SET', 'a', '2');
    harness().machine.reclaim(100);
    assert(!harness().machine.hasGarbage);
    assert.equal(run('GET', 'a'), '2');
    harness().reopen();
    assert.equal(run('GET', 'a'), '2');
  });

  it('SWAPDB is refused with a sentence', () => {
    assert.equal(
      run('SWAPDB', '0', '1'),
      '-ERR SWAPDB is not supported: databases cannot be exchanged in a cluster',
    );
  });
});

import assert from 'node:assert/strict';
import { useMachine } from '../machine-fixture.js';

describe('Variants of GET and SET', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('GETDEL takes the value away', () => {
    run('SET', 'a', '1');
    assert.equal(run('GETDEL', 'a'), '1');
    assert.equal(run('GETDEL', 'a'), null);
  });

  it('GETEX gives an expiry, takes it away or leaves it', () => {
    run('SET', 'a', '1');
    assert.equal(run('GETEX', 'a', 'PX', '1500'), '1');
    assert.equal(run('PTTL', 'a'), 1500);
    assert.equal(run('GETEX', 'a'), '1');
    assert.equal(run('PTTL', 'a'), 1500);
    assert.equal(run('GETEX', 'a', 'PERSIST'), '1');
    assert.equal(run('PTTL', 'a'), -1);
    assert.equal(run('GETEX', 'a', 'EXAT', '1'), '1');
    assert.equal(run('EXISTS', 'a'), 0);
    assert.equal(run('GETEX', 'a', 'EX', '0'), null);
    assert.equal(run('GETEX', 'a', 'EX', '1', 'PERSIST'), '-ERR syntax error');
  });

  it('GETSET, SETNX, SETEX and PSETEX set', () => {
    assert.equal(run('GETSET', 'a', '1'), null);
    assert.equal(run('SETEX', 'a', '10', '2'), '+OK');
    assert.equal(run('GETSET', 'a', '3'), '2');
    assert.equal(run('TTL', 'a'), -1);
    assert.equal(run('SETNX', 'a', '4'), 0);
    assert.equal(run('SETNX', 'b', '4'), 1);
    assert.equal(run('PSETEX', 'b', '77', '5'), '+OK');
    assert.equal(run('PTTL', 'b'), 77);
    assert.equal(run('SETEX', 'a', '0', ''), "-ERR invalid expire time in 'setex' command");
    assert.equal(run('PSETEX', 'a', '-1', ''), "-ERR invalid expire time in 'psetex' command");
  });

  it('MSETNX sets all or nothing', () => {
    assert.equal(run('MSETNX', 'a', '1', 'b', '2', 'a', '3'), 1);
    assert.deepEqual(run('MGET', 'a', 'b'), ['3', '2']);
    assert.equal(run('MSETNX', 'c', '1', 'b', '1'), 0);
    assert.equal(run('EXISTS', 'c'), 0);
    assert.equal(run('MSETNX', 'c'), "-ERR wrong number of arguments for 'msetnx' command");
  });

  it('GETRANGE, SUBSTR and SETRANGE work on pieces', () => {
    run('SET', 'a', 'Hello World');
    assert.equal(run('GETRANGE', 'a', '-5', '-1'), 'World');
    assert.equal(run('SUBSTR', 'a', '0', '4'), 'Hello');
    assert.equal(run('SETRANGE', 'a', '6', 'Redis'), 11);
    assert.equal(run('GET', 'a'), 'Hello Redis');
    assert.equal(run('SETRANGE', 'b', '2', 'x'), 3);
    assert.equal(run('GET', 'b'), '\0\0x');
    assert.equal(run('SETRANGE', 'c', '2', ''), 0);
    assert.equal(run('EXISTS', 'c'), 0);
  });

  it('INCRBYFLOAT adds as Redis does', () => {
    run('SET', 'a', '3.0e3');
    assert.equal(run('INCRBYFLOAT', 'a', '200'), '3200');
    run('SET', 'a', '10.5', 'EX', '10');
    assert.equal(run('INCRBYFLOAT', 'a', '0.1'), '10.6');
    assert.equal(run('TTL', 'a'), 10);
    assert.equal(run('INCRBYFLOAT', 'b', '0.1'), '0.1');
    assert.equal(run('INCRBYFLOAT', 'b', '0.2'), '0.3');
    assert.equal(run('INCRBYFLOAT', 'b', '-0.3'), '0');
    assert.equal(run('INCRBYFLOAT', 'b', 'x'), '-ERR value is not a valid float');
    const infinity = '-ERR increment would produce NaN or Infinity';
    assert.equal(run('INCRBYFLOAT', 'b', '-inf'), infinity);
  });

  it('LCS gives text, length or positions', () => {
    run('MSET', 'a', 'ohmytext', 'b', 'mynewtext');
    assert.equal(run('LCS', 'a', 'b'), 'mytext');
    assert.equal(run('LCS', 'a', 'b', 'LEN'), 6);
    assert.deepEqual(run('LCS', 'a', 'b', 'IDX', 'MINMATCHLEN', '4', 'WITHMATCHLEN'), [
      'matches',
      [[[4, 7], [5, 8], 4]],
      'len',
      6,
    ]);
    assert.equal(run('LCS', 'a', 'nothing'), '');
  });
});

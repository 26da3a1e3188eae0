import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { stringBytesMax } from '../../../sqlite-sm/commands/strings.js';
import { findCommand } from '../../../sqlite-sm/index.js';
import type { Keyspace } from '../../../sqlite-sm/keyspace.js';
import { stringType } from '../../../sqlite-sm/schema.js';
import { useMachine } from '../machine-fixture.js';

const notInteger = '-ERR value is not an integer or out of range';
const syntax = '-ERR syntax error';
const invalidExpiry = "-ERR invalid expire time in 'set' command";

describe('SET and GET', () => {
  const harness = useMachine();
  const run = (...args: (string | Buffer)[]) => harness().run(...args);

  it('stores what is read back, whatever the bytes', () => {
    const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    for (const bytes of ['', 'value', '\0', '\r\n', every, Buffer.alloc(100_000, 0xfe)]) {
      assert.equal(run('SET', bytes, bytes), '+OK');
      assert.equal(run('GET', bytes), Buffer.from(bytes as string, 'latin1').toString('latin1'));
    }
    assert.equal(run('DBSIZE'), 6);
  });

  it('answers null for a key that does not exist', () => {
    assert.equal(run('GET', 'missing'), null);
  });

  it('keeps databases apart', () => {
    harness().runIn(0, 'SET', 'key', 'zero');
    harness().runIn(15, 'SET', 'key', 'fifteen');
    assert.equal(harness().runIn(0, 'GET', 'key'), 'zero');
    assert.equal(harness().runIn(15, 'GET', 'key'), 'fifteen');
    assert.equal(harness().runIn(7, 'GET', 'key'), null);
  });

  it('keeps "0" and 0x30 of different lengths apart', () => {
    run('SET', '0', 'a');
    run('SET', '00', 'b');
    run('SET', '0\0', 'c');
    assert.deepEqual(run('MGET', '0', '00', '0\0'), ['a', 'b', 'c']);
  });

  it('takes names in any case', () => {
    assert.equal(run('sEt', 'key', '1'), '+OK');
    assert.equal(run('gEt', 'key'), '1');
    assert.equal(run('GET', 'KEY'), null);
  });

  it('removes an expiry, unless KEEPTTL', () => {
    run('SET', 'key', '1', 'PX', '5000');
    assert.equal(run('SET', 'key', '2', 'KEEPTTL'), '+OK');
    assert.equal(run('PTTL', 'key'), 5000);
    assert.equal(run('SET', 'key', '3'), '+OK');
    assert.equal(run('PTTL', 'key'), -1);
    assert.equal(run('GET', 'key'), '3');
  });

  it('sets an expiry in every unit', () => {
    run('SET', 'a', '', 'EX', '10');
    run('SET', 'a', '', 'px', '10');
    assert.equal(run('PTTL', 'a'), 10);
    run('SET', 'a', '', 'EX', '10');
    assert.equal(run('PTTL', 'a'), 10_000);
    run('SET', 'a', '', 'EXAT', '1010');
    assert.equal(run('PTTL', 'a'), 10_000);
    run('SET', 'a', '', 'PXAT', '1000010');
    assert.equal(run('PTTL', 'a'), 10);
  });

  it('NX writes only what is new, XX only what is there', () => {
    assert.equal(run('SET', 'key', '1', 'XX'), null);
    assert.equal(run('GET', 'key'), null);
    assert.equal(run('SET', 'key', '1', 'NX'), '+OK');
    assert.equal(run('SET', 'key', '2', 'NX'), null);
    assert.equal(run('GET', 'key'), '1');
    assert.equal(run('SET', 'key', '2', 'XX'), '+OK');
    assert.equal(run('GET', 'key'), '2');
  });

  it('GET answers the old value, whether or not the new one was written', () => {
    assert.equal(run('SET', 'key', '1', 'GET'), null);
    assert.equal(run('SET', 'key', '2', 'GET'), '1');
    assert.equal(run('SET', 'key', '3', 'NX', 'GET'), '2');
    assert.equal(run('GET', 'key'), '2');
    assert.equal(run('SET', 'key', '3', 'XX', 'GET'), '2');
    assert.equal(run('GET', 'key'), '3');
    assert.equal(run('SET', 'other', '1', 'XX', 'GET'), null);
    assert.equal(run('GET', 'other'), null);
    assert.equal(run('SET', 'other', '1', 'NX', 'GET'), null);
    assert.equal(run('GET', 'other'), '1');
  });

  it('a failed condition leaves the expiry alone', () => {
    run('SET', 'key', '1', 'PX', '100');
    assert.equal(run('SET', 'key', '2', 'NX', 'EX', '100'), null);
    assert.equal(run('PTTL', 'key'), 100);
  });

  it('allows an option twice, the last one counting', () => {
    assert.equal(run('SET', 'key', '1', 'EX', '1', 'EX', '2'), '+OK');
    assert.equal(run('TTL', 'key'), 2);
    assert.equal(run('SET', 'key', '1', 'XX', 'XX', 'KEEPTTL', 'KEEPTTL', 'GET', 'GET'), '1');
  });

  const malformed = [
    ['NX', 'XX'],
    ['XX', 'NX'],
    ['EX', '1', 'PX', '1'],
    ['EX', '1', 'EXAT', '1'],
    ['PXAT', '1', 'PX', '1'],
    ['EX', '1', 'KEEPTTL'],
    ['KEEPTTL', 'EX', '1'],
    ['EX'],
    ['PX'],
    ['EXAT'],
    ['PXAT'],
    ['NX', 'EX'],
    ['PERSIST'],
    ['nonsense'],
    [''],
    ['EX', '1', '2'],
  ];
  for (const options of malformed) {
    it(`refuses SET key value ${options.join(' ')}`, () => {
      assert.equal(run('SET', 'key', '1', ...options), syntax);
      assert.equal(run('EXISTS', 'key'), 0);
    });
  }

  const expiries: [string, string, string][] = [
    ['EX', 'soon', notInteger],
    ['PX', '1.5', notInteger],
    ['EX', '9223372036854775808', notInteger],
    ['EX', '0', invalidExpiry],
    ['PX', '-1', invalidExpiry],
    ['EXAT', '0', invalidExpiry],
    ['PXAT', '-5', invalidExpiry],
    ['EX', '9223372036854775807', invalidExpiry],
    ['EX', '9223372036854775', invalidExpiry],
    ['EXAT', '9223372036854776', invalidExpiry],
    ['PX', '9223372036854775807', invalidExpiry],
  ];
  for (const [unit, amount, reply] of expiries) {
    it(`answers ${reply} to SET key value ${unit} ${amount}`, () => {
      assert.equal(run('SET', 'key', '1', unit, amount), reply);
      assert.equal(run('EXISTS', 'key'), 0);
    });
  }

  it('keeps an expiry that no JavaScript number holds', () => {
    run('SET', 'key', '1', 'PXAT', '9223372036854775807');
    assert.equal(run('PTTL', 'key'), 9223372036854775807n - 1_000_000n);
    assert.equal(run('SET', 'key', '2', 'KEEPTTL'), '+OK');
    assert.equal(run('PTTL', 'key'), 9223372036854775807n - 1_000_000n);
    assert.equal(run('TTL', 'key'), (9223372036854775807n - 1_000_000n + 500n) / 1000n);
    run('SET', 'key', '1', 'EXAT', '9223372036854775');
    assert.equal(run('PTTL', 'key'), 9223372036854775000n - 1_000_000n);
  });

  it('accepts a time that has passed: the key is gone at once', () => {
    run('SET', 'key', '1');
    assert.equal(run('SET', 'key', '2', 'PXAT', '5'), '+OK');
    assert.equal(run('GET', 'key'), null);
  });

  it('checks the number of arguments', () => {
    assert.equal(run('SET', 'key'), "-ERR wrong number of arguments for 'set' command");
    assert.equal(run('GET'), "-ERR wrong number of arguments for 'get' command");
    assert.equal(run('GET', 'a', 'b'), "-ERR wrong number of arguments for 'get' command");
  });
});

describe('MGET and MSET', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('work on many keys, the last value of a repeated one counting', () => {
    assert.equal(run('MSET', 'a', '1', 'b', '2', 'a', '3'), '+OK');
    assert.deepEqual(run('MGET', 'a', 'missing', 'b', 'a'), ['3', null, '2', '3']);
  });

  it('MSET removes expiries', () => {
    run('SET', 'a', '1', 'EX', '10');
    run('MSET', 'a', '2');
    assert.equal(run('TTL', 'a'), -1);
  });

  it('check the number of arguments', () => {
    const wrong = "-ERR wrong number of arguments for 'mset' command";
    assert.equal(run('MSET', 'a'), wrong);
    assert.equal(run('MSET', 'a', '1', 'b'), wrong);
    assert.equal(run('EXISTS', 'a'), 0);
    assert.equal(run('MGET'), "-ERR wrong number of arguments for 'mget' command");
  });
});

describe('INCR, DECR, INCRBY and DECRBY', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);
  const overflow = '-ERR increment or decrement would overflow';

  it('start from 0', () => {
    assert.equal(run('INCR', 'a'), 1);
    assert.equal(run('DECR', 'b'), -1);
    assert.equal(run('INCRBY', 'c', '5'), 5);
    assert.equal(run('DECRBY', 'd', '5'), -5);
    assert.equal(run('INCRBY', 'e', '-7'), -7);
    assert.deepEqual(run('MGET', 'a', 'b', 'c', 'd', 'e'), ['1', '-1', '5', '-5', '-7']);
  });

  it('keep the expiry', () => {
    run('SET', 'a', '1', 'EX', '10');
    assert.equal(run('INCR', 'a'), 2);
    assert.equal(run('TTL', 'a'), 10);
  });

  it('are exact beyond 2^53', () => {
    run('SET', 'a', '9007199254740992');
    assert.equal(run('INCR', 'a'), 9007199254740993n);
    assert.equal(run('GET', 'a'), '9007199254740993');
    assert.equal(run('INCRBY', 'a', '9214364837600034814'), 9223372036854775807n);
    assert.equal(run('INCR', 'a'), overflow);
    assert.equal(run('GET', 'a'), '9223372036854775807');
    assert.equal(run('DECRBY', 'a', '9223372036854775807'), 0);
  });

  it('do not overflow downwards', () => {
    run('SET', 'a', '-9223372036854775808');
    assert.equal(run('DECR', 'a'), overflow);
    assert.equal(run('INCRBY', 'a', '-1'), overflow);
    assert.equal(run('INCRBY', 'a', '9223372036854775807'), -1);
    assert.equal(run('DECRBY', 'a', '-9223372036854775808'), '-ERR decrement would overflow');
  });

  for (const value of ['', 'ten', '1.0', ' 1', '01', '+1', '-0', '9223372036854775808']) {
    it(`refuse the value ${JSON.stringify(value)}`, () => {
      run('SET', 'a', value);
      assert.equal(run('INCR', 'a'), notInteger);
      assert.equal(run('GET', 'a'), value);
    });
    it(`refuse the amount ${JSON.stringify(value)}`, () => {
      assert.equal(run('INCRBY', 'a', value), notInteger);
      assert.equal(run('DECRBY', 'a', value), notInteger);
      assert.equal(run('EXISTS', 'a'), 0);
    });
  }
});

describe('APPEND and STRLEN', () => {
  const harness = useMachine();
  const run = (...args: (string | Buffer)[]) => harness().run(...args);

  it('grow a string from nothing', () => {
    assert.equal(run('STRLEN', 'a'), 0);
    assert.equal(run('APPEND', 'a', ''), 0);
    assert.equal(run('EXISTS', 'a'), 1);
    assert.equal(run('APPEND', 'a', 'abc'), 3);
    assert.equal(run('APPEND', 'a', '\0\xff'), 5);
    assert.equal(run('STRLEN', 'a'), 5);
    assert.equal(run('GET', 'a'), 'abc\0\xff');
  });

  it('keep the expiry', () => {
    run('SET', 'a', '1', 'EX', '10');
    assert.equal(run('APPEND', 'a', '2'), 2);
    assert.equal(run('TTL', 'a'), 10);
  });

  it('stop before a row becomes too long for the database', () => {
    // Only the length matters, so that no test moves half a gigabyte.
    const keyspaceWith = (length: number): Keyspace =>
      ({
        findLength: () => [1, 0, stringType, null, length],
      }) as unknown as Keyspace;
    const append = findCommand(Buffer.from('append'));
    assert(append !== undefined);
    const args = ['APPEND', 'a', 'xy'].map((text) => Buffer.from(text));
    assert.deepEqual(append.run(keyspaceWith(stringBytesMax - 1), args), {
      kind: 'error',
      text: 'ERR string exceeds maximum allowed size (proto-max-bulk-len)',
    });
  });
});

import assert from 'node:assert/strict';
import { needsTick } from '../../../sqlite-sm/index.js';
import { useMachine } from '../machine-fixture.js';

describe('EXPIRE, PEXPIRE, TTL, PTTL and PERSIST', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('set and show what is left', () => {
    run('SET', 'a', '1');
    assert.equal(run('TTL', 'a'), -1);
    assert.equal(run('PTTL', 'a'), -1);
    assert.equal(run('EXPIRE', 'a', '10'), 1);
    assert.equal(run('PTTL', 'a'), 10_000);
    assert.equal(run('PEXPIRE', 'a', '1499'), 1);
    assert.equal(run('TTL', 'a'), 1);
    assert.equal(run('PEXPIRE', 'a', '1500'), 1);
    assert.equal(run('TTL', 'a'), 2);
    assert.equal(run('PEXPIRE', 'a', '499'), 1);
    assert.equal(run('TTL', 'a'), 0);
    assert.equal(run('PERSIST', 'a'), 1);
    assert.equal(run('PERSIST', 'a'), 0);
    assert.equal(run('TTL', 'a'), -1);
    assert.equal(run('GET', 'a'), '1');
  });

  it('answer for a key that does not exist', () => {
    assert.equal(run('EXPIRE', 'a', '10'), 0);
    assert.equal(run('PEXPIRE', 'a', '10'), 0);
    assert.equal(run('TTL', 'a'), -2);
    assert.equal(run('PTTL', 'a'), -2);
    assert.equal(run('PERSIST', 'a'), 0);
  });

  for (const amount of ['0', '-1', '-9223372036854775']) {
    it(`EXPIRE ${amount} deletes at once`, () => {
      run('SET', 'a', '1');
      assert.equal(run('EXPIRE', 'a', amount), 1);
      assert.equal(run('EXISTS', 'a'), 0);
      assert.equal(run('DBSIZE'), 0);
    });
  }

  it('compare with the old expiry when asked to', () => {
    const expect = (options: string[], replies: [persistent: number, volatile: number]) => {
      run('SET', 'p', '1');
      run('SET', 'v', '1', 'EX', '100');
      assert.deepEqual([run('EXPIRE', 'p', ...options), run('EXPIRE', 'v', ...options)], replies);
    };
    expect(['50'], [1, 1]);
    expect(['50', 'NX'], [1, 0]);
    expect(['50', 'XX'], [0, 1]);
    expect(['50', 'gt'], [0, 0]);
    expect(['150', 'GT'], [0, 1]);
    expect(['100', 'GT'], [0, 0]);
    expect(['50', 'LT'], [1, 1]);
    expect(['150', 'LT'], [1, 0]);
    expect(['100', 'LT'], [1, 0]);
    expect(['50', 'XX', 'GT'], [0, 0]);
    expect(['50', 'XX', 'LT'], [0, 1]);
    expect(['150', 'XX', 'GT'], [0, 1]);
    expect(['-1', 'XX', 'LT'], [0, 1]);
    assert.equal(run('EXISTS', 'v'), 0);
  });

  it('compare exactly where JavaScript numbers do not', () => {
    run('SET', 'a', '1', 'PXAT', '9223372036854775806');
    assert.equal(run('PEXPIRE', 'a', String(9223372036854775806n - 1_000_000n), 'GT'), 0);
    assert.equal(run('PEXPIRE', 'a', String(9223372036854775807n - 1_000_000n), 'GT'), 1);
    assert.equal(run('PTTL', 'a'), 9223372036854775807n - 1_000_000n);
  });

  const conflictNx = '-ERR NX and XX, GT or LT options at the same time are not compatible';
  const conflictGtLt = '-ERR GT and LT options at the same time are not compatible';
  const errors: [string[], string][] = [
    [['a', 'x'], '-ERR value is not an integer or out of range'],
    [['a', '9223372036854775808'], '-ERR value is not an integer or out of range'],
    [['a', '9223372036854775807'], "-ERR invalid expire time in 'expire' command"],
    [['a', '-9223372036854775807'], "-ERR invalid expire time in 'expire' command"],
    [['a', '9223372036854775'], "-ERR invalid expire time in 'expire' command"],
    [['a', '1', 'NX', 'XX'], conflictNx],
    [['a', '1', 'GT', 'NX'], conflictNx],
    [['a', '1', 'NX', 'LT'], conflictNx],
    [['a', '1', 'GT', 'LT'], conflictGtLt],
    [['a', '1', 'maybe'], '-ERR Unsupported option maybe'],
    [['a', 'x', 'maybe'], '-ERR Unsupported option maybe'],
    [['a'], "-ERR wrong number of arguments for 'expire' command"],
  ];
  for (const [args, reply] of errors) {
    it(`answer ${reply} to EXPIRE ${args.join(' ')}`, () => {
      assert.equal(run('EXPIRE', ...args), reply);
    });
  }

  it('PEXPIRE names itself in its errors', () => {
    const reply = "-ERR invalid expire time in 'pexpire' command";
    assert.equal(run('PEXPIRE', 'a', '9223372036854775807'), reply);
  });
});

describe('An expired key', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  beforeEach(() => {
    run('SET', 'a', '1', 'PX', '100');
  });

  it('is there until its time has come by the stamp, and gone from then on', () => {
    harness().nowMs += 99;
    assert.equal(run('PTTL', 'a'), 1);
    harness().nowMs += 1;
    assert.equal(run('GET', 'a'), null);
  });

  it('is gone from the first command of an entry whose stamp reaches its time', () => {
    harness().nowMs += 100;
    assert.deepEqual(
      harness().runBatch([
        ['GET', 'a'],
        ['SET', 'b', '1'],
        ['GET', 'a'],
      ]),
      [null, '+OK', null],
    );
  });

  it('does not exist for any command', () => {
    harness().nowMs += 100;
    assert.equal(run('GET', 'a'), null);
    assert.deepEqual(run('MGET', 'a'), [null]);
    assert.equal(run('STRLEN', 'a'), 0);
    assert.equal(run('EXISTS', 'a'), 0);
    assert.equal(run('TYPE', 'a'), '+none');
    assert.equal(run('TTL', 'a'), -2);
    assert.equal(run('SET', 'a', '2', 'XX'), null);
  });

  const writes: [string[], ReturnType<typeof run>][] = [
    [['DEL', 'a'], 0],
    [['PERSIST', 'a'], 0],
    [['EXPIRE', 'a', '100'], 0],
    [['INCR', 'a'], 1],
    [['APPEND', 'a', 'x'], 1],
    [['SET', 'a', '2', 'GET'], null],
    [['SET', 'a', '2', 'NX'], '+OK'],
    [['SET', 'a', '2', 'KEEPTTL'], '+OK'],
    [['SET', 'a', '2'], '+OK'],
  ];
  for (const [command, reply] of writes) {
    it(`is deleted when ${command.join(' ')} meets it`, () => {
      harness().nowMs += 100;
      // A read leaves the row alone: it may run on one replica only.
      assert.equal(run('GET', 'a'), null);
      assert.equal(harness().machine.expiresCount(0), 1);
      assert.equal(run(...command), reply);
      assert.equal(harness().machine.expiresCount(0), 0);
      assert.equal(run('TTL', 'a'), harness().machine.keyCount(0) === 0 ? -2 : -1);
    });
  }
});

describe('A read outside the log', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);
  const read = (...args: string[]) => harness().read(...args);

  it('sees what was applied but not yet committed to SQLite', () => {
    run('SET', 'a', '1');
    assert.equal(harness().machine.flushedIndex, 0);
    assert.equal(read('GET', 'a'), '1');
  });

  it('counts what is left from the reader\u2019s clock', () => {
    run('SET', 'a', '1', 'PX', '5000');
    harness().nowMs += 1000;
    assert.equal(read('PTTL', 'a'), 4000);
    assert.equal(read('TTL', 'a'), 4);
  });

  it('counts from the applied stamp when the reader\u2019s clock is behind it', () => {
    run('SET', 'a', '1', 'PX', '5000');
    harness().nowMs -= 1000;
    assert.equal(read('PTTL', 'a'), 5000);
  });

  for (const command of [
    ['GET', 'a'],
    ['MGET', 'b', 'a'],
    ['STRLEN', 'a'],
    ['EXISTS', 'a', 'a'],
    ['TYPE', 'a'],
    ['TTL', 'a'],
    ['PTTL', 'a'],
    ['SCAN', '0'],
  ]) {
    it(`${command.join(' ')} needs a tick for a key due by the reader\u2019s clock only`, () => {
      run('SET', 'a', '1', 'PX', '100');
      run('SET', 'b', '1');
      harness().nowMs += 99;
      assert.notEqual(read(...command), needsTick);
      harness().nowMs += 1;
      assert.equal(read(...command), needsTick);
      harness().tick();
      assert.notEqual(read(...command), needsTick);
      assert.equal(read('GET', 'a'), null);
      assert.equal(read('GET', 'b'), '1');
    });
  }

  it('needs no tick for other keys', () => {
    run('SET', 'a', '1', 'PX', '100');
    run('SET', 'b', '1');
    harness().nowMs += 1000;
    assert.equal(read('GET', 'b'), '1');
    assert.equal(read('DBSIZE'), 2);
  });

  it('changes nothing', () => {
    run('SET', 'a', '1', 'PX', '100');
    harness().nowMs += 100;
    harness().tick();
    const before = harness().machine.digest();
    assert.equal(read('GET', 'a'), null);
    assert.equal(harness().machine.digest(), before);
  });

  it('checks the number of arguments', () => {
    assert.equal(read('GET'), "-ERR wrong number of arguments for 'get' command");
  });

  it('is never a write', () => {
    assert.throws(() => read('SET', 'a', '1'), /Only known reads/);
    assert.throws(() => read('NONSENSE'), /Only known reads/);
  });
});

describe('Absolute times', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('EXPIREAT and PEXPIREAT set what EXPIRETIME and PEXPIRETIME show', () => {
    run('SET', 'a', '1');
    assert.equal(run('EXPIRETIME', 'a'), -1);
    assert.equal(run('EXPIREAT', 'a', '2000'), 1);
    assert.deepEqual([run('EXPIRETIME', 'a'), run('PEXPIRETIME', 'a')], [2000, 2_000_000]);
    assert.equal(run('PEXPIREAT', 'a', '1999999', 'GT'), 0);
    assert.equal(run('PEXPIREAT', 'a', '9223372036854775807', 'XX'), 1);
    assert.equal(run('PEXPIRETIME', 'a'), 9223372036854775807n);
    assert.equal(run('EXPIREAT', 'a', '1', 'LT'), 1);
    assert.equal(run('EXPIRETIME', 'a'), -2);
    const invalid = "-ERR invalid expire time in 'expireat' command";
    assert.equal(run('EXPIREAT', 'a', '9223372036854776'), invalid);
  });
});

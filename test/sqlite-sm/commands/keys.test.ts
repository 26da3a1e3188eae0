import assert from 'node:assert/strict';
import { scanRowsMax } from '../../../sqlite-sm/commands/scan.js';
import { type MachineHarness, SeededRandom, useMachine } from '../machine-fixture.js';

describe('DEL, EXISTS and TYPE', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('DEL counts the keys that were there', () => {
    run('MSET', 'a', '1', 'b', '2', 'c', '3');
    assert.equal(run('DEL', 'a', 'missing', 'b', 'a'), 2);
    assert.deepEqual(run('MGET', 'a', 'b', 'c'), [null, null, '3']);
  });

  it('EXISTS counts a repeated key every time', () => {
    run('SET', 'a', '1');
    assert.equal(run('EXISTS', 'a', 'missing', 'a'), 2);
  });

  it('TYPE names the type', () => {
    run('SET', 'a', '1');
    assert.equal(run('TYPE', 'a'), '+string');
    assert.equal(run('TYPE', 'missing'), '+none');
  });

  it('check the number of arguments', () => {
    assert.equal(run('DEL'), "-ERR wrong number of arguments for 'del' command");
    assert.equal(run('EXISTS'), "-ERR wrong number of arguments for 'exists' command");
    assert.equal(run('TYPE', 'a', 'b'), "-ERR wrong number of arguments for 'type' command");
  });
});

function scanAll(harness: MachineHarness, ...options: string[]): string[] {
  const found: string[] = [];
  let cursor = '0';
  do {
    const [next, names] = harness.run('SCAN', cursor, ...options) as [string, string[]];
    found.push(...names);
    cursor = next;
  } while (cursor !== '0');
  return found;
}

describe('SCAN', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('answers an empty database with cursor 0', () => {
    assert.deepEqual(run('SCAN', '0'), ['0', []]);
  });

  it('meets every key exactly once when nothing changes', () => {
    const names = Array.from({ length: 1000 }, (_, i) => `key:${i}`);
    for (const name of names) run('SET', name, 'x'.repeat(200));
    for (const count of ['1', '7', '10', '1000', '1001', '9223372036854775807']) {
      assert.deepEqual(scanAll(harness(), 'COUNT', count).sort(), [...names].sort());
    }
  });

  it('looks at 10 rows without COUNT, and never at more than its bound', () => {
    for (let i = 0; i < 12; i++) run('SET', `key:${i}`, '');
    const [, names] = run('SCAN', '0') as [string, string[]];
    assert.equal(names.length, 10);
    for (let i = 0; i < scanRowsMax + 5; i++) run('SET', `many:${i}`, '');
    const [cursor, many] = run('SCAN', '0', 'COUNT', '1000000') as [string, string[]];
    assert.equal(many.length, scanRowsMax);
    assert.notEqual(cursor, '0');
  });

  it('steps over other databases', () => {
    for (let i = 0; i < 50; i++) harness().runIn(i % 3, 'SET', `key:${i}`, '');
    const expected = Array.from({ length: 17 }, (_, i) => `key:${i * 3}`);
    assert.deepEqual(scanAll(harness()), expected);
  });

  it('filters by MATCH and TYPE', () => {
    run('MSET', 'user:1', 'a', 'user:2', 'b', 'order:1', 'c');
    assert.deepEqual(scanAll(harness(), 'MATCH', 'user:*').sort(), ['user:1', 'user:2']);
    assert.deepEqual(scanAll(harness(), 'match', '*:1', 'type', 'STRING').sort(), [
      'order:1',
      'user:1',
    ]);
    assert.deepEqual(scanAll(harness(), 'TYPE', 'hash'), []);
    assert.deepEqual(scanAll(harness(), 'TYPE', 'no such type'), []);
  });

  it('leaves out expired keys', () => {
    run('SET', 'stays', '1');
    run('SET', 'goes', '1', 'PX', '10');
    harness().nowMs += 10;
    assert.deepEqual(scanAll(harness()), ['stays']);
  });

  // https://redis.io/docs/latest/commands/scan/#scan-guarantees
  it('meets every key that is there from beginning to end, however others come and go', () => {
    const random = new SeededRandom(4);
    const stable = new Set(Array.from({ length: 300 }, (_, i) => `stable:${i}`));
    for (const name of stable) run('SET', name, '0');
    for (let i = 0; i < 300; i++) run('SET', `volatile:${i}`, '0');
    const never = new Set<string>();
    for (let i = 0; i < 100; i++) {
      const name = `gone:${i}`;
      run('SET', name, '0');
      run('DEL', name);
      never.add(name);
    }

    const found: string[] = [];
    let cursor = '0';
    do {
      const [next, names] = run('SCAN', cursor, 'COUNT', '7') as [string, string[]];
      found.push(...names);
      cursor = next;
      for (let i = 0; i < 10; i++) {
        const name = `volatile:${random.below(600)}`;
        if (random.below(2) === 0) run('DEL', name);
        else run('SET', name, '1');
        // An overwritten key keeps its place.
        run('SET', random.pick([...stable]), String(i), ...random.pick([[], ['EX', '1000']]));
      }
      if (random.below(10) === 0) harness().machine.flush();
      assert(found.length < 10_000, 'The iteration does not end');
    } while (cursor !== '0');

    for (const name of stable) {
      assert.equal(found.filter((other) => other === name).length, 1, name);
    }
    for (const name of found) assert(!never.has(name), name);
  });

  it('goes on after a restart', () => {
    for (let i = 0; i < 20; i++) run('SET', `key:${i}`, '');
    const [cursor, first] = run('SCAN', '0') as [string, string[]];
    harness().reopen();
    const [end, second] = run('SCAN', cursor, 'COUNT', '11') as [string, string[]];
    assert.equal(end, '0');
    assert.equal(new Set([...first, ...second]).size, 20);
  });

  const errors: [string[], string][] = [
    [['x'], '-ERR invalid cursor'],
    [['1x'], '-ERR invalid cursor'],
    [[' 1'], '-ERR invalid cursor'],
    [['1.0'], '-ERR invalid cursor'],
    [['18446744073709551616'], '-ERR invalid cursor'],
    [['0', 'COUNT'], '-ERR syntax error'],
    [['0', 'COUNT', '0'], '-ERR syntax error'],
    [['0', 'COUNT', '-3'], '-ERR syntax error'],
    [['0', 'COUNT', 'x'], '-ERR value is not an integer or out of range'],
    [['0', 'MATCH'], '-ERR syntax error'],
    [['0', 'TYPE'], '-ERR syntax error'],
    [['0', 'NONSENSE', '1'], '-ERR syntax error'],
    [[], "-ERR wrong number of arguments for 'scan' command"],
  ];
  for (const [args, reply] of errors) {
    it(`answers ${reply} to SCAN ${args.join(' ')}`, () =>
      assert.equal(run('SCAN', ...args), reply));
  }

  it('answers a cursor that it never gave with the end', () => {
    run('SET', 'a', '1');
    for (const cursor of ['1000', '9007199254740993', '18446744073709551615', '-1']) {
      assert.deepEqual(run('SCAN', cursor), ['0', []]);
    }
    assert.deepEqual(run('SCAN', ''), ['0', ['a']]);
    assert.deepEqual(run('SCAN', '+0'), ['0', ['a']]);
  });
});

describe('Keys that change their place', () => {
  const harness = useMachine();
  const run = (...args: string[]) => harness().run(...args);

  it('RENAME and RENAMENX take value and expiry along', () => {
    run('SET', 'a', '1', 'EX', '10');
    run('SET', 'b', '2');
    assert.equal(run('RENAMENX', 'a', 'b'), 0);
    assert.equal(run('RENAMENX', 'a', 'a'), 0);
    assert.equal(run('RENAME', 'a', 'a'), '+OK');
    assert.equal(run('RENAME', 'a', 'b'), '+OK');
    assert.deepEqual([run('GET', 'b'), run('TTL', 'b'), run('DBSIZE')], ['1', 10, 1]);
    assert.equal(run('RENAMENX', 'b', 'c'), 1);
    assert.equal(harness().machine.expiresCount(0), 1);
    assert.equal(run('RENAME', 'b', 'c'), '-ERR no such key');
  });

  it('COPY and MOVE reach other databases', () => {
    run('SET', 'a', '1', 'EX', '10');
    assert.equal(run('COPY', 'a', 'b'), 1);
    assert.equal(run('COPY', 'a', 'b'), 0);
    assert.equal(run('COPY', 'a', 'b', 'REPLACE'), 1);
    assert.equal(run('COPY', 'a', 'a', 'DB', '3'), 1);
    assert.equal(run('MOVE', 'a', '3'), 0);
    assert.equal(run('MOVE', 'a', '4'), 1);
    assert.equal(run('EXISTS', 'a'), 0);
    assert.equal(harness().runIn(3, 'TTL', 'a'), 10);
    assert.equal(harness().runIn(4, 'GET', 'a'), '1');
    assert.equal(harness().machine.expiresCount(4), 1);
    assert.equal(run('MOVE', 'b', '16'), '-ERR DB index is out of range');
    const same = '-ERR source and destination objects are the same';
    assert.equal(run('COPY', 'b', 'b'), same);
    assert.equal(run('MOVE', 'b', '0'), same);
  });

  it('UNLINK and TOUCH are DEL and EXISTS', () => {
    run('MSET', 'a', '1', 'b', '2');
    assert.equal(run('TOUCH', 'a', 'a', 'c'), 2);
    assert.equal(run('UNLINK', 'a', 'a', 'b'), 2);
    assert.equal(run('DBSIZE'), 0);
  });

  it('OBJECT tells of values what Redis would', () => {
    run('SET', 'a', '1');
    assert.equal(run('OBJECT', 'encoding', 'a'), 'int');
    assert.equal(run('OBJECT', 'REFCOUNT', 'a'), 1);
    assert.equal(run('OBJECT', 'IDLETIME', 'a'), 0);
    assert.match(String(run('OBJECT', 'FREQ', 'a')), /^-ERR An LFU maxmemory policy is not/);
    assert.equal(run('OBJECT', 'FREQ', 'b'), null);
    assert.match(String(run('OBJECT', 'HELP')), /^\+OBJECT <subcommand>/);
    assert.equal(run('OBJECT', 'X'), "-ERR unknown subcommand 'X'. Try OBJECT HELP.");
    const arity = "-ERR wrong number of arguments for 'object|encoding' command";
    assert.equal(run('OBJECT', 'ENCODING'), arity);
  });
});

import assert from 'node:assert/strict';
import { arityFits, dataCommands, findCommand } from '../../../sqlite-sm/index.js';
import { SeededRandom, toBuffer, useMachine } from '../machine-fixture.js';
import { randomCommand } from '../random-commands.js';

/** What a client would be told before the command is applied. */
function isOkAtCommit(args: readonly string[]): boolean {
  const buffers = args.map(toBuffer);
  const command = findCommand(buffers[0]!);
  if (command === undefined || !arityFits(command, args.length)) return false;
  return command.replyAtCommit?.(buffers) === true;
}

describe('Replies at commit', () => {
  const harness = useMachine();

  it('are given by the writes that never look at what was there', () => {
    const names = dataCommands
      .filter((row) => 'replyAtCommit' in row)
      .map(({ name }) => name)
      .toSorted();
    assert.deepEqual(names, ['flushall', 'flushdb', 'mset', 'psetex', 'set', 'setex']);
  });

  for (const line of [
    ...['SET k v', 'SET k v EX 5', 'SET k v px 999999999999', 'SET k v EXAT 1 EXAT 2'],
    ...['SET k v PXAT 1', 'SET k v KEEPTTL', 'SETEX k 5 v', 'PSETEX k 5 v', 'MSET a 1 b 2'],
    ...['FLUSHALL', 'FLUSHALL ASYNC', 'flushdb sync'],
  ]) {
    it(`${line}: yes`, () => {
      assert.equal(isOkAtCommit(line.split(' ')), true);
      assert.equal(harness().run(...line.split(' ')), '+OK');
    });
  }

  for (const line of [
    ...['SET k v NX', 'SET k v XX', 'SET k v GET', 'SET k v EX 5 NX', 'SET k v EX 5 GET'],
    ...['SET k v EX abc', 'SET k v EX 0', 'SET k v EX -1', 'SET k v EX 05', 'SET k v EX +5'],
    ...['SET k v EX 5 PX 5', 'SET k v EX 5 KEEPTTL', 'SET k v EX', 'SET k v nonsense'],
    ...['SET k v EX 9999999999999999', 'SETEX k 0 v', 'SETEX k abc v', 'PSETEX k -5 v'],
    ...['MSET a 1 b', 'FLUSHALL NOW', 'FLUSHDB SYNC SYNC', 'MSETNX a 1', 'GETSET k v', 'DEL k'],
    ...['SWAPDB 0 1', 'APPEND k v', 'RENAME k l'],
  ]) {
    it(`${line}: no`, () => assert.equal(isOkAtCommit(line.split(' ')), false));
  }

  it('are what applying comes to, whatever the arguments, the state and the time', () => {
    const random = new SeededRandom(11);
    const times = {
      seconds: ['1', '2', '100', '999999999999'],
      milliseconds: ['1', '500', '999999999999'],
    };
    let count = 0;
    for (let step = 0; step < 20_000; step += 1) {
      harness().nowMs += random.below(50);
      const args = randomCommand(random, times);
      const isOk = isOkAtCommit(args);
      const reply = harness().run(...args);
      if (!isOk) continue;
      count += 1;
      assert.equal(reply, '+OK', args.join(' '));
    }
    assert(count > 1000, `only ${count} replies at commit`);
  });
});

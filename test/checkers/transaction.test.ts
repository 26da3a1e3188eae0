import assert from 'node:assert/strict';
import { findLostWrites } from './acknowledged-writes.js';
import { drawn } from './drawn-history.js';
import { checkLinearizability } from './linearizability.js';
import type { Operation } from './operation.js';
import { redisModel } from './redis-model.js';
import { commandsOf, transactionOf, withoutTransactions } from './transaction.js';

function verdictOf(history: readonly Operation[]): string {
  return checkLinearizability(history, redisModel(history)).kind;
}

describe('A transaction in a history', () => {
  it('has the commands that it was made of', () => {
    const commands = [
      ['SET', 'k', 'a'],
      ['GET', 'k'],
    ];
    assert.deepEqual(commandsOf(transactionOf(commands)), commands);
    assert.deepEqual(transactionOf(commands), 'MULTI | SET k a | GET k | EXEC'.split(' '));
    assert.deepEqual(commandsOf(['GET', 'k']), [['GET', 'k']]);
  });

  it('takes effect as a whole', () => {
    const written = '|- MULTI | SET a 1 | SET b 1 | EXEC = [OK OK] -|';
    assert.equal(verdictOf(drawn(written, '|- MGET a b = [1 1] -|')), 'linearizable');
    assert.equal(verdictOf(drawn(written, '|- MGET a b = [nil nil] -|')), 'linearizable');
    assert.equal(verdictOf(drawn(written, '|- MGET a b = [1 nil] -|')), 'violation');
    const unknown = '|- MULTI | SET a 1 | SET b 1 | EXEC ->';
    assert.equal(verdictOf(drawn(unknown, '|- MGET a b = [nil 1] -|')), 'violation');
  });

  it('sees what its own commands did, and nothing between them', () => {
    const counted = '|- MULTI | INCR n | GET n | EXEC = [(1) 1] -|';
    assert.equal(verdictOf(drawn(counted, '|- INCR n = (2) -|')), 'linearizable');
    const disturbed = '|- MULTI | INCR n | GET n | EXEC = [(1) 2] -|';
    assert.equal(verdictOf(drawn(disturbed, '|- INCR n = (2) -|')), 'violation');
  });

  it('is searched together with all keys that it names', () => {
    const history = drawn(
      '|- SET a 1 = OK -||- SET b 1 = OK -||- MULTI | GET a | GET b | EXEC = [1 1] -|',
    );
    assert.equal(redisModel(history).partition!(history).length, 1);
  });

  it('is its commands to the checkers of single keys', () => {
    const history = drawn(
      '|- MULTI | SET a 1 | INCR n | EXEC = [OK (1)] -||- MULTI | SET b 1 | EXEC ->',
    );
    const parts = withoutTransactions(history);
    assert.deepEqual(
      parts.map(({ command, reply }) => [command.join(' '), reply]),
      [
        ['SET a 1', 'OK'],
        ['INCR n', 1],
        ['SET b 1', undefined],
      ],
    );
    assert.equal(findLostWrites(parts, new Map([['n', '1']])).length, 1);
  });
});

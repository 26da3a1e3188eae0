import assert from 'node:assert/strict';
import { randomInteger, seededRandom } from '../faults/seeded-random.js';
import { KeyspaceModel } from '../sqlite-sm/keyspace-model.js';
import { drawn } from './drawn-history.js';
import { type RedisState, redisModel } from './redis-model.js';
import { mixedCommands, plainReply, simulatedHistory } from './simulated-history.js';

/** Replies and contents after commands one after another; the model was made for no history. */
function play(...commands: readonly (readonly [string, unknown])[]): void {
  const model = redisModel([]);
  let state: RedisState = model.init;
  for (const [text, reply] of commands) {
    const step = model.step(state, text.split(' '), reply);
    assert(step.isLegal, `${text} → ${String(reply)} at ${model.describe(state)}`);
    for (const other of ['another', -7, null, ['another']]) {
      if (other === reply) continue;
      assert(!model.step(state, text.split(' '), other).isLegal, `${text} → ${other}`);
    }
    assert(model.step(state, text.split(' '), undefined).isLegal);
    state = step.state;
  }
}

describe('The model of Redis', () => {
  it('has registers', () => {
    play(['GET k', null], ['SET k a', 'OK'], ['GET k', 'a'], ['GETSET k b', 'a']);
    play(['GETSET k a', null], ['GETDEL k', 'a'], ['GETDEL k', null], ['EXISTS k k', 0]);
    play(['SET k a', 'OK'], ['EXISTS k k', 2], ['DEL k j k', 1], ['DEL k', 0]);
    play(['SET k a NX', 'OK'], ['set k b nx', null], ['GET k', 'a']);
  });

  it('has counters of 64 bits', () => {
    const max = '9223372036854775807';
    const notInteger = '-ERR value is not an integer or out of range';
    play(['INCR c', 1n], ['INCRBY c -5', -4n], ['GET c', '-4']);
    play(['SET c 41', 'OK'], ['INCR c', 42n]);
    play(['SET c a', 'OK'], ['INCR c', notInteger], ['GET c', 'a']);
    play([`SET c ${max}`, 'OK'], ['INCR c', '-ERR increment or decrement would overflow']);
    play([`SET c ${max}8`, 'OK'], ['INCR c', notInteger]);
    play([`INCRBY c ${max}`, BigInt(max)], ['GET c', max]);
    assert(redisModel([]).step(new Map(), ['INCR', 'c'], 1).isLegal);
  });

  it('has lists that are appended to', () => {
    play(['STRLEN l', 0], ['APPEND l ab', 2], ['APPEND l ü', 4], ['STRLEN l', 4]);
  });

  it('has several keys at once', () => {
    play(['MSET a 1 b 2', 'OK'], ['GET b', '2'], ['DEL a b', 2]);
    const model = redisModel([]);
    const state = model.step(model.init, ['MSET', 'a', '1', 'b', '2'], 'OK').state;
    const isLegal = (...reply: unknown[]) =>
      model.step(state, ['MGET', 'a', 'b', 'c'], reply).isLegal;
    assert(isLegal('1', '2', null));
    assert(!isLegal('1', null, null));
    assert(!isLegal('1', '2'));
  });

  it('changes no state that it was given', () => {
    const model = redisModel([]);
    const { state } = model.step(model.init, ['SET', 'k', 'a'], 'OK');
    const before = model.describe(state);
    for (const text of [
      'SET k b',
      'DEL k',
      'APPEND k x',
      'MSET k 1 j 2',
      'GETDEL k',
      'GETSET k c',
    ]) {
      model.step(state, text.split(' '), undefined);
    }
    assert.equal(model.describe(state), before);
    assert.equal(model.describe(model.init), '[]');
  });

  it('describes the same contents in the same way', () => {
    const { step, init, describe: text } = redisModel([]);
    const ab = step(step(init, ['SET', 'a', '1'], 'OK').state, ['SET', 'b', '2'], 'OK').state;
    const ba = step(step(init, ['SET', 'b', '2'], 'OK').state, ['SET', 'a', '1'], 'OK').state;
    assert.equal(text(ab), text(ba));
    assert.notEqual(text(ab), text(step(ab, ['SET', 'b', '3'], 'OK').state));
  });

  it('refuses what it does not know', () => {
    const { step, init } = redisModel([]);
    assert.throws(() => step(init, ['LPUSH', 'k', 'a'], 1), /knows no LPUSH/);
    assert.throws(() => step(init, ['SET', 'k', 'a', 'PX', '5'], 'OK'), /no SET with PX 5/);
  });

  it('answers like the model of the state machine', () => {
    for (const seed of [1, 2, 3]) {
      const random = seededRandom(seed);
      const nextCommand = mixedCommands(random, 2);
      const store = new KeyspaceModel();
      const commands = Array.from({ length: 500 }, () => nextCommand(randomInteger(random, 1, 5)));
      const history = commands.map((command, at) => {
        const reply = store.run(command, 0);
        return { client: 1, invokedAt: at, returnedAt: at, command, reply: plainReply(reply) };
      });
      const model = redisModel(history);
      let state: RedisState = model.init;
      for (const { command, reply } of history) {
        const step = model.step(state, command, reply);
        assert(step.isLegal, `${command.join(' ')} → ${String(reply)} (seed ${seed})`);
        state = step.state;
      }
    }
  });

  describe('keeps of appended texts', () => {
    const history = drawn(
      '|- APPEND l ab = (2) -||- APPEND l cd = (4) -||- GET l = abcd -||- APPEND l ef = (6) -|',
    );
    const { step, describe: text } = redisModel(history);
    const stateAfter = (value: string, suffix: string) =>
      text(step(new Map([['l', value]]), ['APPEND', 'l', suffix], undefined).state);

    it('what a reply shows the beginning of', () => {
      assert.equal(stateAfter('a', 'b'), '[["l","ab"]]');
      assert.equal(stateAfter('ab', 'cd'), '[["l","abcd"]]');
    });

    it('but of others no more than the length', () => {
      assert.equal(stateAfter('abcd', 'ef'), '[["l",6]]');
      assert.equal(stateAfter('cd', 'ab'), '[["l",4]]');
    });

    it('which no text is equal to', () => {
      const state = new Map([['l', 4]]);
      assert(!step(state, ['GET', 'l'], '4').isLegal);
      assert(!step(state, ['GET', 'l'], null).isLegal);
      assert(step(state, ['GET', 'l'], undefined).isLegal);
      assert(step(state, ['APPEND', 'l', 'xyz'], 7).isLegal);
      assert(step(state, ['STRLEN', 'l'], 4).isLegal);
    });

    it('and all of what is counted, too', () => {
      const counted = redisModel(drawn('|- APPEND c 1 = (1) -||- INCR c = (2) -|'));
      const { state } = counted.step(counted.init, ['APPEND', 'c', '1'], 1);
      assert(counted.step(state, ['INCR', 'c'], 2n).isLegal);
    });
  });

  it('parts a history by the keys that commands name together', () => {
    const history = drawn(
      '|- SET {t}a 1 = OK -||- SET {t}b 1 = OK -||- SET {t}c 1 = OK -||- SET {t}d 1 = OK -|',
      '|- MGET {t}a {t}b = [1 1] -||- DEL {t}d {t}b ->',
    );
    const parts = redisModel(history).partition!(history);
    const keys = parts.map((part) => part.map(({ command }) => command[1]));
    assert.deepEqual(keys, [['{t}a', '{t}b', '{t}d', '{t}a', '{t}d'], ['{t}c']]);
  });

  it('parts a history into operations in their order, none twice and none forgotten', () => {
    const random = seededRandom(1);
    const nextCommand = mixedCommands(random, 3);
    const options = { random, clients: 5, operations: 500, losses: 0.1, nextCommand };
    const history = simulatedHistory(options);
    const parts = redisModel(history).partition!(history);
    // Three of each kind, and one pair.
    assert.equal(parts.length, 10);
    const places = parts.map((part) => part.map((operation) => history.indexOf(operation)));
    for (const part of places)
      assert.deepEqual(
        part,
        part.toSorted((a, b) => a - b),
      );
    assert.equal(new Set(places.flat()).size, history.length);
    assert.equal(places.flat().length, history.length);
  });
});

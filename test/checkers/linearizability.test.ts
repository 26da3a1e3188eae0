import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { randomInteger, seededRandom, seedsToRun } from '../faults/seeded-random.js';
import { drawn } from './drawn-history.js';
import { checkLinearizability, explain, type Model } from './linearizability.js';
import type { Operation } from './operation.js';
import { type RedisState, redisModel } from './redis-model.js';
import {
  mixedCommands,
  registerCommands,
  simulatedHistory,
  withReply,
} from './simulated-history.js';

function kindOf(history: readonly Operation[], stepsMax?: number): string {
  return check(history, stepsMax).kind;
}

function check(history: readonly Operation[], stepsMax = 1_000_000) {
  const verdict = checkLinearizability(history, redisModel(history), { stepsMax });
  if (verdict.kind === 'linearizable') {
    const parts = redisModel(history).partition!(history);
    assert.equal(verdict.orders.length, parts.length);
    for (const [at, order] of verdict.orders.entries()) checkOrder(order, parts[at]!);
  }
  return verdict;
}

/** What the search found is indeed an order of all that was answered, and explains it. */
function checkOrder(order: readonly Operation[], part: readonly Operation[]): void {
  const model = exactModel(part);
  let { init: state } = model;
  let latestCall = Number.NEGATIVE_INFINITY;
  for (const { command, reply, invokedAt, returnedAt } of order) {
    const step = model.step(state, command, reply);
    assert(step.isLegal);
    state = step.state;
    latestCall = Math.max(latestCall, invokedAt);
    assert(returnedAt === undefined || returnedAt >= latestCall, 'it returned before that');
  }
  const taken = new Set(order);
  assert.equal(taken.size, order.length);
  assert(part.every((each) => each.returnedAt === undefined || taken.has(each)));
}

/** One that keeps every value in full, as it does of keys that are counted. */
function exactModel(history: readonly Operation[]): Model<RedisState> {
  const keys = new Set(history.flatMap(({ command }) => command.slice(1)));
  const counts = [...keys].map((key) => ({ ...history[0]!, command: ['INCR', key] }));
  return redisModel(counts);
}

/** By definition: every order that respects time is tried. */
function hasOrder(
  left: readonly Operation[],
  model: Model<RedisState>,
  state = model.init,
): boolean {
  const ends = left.map(({ returnedAt }) => returnedAt ?? Number.POSITIVE_INFINITY);
  const firstReturn = Math.min(...ends);
  if (firstReturn === Number.POSITIVE_INFINITY) return true;
  return left.some((next) => {
    if (next.invokedAt > firstReturn) return false;
    const step = model.step(state, next.command, next.reply);
    const others = left.filter((each) => each !== next);
    return step.isLegal && hasOrder(others, model, step.state);
  });
}

describe('checkLinearizability', () => {
  describe('accepts', () => {
    it('nothing at all', () => {
      assert.equal(kindOf([]), 'linearizable');
    });

    it('reads that begin beside a write, and show the old value or the new', () => {
      const history = drawn(
        '|- SET k a = OK -|    |----------- SET k b = OK ----------|',
        '                       |- GET k = a -|   |- GET k = b -|',
      );
      assert.equal(kindOf(history), 'linearizable');
    });

    it('concurrent operations in the opposite order of their calls', () => {
      const history = drawn(
        '|- GET k = a -|',
        '   |- SET k a = OK -|',
        '      |- SET k b = OK -|',
        '                         |- GET k = b -|',
      );
      assert.equal(kindOf(history), 'linearizable');
    });

    it('a write that nobody heard of and that is seen late', () => {
      const history = drawn(
        '|- SET k a = OK -|',
        '   |- SET k b ->',
        '                    |- GET k = a -||- SET k c = OK -||- GET k = b -|',
      );
      assert.equal(kindOf(history), 'linearizable');
    });

    it('a write that nobody heard of and that is never seen', () => {
      const history = drawn(
        '|- SET k a = OK -|',
        '   |- SET k b ->',
        '                    |- GET k = a -||- SET k c = OK -||- GET k = c -|',
      );
      assert.equal(kindOf(history), 'linearizable');
    });

    it('some of several increments that nobody heard of', () => {
      const history = drawn(
        '|- INCR c ->',
        ' |- INCR c ->',
        '  |- INCR c ->',
        '               |- INCR c = (1) -||- INCR c = (4) -|',
      );
      assert.equal(kindOf(history), 'linearizable');
    });

    it('many appends that nobody heard of, in the one order that the reads show', () => {
      const letters = [...'abcdefghijklmnop'];
      const rows = letters.map((letter) => `|- APPEND l ${letter} ->`);
      const reads = '                  |- GET l = pk -||- APPEND l x = (4) -||- GET l = pkcx -|';
      assert.equal(kindOf(drawn(...rows, reads)), 'linearizable');
    });

    it('an append that no read shows, when a length does', () => {
      const history = drawn(
        '|- APPEND l abc ->',
        '                    |- APPEND l x = (4) -||- DEL l = (1) -||- GET l = nil -|',
      );
      assert.equal(kindOf(history), 'linearizable');
    });
  });

  describe('finds', () => {
    const violations: Record<string, readonly string[]> = {
      'a stale read': [
        '|- SET k a = OK -||- SET k b = OK -|',
        '                                     |- GET k = a -|',
      ],
      'a lost write': ['|- SET k a = OK -||- GET k = nil -|'],
      'a lost update': [
        '|- INCR c = (1) -|',
        '   |- INCR c = (2) -|',
        `${' '.repeat(22)}|- GET c = 1 -|`,
      ],
      'an increment that happened twice': ['|- INCR c = (1) -||- INCR c = (3) -|'],
      'two that were told the same': ['|- INCR c = (1) -|', '   |- INCR c = (1) -|'],
      'a read that goes back': [
        '|- SET k a = OK -|',
        '                    |- SET k b ->',
        '                       |- GET k = b -||- GET k = a -|',
      ],
      'reads that see two writes in different orders': [
        '|- SET k a = OK -|',
        '|- SET k b = OK -|',
        '  |- GET k = a -||- GET k = b -||- GET k = a -|',
      ],
      'a value from the future': ['|- GET k = a -|', `${' '.repeat(16)}|- SET k a = OK -|`],
      'a value that nobody wrote': ['|- SET k a = OK -||- GET k = b -|'],
      'a write that nobody heard of and that is seen twice': [
        '|- SET k a ->',
        '               |- GET k = a -||- SET k b = OK -||- GET k = b -||- GET k = a -|',
      ],
      'an append that is lost': [
        '|- APPEND l a = (1) -||- APPEND l b = (2) -|',
        `${' '.repeat(46)}|- GET l = b -|`,
      ],
      'half of an MSET': ['|- MSET {t}a 1 {t}b 1 = OK -||- MGET {t}a {t}b = [1 nil] -|'],
      'a condition that two met': ['|- SET k a NX = OK -|', '  |- SET k b NX = OK -|'],
    };
    for (const [name, rows] of Object.entries(violations)) {
      it(name, () => {
        assert.equal(kindOf(drawn(...rows)), 'violation');
      });
    }

    it('the one key of many that is wrong', () => {
      const history = drawn(
        '|- SET a 1 = OK -||- SET b 1 = OK -||- SET c 1 = OK -|',
        `${' '.repeat(56)}|- GET a = 1 -||- GET b = 2 -||- GET c = 1 -|`,
      );
      assert.equal(kindOf(history), 'violation');
    });
  });

  it('answers as the definition does, also about what nobody heard of', () => {
    const counts = { linearizable: 0, violation: 0 };
    for (const seed of seedsToRun(2000)) {
      const random = seededRandom(seed);
      const history = smallHistory(random);
      const expected = hasOrder(history, exactModel(history)) ? 'linearizable' : 'violation';
      assert.equal(kindOf(history), expected, `HOLT_SEED=${seed}`);
      counts[expected] += 1;
    }
    const total = counts.linearizable + counts.violation;
    assert(
      total < 2000 || Math.min(counts.linearizable, counts.violation) > 400,
      JSON.stringify(counts),
    );
  });

  it('accepts what a single store answered', () => {
    for (const seed of seedsToRun(20)) {
      const random = seededRandom(seed);
      const history = simulatedHistory({
        random,
        clients: 8,
        operations: 600,
        losses: 0.05,
        nextCommand: mixedCommands(random, 2),
      });
      const verdict = check(history);
      assert.equal(verdict.kind, 'linearizable', `HOLT_SEED=${seed}: ${explain(verdict)}`);
    }
  });

  it('finds a register that shows a value whose time is over', () => {
    for (const seed of seedsToRun(20)) {
      const random = seededRandom(seed);
      const history = registerHistory(random);
      const { read, reply } = pick(random, staleReplies(history));
      assert.equal(kindOf(withReply(history, read, reply)), 'violation', `HOLT_SEED=${seed}`);
    }
  });

  it('finds most registers that show some other value', () => {
    let found = 0;
    const seeds = seedsToRun(40);
    for (const seed of seeds) {
      const random = seededRandom(seed);
      const history = registerHistory(random);
      const read = pick(random, history.filter(isAnsweredRead));
      const writes = history.filter(
        ({ command }) => command[0] === 'SET' && command[1] === read.command[1],
      );
      const other = pick(
        random,
        writes.filter(({ command }) => command[2] !== read.reply),
      );
      const kind = kindOf(withReply(history, read, other.command[2]));
      assert.notEqual(kind, 'unknown', `HOLT_SEED=${seed}`);
      if (kind === 'violation') found += 1;
    }
    assert(found >= 0.8 * seeds.length, `${found} of ${seeds.length}`);
  });

  it('is the same for a model of anything else', () => {
    const queue: Model<readonly string[]> = {
      init: [],
      step: (state, [name, item], output) =>
        name === 'put'
          ? { isLegal: true, state: [...state, item!] }
          : { isLegal: output === undefined || output === state[0], state: state.slice(1) },
      describe: (state) => state.join(),
    };
    const puts = ['|- put a -|', ' |- put b -|'];
    const gets = (first: string, second: string) =>
      `${' '.repeat(20)}|- get = ${first} -||- get = ${second} -|`;
    assert.equal(checkLinearizability(drawn(...puts, gets('b', 'a')), queue).kind, 'linearizable');
    assert.equal(checkLinearizability(drawn(...puts, gets('a', 'a')), queue).kind, 'violation');
  });

  it('gives up when its steps are used up', () => {
    const history = drawn(
      '|- SET k a = OK -||- SET k b = OK -|',
      `${' '.repeat(38)}|- GET k = b -||- GET k = a -|`,
    );
    const verdict = check(history, 2);
    assert.equal(verdict.kind, 'unknown');
    assert.match(explain(verdict), /^Not known to be linearizable: out of steps/);
    assert.equal(kindOf(history, 20), 'violation');
  });

  it('takes the steps of each part, so that one that is hard hides no other', () => {
    const hard = [...'abcdefgh'].map((letter) => `|- APPEND l ${letter} ->`);
    const history = drawn(
      ...hard,
      '                |- GET l = x -|',
      '|- SET k a = OK -||- GET k = b -|',
    );
    assert.equal(kindOf(history.slice(0, -2), 30), 'unknown');
    assert.equal(kindOf(history, 30), 'violation');
  });

  it('explains a violation', () => {
    const history = drawn(
      '|- SET k a = OK -||- SET k b = OK -|',
      '                                     |- GET k = b -||- GET k = a -|',
    );
    assert.equal(
      explain(check(history)),
      [
        'Not linearizable',
        'These 3 of 4 operations explain their replies in this order:',
        "  client 1, 0–17: SET k a → 'OK'",
        "  client 1, 18–35: SET k b → 'OK'",
        "  client 2, 37–51: GET k → 'b'",
        'They lead to [["k","b"]], and then this does not fit:',
        "  client 2, 52–66: GET k → 'a'",
      ].join('\n'),
    );
  });
});

function pick<Item>(random: () => number, items: readonly Item[]): Item {
  assert(items.length > 0);
  return items[randomInteger(random, 0, items.length - 1)]!;
}

function registerHistory(random: () => number): readonly Operation[] {
  const nextCommand = registerCommands(random, 2);
  return simulatedHistory({ random, clients: 6, operations: 300, losses: 0.05, nextCommand });
}

function isAnsweredRead({ command, returnedAt }: Operation): boolean {
  return command[0] === 'GET' && returnedAt !== undefined;
}

/** For reads, values that were certainly overwritten before: no order explains them. */
function staleReplies(history: readonly Operation[]): { read: Operation; reply: string }[] {
  return history.filter(isAnsweredRead).flatMap((read) => {
    const writes = history.filter(
      ({ command, returnedAt }) =>
        command[0] === 'SET' &&
        command[1] === read.command[1] &&
        (returnedAt ?? Number.POSITIVE_INFINITY) < read.invokedAt,
    );
    return writes
      .filter((old) => writes.some(({ invokedAt }) => invokedAt > old.returnedAt!))
      .map((old) => ({ read, reply: old.command[2]! }));
  });
}

/** Eight operations on two keys, some of them without an answer; some replies are those of others. */
function smallHistory(random: () => number): readonly Operation[] {
  const history = simulatedHistory({
    random,
    clients: 4,
    operations: 8,
    losses: 0.4,
    nextCommand: (client) => {
      const key = pick(random, ['{k}1', '{k}1', '{k}2']);
      const value = pick(random, [`${client}`, '5', 'xy']);
      return pick(random, [
        ['GET', key],
        ['GET', key],
        ['SET', key, value],
        ['SET', key, value, 'NX'],
        ['GETSET', key, value],
        ['GETDEL', key],
        ['DEL', key],
        ['APPEND', key, value],
        ['APPEND', key, value],
        ['STRLEN', key],
        ['MSET', '{k}1', value, '{k}2', value],
        ['MGET', '{k}1', '{k}2'],
        ['EXISTS', '{k}1', '{k}2'],
        ...(random() < 0.3 ? [['INCR', key]] : []),
      ]);
    },
  });
  if (random() < 0.4) return history;
  const answered = history.filter(({ returnedAt }) => returnedAt !== undefined);
  if (answered.length === 0) return history;
  const changed = pick(random, answered);
  const others = answered.filter(({ reply }) => {
    return typeof reply === typeof changed.reply && !isDeepStrictEqual(reply, changed.reply);
  });
  if (others.length === 0) return history;
  return withReply(history, changed, pick(random, others).reply);
}

// What the commands of Redis do to the keys they name, for the linearizability checker.
//
// Registers (SET, GETSET, GETDEL, DEL), counters (INCR, INCRBY), lists that only grow at their end
// (APPEND), and several keys at once (MSET, MGET, MULTI … EXEC; their keys share a hash tag). No expiry: it
// depends on clocks, and has a checker of its own. It shares no code with what it checks.
//
// Keys that some command names together are searched together, all others by themselves. That is finer
// than by hash tag, and as right: no reply depends on a key that its command does not name.

import assert from 'node:assert/strict';
import type { Model, Step } from './linearizability.js';
import type { Operation } from './operation.js';
import { commandsOf, withoutTransactions } from './transaction.js';

/**
 * Text; a number is that many bytes that no reply shows. In which order appends came that nobody will see
 * makes no difference then, and there are many such orders when some of them were not answered.
 */
type Value = string | number;

/** A key that is not there is not in it. Never changed. */
export type RedisState = ReadonlyMap<string, Value>;

/** `undefined` is a value that no reply of the history shows. */
type ExpectedReply = string | number | bigint | null | undefined | readonly ExpectedReply[];

interface Outcome {
  readonly reply: ExpectedReply;
  /** Undefined: unchanged. */
  readonly state?: RedisState;
}

type Execute = (state: RedisState, args: readonly string[], shown: ShownTexts) => Outcome;

const notInteger = '-ERR value is not an integer or out of range';
const overflow = '-ERR increment or decrement would overflow';
const integerMax = 2n ** 63n - 1n;
const integerMin = -(2n ** 63n);

/** For this history only: its replies say which values need to be known. */
export function redisModel(history: readonly Operation[]): Model<RedisState> {
  const shown = new ShownTexts(history);
  return {
    init: new Map(),
    step: (state, command, reply): Step<RedisState> => {
      const outcome = execute(state, command, shown);
      return {
        isLegal: reply === undefined || isReply(reply, outcome.reply),
        state: outcome.state ?? state,
      };
    },
    describe: (state) => JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1))),
    partition: partitionByKeys,
  };
}

function isReply(reply: unknown, expected: ExpectedReply): boolean {
  if (expected === undefined) return false;
  if (Array.isArray(expected)) {
    if (!Array.isArray(reply) || reply.length !== expected.length) return false;
    return expected.every((element, at) => isReply(reply[at], element));
  }
  if (typeof expected === 'bigint' && typeof reply === 'number') return BigInt(reply) === expected;
  return reply === expected;
}

// ------------------------------------------------------------------------------------ commands

function execute(state: RedisState, command: readonly string[], shown: ShownTexts): Outcome {
  if (command[0] !== 'MULTI') return commandOf(command).execute(state, command, shown);
  const reply: ExpectedReply[] = [];
  for (const each of commandsOf(command)) {
    const outcome = commandOf(each).execute(state, each, shown);
    reply.push(outcome.reply);
    state = outcome.state ?? state;
  }
  return { reply, state };
}

function get(state: RedisState, [, key]: readonly string[]): Outcome {
  return { reply: shownValue(state, key!) };
}

function mget(state: RedisState, [, ...keys]: readonly string[]): Outcome {
  return { reply: keys.map((key) => shownValue(state, key)) };
}

function strlen(state: RedisState, [, key]: readonly string[]): Outcome {
  return { reply: byteLength(state.get(key!) ?? '') };
}

function exists(state: RedisState, [, ...keys]: readonly string[]): Outcome {
  return { reply: keys.filter((key) => state.has(key)).length };
}

function set(state: RedisState, [, key, value, ...options]: readonly string[]): Outcome {
  const isOnlyNew = options.length === 1 && options[0]!.toUpperCase() === 'NX';
  assert(options.length === 0 || isOnlyNew, `The model knows no SET with ${options.join(' ')}`);
  if (isOnlyNew && state.has(key!)) return { reply: null };
  return { reply: 'OK', state: withValue(state, key!, value!) };
}

function mset(state: RedisState, [, ...pairs]: readonly string[]): Outcome {
  const next = new Map(state);
  for (let at = 0; at < pairs.length; at += 2) next.set(pairs[at]!, pairs[at + 1]!);
  return { reply: 'OK', state: next };
}

function getset(state: RedisState, [, key, value]: readonly string[]): Outcome {
  return { reply: shownValue(state, key!), state: withValue(state, key!, value!) };
}

function getdel(state: RedisState, [, key]: readonly string[]): Outcome {
  return { reply: shownValue(state, key!), state: without(state, [key!]) };
}

function del(state: RedisState, [, ...keys]: readonly string[]): Outcome {
  const next = without(state, keys);
  return { reply: state.size - next.size, state: next };
}

function incr(state: RedisState, [, key]: readonly string[]): Outcome {
  return increase(state, key!, 1n);
}

function incrby(state: RedisState, [, key, amount]: readonly string[]): Outcome {
  return increase(state, key!, BigInt(amount!));
}

function increase(state: RedisState, key: string, amount: bigint): Outcome {
  const old = state.get(key) ?? '0';
  assert(typeof old === 'string', 'What is counted is always known');
  if (!/^(0|-?[1-9]\d{0,18})$/.test(old) || isTooLarge(BigInt(old))) return { reply: notInteger };
  const sum = BigInt(old) + amount;
  if (isTooLarge(sum)) return { reply: overflow };
  return { reply: sum, state: withValue(state, key, `${sum}`) };
}

function isTooLarge(value: bigint): boolean {
  return value > integerMax || value < integerMin;
}

function append(state: RedisState, [, key, suffix]: readonly string[], shown: ShownTexts): Outcome {
  const old = state.get(key!) ?? '';
  const length = byteLength(old) + byteLength(suffix!);
  const value =
    typeof old === 'string' && shown.needs(key!, old + suffix!) ? old + suffix! : length;
  return { reply: length, state: withValue(state, key!, value) };
}

function shownValue(state: RedisState, key: string): string | null | undefined {
  const value = state.get(key) ?? null;
  return typeof value === 'number' ? undefined : value;
}

function byteLength(value: Value): number {
  return typeof value === 'number' ? value : Buffer.byteLength(value);
}

function withValue(state: RedisState, key: string, value: Value): RedisState {
  return new Map(state).set(key, value);
}

function without(state: RedisState, keys: readonly string[]): RedisState {
  const next = new Map(state);
  for (const key of keys) next.delete(key);
  return next;
}

interface ModelCommand {
  readonly execute: Execute;
  /** The keys are every so many arguments, or the first alone. */
  readonly keys: 'first' | 'all' | 'everySecond';
}

const commands: Readonly<Record<string, ModelCommand>> = {
  APPEND: { execute: append, keys: 'first' },
  DEL: { execute: del, keys: 'all' },
  EXISTS: { execute: exists, keys: 'all' },
  GET: { execute: get, keys: 'first' },
  GETDEL: { execute: getdel, keys: 'first' },
  GETSET: { execute: getset, keys: 'first' },
  INCR: { execute: incr, keys: 'first' },
  INCRBY: { execute: incrby, keys: 'first' },
  MGET: { execute: mget, keys: 'all' },
  MSET: { execute: mset, keys: 'everySecond' },
  SET: { execute: set, keys: 'first' },
  STRLEN: { execute: strlen, keys: 'first' },
};

function commandOf([name]: readonly string[]): ModelCommand {
  const command = commands[name!.toUpperCase()];
  assert(command !== undefined, `The model knows no ${name}`);
  return command;
}

function keysOf(command: readonly string[]): readonly string[] {
  return commandsOf(command).flatMap(keysOfOne);
}

function keysOfOne(command: readonly string[]): readonly string[] {
  const { keys } = commandOf(command);
  const args = command.slice(1);
  if (keys === 'all') return args;
  return keys === 'first' ? args.slice(0, 1) : args.filter((_, at) => at % 2 === 0);
}

// ------------------------------------------------------------------------------------ histories

/** The texts that replies show, and with them all beginnings of those. */
class ShownTexts {
  /** None begins with another. */
  readonly #texts = new Map<string, readonly string[]>();
  /** What is counted may be shown by a number, and is always known. */
  readonly #counted = new Set<string>();

  constructor(history: readonly Operation[]) {
    const texts = new Map<string, Set<string>>();
    for (const { command, reply } of withoutTransactions(history)) {
      if (/^incr/i.test(command[0]!)) this.#counted.add(command[1]!);
      const replies = Array.isArray(reply) ? reply : [reply];
      for (const [at, key] of keysOf(command).entries()) {
        const text = replies[at];
        if (typeof text !== 'string') continue;
        const known = texts.get(key);
        if (known === undefined) texts.set(key, new Set([text]));
        else known.add(text);
      }
    }
    for (const [key, known] of texts) this.#texts.set(key, withoutBeginnings([...known].sort()));
  }

  /** Whether a value is the beginning of one that a reply shows. */
  needs(key: string, value: string): boolean {
    if (this.#counted.has(key)) return true;
    return this.#texts.get(key)?.some((text) => text.startsWith(value)) ?? false;
  }
}

/** In order, a text comes right before those that begin with it. */
function withoutBeginnings(sorted: readonly string[]): readonly string[] {
  return sorted.filter((text, at) => !sorted[at + 1]?.startsWith(text));
}

function partitionByKeys(history: readonly Operation[]): readonly (readonly Operation[])[] {
  const groups = new KeyGroups();
  for (const { command } of history) groups.join(keysOf(command));
  const parts = new Map<string, Operation[]>();
  for (const operation of history) {
    const group = groups.find(keysOf(operation.command)[0]!);
    const part = parts.get(group);
    if (part === undefined) parts.set(group, [operation]);
    else part.push(operation);
  }
  return [...parts.values()];
}

/** Each group is a tree of keys; its root is its name. */
class KeyGroups {
  readonly #parents = new Map<string, string>();

  find(key: string): string {
    const parent = this.#parents.get(key) ?? key;
    if (parent === key) return key;
    const root = this.find(parent);
    this.#parents.set(key, root);
    return root;
  }

  join([first, ...others]: readonly string[]): void {
    for (const other of others) this.#parents.set(this.find(other), this.find(first!));
  }
}

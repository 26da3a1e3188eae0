// What the commands mean, told a second time and as simply as possible: one map, bigints, no SQL.
//
// Shares no code with what it checks. Expired rows stay until a write meets them, as the state
// machine promises, so that DBSIZE can be compared as well. Replies have the form of the fixture's
// `show`.

import type { ShownReply } from './machine-fixture.js';

interface ModelKey {
  value: string;
  expiresMs: bigint | undefined;
}

const max = 2n ** 63n - 1n;
const min = -(2n ** 63n);

const syntax = '-ERR syntax error';
const notInteger = '-ERR value is not an integer or out of range';
const overflow = '-ERR increment or decrement would overflow';

const arities: Record<string, number> = {
  ...{ SET: -3, GET: 2, MGET: -2, MSET: -3, DEL: -2, EXISTS: -2, TYPE: 2, INCR: 2, DECR: 2 },
  ...{ INCRBY: 3, DECRBY: 3, APPEND: 3, STRLEN: 2, EXPIRE: -3, PEXPIRE: -3, TTL: 2, PTTL: 2 },
  ...{ PERSIST: 2, SCAN: -2, DBSIZE: 1, FLUSHALL: -1 },
};

export class KeyspaceModel {
  readonly #keys = new Map<string, ModelKey>();

  /** SCAN's names come sorted. */
  run(args: readonly string[], nowMs: number): ShownReply {
    const name = (args[0] as string).toUpperCase();
    const arity = arities[name] as number;
    const fits = arity < 0 ? args.length >= -arity : args.length === arity;
    const wrongArity = `-ERR wrong number of arguments for '${name.toLowerCase()}' command`;
    if (!fits) return wrongArity;
    const now = BigInt(nowMs);
    const [key = '', second = ''] = args.slice(1);
    switch (name) {
      case 'GET':
        return this.#see(key, now)?.value ?? null;
      case 'MGET':
        return args.slice(1).map((each) => this.#see(each, now)?.value ?? null);
      case 'STRLEN':
        return this.#see(key, now)?.value.length ?? 0;
      case 'EXISTS':
        return args.slice(1).filter((each) => this.#see(each, now) !== undefined).length;
      case 'TYPE':
        return this.#see(key, now) === undefined ? '+none' : '+string';
      case 'TTL':
      case 'PTTL':
        return this.#remaining(key, now, name === 'TTL' ? 1000n : 1n);
      case 'DBSIZE':
        return this.#keys.size;
      case 'SET':
        return this.#set(args, now);
      case 'MSET':
        if (args.length % 2 === 0) return wrongArity;
        for (let i = 1; i < args.length; i += 2) {
          this.#keys.set(args[i] as string, { value: args[i + 1] as string, expiresMs: undefined });
        }
        return '+OK';
      case 'DEL':
        return args.slice(1).filter((each) => this.#meet(each, now) && this.#keys.delete(each))
          .length;
      case 'INCR':
        return this.#increase(key, 1n, now);
      case 'DECR':
        return this.#increase(key, -1n, now);
      case 'INCRBY':
        return this.#increase(key, integer(second), now);
      case 'DECRBY': {
        const amount = integer(second);
        if (amount === min) return '-ERR decrement would overflow';
        return this.#increase(key, amount === undefined ? undefined : -amount, now);
      }
      case 'APPEND': {
        const old = this.#meet(key, now);
        const value = (old?.value ?? '') + second;
        this.#keys.set(key, { value, expiresMs: old?.expiresMs });
        return value.length;
      }
      case 'EXPIRE':
        return this.#expire(args, 1000n, now);
      case 'PEXPIRE':
        return this.#expire(args, 1n, now);
      case 'PERSIST': {
        const old = this.#meet(key, now);
        if (old?.expiresMs === undefined) return 0;
        old.expiresMs = undefined;
        return 1;
      }
      case 'SCAN':
        return this.#scan(args, now);
      case 'FLUSHALL':
        if (args.length > 2 || !['', 'ASYNC', 'SYNC'].includes(key.toUpperCase())) return syntax;
        if (args.length === 2 && key === '') return syntax;
        this.#keys.clear();
        return '+OK';
      default:
        throw new Error(`The model does not know ${name}`);
    }
  }

  #see(key: string, now: bigint): ModelKey | undefined {
    const found = this.#keys.get(key);
    return found?.expiresMs !== undefined && found.expiresMs <= now ? undefined : found;
  }

  /** A write met the key. */
  #meet(key: string, now: bigint): ModelKey | undefined {
    const seen = this.#see(key, now);
    if (seen === undefined) this.#keys.delete(key);
    return seen;
  }

  #remaining(key: string, now: bigint, unit: bigint): ShownReply {
    const seen = this.#see(key, now);
    if (seen === undefined) return -2;
    if (seen.expiresMs === undefined) return -1;
    const rest = seen.expiresMs - now;
    return shown(unit === 1n ? rest : (rest + 500n) / 1000n);
  }

  #increase(key: string, amount: bigint | undefined, now: bigint): ShownReply {
    if (amount === undefined) return notInteger;
    const old = this.#meet(key, now);
    const value = integer(old?.value ?? '0');
    if (value === undefined) return notInteger;
    const sum = value + amount;
    if (sum > max || sum < min) return overflow;
    this.#keys.set(key, { value: String(sum), expiresMs: old?.expiresMs });
    return shown(sum);
  }

  #set(args: readonly string[], now: bigint): ShownReply {
    const [, key, value] = args as [string, string, string];
    const words = new Set<string>();
    let amountText: string | undefined;
    for (let i = 3; i < args.length; i++) {
      const word = (args[i] as string).toUpperCase();
      if (!['NX', 'XX', 'GET', 'KEEPTTL', 'EX', 'PX', 'EXAT', 'PXAT'].includes(word)) return syntax;
      words.add(word);
      if (['EX', 'PX', 'EXAT', 'PXAT'].includes(word)) {
        i++;
        if (i === args.length) return syntax;
        amountText = args[i];
      }
    }
    if (words.has('NX') && words.has('XX')) return syntax;
    const timeWords = ['EX', 'PX', 'EXAT', 'PXAT', 'KEEPTTL'].filter((word) => words.has(word));
    if (timeWords.length > 1) return syntax;

    let expiresMs: bigint | undefined;
    if (amountText !== undefined) {
      const amount = integer(amountText);
      if (amount === undefined) return notInteger;
      const unit = words.has('EX') || words.has('EXAT') ? 1000n : 1n;
      expiresMs = amount * unit + (words.has('EX') || words.has('PX') ? now : 0n);
      if (amount <= 0n || amount * unit > max || expiresMs > max) {
        return "-ERR invalid expire time in 'set' command";
      }
    }
    // Without options a row that is due is overwritten where it stands; nobody can tell.
    const old = this.#meet(key, now);
    const result = words.has('GET') ? (old?.value ?? null) : undefined;
    if ((words.has('NX') && old) || (words.has('XX') && !old)) return result ?? null;
    if (words.has('KEEPTTL')) expiresMs = old?.expiresMs;
    this.#keys.set(key, { value, expiresMs });
    return result === undefined ? '+OK' : result;
  }

  #expire(args: readonly string[], unit: bigint, now: bigint): ShownReply {
    const [commandName = '', key = '', amountText = '', ...options] = args;
    const words = new Set(options.map((option) => option.toUpperCase()));
    const unknown = options.find((o) => !['NX', 'XX', 'GT', 'LT'].includes(o.toUpperCase()));
    if (unknown !== undefined) return `-ERR Unsupported option ${unknown}`;
    if (words.has('NX') && words.size > 1) {
      return '-ERR NX and XX, GT or LT options at the same time are not compatible';
    }
    if (words.has('GT') && words.has('LT')) {
      return '-ERR GT and LT options at the same time are not compatible';
    }
    const amount = integer(amountText);
    if (amount === undefined) return notInteger;
    const expiresMs = amount * unit + now;
    if (expiresMs > max || amount * unit < min) {
      return `-ERR invalid expire time in '${commandName.toLowerCase()}' command`;
    }
    const old = this.#meet(key, now);
    if (old === undefined) return 0;
    const infinite = max + 1n;
    const oldMs = old.expiresMs ?? infinite;
    if (words.has('NX') && oldMs !== infinite) return 0;
    if (words.has('XX') && oldMs === infinite) return 0;
    if (words.has('GT') && expiresMs <= oldMs) return 0;
    if (words.has('LT') && expiresMs >= oldMs) return 0;
    if (expiresMs <= now) this.#keys.delete(key);
    else old.expiresMs = expiresMs;
    return 1;
  }

  /** Only whole iterations: the cursor is 0, and COUNT exceeds the number of keys. */
  #scan(args: readonly string[], now: bigint): ShownReply {
    if (args[1] !== '0' && args[1] !== '') return '-ERR invalid cursor';
    let wanted: RegExp | undefined;
    let type = 'STRING';
    for (let i = 2; i < args.length; i += 2) {
      const value = args[i + 1];
      if (value === undefined) return syntax;
      const word = (args[i] as string).toUpperCase();
      if (word === 'MATCH') wanted = expressionOf(value);
      else if (word === 'TYPE') type = value.toUpperCase();
      else if (word === 'COUNT') {
        const count = integer(value);
        if (count === undefined) return notInteger;
        if (count < 1n) return syntax;
      } else return syntax;
    }
    const names = [...this.#keys.keys()].filter((name) => {
      return (
        type === 'STRING' && (wanted?.test(name) ?? true) && this.#see(name, now) !== undefined
      );
    });
    return ['0', names.sort()];
  }
}

function integer(text: string): bigint | undefined {
  if (!/^(?:0|-?[1-9]\d*)$/.test(text)) return undefined;
  const value = BigInt(text);
  return value > max || value < min ? undefined : value;
}

function shown(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** A glob as a regular expression, element by element. */
function expressionOf(pattern: string): RegExp {
  // Stars do not match an empty name, unless there is nothing but one star.
  if (/^\*\*+$/.test(pattern)) return /./s;
  let source = '';
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i] as string;
    if (char === '*') source += '.*';
    else if (char === '?') source += '.';
    else if (char === '[') {
      const [members, end] = classOf(pattern, i + 1);
      source += members;
      i = end;
    } else if (char === '\\' && i + 1 < pattern.length) {
      i++;
      source += literal(pattern[i] as string);
    } else source += literal(char);
  }
  return new RegExp(`^(?:${source})$`, 's');
}

function classOf(pattern: string, start: number): [source: string, end: number] {
  let i = start;
  const isNegated = pattern[i] === '^';
  if (isNegated) i++;
  let members = '';
  for (; i < pattern.length && pattern[i] !== ']'; i++) {
    if (pattern[i] === '\\' && i + 1 < pattern.length) {
      i++;
      members += literal(pattern[i] as string);
    } else if (pattern[i + 1] === '-' && i + 2 < pattern.length) {
      const [low, high] = [pattern[i] as string, pattern[i + 2] as string].sort() as [
        string,
        string,
      ];
      members += `${literal(low)}-${literal(high)}`;
      i += 2;
    } else members += literal(pattern[i] as string);
  }
  return [`[${isNegated ? '^' : ''}${members}]`, i];
}

function literal(char: string): string {
  return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
}

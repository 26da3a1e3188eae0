// What the commands mean, told a second time and as simply as possible: maps, bigints, no SQL. What
// only computes (INCRBYFLOAT, LCS) or describes (OBJECT) is left to the comparison with Redis itself.
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
  ...{ PERSIST: 2, SCAN: -2, DBSIZE: 1, FLUSHALL: -1, FLUSHDB: -1, GETEX: -2, GETDEL: 2 },
  ...{ TOUCH: -2, UNLINK: -2, GETSET: 3, SETNX: 3, SETEX: 4, PSETEX: 4, MSETNX: -3, KEYS: 2 },
  ...{ GETRANGE: 4, SUBSTR: 4, SETRANGE: 4, RENAME: 3, RENAMENX: 3, COPY: -3, MOVE: 3 },
  ...{ EXPIREAT: -3, PEXPIREAT: -3, EXPIRETIME: 2, PEXPIRETIME: 2 },
};

export class KeyspaceModel {
  readonly #databases = Array.from({ length: 16 }, () => new Map<string, ModelKey>());
  /** Commands run in database 0. */
  readonly #keys = this.#databases[0] as Map<string, ModelKey>;

  knows(args: readonly string[]): boolean {
    return (args[0] as string).toUpperCase() in arities;
  }

  /** The names of SCAN and KEYS come sorted. */
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
      case 'TOUCH':
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
      case 'UNLINK':
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
        return this.#expire(args, 1000n, now, now);
      case 'PEXPIRE':
        return this.#expire(args, 1n, now, now);
      case 'EXPIREAT':
        return this.#expire(args, 1000n, 0n, now);
      case 'PEXPIREAT':
        return this.#expire(args, 1n, 0n, now);
      case 'EXPIRETIME':
      case 'PEXPIRETIME': {
        const seen = this.#see(key, now);
        if (seen?.expiresMs === undefined) return seen === undefined ? -2 : -1;
        return shown(name === 'EXPIRETIME' ? (seen.expiresMs + 500n) / 1000n : seen.expiresMs);
      }
      case 'GETDEL': {
        const old = this.#meet(key, now);
        this.#keys.delete(key);
        return old?.value ?? null;
      }
      case 'GETSET': {
        const old = this.#meet(key, now);
        this.#keys.set(key, { value: second, expiresMs: undefined });
        return old?.value ?? null;
      }
      case 'GETEX':
        return this.#getex(args, now);
      case 'SETNX':
        if (this.#meet(key, now) !== undefined) return 0;
        this.#keys.set(key, { value: second, expiresMs: undefined });
        return 1;
      case 'SETEX':
      case 'PSETEX': {
        const expiresMs = expiryOf(name === 'SETEX' ? 'EX' : 'PX', second, now, name);
        if (typeof expiresMs === 'string') return expiresMs;
        this.#keys.set(key, { value: args[3] as string, expiresMs });
        return '+OK';
      }
      case 'MSETNX': {
        if (args.length % 2 === 0) return wrongArity;
        for (let i = 1; i < args.length; i += 2) {
          if (this.#meet(args[i] as string, now) !== undefined) return 0;
        }
        for (let i = 1; i < args.length; i += 2) {
          this.#keys.set(args[i] as string, { value: args[i + 1] as string, expiresMs: undefined });
        }
        return 1;
      }
      case 'GETRANGE':
      case 'SUBSTR': {
        const [start, end] = [integer(second), integer(args[3] as string)];
        if (start === undefined || end === undefined) return notInteger;
        const value = this.#see(key, now)?.value ?? '';
        const from = (index: bigint) => Number(index < 0n ? index + BigInt(value.length) : index);
        // Redis' odd case: an end before the first byte means the first byte.
        if (start < 0n && end < 0n && start > end) return '';
        return value.slice(Math.max(0, from(start)), Math.max(0, from(end)) + 1);
      }
      case 'SETRANGE':
        return this.#setrange(key, second, args[3] as string, now);
      case 'RENAME':
      case 'RENAMENX': {
        const old = this.#meet(key, now);
        if (old === undefined) return '-ERR no such key';
        if (name === 'RENAMENX' && this.#meet(second, now) !== undefined) return 0;
        this.#keys.delete(key);
        this.#keys.set(second, old);
        return name === 'RENAME' ? '+OK' : 1;
      }
      case 'COPY':
        return this.#copy(args, now);
      case 'MOVE': {
        const db = database(second);
        if (typeof db === 'string') return db;
        if (db === 0) return sameObject;
        const old = this.#meet(key, now);
        if (old === undefined || this.#meet(key, now, db) !== undefined) return 0;
        this.#keys.delete(key);
        this.#databases[db]?.set(key, old);
        return 1;
      }
      case 'KEYS': {
        const wanted = expressionOf(key);
        const names = [...this.#keys.keys()];
        return names.filter((each) => wanted.test(each) && this.#see(each, now)).sort();
      }
      case 'PERSIST': {
        const old = this.#meet(key, now);
        if (old?.expiresMs === undefined) return 0;
        old.expiresMs = undefined;
        return 1;
      }
      case 'SCAN':
        return this.#scan(args, now);
      case 'FLUSHALL':
      case 'FLUSHDB':
        if (args.length > 2 || !['', 'ASYNC', 'SYNC'].includes(key.toUpperCase())) return syntax;
        if (args.length === 2 && key === '') return syntax;
        for (const keys of name === 'FLUSHDB' ? [this.#keys] : this.#databases) keys.clear();
        return '+OK';
      default:
        throw new Error(`The model does not know ${name}`);
    }
  }

  #see(key: string, now: bigint, db = 0): ModelKey | undefined {
    const found = this.#databases[db]?.get(key);
    return found?.expiresMs !== undefined && found.expiresMs <= now ? undefined : found;
  }

  /** A write met the key. */
  #meet(key: string, now: bigint, db = 0): ModelKey | undefined {
    const seen = this.#see(key, now, db);
    if (seen === undefined) this.#databases[db]?.delete(key);
    return seen;
  }

  #getex(args: readonly string[], now: bigint): ShownReply {
    const words = new Set<string>();
    let amountText = '';
    for (let i = 2; i < args.length; i++) {
      const word = (args[i] as string).toUpperCase();
      if (!['PERSIST', 'EX', 'PX', 'EXAT', 'PXAT'].includes(word)) return syntax;
      words.add(word);
      if (word === 'PERSIST') continue;
      i++;
      if (i === args.length) return syntax;
      amountText = args[i] as string;
    }
    if (words.size > 1) return syntax;
    const key = args[1] as string;
    const old = this.#meet(key, now);
    if (old === undefined) return null;
    const [word] = words;
    if (word === undefined) return old.value;
    const expiresMs = word === 'PERSIST' ? undefined : expiryOf(word, amountText, now, 'getex');
    if (typeof expiresMs === 'string') return expiresMs;
    old.expiresMs = expiresMs;
    this.#meet(key, now);
    return old.value;
  }

  #setrange(key: string, offsetText: string, piece: string, now: bigint): ShownReply {
    const offset = integer(offsetText);
    if (offset === undefined) return notInteger;
    if (offset < 0n) return '-ERR offset is out of range';
    const old = this.#meet(key, now);
    const value = old?.value ?? '';
    if (piece === '') return value.length;
    if (offset > 500_000_000n) {
      return '-ERR string exceeds maximum allowed size (proto-max-bulk-len)';
    }
    const start = Number(offset);
    const padded = value.padEnd(start, '\0');
    const whole = padded.slice(0, start) + piece + padded.slice(start + piece.length);
    this.#keys.set(key, { value: whole, expiresMs: old?.expiresMs });
    return whole.length;
  }

  #copy(args: readonly string[], now: bigint): ShownReply {
    const [, source = '', target = ''] = args;
    let db = 0;
    let isReplacing = false;
    for (let i = 3; i < args.length; i++) {
      const word = (args[i] as string).toUpperCase();
      if (word === 'REPLACE') isReplacing = true;
      else if (word === 'DB' && i + 1 < args.length) {
        i++;
        const given = database(args[i] as string);
        if (typeof given === 'string') return given;
        db = given;
      } else return syntax;
    }
    if (db === 0 && source === target) return sameObject;
    const found = this.#meet(source, now);
    if (found === undefined) return 0;
    if (this.#meet(target, now, db) !== undefined && !isReplacing) return 0;
    this.#databases[db]?.set(target, { ...found });
    return 1;
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
      const parsed = expiryOf(timeWords[0] as string, amountText, now, 'set');
      if (typeof parsed === 'string') return parsed;
      expiresMs = parsed;
    }
    // Without options a row that is due is overwritten where it stands; nobody can tell.
    const old = this.#meet(key, now);
    const result = words.has('GET') ? (old?.value ?? null) : undefined;
    if ((words.has('NX') && old) || (words.has('XX') && !old)) return result ?? null;
    if (words.has('KEEPTTL')) expiresMs = old?.expiresMs;
    this.#keys.set(key, { value, expiresMs });
    return result === undefined ? '+OK' : result;
  }

  #expire(args: readonly string[], unit: bigint, origin: bigint, now: bigint): ShownReply {
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
    const expiresMs = amount * unit + origin;
    if (expiresMs > max || amount * unit > max || amount * unit < min) {
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

const sameObject = '-ERR source and destination objects are the same';

/** The number of a database, or what is wrong with it. */
function database(text: string): number | string {
  const number = integer(text);
  if (number === undefined) return notInteger;
  if (number !== BigInt.asIntN(32, number)) {
    return '-ERR value is out of range, value must between -2147483648 and 2147483647';
  }
  return number >= 0n && number < 16n ? Number(number) : '-ERR DB index is out of range';
}

/** In milliseconds since the epoch, or what is wrong with it. */
function expiryOf(word: string, text: string, now: bigint, commandName: string): bigint | string {
  const amount = integer(text);
  if (amount === undefined) return notInteger;
  const product = amount * (word.startsWith('EX') ? 1000n : 1n);
  const expiresMs = product + (word.endsWith('AT') ? 0n : now);
  if (amount > 0n && expiresMs <= max) return expiresMs;
  return `-ERR invalid expire time in '${commandName.toLowerCase()}' command`;
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

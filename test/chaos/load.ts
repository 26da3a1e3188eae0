// What clients ask for: commands on few keys, so that they get in each other's way, and on new ones every few
// seconds, so that no key's history becomes longer than the checker can search.
//
// Registers, counters, lists that are appended to and several of them at once are those of the simulation.
// What comes on top has keys of its own: transactions, and keys that expire.

import { transactionOf } from '../checkers/transaction.js';
import { randomInteger } from '../faults/seeded-random.js';
import { CommandSource } from '../simulation/commands.js';
import { type Moments, Recording } from './recording.js';

/** Keys that expire have commands of their own here. */
const mix = { groups: 3, reads: 0.4, valueBytesMax: 500, expiring: 0, liveMsMax: 1 };
const transactionShare = 0.2;
const expiringShare = 0.1;
const expiryMsMax = 1_500;

/** Keys that were used for a while, and what was done to them. */
export class Epoch {
  readonly #name: string;
  readonly #random: () => number;
  readonly #source: CommandSource;
  readonly recording: Recording;
  #values = 0;

  constructor(name: string, random: () => number, moments: Moments) {
    this.#name = name;
    this.#random = random;
    this.#source = new CommandSource(random, mix);
    this.recording = new Recording(moments);
  }

  next(client: number): readonly string[] {
    const chance = this.#random();
    if (chance < transactionShare) return this.#transaction(client);
    if (chance < transactionShare + expiringShare) return this.#expiring(client);
    return this.#source.next(client).map((word) => this.#renamed(word));
  }

  nextRead(): readonly string[] {
    const chance = this.#random();
    if (chance < transactionShare) return this.#transactionRead();
    if (chance < transactionShare + expiringShare) return this.#expiringRead();
    return this.#source.nextRead().map((word) => this.#renamed(word));
  }

  #transaction(client: number): readonly string[] {
    const [a, b, n] = this.#transactionKeys;
    return this.#pick<readonly string[]>([
      transactionOf([
        ['SET', a, this.value(client)],
        ['SET', b, this.value(client)],
        ['INCR', n],
      ]),
      transactionOf([
        ['INCR', n],
        ['GET', a],
        ['GET', n],
      ]),
      transactionOf([
        ['GETSET', a, this.value(client)],
        ['GETSET', b, this.value(client)],
      ]),
      transactionOf([
        ['GET', b],
        ['DEL', a],
        ['INCRBY', n, '2'],
        ['STRLEN', a],
      ]),
      ['SET', a, this.value(client)],
      ['INCR', n],
      ['MGET', a, b, n],
    ]);
  }

  #transactionRead(): readonly string[] {
    const [a, b, n] = this.#transactionKeys;
    return this.#pick<readonly string[]>([
      transactionOf([
        ['MGET', a, b],
        ['GET', n],
      ]),
      ['MGET', a, b, n],
      ['GET', a],
    ]);
  }

  #expiring(client: number): readonly string[] {
    const key = this.#expiringKey();
    if (this.#random() < 0.5) return this.#expiringRead();
    const ms = String(randomInteger(this.#random, 1, expiryMsMax));
    return this.#pick([
      ['SET', key, this.value(client), 'PX', ms],
      ['SET', key, this.value(client), 'PX', ms],
      ['SET', key, this.value(client)],
      ['PEXPIRE', key, ms],
      ['DEL', key],
    ]);
  }

  #expiringRead(): readonly string[] {
    const key = this.#expiringKey();
    return this.#pick([
      ['GET', key],
      ['EXISTS', key],
      ['PTTL', key],
    ]);
  }

  /** Those whose contents are compared in the end: what expires may do so between two looks. */
  get keys(): readonly string[] {
    const simulated = this.#source.keys.map((key) => this.#renamed(key));
    return [...simulated, ...this.#transactionKeys, this.watchedKey];
  }

  get #transactionKeys(): readonly [string, string, string] {
    const tag = `{${this.#name}t}`;
    return [`${tag}a`, `${tag}b`, `${tag}n`];
  }

  /** A register that is written only where nobody else has written it meanwhile. */
  get watchedKey(): string {
    return `{${this.#name}w}`;
  }

  #expiringKey(): string {
    return `{${this.#name}x}${randomInteger(this.#random, 1, 2)}`;
  }

  isExpiring(key: string): boolean {
    return key.startsWith(`{${this.#name}x}`);
  }

  /** A key of the simulation's, as one of this epoch: only keys begin with a brace. */
  #renamed(word: string): string {
    return word.startsWith('{') ? `{${this.#name}${word.slice(1)}` : word;
  }

  /** Never the same again. */
  value(client: number): string {
    this.#values += 1;
    return `${client}+${this.#values}`;
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[randomInteger(this.#random, 0, choices.length - 1)]!;
  }
}

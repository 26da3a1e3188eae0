// What simulated clients ask for: commands of a few keys, so that they get in each other's way.
//
// Keys come in groups that share a hash tag, for MSET and MGET. A key has one kind, by its name: `r…` a
// register, `c` a counter, `l` a list of what was appended, `e` a register that expires. Values are never
// written twice, so that a value says who wrote it.

import { randomInteger } from '../faults/seeded-random.js';

export interface CommandMix {
  readonly groups: number;
  /** Share of commands for keys that expire, and for how long these live at most, in milliseconds. */
  readonly expiring: number;
  readonly liveMsMax: number;
  /** Share of reads. */
  readonly reads: number;
  /** Bytes that some values are longer by. */
  readonly valueBytesMax: number;
}

export class CommandSource {
  readonly #random: () => number;
  readonly #mix: CommandMix;
  #values = 0;

  constructor(random: () => number, mix: CommandMix) {
    this.#random = random;
    this.#mix = mix;
  }

  next(client: number): readonly string[] {
    if (this.#random() < this.#mix.reads) return this.nextRead();
    if (this.#random() < this.#mix.expiring) return this.#nextExpiring(client);
    const { tag, register, counter, list } = this.#drawKeys();
    return this.#pick([
      ['SET', register, this.#value(client)],
      ['SET', register, this.#value(client)],
      ['SET', register, this.#value(client), 'NX'],
      ['GETSET', register, this.#value(client)],
      ['MSET', `${tag}r1`, this.#value(client), `${tag}r2`, this.#value(client)],
      ['INCR', counter],
      ['INCRBY', counter, '3'],
      ['APPEND', list, `${this.#value(client, 0)};`],
      ['DEL', this.#pick([[register], [counter], [list]])[0]!],
    ]);
  }

  nextRead(): readonly string[] {
    const { tag, register, counter, list } = this.#drawKeys();
    if (this.#random() < this.#mix.expiring) {
      const key = `${tag}e`;
      return this.#pick([
        ['GET', key],
        ['EXISTS', key],
        ['PTTL', key],
        ['PEXPIRETIME', key],
      ]);
    }
    return this.#pick([
      ['GET', register],
      ['GET', counter],
      ['GET', list],
      ['MGET', `${tag}r1`, `${tag}r2`],
      ['STRLEN', list],
      ['EXISTS', register],
    ]);
  }

  #nextExpiring(client: number): readonly string[] {
    const key = `${this.#drawKeys().tag}e`;
    const ms = String(randomInteger(this.#random, 1, this.#mix.liveMsMax));
    return this.#pick([
      ['SET', key, this.#value(client), 'PX', ms],
      ['SET', key, this.#value(client), 'EX', '1'],
      ['SET', key, this.#value(client)],
      ['PEXPIRE', key, ms],
      ['PERSIST', key],
      ['GETEX', key, 'PX', ms],
      ['GETEX', key, 'PERSIST'],
      ['DEL', key],
    ]);
  }

  #drawKeys(): Readonly<Record<'tag' | 'register' | 'counter' | 'list', string>> {
    const tag = `{${randomInteger(this.#random, 1, this.#mix.groups)}}`;
    const register = `${tag}r${randomInteger(this.#random, 1, 2)}`;
    return { tag, register, counter: `${tag}c`, list: `${tag}l` };
  }

  #pick(commands: readonly (readonly string[])[]): readonly string[] {
    return commands[randomInteger(this.#random, 0, commands.length - 1)]!;
  }

  /** Every key that a command may name. */
  get keys(): readonly string[] {
    const tags = Array.from({ length: this.#mix.groups }, (_, at) => `{${at + 1}}`);
    return tags.flatMap((tag) => [`${tag}r1`, `${tag}r2`, `${tag}c`, `${tag}l`, `${tag}e`]);
  }

  #value(client: number, bytesMax = this.#mix.valueBytesMax): string {
    this.#values += 1;
    const isLong = bytesMax > 0 && this.#random() < 0.2;
    const filler = isLong ? '.'.repeat(randomInteger(this.#random, 0, bytesMax)) : '';
    return `${client}-${this.#values}${filler}`;
  }
}

/** Of whose keys clocks decide what becomes: the model of linearizability knows none. */
export function isOfExpiringKey([, key]: readonly string[]): boolean {
  return key!.endsWith('e');
}

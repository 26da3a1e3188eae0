// What happened to one key, and what a read of it may therefore show.
//
// Much less than linearizability, and much cheaper: each read is looked at by itself. It may show what
// some write put there (the base), and what was added to that since, unless another write of the whole
// value certainly came between:
//
//     base ├──────┤                              this read may not show the base:
//                    another ├─────┤             the other came later and was acknowledged
//                                     ├ read ┤   before the read began
//
// What was added to the base is certainly there when it began after the base had returned and was
// acknowledged before the read began; whatever was under way beside either of them may be there.

import assert from 'node:assert/strict';
import type { Operation } from './operation.js';

/** From a call to its return. */
export interface Interval {
  readonly invokedAt: number;
  readonly returnedAt: number;
}

interface Write extends Interval {
  /** Undefined for what nobody did. */
  readonly operation: Operation | undefined;
  /**
   * It took effect before this, and who begins later must see it. Infinite while nobody knows whether it
   * took effect.
   */
  returnedAt: number;
}

/** Of the whole value; null deletes it. */
interface Replacement extends Write {
  readonly value: string | null;
}

interface Append extends Write {
  readonly suffix: string;
}

interface Addition extends Write {
  readonly amount: bigint;
}

/** Gives the key a time to live, takes it, or ends the key. */
interface Deadline extends Write {
  readonly kind: 'timed' | 'untimed' | 'gone';
}

/** An answered PEXPIRETIME of a key that was there. */
export interface DeadlineReading extends Interval {
  readonly operation: Operation;
  /** Milliseconds since the epoch; -1: it does not expire. */
  readonly deadline: number;
}

/** An answered read that showed the value. */
export interface Read extends Interval {
  readonly operation: Operation;
  readonly value: string | null;
}

/** An answered command that told whether the key was there. */
export interface Sighting extends Interval {
  readonly operation: Operation;
  readonly isThere: boolean;
  /** Undefined: it did not tell. */
  readonly value: string | undefined;
}

export class KeyHistory {
  readonly reads: Read[] = [];
  readonly sightings: Sighting[] = [];
  readonly deadlineReadings: DeadlineReading[] = [];
  readonly #deadlines: Deadline[] = [];
  readonly #replacements: Replacement[] = [];
  readonly #appends: Append[] = [];
  readonly #additions: Addition[] = [];
  /** It was given a time to live at some time: then it may be gone at any. */
  mayExpire = false;

  replace(operation: Operation, value: string | null): void {
    this.#replacements.push({ ...writeOf(operation), value });
  }

  setDeadline(operation: Operation, kind: Deadline['kind']): void {
    this.#deadlines.push({ ...writeOf(operation), kind });
    if (kind === 'timed') this.mayExpire = true;
  }

  readDeadline(operation: Operation): void {
    const { returnedAt, invokedAt, reply } = operation;
    if (returnedAt === undefined || typeof reply !== 'number') return;
    this.see(operation, reply !== -2);
    if (reply === -2) return;
    this.deadlineReadings.push({ operation, invokedAt, returnedAt, deadline: reply });
  }

  append(operation: Operation, suffix: string): void {
    this.#appends.push({ ...writeOf(operation), suffix });
  }

  add(operation: Operation, amount: bigint): void {
    this.#additions.push({ ...writeOf(operation), amount });
  }

  read(operation: Operation, value: unknown): void {
    const { returnedAt, invokedAt } = operation;
    if (returnedAt === undefined || value === undefined) return;
    assert(typeof value === 'string' || value === null, `No value: ${value}`);
    this.reads.push({ operation, invokedAt, returnedAt, value });
    this.see(operation, value !== null, value ?? undefined);
  }

  see(operation: Operation, isThere: boolean, value?: string): void {
    const { returnedAt, invokedAt, reply } = operation;
    if (returnedAt === undefined || reply === undefined) return;
    this.sightings.push({ operation, invokedAt, returnedAt, isThere, value });
  }

  /** A value that was read had been written, whatever its writer was told. After all is recorded. */
  countWhatWasRead(): void {
    // A value that others add to is not shown as it was written.
    if (this.#isModified) return;
    const writers = new Map<string, Replacement | undefined>();
    for (const write of this.#replacements) {
      const { value } = write;
      if (value !== null) writers.set(value, writers.has(value) ? undefined : write);
    }
    for (const { value, returnedAt } of this.reads) {
      const writer = value === null ? undefined : writers.get(value);
      if (writer !== undefined) writer.returnedAt = Math.min(writer.returnedAt, returnedAt);
    }
  }

  /** Whether a read in this interval may show the value; null: that there is none. */
  mayShow(value: string | null, read: Interval): boolean {
    let latestStart = Number.NEGATIVE_INFINITY;
    for (const { invokedAt, returnedAt } of this.#replacements) {
      if (returnedAt < read.invokedAt) latestStart = Math.max(latestStart, invokedAt);
    }
    const isBase = (base: Replacement): boolean =>
      base.invokedAt <= read.returnedAt &&
      base.returnedAt >= latestStart &&
      this.#isReached(base, value, read);
    return (
      this.#replacements.some(isBase) || isBase(nothingYet) || (this.mayExpire && isBase(expired))
    );
  }

  /** Whether one that did not find the key may come before one that did. */
  mayReappear(missing: Sighting, { returnedAt: end, value }: Sighting): boolean {
    const isBetween = ({ invokedAt, returnedAt }: Interval): boolean =>
      returnedAt >= missing.invokedAt && invokedAt <= end;
    if (this.#appends.some(isBetween) || this.#additions.some(isBetween)) return true;
    return this.#replacements.some(
      (write) =>
        isBetween(write) &&
        write.value !== null &&
        (value === undefined || this.#isModified || write.value === value),
    );
  }

  /** Whether a command set such a deadline that no other has certainly replaced before the reading. */
  mayHaveDeadline({ invokedAt, returnedAt, deadline }: DeadlineReading): boolean {
    const kind = deadline === -1 ? 'untimed' : 'timed';
    const known = this.#deadlines.filter((other) => other.returnedAt < invokedAt);
    const latestStart = Math.max(...known.map((other) => other.invokedAt));
    return this.#deadlines.some(
      (one) => one.kind === kind && one.invokedAt <= returnedAt && one.returnedAt >= latestStart,
    );
  }

  /** Whether another deadline may have been set between two readings, or beside them. */
  mayDeadlineChange(before: DeadlineReading, after: DeadlineReading): boolean {
    return this.#deadlines.some(
      ({ invokedAt, returnedAt }) =>
        returnedAt >= before.invokedAt && invokedAt <= after.returnedAt,
    );
  }

  /** Those acknowledged before `time` that began last. */
  lastKnownWrites(time: number, count: number): readonly Operation[] {
    return [...this.#replacements, ...this.#appends, ...this.#additions]
      .filter(({ returnedAt }) => returnedAt < time)
      .sort((a, b) => a.invokedAt - b.invokedAt)
      .slice(-count)
      .map(({ operation }) => operation!);
  }

  get #isModified(): boolean {
    return this.#appends.length > 0 || this.#additions.length > 0;
  }

  #isReached(base: Replacement, value: string | null, read: Interval): boolean {
    assert(
      this.#appends.length === 0 || this.#additions.length === 0,
      'A key is either counted or appended to',
    );
    const appends = since(base, read, this.#appends);
    const additions = since(base, read, this.#additions);
    const certain = appends.certain.length + additions.certain.length;
    const possible = appends.possible.length + additions.possible.length;
    if (certain + possible === 0) return value === base.value;
    if (value === null) return base.value === null && certain === 0;
    if (value === base.value && certain === 0) return true;
    return additions.certain.length + additions.possible.length > 0
      ? isCounted(base.value, value, additions)
      : isAppended(base.value ?? '', value, appends);
  }
}

/** The histories of all keys that are named. */
export function keyHistories(history: readonly Operation[]): ReadonlyMap<string, KeyHistory> {
  const keys = new Map<string, KeyHistory>();
  const at = (key: string): KeyHistory => {
    const known = keys.get(key) ?? new KeyHistory();
    keys.set(key, known);
    return known;
  };
  for (const operation of history) record(operation, at);
  for (const key of keys.values()) key.countWhatWasRead();
  return keys;
}

function record(operation: Operation, at: (key: string) => KeyHistory): void {
  const { command, reply } = operation;
  const [name, key = '', argument = ''] = command;
  const args = command.slice(1);
  switch (name!.toUpperCase()) {
    case 'GET':
      return at(key).read(operation, reply);
    case 'MGET':
      for (const [place, each] of args.entries()) {
        at(each).read(operation, Array.isArray(reply) ? reply[place] : undefined);
      }
      return;
    case 'EXISTS':
      // Of several it says only how many there are.
      if (args.length === 1) at(key).see(operation, reply === 1);
      return;
    case 'TTL':
    case 'PTTL':
      return at(key).see(operation, reply !== -2);
    case 'PEXPIRETIME':
      return at(key).readDeadline(operation);
    case 'STRLEN':
      return;
    case 'PERSIST':
      if (reply !== 0) at(key).setDeadline(operation, 'untimed');
      return;
    case 'GETEX': {
      at(key).read(operation, reply);
      const option = argument.toUpperCase();
      if (option === '' || reply === null) return;
      return at(key).setDeadline(operation, option === 'PERSIST' ? 'untimed' : 'timed');
    }
    case 'SET': {
      const options = command.slice(3).map((option) => option.toUpperCase());
      assert(!options.includes('GET'), 'Whether a SET with GET took effect is not in its reply');
      assert(!options.includes('KEEPTTL'), 'What becomes of the time to live is not known here');
      // Null is the answer of NX and XX to a condition that was not met.
      if (reply !== 'OK' && reply !== undefined) return;
      const isTimed = options.some((option) => /^(EX|PX|EXAT|PXAT)$/.test(option));
      at(key).setDeadline(operation, isTimed ? 'timed' : 'untimed');
      return at(key).replace(operation, argument);
    }
    case 'GETSET':
      at(key).setDeadline(operation, 'untimed');
      return at(key).replace(operation, argument);
    case 'MSET':
      for (let place = 0; place < args.length; place += 2) {
        at(args[place]!).setDeadline(operation, 'untimed');
        at(args[place]!).replace(operation, args[place + 1]!);
      }
      return;
    case 'DEL':
    case 'GETDEL':
      for (const each of args) {
        at(each).setDeadline(operation, 'gone');
        at(each).replace(operation, null);
      }
      return;
    case 'EXPIRE':
    case 'PEXPIRE':
      at(key).see(operation, reply === 1);
      if (reply !== 0) at(key).setDeadline(operation, 'timed');
      return;
    case 'APPEND':
      return at(key).append(operation, argument);
    case 'INCR':
    case 'INCRBY':
      // Text is an error: the value was no number.
      if (typeof reply === 'string') return;
      return at(key).add(operation, BigInt(name!.toUpperCase() === 'INCR' ? 1 : argument));
    default:
      assert.fail(`What ${name} does to its keys is not known here`);
  }
}

/** Before anybody wrote. */
const nothingYet: Replacement = {
  operation: undefined,
  invokedAt: Number.NEGATIVE_INFINITY,
  returnedAt: Number.NEGATIVE_INFINITY,
  value: null,
};

/** At any time. */
const expired: Replacement = { ...nothingYet, returnedAt: Number.POSITIVE_INFINITY };

function writeOf(operation: Operation): Write {
  const { invokedAt, returnedAt, reply } = operation;
  const isKnown = returnedAt !== undefined && reply !== undefined;
  return { operation, invokedAt, returnedAt: isKnown ? returnedAt : Number.POSITIVE_INFINITY };
}

interface Modifications<Modification> {
  readonly certain: readonly Modification[];
  readonly possible: readonly Modification[];
}

function since<Modification extends Write>(
  base: Interval,
  read: Interval,
  modifications: readonly Modification[],
): Modifications<Modification> {
  const certain: Modification[] = [];
  const possible: Modification[] = [];
  for (const write of modifications) {
    const { invokedAt, returnedAt } = write;
    if (invokedAt > base.returnedAt && returnedAt < read.invokedAt) certain.push(write);
    else if (invokedAt <= read.returnedAt && returnedAt >= base.invokedAt) possible.push(write);
  }
  return { certain, possible };
}

const integer = /^-?\d+$/;

function isCounted(
  base: string | null,
  value: string,
  { certain, possible }: Modifications<Addition>,
): boolean {
  if (!integer.test(base ?? '0') || !integer.test(value)) return false;
  let least = BigInt(base ?? '0');
  let most = least;
  for (const { amount } of certain) {
    least += amount;
    most += amount;
  }
  for (const { amount } of possible) {
    if (amount < 0n) least += amount;
    else most += amount;
  }
  return least <= BigInt(value) && BigInt(value) <= most;
}

function isAppended(
  base: string,
  value: string,
  { certain, possible }: Modifications<Append>,
): boolean {
  if (!value.startsWith(base)) return false;
  const rest = value.slice(base.length);
  const least = totalLength(certain);
  if (rest.length < least || rest.length > least + totalLength(possible)) return false;
  const counts = new Map<string, number>();
  for (const { suffix } of certain) counts.set(suffix, (counts.get(suffix) ?? 0) + 1);
  return [...counts].every(
    ([suffix, count]) => suffix === '' || rest.split(suffix).length - 1 >= count,
  );
}

function totalLength(appends: readonly Append[]): number {
  return appends.reduce((sum, { suffix }) => sum + suffix.length, 0);
}

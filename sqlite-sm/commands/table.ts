// What is known about a command besides its code.
//
// The rows are data: `COMMAND INFO`, `COMMAND DOCS`, arity errors, routing by key, the split of
// reads and writes, ACL categories and the documentation are all made from them, and the values
// are those of Redis 7.2. https://redis.io/docs/latest/commands/command/

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type ErrorReply, errorReply, type Reply, wrongArity } from '../../resp/index.js';
import type { Keyspace } from '../keyspace.js';
import { isWord } from './arguments.js';

export type CommandFlag = 'write' | 'readonly' | 'denyoom' | 'fast' | 'loading' | 'stale';

export type CommandGroup = 'string' | 'generic' | 'server';

export type AclCategory =
  | '@read'
  | '@write'
  | '@string'
  | '@keyspace'
  | '@fast'
  | '@slow'
  | '@dangerous';

/** https://redis.io/docs/latest/develop/reference/key-specs/ */
export interface KeySpec {
  readonly flags: readonly KeySpecFlag[];
  /** Position of the first key among the arguments; the name is 0. */
  readonly beginIndex: number;
  /** Relative to the first key; negative counts from the last argument, -1 being itself. */
  readonly lastKey: number;
  readonly keyStep: number;
  readonly limit: 0;
  readonly notes?: string;
}

export type KeySpecFlag =
  | 'RO'
  | 'RW'
  | 'OW'
  | 'RM'
  | 'access'
  | 'update'
  | 'insert'
  | 'delete'
  | 'variable_flags';

export interface DataCommand {
  /** Lower case. */
  readonly name: string;
  /** Number of arguments with the name; negative: at least that many. */
  readonly arity: number;
  readonly flags: readonly CommandFlag[];
  readonly categories: readonly AclCategory[];
  readonly keySpecs: readonly KeySpec[];
  /** Of a row with `variable_flags` in its one key spec: what these arguments do with the key. */
  readonly keyFlags?: (args: readonly Buffer[]) => readonly KeySpecFlag[];
  /** https://redis.io/docs/latest/develop/reference/command-tips/ */
  readonly tips: readonly string[];
  readonly group: CommandGroup;
  /** Version of Redis that brought it. */
  readonly since: string;
  readonly summary: string;
  readonly complexity: string;
  /**
   * Runs with arguments whose number fits the arity. A client's mistake is a reply; what is thrown
   * is ours. Must depend on the keyspace and the arguments alone.
   */
  readonly run: (keyspace: Keyspace, args: readonly Buffer[]) => Reply;
  /**
   * Of a write: whether `run` answers OK to these arguments, whatever the state and the time, so that
   * its client need not wait until it is applied. Without it: no.
   */
  readonly replyAtCommit?: (args: readonly Buffer[]) => boolean;
  /** Of a read that takes long: the same in slices, between which others get their turn. */
  readonly begin?: (args: readonly Buffer[]) => SlicedRead;
  /**
   * Of a container, whose second argument names one of them. Rows like this one, called
   * `container|subcommand`; positions and arities count from the container's name. All are reads.
   */
  readonly subcommands?: readonly DataCommand[];
}

/** A long read under way. State may change between its slices: it sees some of each. */
export abstract class SlicedRead {
  abstract readonly commandName: string;

  /**
   * Some milliseconds of work; the reply when it is done. When the keyspace then `needsTick`, nothing
   * has happened, and the slice is to be taken again after the tick.
   */
  abstract step(keyspace: Keyspace): Reply | undefined;

  /** All slices at once, for an entry. */
  finish(keyspace: Keyspace): Reply {
    for (;;) {
      const reply = this.step(keyspace);
      // In an entry the two times are the same.
      assert(!keyspace.needsTick, 'Only reads outside the log may need a tick');
      if (reply !== undefined) return reply;
    }
  }
}

/** Where the keys stand among the arguments. */
export type KeyRange = Pick<Command, 'firstKey' | 'lastKey' | 'keyStep'>;

/** A row of the table with what is derived from it once. */
export interface Command extends DataCommand {
  readonly isWrite: boolean;
  readonly subcommands?: readonly Command[];
  /** First, last and step as in the old form of `COMMAND INFO`; zeros when there are no keys. */
  readonly firstKey: number;
  readonly lastKey: number;
  readonly keyStep: number;
}

/** The one key of most commands. */
export function firstKey(...flags: KeySpecFlag[]): KeySpec {
  return { flags, beginIndex: 1, lastKey: 0, keyStep: 1, limit: 0 };
}

/** A second key, as of RENAME. */
export function secondKey(...flags: KeySpecFlag[]): KeySpec {
  return { flags, beginIndex: 2, lastKey: 0, keyStep: 1, limit: 0 };
}

/** All arguments are keys, or every `keyStep`-th. */
export function allKeys(keyStep: number, ...flags: KeySpecFlag[]): KeySpec {
  return { flags, beginIndex: 1, lastKey: -1, keyStep, limit: 0 };
}

export function arityFits(command: DataCommand, argumentCount: number): boolean {
  return command.arity < 0 ? argumentCount >= -command.arity : argumentCount === command.arity;
}

/** The subcommand that the second argument names, in whatever case. */
export function findSubcommand(command: Command, args: readonly Buffer[]): Command | undefined {
  const name = args[1];
  if (name === undefined) return undefined;
  const prefixLength = command.name.length + 1;
  return command.subcommands?.find((row) => isWord(name, row.name.slice(prefixLength)));
}

/** What Redis says when the second argument names no subcommand, or one that wants other arguments. */
export function containerRefusal(
  container: Command,
  args: readonly Buffer[],
): ErrorReply | undefined {
  const subcommand = findSubcommand(container, args);
  if (subcommand === undefined) {
    const shown = (args[1] as Buffer).toString('latin1', 0, 128);
    const help = `${container.name.toUpperCase()} HELP`;
    return errorReply(`ERR unknown subcommand '${shown}'. Try ${help}.`);
  }
  return arityFits(subcommand, args.length) ? undefined : wrongArity(subcommand.name);
}

/** The keys among the arguments, as views. The number of arguments must fit the arity. */
export function commandKeys(command: Command, args: readonly Buffer[]): Buffer[] {
  if (command.subcommands !== undefined) {
    const subcommand = findSubcommand(command, args);
    // What is no subcommand, or has too few arguments, has no keys: it will answer with an error.
    if (subcommand === undefined || !arityFits(subcommand, args.length)) return [];
    return commandKeys(subcommand, args);
  }
  return keysInRange(command, args);
}

/** As `commandKeys`, of a command without subcommands. */
export function keysInRange(range: KeyRange, args: readonly Buffer[]): Buffer[] {
  const keys: Buffer[] = [];
  if (range.firstKey === 0) return keys;
  const last = range.lastKey < 0 ? args.length + range.lastKey : range.lastKey;
  for (let i = range.firstKey; i <= last; i += range.keyStep) keys.push(args[i] as Buffer);
  return keys;
}

/**
 * Commands by name. A name comes as bytes in any case and is looked up for every command of every
 * client, so it is hashed as it is instead of being made a string first.
 */
export class CommandTable {
  readonly commands: readonly Command[];
  readonly #buckets: (readonly Command[] | undefined)[];

  /** Throws on a duplicate name or a row that contradicts itself: at load, not at the first use. */
  constructor(rows: readonly DataCommand[]) {
    this.commands = rows.map(register);
    assert(
      new Set(rows.map((row) => row.name)).size === rows.length,
      'Two commands have the same name',
    );
    const buckets: (Command[] | undefined)[] = new Array(bucketCount).fill(undefined);
    for (const command of this.commands) {
      const hash = hashName(Buffer.from(command.name, 'latin1'));
      const bucket = buckets[hash];
      if (bucket === undefined) buckets[hash] = [command];
      else bucket.push(command);
    }
    this.#buckets = buckets;
  }

  find(name: Uint8Array): Command | undefined {
    const bucket = this.#buckets[hashName(name)];
    if (bucket === undefined) return undefined;
    for (const command of bucket) if (isWord(name, command.name)) return command;
    return undefined;
  }
}

const bucketCount = 1024;

/** No command's name is longer; the hash of a longer one need not be computed. */
const nameLengthMax = 32;

function hashName(name: Uint8Array): number {
  const length = Math.min(name.length, nameLengthMax);
  let hash = length;
  for (let i = 0; i < length; i++) hash = (hash * 31 + ((name[i] as number) | 0x20)) | 0;
  return hash & (bucketCount - 1);
}

/** Derives what the table holds. Throws on a row that contradicts itself. */
export function register(row: DataCommand): Command {
  const isWrite = row.flags.includes('write');
  assert(row.name === row.name.toLowerCase() && row.name.length <= nameLengthMax, row.name);
  assert(row.arity !== 0, `${row.name}: a command has at least its name`);
  const subcommands = row.subcommands?.map(register);
  const isRead = row.flags.includes('readonly') || row.flags.includes('stale');
  if (subcommands === undefined)
    assert(isWrite !== isRead, `${row.name}: either write or readonly`);
  else
    assert(
      subcommands.every((each) => !each.isWrite),
      `${row.name}: a container of reads`,
    );
  const isVariable = row.keySpecs.some(({ flags }) => flags.includes('variable_flags'));
  assert(
    isVariable === (row.keyFlags !== undefined),
    `${row.name}: variable flags vary by nothing`,
  );
  assert(isWrite || row.replyAtCommit === undefined, `${row.name}: only a write is committed`);
  const argumentsMin = Math.abs(row.arity);
  for (const spec of row.keySpecs) {
    assert(
      spec.beginIndex >= 1 && spec.beginIndex < argumentsMin,
      `${row.name}: its first key may be missing`,
    );
    assert(spec.keyStep >= 1, `${row.name}: keys do not advance`);
  }
  const { subcommands: _rows, ...own } = row;
  const base = subcommands === undefined ? { ...own, isWrite } : { ...own, isWrite, subcommands };
  const spec = row.keySpecs[0];
  const lastSpec = row.keySpecs.at(-1);
  if (spec === undefined || lastSpec === undefined) {
    return { ...base, firstKey: 0, lastKey: 0, keyStep: 0 };
  }
  // In the old form one range stands for all specs: they must follow each other.
  for (const [i, { beginIndex }] of row.keySpecs.entries()) {
    assert.equal(beginIndex, spec.beginIndex + i, `${row.name}: a gap between its keys`);
  }
  const lastKey = lastSpec.lastKey < 0 ? lastSpec.lastKey : lastSpec.beginIndex + lastSpec.lastKey;
  return { ...base, firstKey: spec.beginIndex, lastKey, keyStep: spec.keyStep };
}

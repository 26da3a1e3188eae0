// An argument of a command, as COMMAND DOCS tells of it, and short ways to write one down.
// https://redis.io/docs/latest/commands/command-docs/
//
// Clients and redis-cli make hints of these: `SET key value [NX|XX] [GET] [EX seconds|…]`.

export type ArgumentType =
  | 'string'
  | 'integer'
  | 'double'
  | 'key'
  | 'pattern'
  | 'unix-time'
  /** A word that is given or not. */
  | 'pure-token'
  /** One of its own arguments. */
  | 'oneof'
  /** All of its own arguments, one behind the other. */
  | 'block';

export interface Argument {
  /** Unique among its neighbours. */
  readonly name: string;
  readonly type: ArgumentType;
  /** What a person reads in its place; without it, the name. */
  readonly displayText?: string;
  /** Of a key: the number of its key spec, from 0. */
  readonly keySpecIndex?: number;
  /** The word before it, or the word itself. */
  readonly token?: string;
  /** Version of Redis that brought it, when that is not the command's. */
  readonly since?: string;
  readonly deprecatedSince?: string;
  readonly flags?: readonly ArgumentFlag[];
  /** Of `oneof` and `block`. */
  readonly arguments?: readonly Argument[];
}

/** `multiple` may be repeated; with `multiple_token` its word is repeated, too. */
export type ArgumentFlag = 'optional' | 'multiple' | 'multiple_token';

type Facts = Omit<Argument, 'name' | 'type' | 'arguments'>;
type Build = (name: string, facts?: Facts) => Argument;

export const optional: Facts = { flags: ['optional'] };
export const multiple: Facts = { flags: ['multiple'] };
export const optionalMultiple: Facts = { flags: ['optional', 'multiple'] };

export const string = builderOf('string');
export const integer = builderOf('integer');
export const double = builderOf('double');
export const pattern = builderOf('pattern');
export const unixTime = builderOf('unix-time');

function builderOf(type: ArgumentType): Build {
  return (name, facts) => ({ name, type, ...facts });
}

/** Of the first key spec, unless the facts say otherwise. */
export function key(name = 'key', facts?: Facts): Argument {
  return { name, type: 'key', keySpecIndex: 0, ...facts };
}

/** Named as the word, in lower case. */
export function token(word: string, facts?: Facts): Argument {
  return { name: word.toLowerCase(), type: 'pure-token', token: word, ...facts };
}

export function oneOf(name: string, choices: readonly Argument[], facts?: Facts): Argument {
  return { name, type: 'oneof', ...facts, arguments: choices };
}

export function block(name: string, parts: readonly Argument[], facts?: Facts): Argument {
  return { name, type: 'block', ...facts, arguments: parts };
}

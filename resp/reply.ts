// One value for every reply, whatever protocol version the client speaks.
//
// A command returns a `Reply` and does not know whether RESP2 or RESP3 will carry it: the encoder
// decides that a map becomes a flat array for a RESP2 client, a double a bulk string, and so on.
// JavaScript's own types stand for the common cases, so that the hot path allocates nothing:
//
//   number, bigint   integer            Uint8Array, string   bulk string
//   null             null               boolean              RESP3 boolean, RESP2 integer 0 or 1
//   array            array
//
// Everything else is one of the small tagged objects below.
// https://redis.io/docs/latest/develop/reference/protocol-spec/

export type Reply =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly Reply[]
  | TaggedReply;

export type TaggedReply =
  | SimpleStringReply
  | ErrorReply
  | NullArrayReply
  | DoubleReply
  | BigNumberReply
  | VerbatimReply
  | MapReply
  | SetReply
  | PushReply;

/** `+text`. The text holds no CR or LF. */
export interface SimpleStringReply {
  readonly kind: 'simple';
  readonly text: string;
}

/** `-CODE sentence`. A client's mistake or a refusal: returned, never thrown. */
export interface ErrorReply {
  readonly kind: 'error';
  /** Code and sentence, as in `ERR syntax error`. CR and LF are replaced when encoded. */
  readonly text: string;
}

/** Null where Redis 2 protocol says `*-1` (an aborted EXEC, a timed out BLPOP); `_` in RESP3. */
export interface NullArrayReply {
  readonly kind: 'nullArray';
}

/** `,3.14` in RESP3, a bulk string in RESP2. */
export interface DoubleReply {
  readonly kind: 'double';
  readonly value: number;
}

/** `(123…` in RESP3, a bulk string in RESP2. */
export interface BigNumberReply {
  readonly kind: 'bigNumber';
  readonly value: bigint;
}

/** `=…txt:…` in RESP3, a bulk string in RESP2. INFO and its like. */
export interface VerbatimReply {
  readonly kind: 'verbatim';
  readonly format: 'txt' | 'mkd';
  readonly text: string;
}

/** `%` in RESP3, a flat array of twice the length in RESP2. */
export interface MapReply {
  readonly kind: 'map';
  readonly entries: readonly (readonly [Reply, Reply])[];
}

/** `~` in RESP3, an array in RESP2. */
export interface SetReply {
  readonly kind: 'set';
  readonly members: readonly Reply[];
}

/** `>` in RESP3, an array in RESP2. Out of band: a reply to no command. */
export interface PushReply {
  readonly kind: 'push';
  readonly items: readonly Reply[];
}

export function simpleString(text: string): SimpleStringReply {
  return { kind: 'simple', text };
}

export function errorReply(text: string): ErrorReply {
  return { kind: 'error', text };
}

export function double(value: number): DoubleReply {
  return { kind: 'double', value };
}

export function bigNumber(value: bigint): BigNumberReply {
  return { kind: 'bigNumber', value };
}

export function verbatim(text: string, format: 'txt' | 'mkd' = 'txt'): VerbatimReply {
  return { kind: 'verbatim', format, text };
}

export function mapReply(entries: readonly (readonly [Reply, Reply])[]): MapReply {
  return { kind: 'map', entries };
}

export function setReply(members: readonly Reply[]): SetReply {
  return { kind: 'set', members };
}

export function pushReply(items: readonly Reply[]): PushReply {
  return { kind: 'push', items };
}

export function isErrorReply(reply: Reply): reply is ErrorReply {
  return (
    typeof reply === 'object' && reply !== null && (reply as Partial<ErrorReply>).kind === 'error'
  );
}

/** The replies that leave most often. The encoder knows these objects by identity. */
export const okReply: SimpleStringReply = Object.freeze(simpleString('OK'));
export const pongReply: SimpleStringReply = Object.freeze(simpleString('PONG'));
export const queuedReply: SimpleStringReply = Object.freeze(simpleString('QUEUED'));
export const nullArrayReply: NullArrayReply = Object.freeze({ kind: 'nullArray' });

/** Error texts shared by several commands, exactly as Redis 7.2 prints them. */
export const errors = Object.freeze({
  syntax: errorReply('ERR syntax error'),
  notInteger: errorReply('ERR value is not an integer or out of range'),
  notFloat: errorReply('ERR value is not a valid float'),
  outOfRange: errorReply('ERR index out of range'),
  noSuchKey: errorReply('ERR no such key'),
  wrongType: errorReply('WRONGTYPE Operation against a key holding the wrong kind of value'),
});

export function wrongArity(commandName: string): ErrorReply {
  return errorReply(`ERR wrong number of arguments for '${commandName}' command`);
}

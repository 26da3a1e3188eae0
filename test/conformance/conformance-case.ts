// The notation of the conformance cases: commands and the replies that Redis gives to them.

/** One case: run in order, each on the same fresh connection, in an empty server. */
export interface ConformanceCase {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Set where Redis 7.2 answers otherwise than the 7.0 that serves as the oracle. */
  readonly since?: '7.2';
}

export type Step = readonly [command: Command, reply: ExpectedReply] | Wait;

/**
 * A line is split at spaces; double quotes group words and have no escapes. An array is taken as it
 * is, each character one byte (latin1).
 */
export type Command = string | readonly string[] | OtherClient;

/** A string is a bulk string; what a simple string says is `simple(…)`, an error `error(…)`. */
export type ExpectedReply =
  | string
  | number
  | bigint
  | null
  | Simple
  | ErrorText
  | Matching
  | readonly ExpectedReply[];

/** Sent on a second connection, which lives as long as the case. */
export class OtherClient {
  readonly command: string | readonly string[];

  constructor(command: string | readonly string[]) {
    this.command = command;
  }
}

export class Wait {
  readonly milliseconds: number;

  constructor(milliseconds: number) {
    this.milliseconds = milliseconds;
  }
}

export class Simple {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export class ErrorText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Any reply, in the form that `plain` gives it, that the predicate likes. */
export class Matching {
  readonly description: string;
  readonly matches: (reply: unknown) => boolean;

  constructor(description: string, matches: (reply: unknown) => boolean) {
    this.description = description;
    this.matches = matches;
  }
}

export const other = (command: string | readonly string[]) => new OtherClient(command);
export const wait = (milliseconds: number) => new Wait(milliseconds);
export const simple = (text: string) => new Simple(text);
export const error = (text: string) => new ErrorText(text);

export const ok = simple('OK');
export const queued = simple('QUEUED');
export const syntaxError = error('ERR syntax error');
export const notAnInteger = error('ERR value is not an integer or out of range');
export const notAFloat = error('ERR value is not a valid float');
export const noSuchKey = error('ERR no such key');

export const wrongArity = (command: string) =>
  error(`ERR wrong number of arguments for '${command}' command`);
export const invalidExpire = (command: string) =>
  error(`ERR invalid expire time in '${command}' command`);

/** An integer from `least` to `most`: for what depends on the clock. */
export const between = (least: number, most: number) =>
  new Matching(
    `an integer from ${least} to ${most}`,
    (reply) => typeof reply === 'number' && reply >= least && reply <= most,
  );

export const textMatching = (pattern: RegExp) =>
  new Matching(`text matching ${pattern}`, (reply) => pattern.test(String(reply)));

export const inAnyOrder = (...texts: string[]) =>
  new Matching(
    `${texts.join(', ')} in any order`,
    (reply) => Array.isArray(reply) && sameTexts(reply, texts),
  );

/** A whole scan in one reply: cursor 0 and the names. */
export const scanOf = (...names: string[]) =>
  new Matching(
    `cursor 0 and ${names.join(', ')} in any order`,
    (reply) => Array.isArray(reply) && reply[0] === '0' && sameTexts(reply[1], names),
  );

function sameTexts(reply: unknown, texts: readonly string[]): boolean {
  if (!Array.isArray(reply)) return false;
  return JSON.stringify(reply.toSorted()) === JSON.stringify(texts.toSorted());
}

/** Words of a command line. `SET k "a b"` has three. */
export function splitCommand(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let isQuoted = false;
  let isEmpty = true;
  for (const character of line) {
    if (character === '"') {
      isQuoted = !isQuoted;
      isEmpty = false;
    } else if (character === ' ' && !isQuoted) {
      words.push(word);
      word = '';
      isEmpty = true;
    } else {
      word += character;
      isEmpty = false;
    }
  }
  if (!isEmpty) words.push(word);
  return words;
}

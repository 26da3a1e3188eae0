// The options of a running replica: what CONFIG GET shows and CONFIG SET changes.

import { type ErrorReply, errorReply } from '../resp/index.js';
import { matchesGlob } from '../sqlite-sm/index.js';
import { facts } from './facts.js';
import {
  fieldOf,
  type OptionName,
  type OptionValue,
  OptionValueError,
  optionRows,
  parseOption,
  type ServerOptions,
} from './options.js';

/** Refuses a change that this server must not have: which option, and why. */
export type SettingCheck = (
  change: Readonly<Partial<ServerOptions>>,
) => { readonly option: OptionName; readonly reason: string } | undefined;

export class Settings {
  /** As they are now. Read it again for each use: CONFIG SET changes it. */
  readonly values: ServerOptions;
  readonly #check: SettingCheck;
  readonly #onChange: (change: Readonly<Partial<ServerOptions>>) => void;

  constructor(
    options: ServerOptions,
    check: SettingCheck = () => undefined,
    onChange: (change: Readonly<Partial<ServerOptions>>) => void = () => undefined,
  ) {
    this.values = { ...options };
    this.#check = check;
    this.#onChange = onChange;
  }

  /**
   * Name and value of everything a pattern matches. A name without wildcards comes back as it was
   * asked for, in its own case, as in Redis.
   */
  get(patterns: readonly string[], port: number): Map<string, string> {
    const all = this.#shown(port);
    const found = new Map<string, string>();
    const taken = new Set<string>();
    const take = (name: string, shownAs: string): void => {
      if (taken.has(name)) return;
      taken.add(name);
      found.set(shownAs, all.get(name)!);
    };
    for (const asked of patterns) {
      const pattern = asked.toLowerCase();
      if (!/[*?[]/.test(pattern)) {
        if (all.has(pattern)) take(pattern, asked);
        continue;
      }
      for (const name of all.keys()) {
        if (matchesGlob(Buffer.from(pattern), Buffer.from(name))) take(name, name);
      }
    }
    return found;
  }

  #shown(port: number): Map<string, string> {
    const shown = new Map<string, string>(
      facts.map(({ name, value }) => [name, value ?? String(port)]),
    );
    for (const [name, { isHidden }] of optionRows) {
      if (isHidden !== true) shown.set(name, String(this.values[fieldOf(name)]));
    }
    return new Map([...shown].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  /** `name value …`: all of them, or none and the error of Redis. */
  set(words: readonly string[]): ErrorReply | undefined {
    const names: string[] = [];
    for (let at = 0; at < words.length; at += 2) {
      const name = words[at]!.toLowerCase();
      if (!isKnown(name)) {
        return errorReply(
          `ERR Unknown option or number of arguments for CONFIG SET - '${words[at]}'`,
        );
      }
      if (optionRows.get(name)?.isMutable !== true) {
        return failed(words[at]!, "can't set immutable config");
      }
      if (names.includes(name)) return failed(words[at]!, 'duplicate parameter');
      names.push(name);
    }
    const change: Record<string, OptionValue> = {};
    for (const [at, name] of names.entries()) {
      try {
        change[fieldOf(name)] = parseOption(optionRows.get(name)!, words[at * 2 + 1]!);
      } catch (error) {
        if (!(error instanceof OptionValueError)) throw error;
        return failed(words[at * 2]!, error.message);
      }
    }
    const refusal = this.#check(change);
    if (refusal !== undefined) return failed(refusal.option, refusal.reason);
    Object.assign(this.values, change);
    this.#onChange(change);
    return undefined;
  }
}

function isKnown(name: string): boolean {
  const row = optionRows.get(name);
  if (row !== undefined) return row.isHidden !== true;
  return facts.some((fact) => fact.name === name);
}

function failed(name: string, reason: string): ErrorReply {
  return errorReply(`ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`);
}

// What COMMAND DOCS tells of arguments agrees with what the tables say of arity and keys.

import assert from 'node:assert/strict';
import { encodeReply } from '../../resp/index.js';
import { dataCommands } from '../../sqlite-sm/index.js';
import type { Argument } from '../../src/client/commands/arguments/argument.js';
import { dataArguments } from '../../src/client/commands/arguments/data-arguments.js';
import { argumentReply, argumentsOf } from '../../src/client/commands/arguments/index.js';
import { serverArguments } from '../../src/client/commands/arguments/server-arguments.js';
import { serverCommands } from '../../src/client/commands/index.js';
import { subcommandFacts } from '../../src/client/commands/subcommand-facts.js';

interface Row {
  readonly name: string;
  /** With the container's name. */
  readonly arity: number;
  readonly keySpecs: number;
}

/** What can be called: containers by their subcommands. */
const rows: readonly Row[] = [
  ...dataCommands.flatMap((command) =>
    (command.subcommands ?? [command]).map(({ name, arity, keySpecs }) => {
      return { name, arity, keySpecs: keySpecs.length };
    }),
  ),
  ...serverCommands.flatMap(({ name, arity, keys, subcommands }): Row[] => {
    if (subcommands === undefined) return [{ name, arity, keySpecs: keys?.keySpecs.length ?? 0 }];
    return Object.entries(subcommands).map(([each, row]) => {
      return { name: `${name}|${each}`, arity: row.arity, keySpecs: 0 };
    });
  }),
];

function isOptional({ flags = [] }: Argument): boolean {
  return flags.includes('optional');
}

/** Words of an argument when it is given. */
function words(argument: Argument): { readonly min: number; readonly isFixed: boolean } {
  const { type, token, flags = [] } = argument;
  const own = token !== undefined && type !== 'pure-token' ? 1 : 0;
  const parts = argument.arguments ?? [];
  const isFixed = !flags.includes('multiple');
  if (type === 'oneof') {
    const counts = parts.map(words);
    const min = Math.min(...counts.map((count) => count.min));
    return {
      min: own + min,
      isFixed: isFixed && counts.every((count) => count.isFixed && count.min === min),
    };
  }
  if (type !== 'block') return { min: own + 1, isFixed };
  const all = wordsOfAll(parts);
  return { min: own + all.min, isFixed: isFixed && all.isFixed };
}

function wordsOfAll(all: readonly Argument[]): ReturnType<typeof words> {
  const given = all.filter((argument) => !isOptional(argument)).map(words);
  return {
    min: given.reduce((sum, { min }) => sum + min, 0),
    isFixed: given.length === all.length && given.every((count) => count.isFixed),
  };
}

function* everywhere(all: readonly Argument[]): Generator<readonly Argument[]> {
  yield all;
  for (const argument of all) {
    if (argument.arguments !== undefined) yield* everywhere(argument.arguments);
  }
}

describe('The arguments of commands', () => {
  it('are as many words as the arity says', () => {
    // DEBUG is told of as one command, whatever it is asked; what HOLT takes is no matter of Redis.
    const told = rows.filter(({ name }) => {
      const isSubcommand = name.includes('|') && !dataCommands.some((row) => row.name === name);
      const isKnown = !isSubcommand || name.startsWith('object|') || name in subcommandFacts;
      return isKnown && name !== 'debug' && !name.startsWith('holt');
    });
    assert(told.length > 100);
    for (const { name, arity } of told) {
      const { min, isFixed } = wordsOfAll(argumentsOf(name));
      assert.equal(name.split('|').length + min, Math.abs(arity), name);
      if (arity > 0) assert(isFixed, `${name} takes a fixed number of arguments`);
    }
  });

  it('belong to commands that there are', () => {
    const names = new Set(rows.map(({ name }) => name));
    for (const name of [...Object.keys(dataArguments), ...Object.keys(serverArguments)]) {
      assert(names.has(name), `There is no command ${name}`);
    }
  });

  it('have names of their own, and tell of every key spec', () => {
    for (const { name, keySpecs } of rows) {
      const specs = new Set<number>();
      for (const neighbours of everywhere(argumentsOf(name))) {
        assert.equal(new Set(neighbours.map((each) => each.name)).size, neighbours.length, name);
        for (const { type, keySpecIndex, arguments: parts } of neighbours) {
          assert.equal(type === 'key', keySpecIndex !== undefined, name);
          assert.equal(type === 'oneof' || type === 'block', parts !== undefined, name);
          if (keySpecIndex !== undefined) specs.add(keySpecIndex);
        }
      }
      assert.deepEqual([...specs].sort(), [...Array(keySpecs).keys()], name);
    }
  });

  it('are shown with the fields of Redis in its order', () => {
    const shown = (name: string, at: number): string =>
      encodeReply(argumentReply(argumentsOf(name)[at]!), 3)
        .toString()
        .replace(/\$\d+\r\n/g, '')
        .replaceAll('\r\n', ' ')
        .trimEnd();
    assert.equal(
      shown('copy', 1),
      '%4 name destination type key display_text destination key_spec_index :1',
    );
    assert.equal(
      shown('flushall', 0),
      '%4 name flush-type type oneof flags ~1 +optional arguments *2 ' +
        '%5 name async type pure-token display_text async token ASYNC since 4.0.0 ' +
        '%5 name sync type pure-token display_text sync token SYNC since 6.2.0',
    );
    assert.equal(
      shown('client|tracking', 2),
      '%5 name prefix type string display_text prefix token PREFIX ' +
        'flags ~3 +optional +multiple +multiple_token',
    );
    assert.match(
      shown('client|kill', 0),
      /%4 name old-format type string display_text ip:port deprecated_since 2\.8\.12 %/,
    );
  });
});

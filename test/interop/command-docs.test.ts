// COMMAND DOCS beside a real Redis (Debian's 7.0), and what redis-cli makes of it.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import { ClusterUnderTest } from './cluster-under-test.js';
import { RedisOracle } from './redis-oracle.js';
import { runProgram } from './run-program.js';

type Argument = Record<string, unknown> & { readonly arguments?: readonly Argument[] };

interface Doc {
  readonly arguments?: readonly Argument[];
  readonly subcommands?: Readonly<Record<string, Doc>>;
}

/** What 7.2 tells otherwise than 7.0, with what it is. */
const changedSince7: Readonly<Record<string, string>> = {
  'acl|cat': 'the argument is `category`, not `categoryname`',
  'client|kill': 'addresses have names, SKIPME is a choice; MAXAGE is of a later version',
  'client|list': 'ID is the word before a repeated id, not a block',
  'client|reply': 'the choice has another name',
  'client|unblock': 'the choice has another name',
  'command|getkeys': 'there are arguments',
  'command|getkeysandflags': 'there are arguments',
  'config|get': 'a repeated argument, not a block',
  'config|set': 'the block has another name',
  flushall: 'the choice has another name',
  flushdb: 'the choice has another name',
  hello: 'the block behind AUTH has another name',
  lcs: 'the argument of MINMATCHLEN has a name of its own',
  mset: 'the block has another name',
  msetnx: 'the block has another name',
};

/** Only 7.2 has a text to be shown. */
function withoutDisplayText(all: readonly Argument[] = []): Argument[] {
  return all.map(({ display_text: _text, ...argument }) => {
    const { arguments: parts } = argument;
    return parts === undefined ? argument : { ...argument, arguments: withoutDisplayText(parts) };
  });
}

/** By name, subcommands too. */
function flat(docs: Readonly<Record<string, Doc>>): Map<string, readonly Argument[]> {
  const all = new Map<string, readonly Argument[]>();
  for (const [name, doc] of Object.entries(docs)) {
    all.set(name, withoutDisplayText(doc.arguments));
    for (const [sub, args] of flat(doc.subcommands ?? {})) all.set(sub, args);
  }
  return all;
}

describe('COMMAND DOCS', () => {
  let cluster: ClusterUnderTest;
  let redis: RedisOracle;

  before(async () => {
    cluster = await ClusterUnderTest.start({ serverCount: 1 });
    redis = await RedisOracle.start();
  });
  after(async () => {
    await redis?.stop();
    cluster?.dispose();
  });

  it('tells of the arguments what Redis tells', async () => {
    const docs = [];
    for (const connection of [await cluster.server(1).connect(), await redis.connect()]) {
      await connection.call('HELLO', 3);
      docs.push(flat((await connection.call('COMMAND', 'DOCS')) as Record<string, Doc>));
      connection.close();
    }
    const [ours, theirs] = docs as [ReturnType<typeof flat>, ReturnType<typeof flat>];
    const known = [...ours.keys()].filter((name) => theirs.has(name));
    assert(known.length > 100, `${known.length} commands in common`);
    const different = known.filter((name) => {
      return !isDeepStrictEqual(ours.get(name), theirs.get(name));
    });
    assert.deepEqual(different.toSorted(), Object.keys(changedSince7).toSorted());
  });

  it('lets redis-cli show how a command is written', async () => {
    const usage = async (port: number, command: string): Promise<string> => {
      const args = ['-p', String(port), 'help', ...command.split(' ')];
      const { code, stdout, stderr } = await runProgram('redis-cli', args);
      assert.equal(code, 0, stderr);
      return stdout.trim().split('\n', 1)[0]!;
    };
    const { clientPort } = cluster.server(1);
    for (const [command, word] of [
      ['set', 'KEEPTTL'],
      ['getex', 'PERSIST'],
      ['expire', 'GT'],
      ['scan', 'MATCH'],
      ['copy', 'REPLACE'],
      ['mset', 'value'],
      ['hello', 'SETNAME'],
      ['client list', 'NORMAL'],
    ] as const) {
      const shown = await usage(clientPort, command);
      assert(shown.includes(word), `${command}: ${shown}`);
      assert.equal(shown, await usage(redis.port, command), command);
    }
  });
});

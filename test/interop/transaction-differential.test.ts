// Redis as the oracle for transactions: two connections take turns at random, on both sides the
// same, and every reply and the final contents are compared.
//
// All keys share one slot, because Holt asks that of a transaction and of what is watched for it.
// One difference is meant, so the stream is built not to show it: a key that is watched while it is
// absent, then created and deleted again, is unchanged for Holt and changed for Redis
// (docs/decisions). Keys of `born` may be watched while absent, and only FLUSHALL removes them, while
// nobody watches; those of `mortal` come and go, and are there whenever a WATCH names them.

import assert from 'node:assert/strict';
import { SeededRandom } from '../sqlite-sm/machine-fixture.js';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { RedisOracle } from './redis-oracle.js';
import { encodeRequest, type RespConnection } from './resp-connection.js';

const stepCount = 1000;
const mortal = ['{t}a', '{t}b', '{t}c'];
const born = ['{t}x', '{t}y'];
const keys = [...mortal, ...born];
const databases = [0, 1, 2];

/** One client of each side. */
interface Pair {
  readonly ours: RespConnection;
  readonly theirs: RespConnection;
  isInMulti: boolean;
  isWatching: boolean;
}

describe('Redis and Holt, transactions', () => {
  let oracle: RedisOracle;
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;

  before(async () => {
    oracle = await RedisOracle.start();
    cluster = await ClusterUnderTest.start({ serverCount: 1 });
    leader = await cluster.leader();
  });
  after(async () => {
    await oracle?.stop();
    cluster?.dispose();
  });

  async function openPair(): Promise<Pair> {
    const [ours, theirs] = await Promise.all([leader.connect(), oracle.connect()]);
    return { ours, theirs, isInMulti: false, isWatching: false };
  }

  /** The reply that both gave. */
  async function ask(pair: Pair, command: readonly string[], what: string): Promise<unknown> {
    const theirs = await pair.theirs.call(...command);
    const ours = await pair.ours.call(...command);
    assert.deepEqual(ours, theirs, `${what}: ${JSON.stringify(command)}`);
    return ours;
  }

  for (const [seed, protocol] of [
    [51, '2'],
    [52, '3'],
    [53, '2'],
    [54, '3'],
  ] as const) {
    it(`answer ${stepCount} steps of two clients alike (seed ${seed}, RESP${protocol})`, async () => {
      const random = new SeededRandom(seed);
      const pairs = [await openPair(), await openPair()];
      for (const { ours, theirs } of pairs) {
        await Promise.all([ours.call('HELLO', protocol), theirs.call('HELLO', protocol)]);
        await Promise.all([ours.call('FLUSHALL'), theirs.call('FLUSHALL')]);
      }
      let executed = 0;
      let aborted = 0;
      for (let step = 0; step < stepCount; step += 1) {
        const pair = random.pick(pairs);
        for (const command of nextCommands(random, pair, pairs)) {
          const reply = await ask(pair, command, `seed ${seed}, step ${step}`);
          if (command[0] === 'EXEC' && Array.isArray(reply)) executed += 1;
          if (command[0] === 'EXEC' && reply === null) aborted += 1;
          follow(pair, command, reply);
        }
      }
      assert(executed > 20, `only ${executed} transactions were executed`);
      assert(aborted > 5, `only ${aborted} transactions were aborted by WATCH`);

      const last = await openPair();
      for (const database of databases) {
        await ask(last, ['SELECT', String(database)], 'at the end');
        await ask(last, ['DBSIZE'], 'at the end');
        await ask(last, ['MGET', ...keys], 'at the end');
      }
      for (const { ours, theirs } of [...pairs, last]) {
        ours.close();
        theirs.close();
      }
    });
  }

  it('answer the same bytes, nulls and errors included', async () => {
    const scripts = [
      ['MULTI', 'PING', 'ECHO x', 'GET {t}n', 'MGET {t}n {t}n', 'EXEC'],
      ['SET {t}k 1', 'WATCH {t}k', 'SET {t}k 2', 'MULTI', 'GET {t}k', 'EXEC'],
      ['SET {t}k abc', 'MULTI', 'INCR {t}k', 'APPEND {t}k d', 'EXEC', 'GET {t}k'],
      ['EXEC', 'EXEC x', 'DISCARD', 'DISCARD x', 'MULTI x', 'WATCH', 'UNWATCH x'],
      ['MULTI', 'EXEC x', 'EXEC', 'MULTI', 'DISCARD x', 'EXEC'],
      ['MULTI', 'MULTI', 'WATCH {t}k', 'SET {t}k 1', 'UNWATCH', 'EXEC'],
      ['MULTI', 'NOSUCH', 'SET {t}k 5', 'EXEC', 'GET {t}k', 'EXEC'],
      ['MULTI', 'SET {t}k', 'SET {t}k 5', 'EXEC', 'GET {t}k'],
      ['MULTI', 'CLIENT NOSUCH', 'PING', 'EXEC'],
      ['MULTI', 'CLIENT SETNAME', 'PING', 'EXEC'],
      ['MULTI', 'CONFIG NOSUCH', 'EXEC', 'MULTI', 'COMMAND NOSUCH', 'EXEC'],
      ['MULTI', 'HELLO 9', 'SELECT 99', 'SELECT x', 'AUTH a b c d', 'PING a b', 'EXEC'],
      ['MULTI', 'SELECT 2', 'SET {t}k two', 'SELECT 0', 'GET {t}k', 'SELECT 2', 'EXEC'],
      ['GET {t}k', 'SELECT 0', 'MULTI', 'RESET', 'EXEC', 'MULTI', 'EXEC', 'MULTI', 'DISCARD'],
      ['MULTI', 'CLIENT SETNAME me', 'CLIENT GETNAME', 'EXEC', 'CLIENT GETNAME'],
      ['SET {t}k 1', 'WATCH {t}k', 'DISCARD', 'MULTI', 'SET {t}k 2', 'EXEC', 'GET {t}k'],
      ['MULTI', 'QUIT'],
    ];
    for (const protocol of ['2', '3']) {
      for (const script of scripts) {
        const pair = await openPair();
        await Promise.all([pair.ours.call('HELLO', protocol), pair.theirs.call('HELLO', protocol)]);
        const bytes = Buffer.concat(script.map((line) => encodeRequest(line.split(' '))));
        const [ours, theirs] = await Promise.all([
          bytesUntilQuit(pair.ours, bytes),
          bytesUntilQuit(pair.theirs, bytes),
        ]);
        assert.equal(ours, theirs, script.join('; '));
      }
    }
  });

  it('tell the same of the commands', async () => {
    const pair = await openPair();
    for (const name of ['multi', 'exec', 'discard', 'watch', 'unwatch']) {
      const infos = await Promise.all(
        [pair.ours, pair.theirs].map((side) => side.call('COMMAND', 'INFO', name)),
      );
      const [ours, theirs] = infos.map((info) => {
        const [[, arity, flags, ...rest]] = info as [[string, number, string[], ...unknown[]]];
        return [arity, flags.toSorted(), ...rest];
      });
      assert.deepEqual(ours, theirs, name);
    }
    await ask(pair, ['COMMAND', 'GETKEYS', 'WATCH', 'a', 'b'], 'the keys of WATCH');
    pair.ours.close();
    pair.theirs.close();
  });

  it('change the protocol at a HELLO inside of EXEC, for what follows it', async () => {
    const script = ['MULTI', 'GET {t}n', 'HELLO 3', 'GET {t}n', 'EXEC', 'GET {t}n'];
    const bytes = Buffer.concat(script.map((line) => encodeRequest(line.split(' '))));
    const pair = await openPair();
    const [ours, theirs] = await Promise.all([
      bytesUntilQuit(pair.ours, bytes),
      bytesUntilQuit(pair.theirs, bytes),
    ]);
    const shape = /^(\+OK\r\n(?:\+QUEUED\r\n){3}\*3\r\n\$-1\r\n)%7\r\n[\s\S]*(_\r\n_\r\n\+OK\r\n)$/;
    assert.deepEqual(shape.exec(ours)?.slice(1), shape.exec(theirs)?.slice(1));
    assert.match(ours, shape);
  });
});

/** A few commands for one of the clients; more than one where the first makes room for the second. */
function nextCommands(random: SeededRandom, pair: Pair, pairs: readonly Pair[]): string[][] {
  switch (random.below(pair.isInMulti ? 14 : 10)) {
    case 0:
      return [['MULTI']];
    case 1:
    case 2:
      return watch(random, pair);
    case 3:
      return [
        random.pick([['UNWATCH'], ['DISCARD'], ['EXEC'], ['RESET'], ['EXEC', 'x'], ['WATCH']]),
      ];
    case 4:
      return [serverCommand(random)];
    case 5:
      if (pair.isInMulti || pairs.some(({ isInMulti, isWatching }) => isInMulti || isWatching)) {
        return [dataCommand(random)];
      }
      return [['FLUSHALL']];
    case 10:
    case 11:
      return [['EXEC']];
    default:
      return [dataCommand(random)];
  }
}

function watch(random: SeededRandom, pair: Pair): string[][] {
  const names = Array.from({ length: 1 + random.below(3) }, () => random.pick(keys));
  const command = ['WATCH', ...names];
  if (pair.isInMulti) return [command];
  const present = names.filter((name) => mortal.includes(name));
  return [...present.map((name) => ['SET', name, '1', 'NX']), command];
}

function serverCommand(random: SeededRandom): string[] {
  return random.pick([
    ['PING'],
    ['PING', 'text'],
    ['ECHO', 'text'],
    ['SELECT', String(random.pick(databases))],
    ['SELECT', '99'],
    ['CLIENT', 'GETNAME'],
    ['CLIENT', 'SETNAME', random.pick(['one', 'two', 'not valid'])],
    ['CONFIG', 'GET', 'save'],
    ['NOSUCH', 'command'],
    ['CLIENT', 'NOSUCH'],
    ['ECHO'],
  ]);
}

function dataCommand(random: SeededRandom): string[] {
  const key = random.pick(keys);
  const other = random.pick(keys);
  const dying = random.pick(mortal);
  const value = random.pick(['1', '22', 'text', '']);
  return random.pick([
    ['SET', key, value],
    ['SET', key, value],
    ['SET', key, value, 'EX', '10000'],
    ['SET', key, value, 'NX'],
    ['SET', key, value, 'XX', 'GET'],
    ['GET', key],
    ['MGET', key, other, '{t}never'],
    ['MSET', key, value, other, '7'],
    ['APPEND', key, value],
    ['INCR', key],
    ['DECRBY', other, '5'],
    ['STRLEN', key],
    ['EXISTS', key, other],
    ['TYPE', key],
    ['DEL', dying, '{t}never'],
    ['DEL', dying, dying],
    ['EXPIRE', key, '10000'],
    ['EXPIRE', dying, '-1'],
    ['PERSIST', key],
    ['DBSIZE'],
    ['GET'],
    ['SET', key],
  ]);
}

function follow(pair: Pair, [name, ...args]: readonly string[], reply: unknown): void {
  if (name === 'MULTI' && reply === 'OK') pair.isInMulti = true;
  if (name === 'WATCH' && reply === 'OK') pair.isWatching = true;
  const isEnd = name === 'EXEC' || name === 'RESET' || (name === 'DISCARD' && reply === 'OK');
  if (isEnd) pair.isInMulti = false;
  if (isEnd || (name === 'UNWATCH' && !pair.isInMulti)) pair.isWatching = false;
  assert(name !== 'UNWATCH' || args.length === 0);
}

/** Everything that was answered until the server closed the connection. */
async function bytesUntilQuit(connection: RespConnection, request: Buffer): Promise<string> {
  const received: Buffer[] = [];
  connection.socket.on('data', (chunk: Buffer) => received.push(chunk));
  connection.send(Buffer.concat([request, encodeRequest(['QUIT'])]));
  await connection.closed;
  return Buffer.concat(received).toString('latin1');
}

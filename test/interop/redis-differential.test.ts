// Redis itself as the oracle: the same random commands, and the same bytes in reply.
//
// A real redis-server runs on a free loopback port. Each command goes to it over a raw socket, and
// to a state machine without any server in between: writes through an entry, reads half through an
// entry and half through `read`. Both replies are compared as RESP2 bytes, with two exceptions that
// follow from what is compared: TTL and PTTL may differ by the time that passed between the two,
// and SCAN's names come in no defined order.
//
// The oracle here is Redis 7.0 (Debian), the promise is Redis 7.2. For these commands the two differ
// in what COMMAND tells of them (summaries; `response_policy:special` of SCAN), not in replies.
// Where the machine means to differ from both, the stream below is built so that it cannot show:
//
// - A key ends when its time is reached, not a millisecond later. Times in the stream are far ahead
//   or long past.
// - DBSIZE counts expired keys until something removes them; Redis does so on reads as well, and at
//   random moments. Before each DBSIZE a write meets every key on both sides, and changes none.
// - SCAN with TYPE none names expired keys in Redis 7.0. The stream asks for other types.
// - EXPIRE's GT and LT compare with a time that was set a moment ago; amounts lie minutes apart.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import RedisParser from 'redis-parser';
import { encodeReply, type Reply } from '../../resp/index.js';
import { commandTable, findCommand, needsTick } from '../../sqlite-sm/index.js';
import {
  encodeBatch,
  MachineHarness,
  readKind,
  removeDirectories,
  SeededRandom,
  toBuffer,
  writeKind,
} from '../sqlite-sm/machine-fixture.js';
import { type RandomTimes, randomCommand, randomKeys } from '../sqlite-sm/random-commands.js';

const redisServer = '/usr/bin/redis-server';
const commandsPerRun = 4000;
/** The two sides run a command within this time of each other, also on a busy machine. */
const clockTolerance = { ttl: 5n, pttl: 5000n };

describe('Redis and the state machine', () => {
  let oracle: Oracle;
  let harness: MachineHarness;

  before(async () => {
    assert(
      existsSync(redisServer),
      `This test compares with a real Redis: install redis-server 7 (on Debian: apt-get install ` +
        `redis-server), so that there is ${redisServer}`,
    );
    oracle = await Oracle.start();
  });
  after(() => oracle?.stop());

  beforeEach(async () => {
    harness = new MachineHarness();
    await oracle.ask(['FLUSHALL']);
  });
  afterEach(() => {
    harness.machine.close();
    removeDirectories();
  });

  /** Through an entry, or past the log where the command allows it. */
  function askMachine(args: readonly string[], isPastLog: boolean): Reply {
    const command = findCommand(toBuffer(args[0] as string));
    assert(command !== undefined);
    harness.nowMs = Math.max(harness.machine.lastStamp, Date.now());
    if (isPastLog && !command.isWrite) {
      const reply = harness.machine.read(0, args.map(toBuffer), harness.nowMs);
      assert(reply !== needsTick, 'Nothing in the stream comes due');
      return reply;
    }
    let answer: Reply | undefined;
    const kind = command.isWrite ? writeKind : readKind;
    harness.machine.apply(harness.entry(encodeBatch([[...args]], { kind })), {
      reply: (_position, reply) => {
        answer = reply;
      },
    });
    assert(answer !== undefined);
    return answer;
  }

  async function compare(args: readonly string[], isPastLog: boolean, what: string): Promise<void> {
    const expected = await oracle.ask(args);
    const actual = encodeReply(askMachine(args, isPastLog), 2);
    const name = (args[0] as string).toLowerCase();
    const message = `${what}: ${JSON.stringify(args)}`;
    if (name === 'ttl' || name === 'pttl') {
      assertNear(actual, expected, clockTolerance[name], message);
    } else if (name === 'scan' && expected[0] === 0x2a) {
      assert.deepEqual(parseSorted(actual), parseSorted(expected), message);
    } else if (!actual.equals(expected)) {
      assert.equal(actual.toString('latin1'), expected.toString('latin1'), message);
    }
  }

  for (const seed of [31, 32, 33]) {
    it(`answer ${commandsPerRun} random commands alike (seed ${seed})`, async () => {
      const random = new SeededRandom(seed);
      const times = timesFarApart(random);
      for (let i = 0; i < commandsPerRun; i++) {
        const command = randomCommand(random, times);
        if (command[0]?.toLowerCase() === 'dbsize') {
          // Meets every key; GT fails for those that have an expiry, XX for those that have none.
          for (const key of randomKeys) {
            await compare(['EXPIRE', key, '1', 'XX', 'GT'], false, `before command ${i}`);
          }
        }
        await compare(command, random.below(2) === 0, `seed ${seed}, command ${i}`);
      }
    });
  }

  it('match patterns alike', async () => {
    const random = new SeededRandom(34);
    const alphabet = [...'aab*?[]^-\\!'];
    const text = (length: number): string =>
      Array.from({ length: random.below(length) }, () => random.pick(alphabet)).join('');
    for (let i = 0; i < 200; i++) await compare(['SET', text(5), ''], false, 'a key');
    for (let i = 0; i < 1500; i++) {
      await compare(['SCAN', '0', 'MATCH', text(9), 'COUNT', '1000'], true, `pattern ${i}`);
    }
  });

  it('tell the same of every command', async () => {
    for (const command of commandTable.commands) {
      const [info] = parse(await oracle.ask(['COMMAND', 'INFO', command.name])) as unknown[][];
      assert(info !== undefined);
      const [name, arity, flags, first, last, step, categories, tips, specs] = info;
      const { firstKey, lastKey, keyStep } = command;
      assert.deepEqual([name, arity], [command.name, command.arity]);
      assert.deepEqual([first, last, step], [firstKey, lastKey, keyStep], command.name);
      assertSameSet(command.flags, flags, command.name);
      assertSameSet(command.categories, categories, command.name);
      assertSameSet(
        command.tips.filter((tip) => tip !== 'response_policy:special'),
        tips,
        command.name,
      );
      assert.deepEqual(command.keySpecs.map(specAsRedisTells), specs, command.name);
    }
  });
});

/** Thousands of seconds, so that two draws are far apart, and seldom the same. */
function timesFarApart(random: SeededRandom): RandomTimes {
  const seconds = Array.from({ length: 3000 }, () => 1000 * (1 + random.below(1_000_000)));
  return { seconds: seconds.map(String), milliseconds: seconds.map((each) => `${each}000`) };
}

function specAsRedisTells(spec: (typeof commandTable.commands)[number]['keySpecs'][number]) {
  return [
    ...(spec.notes === undefined ? [] : ['notes', spec.notes]),
    ...['flags', spec.flags],
    ...['begin_search', ['type', 'index', 'spec', ['index', spec.beginIndex]]],
    'find_keys',
    [
      ...['type', 'range', 'spec'],
      ['lastkey', spec.lastKey, 'keystep', spec.keyStep, 'limit', spec.limit],
    ],
  ];
}

function assertSameSet(actual: readonly string[], expected: unknown, message: string): void {
  assert(Array.isArray(expected));
  assert.deepEqual([...actual].sort(), [...expected].sort(), message);
}

function assertNear(actual: Buffer, expected: Buffer, tolerance: bigint, message: string): void {
  const [ours, theirs] = [actual, expected].map((bytes) => {
    const text = bytes.toString('latin1');
    return /^:-?\d+\r\n$/.test(text) ? BigInt(text.slice(1, -2)) : text;
  });
  if (typeof ours === 'bigint' && typeof theirs === 'bigint' && ours >= 0n && theirs >= 0n) {
    const distance = ours > theirs ? ours - theirs : theirs - ours;
    assert(distance <= tolerance, `${message}: ${ours} and ${theirs}`);
  } else {
    // Errors, -1 and -2.
    assert.equal(ours, theirs, message);
  }
}

function parse(bytes: Buffer): unknown {
  const replies: unknown[] = [];
  const parser = new RedisParser({
    returnReply: (reply: unknown) => replies.push(reply),
    returnError: (error: Error) => replies.push(error),
  });
  parser.execute(bytes);
  assert.equal(replies.length, 1, 'One whole reply');
  return replies[0];
}

function parseSorted(bytes: Buffer): unknown {
  const replies: unknown[] = [];
  const parser = new RedisParser({
    returnReply: (reply: unknown) => replies.push(reply),
    returnError: (error: Error) => replies.push(error),
    returnBuffers: true,
  });
  parser.execute(bytes);
  const [cursor, names] = replies[0] as [Buffer, Buffer[]];
  return [cursor.toString(), names.map((name) => name.toString('hex')).sort()];
}

/** A redis-server of our own, and one connection to it. */
class Oracle {
  readonly #server: ChildProcess;
  readonly #socket: net.Socket;
  #received: Buffer[] = [];
  #isComplete = false;
  #resolve: ((bytes: Buffer) => void) | undefined;
  #reject: ((error: Error) => void) | undefined;

  static async start(): Promise<Oracle> {
    const port = await freePort();
    const options = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const server = spawn(redisServer, options.map(String), { stdio: 'ignore' });
    try {
      return new Oracle(server, await connect(port, server));
    } catch (error) {
      server.kill();
      throw error;
    }
  }

  private constructor(server: ChildProcess, socket: net.Socket) {
    this.#server = server;
    this.#socket = socket;
    // The parser only finds where a reply ends; the bytes are kept as they came.
    const parser = new RedisParser({
      returnReply: () => {
        this.#isComplete = true;
      },
      returnError: () => {
        this.#isComplete = true;
      },
    });
    socket.on('data', (chunk) => {
      this.#received.push(chunk);
      parser.execute(chunk);
      if (this.#isComplete) this.#resolve?.(Buffer.concat(this.#received));
    });
    socket.on('close', () => this.#reject?.(new Error('Redis closed the connection')));
  }

  /** The bytes of the one reply to one command. */
  ask(args: readonly string[]): Promise<Buffer> {
    this.#received = [];
    this.#isComplete = false;
    const request: Buffer[] = [Buffer.from(`*${args.length}\r\n`)];
    for (const arg of args.map(toBuffer)) {
      request.push(Buffer.from(`$${arg.length}\r\n`), arg, Buffer.from('\r\n'));
    }
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      this.#socket.write(Buffer.concat(request));
    });
  }

  async stop(): Promise<void> {
    this.#socket.destroy();
    if (this.#server.exitCode !== null) return;
    const exited = new Promise((resolve) => this.#server.once('exit', resolve));
    this.#server.kill();
    await exited;
  }
}

async function freePort(): Promise<number> {
  const probe = net.createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const address = probe.address();
  assert(address !== null && typeof address === 'object');
  await new Promise((resolve) => probe.close(resolve));
  return address.port;
}

/** Tries until the server listens. */
async function connect(port: number, server: ChildProcess): Promise<net.Socket> {
  for (let attempt = 0; attempt < 200; attempt++) {
    assert.equal(server.exitCode, null, 'redis-server ended by itself');
    const socket = net.connect(port, '127.0.0.1');
    const isConnected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (isConnected) return socket.setNoDelay();
    socket.destroy();
    await sleep(50);
  }
  throw new Error(`redis-server does not listen on port ${port}`);
}

// Redis itself as the oracle: the same random commands, and the same bytes in reply.
//
// A real redis-server runs on a free loopback port. Each command goes to it over a raw socket, and
// to a state machine without any server in between: writes through an entry, reads half through an
// entry and half through `read`. Both replies are compared as bytes, of RESP2 or RESP3, with two
// exceptions that follow from what is compared: times (TTL, PTTL, EXPIRETIME, PEXPIRETIME) may differ
// by what passed between the two, and names (SCAN, KEYS) come in no defined order.
//
// The oracle here is Redis 7.0 (Debian), the promise is Redis 7.2. For these commands the two differ
// in what COMMAND tells of them (summaries; `response_policy:special` of SCAN), not in replies.
// FREQ's and IDLETIME's numbers, REFCOUNT and the encoding of a value that was changed in place tell
// how Redis keeps it, and are not asked for. SWAPDB is refused here.
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
  readWhole,
  removeDirectories,
  SeededRandom,
  toBuffer,
  writeKind,
} from '../sqlite-sm/machine-fixture.js';
import { type RandomTimes, randomCommand, randomKeys } from '../sqlite-sm/random-commands.js';

const redisServer = '/usr/bin/redis-server';
const commandsPerRun = 4000;
/** The two sides run a command within this time of each other, also on a busy machine. */
const clockTolerance: Record<string, bigint> = {
  ttl: 5n,
  pttl: 5000n,
  expiretime: 5n,
  pexpiretime: 5000n,
};

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
    await oracle.speak(2);
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
      const reply = readWhole(harness.machine, args.map(toBuffer), harness.nowMs);
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
    const actual = encodeReply(askMachine(args, isPastLog), oracle.protocol);
    const name = (args[0] as string).toLowerCase();
    const message = `${what}: ${JSON.stringify(args)}`;
    const tolerance = clockTolerance[name];
    if (tolerance !== undefined) {
      assertNear(actual, expected, tolerance, message);
    } else if (name === 'keys' && expected[0] === 0x2a) {
      assert.deepEqual(parseNames(actual), parseNames(expected), message);
    } else if (name === 'scan' && expected[0] === 0x2a) {
      assert.deepEqual(parseSorted(actual), parseSorted(expected), message);
    } else if (!actual.equals(expected)) {
      assert.equal(actual.toString('latin1'), expected.toString('latin1'), message);
    }
  }

  for (const [seed, protocol] of [
    [31, 2],
    [32, 2],
    [33, 2],
    [35, 3],
    [36, 3],
    [37, 3],
  ] as const) {
    it(`answer ${commandsPerRun} random commands alike (RESP${protocol}, seed ${seed})`, async () => {
      await oracle.speak(protocol);
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

  it('add floating point numbers alike', async () => {
    const random = new SeededRandom(38);
    const digits = (count: number): string =>
      Array.from({ length: random.below(count) }, () => random.below(10)).join('');
    const forms = [
      () => `${random.pick(['', '-', '+'])}${digits(22)}.${digits(25)}`,
      () => `${digits(6)}e${random.pick(['', '-', '+'])}${random.below(30)}`,
      () => `${digits(25)}E${random.pick(['', '-'])}${random.below(400)}`,
      () => `0x${random.below(1e9).toString(16)}${random.pick(['', '.8', '.f1', 'p3', 'p-70'])}`,
      () => `18446744073709551615${random.pick(['', '.5', '.49999999999999999999'])}`,
      () => String(2n ** BigInt(random.below(130)) + BigInt(random.below(3) - 1)),
      // Around the ends of the range.
      () => random.pick(['0x1p16383', '0x1p16384', '0x1p-16445', '0x1p-16446', '0x1.1p-16446']),
      () => random.pick(['1.18e4932', '1.19e4932', '-9e4931', '3e-4951', '1e-4950', '0e99999']),
    ];
    for (let i = 0; i < 2000; i++) {
      await compare(['SET', 'number', random.pick(forms)()], false, 'a number');
      await compare(['INCRBYFLOAT', 'number', random.pick(forms)()], false, `sum ${i}`);
      await compare(['GET', 'number'], true, `sum ${i}`);
    }
  });

  it('find the same common subsequences', async () => {
    for (const protocol of [2, 3] as const) {
      await oracle.speak(protocol);
      const random = new SeededRandom(39);
      const text = (): string =>
        Array.from({ length: random.below(30) }, () => random.pick(['a', 'b', 'c'])).join('');
      for (let i = 0; i < 500; i++) {
        await compare(['MSET', 'x', text(), 'y', text()], false, 'two strings');
        for (const options of [[], ['LEN'], ['IDX', 'WITHMATCHLEN'], ['IDX', 'MINMATCHLEN', '2']]) {
          await compare(['LCS', 'x', 'y', ...options], true, `pair ${i}`);
        }
      }
    }
    await compare(['MSET', 'x', 'a'.repeat(20_000), 'y', 'b'.repeat(7_000)], false, 'long ones');
    await compare(['LCS', 'x', 'y', 'LEN'], true, 'long ones');
  });

  it('name the encodings of fresh values alike', async () => {
    const values = ['', '0', '-1', '01', '9223372036854775807', '9223372036854775808', 'x', '1.5'];
    values.push(
      '-0',
      'x'.repeat(20),
      '1'.repeat(19),
      '1'.repeat(20),
      'x'.repeat(44),
      'x'.repeat(45),
    );
    for (const value of values) {
      await compare(['SET', 'value', value], false, 'a value');
      await compare(['OBJECT', 'ENCODING', 'value'], true, value);
    }
    await compare(['OBJECT', 'ENCODING', 'nothing'], true, 'no value');
  });

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
    const withSubcommands = commandTable.commands.flatMap((command) => [
      command,
      ...(command.subcommands ?? []),
    ]);
    for (const command of withSubcommands) {
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

function parseNames(bytes: Buffer): string[] {
  const names = parse(bytes);
  assert(Array.isArray(names));
  return names.sort();
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

/** Where the reply that begins at `start` ends, in RESP2 or RESP3; infinity while it has not come. */
function endOfReply(bytes: Buffer, start: number): number {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd === -1) return Number.POSITIVE_INFINITY;
  const type = String.fromCharCode(bytes[start] as number);
  const count = Number(bytes.toString('latin1', start + 1, lineEnd));
  let end = lineEnd + 2;
  if ('$=!'.includes(type)) {
    end += count < 0 ? 0 : count + 2;
    return end <= bytes.length ? end : Number.POSITIVE_INFINITY;
  }
  if (!'*%~>'.includes(type)) return end;
  for (let i = type === '%' ? count * 2 : count; i > 0; i--) {
    if (end >= bytes.length) return Number.POSITIVE_INFINITY;
    end = endOfReply(bytes, end);
  }
  return end;
}

/** A redis-server of our own, and one connection to it. */
class Oracle {
  readonly #server: ChildProcess;
  readonly #socket: net.Socket;
  /** Of RESP, as agreed by the last `speak`. */
  protocol: 2 | 3 = 2;
  #received: Buffer[] = [];
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
    socket.on('data', (chunk) => {
      this.#received.push(chunk);
      const bytes = Buffer.concat(this.#received);
      if (endOfReply(bytes, 0) === bytes.length) this.#resolve?.(bytes);
    });
    socket.on('close', () => this.#reject?.(new Error('Redis closed the connection')));
  }

  /** The bytes of the one reply to one command. */
  ask(args: readonly string[]): Promise<Buffer> {
    this.#received = [];
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

  async speak(protocol: 2 | 3): Promise<void> {
    await this.ask(['HELLO', String(protocol)]);
    this.protocol = protocol;
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

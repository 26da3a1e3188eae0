import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { type RequestLimits, RequestParser } from '../../resp/index.js';
import { byteByByte, chunkings, cutAt, cutAtRandom, seededRandom } from './chunkings.js';

/** Bytes of a request are written as latin1 strings here: one character, one byte. */
function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function multibulk(...args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
}

interface Outcome {
  readonly commands: readonly (readonly string[])[];
  readonly error: string | undefined;
}

interface ParserOptions {
  readonly limits?: Partial<RequestLimits>;
  readonly authenticated?: boolean;
}

function newParser({ limits = {}, authenticated = true }: ParserOptions = {}): RequestParser {
  const parser = new RequestParser(limits);
  parser.authenticated = authenticated;
  return parser;
}

function takeAll(parser: RequestParser): string[][] {
  const commands: string[][] = [];
  for (let command = parser.next(); command !== undefined; command = parser.next()) {
    commands.push(command.map((arg) => arg.toString('latin1')));
  }
  return commands;
}

/** Takes what there is after each chunk, as a connection does. */
function parse(chunks: readonly Buffer[], options?: ParserOptions): Outcome {
  const parser = newParser(options);
  const commands = chunks.flatMap((chunk) => {
    parser.feed(chunk);
    return takeAll(parser);
  });
  return { commands, error: parser.error };
}

const ping = multibulk('PING');

interface Case extends ParserOptions {
  readonly what: string;
  readonly input: string;
  readonly commands?: readonly (readonly string[])[];
  /** Without `Protocol error: `. */
  readonly error?: string;
}

const requests: readonly Case[] = [
  { what: 'nothing', input: '' },
  { what: 'a command', input: multibulk('GET', 'key'), commands: [['GET', 'key']] },
  { what: 'an empty argument', input: multibulk('SET', 'k', ''), commands: [['SET', 'k', '']] },
  { what: 'an empty name', input: multibulk(''), commands: [['']] },
  {
    what: 'line ends and headers inside an argument',
    input: multibulk('SET', '\r\n*1\r\n$4\r\n', '\r\n'),
    commands: [['SET', '\r\n*1\r\n$4\r\n', '\r\n']],
  },
  {
    what: 'arguments that are not UTF-8, byte for byte',
    input: multibulk('SET', '\xff\x00\xc3\x28\x80', '\xed\xa0\x80'),
    commands: [['SET', '\xff\x00\xc3\x28\x80', '\xed\xa0\x80']],
  },
  { what: 'a pipeline', input: ping + ping + ping, commands: [['PING'], ['PING'], ['PING']] },
  {
    what: 'half a command as none',
    input: `${ping}*2\r\n$3\r\nGET\r\n$3\r\nke`,
    commands: [['PING']],
  },
  { what: 'a header without its line feed as none', input: `${ping}*1\r`, commands: [['PING']] },
  {
    what: 'what stands for line ends unseen, as Redis does',
    input: `*1\rX$4\rYPINGZZ${ping}`,
    commands: [['PING'], ['PING']],
  },
  { what: 'a count of zero as nothing', input: `*0\r\n${ping}*0\r\n`, commands: [['PING']] },
  { what: 'a negative count as nothing', input: `*-1\r\n*-5\r\n${ping}`, commands: [['PING']] },
  {
    what: 'a large negative count as nothing',
    input: `*-9007199254740991\r\n${ping}`,
    commands: [['PING']],
  },
  { what: 'blank lines as nothing', input: `\r\n\n \t \r\n${ping}\r\n`, commands: [['PING']] },
  {
    what: 'the end that redis-cli --pipe sends',
    input: `${ping}\r\n${multibulk('ECHO', 'x'.repeat(20))}`,
    commands: [['PING'], ['ECHO', 'x'.repeat(20)]],
  },
  { what: 'an inline command', input: 'PING\r\n', commands: [['PING']] },
  {
    what: 'an inline command without carriage return',
    input: 'SET k v\n',
    commands: [['SET', 'k', 'v']],
  },
  {
    what: 'an inline command with a NUL byte',
    input: 'GET a\x00b\r\n',
    commands: [['GET', 'a\x00b']],
  },
  {
    what: 'inline commands between others',
    input: `${ping}GET a\r\n${ping}*0\r\nSET "a b" 'c'\n\r\n${ping}`,
    commands: [['PING'], ['GET', 'a'], ['PING'], ['SET', 'a b', 'c'], ['PING']],
  },
  { what: 'an unfinished inline command as none', input: 'PING', commands: [] },
  { what: 'a reply as an inline command', input: '$4\r\nPING\r\n', commands: [['$4'], ['PING']] },
  {
    what: 'an inline command at its limit',
    input: `${'a'.repeat(65536)}\n`,
    commands: [['a'.repeat(65536)]],
  },
  {
    what: 'as many arguments as are allowed',
    input: multibulk('a', 'b', 'c'),
    limits: { argumentsMax: 3 },
    commands: [['a', 'b', 'c']],
  },
  {
    what: 'a command of as many bytes as are allowed',
    input: multibulk('GET', 'k') + multibulk('GET', 'k'),
    limits: { commandBytesMax: multibulk('GET', 'k').length },
    commands: [
      ['GET', 'k'],
      ['GET', 'k'],
    ],
  },
  {
    what: 'what a stranger may send at most',
    input: multibulk('x'.repeat(16384), ...'abcdefghi') + multibulk('x'.repeat(16384)),
    authenticated: false,
    commands: [['x'.repeat(16384), ...'abcdefghi'], ['x'.repeat(16384)]],
  },
];

const tooBigMultibulk = 'too big mbulk count string';
const tooBigBulk = 'too big bulk count string';

const protocolErrors: readonly Case[] = [
  ...['', 'abc', '+1', ' 1', '1 ', '01', '00', '-', '-0', '--1', '1-', '1.0', '0x1', '1\n'].map(
    (count) => ({ what: `*${count}`, input: `*${count}\r\n`, error: 'invalid multibulk length' }),
  ),
  { what: '*1048577', input: '*1048577\r\n', error: 'invalid multibulk length' },
  { what: '*1000000000', input: '*1000000000\r\n', error: 'invalid multibulk length' },
  {
    what: '*9223372036854775807',
    input: '*9223372036854775807\r\n',
    error: 'invalid multibulk length',
  },
  {
    what: 'a count of 400 digits',
    input: `*${'9'.repeat(400)}\r\n`,
    error: 'invalid multibulk length',
  },
  {
    what: 'a negative count of 400 digits',
    input: `*-${'9'.repeat(400)}\r\n`,
    error: 'invalid multibulk length',
  },
  ...['', 'abc', '+4', '04', '-1', '-0', '4 ', '9223372036854775807', '9'.repeat(400)].map(
    (length) => ({
      what: `$${length.slice(0, 24)}`,
      input: `*1\r\n$${length}\r\n`,
      error: 'invalid bulk length',
    }),
  ),
  {
    what: 'an argument beyond the command limit',
    input: '*1\r\n$67108864\r\n',
    error: 'invalid bulk length',
  },
  {
    what: 'arguments beyond the command limit together',
    input: `*3\r\n$3\r\nSET\r\n$40\r\n${'k'.repeat(40)}\r\n$40\r\n`,
    limits: { commandBytesMax: 100 },
    error: 'invalid bulk length',
  },
  {
    what: 'a command one byte beyond its limit',
    input: multibulk('GET', 'kk'),
    limits: { commandBytesMax: multibulk('GET', 'k').length },
    error: 'invalid bulk length',
  },
  {
    what: 'one argument too many',
    input: '*4\r\n',
    limits: { argumentsMax: 3 },
    error: 'invalid multibulk length',
  },
  { what: 'an integer for an argument', input: '*1\r\n:4\r\n', error: "expected '$', got ':'" },
  {
    what: 'a simple string for an argument',
    input: '*1\r\n+PING\r\n',
    error: "expected '$', got '+'",
  },
  { what: 'a nested array', input: '*1\r\n*1\r\n$4\r\nPING\r\n', error: "expected '$', got '*'" },
  { what: 'a line end for an argument', input: '*1\r\n\r\n', error: "expected '$', got ' '" },
  {
    what: 'an unprintable byte for an argument',
    input: '*1\r\n\xe9',
    error: "expected '$', got '\\xe9'",
  },
  {
    what: 'a body shorter than its length',
    input: '*2\r\n$3\r\nAB\r\n$1\r\nx\r\n',
    error: "expected '$', got '1'",
  },
  { what: 'a count line without end', input: `*${'1'.repeat(65536)}`, error: tooBigMultibulk },
  { what: 'a long count line', input: `*${'1'.repeat(65536)}\r\n`, error: tooBigMultibulk },
  {
    what: 'a count line at its limit',
    input: `*${'1'.repeat(65535)}\r\n`,
    error: 'invalid multibulk length',
  },
  { what: 'a length line without end', input: `*1\r\n$${'1'.repeat(65536)}`, error: tooBigBulk },
  { what: 'a long length line', input: `*1\r\n$${'1'.repeat(65536)}\r\n`, error: tooBigBulk },
  {
    what: 'an inline command without end',
    input: 'a'.repeat(65537),
    error: 'too big inline request',
  },
  {
    what: 'a long inline command',
    input: `${'a'.repeat(65537)}\n`,
    error: 'too big inline request',
  },
  { what: 'an open double quote', input: 'SET k "v\r\n', error: 'unbalanced quotes in request' },
  { what: 'an open single quote', input: "SET k 'v\r\n", error: 'unbalanced quotes in request' },
  {
    what: 'a quote closed inside a word',
    input: 'SET k "v"v\r\n',
    error: 'unbalanced quotes in request',
  },
  {
    what: 'too many inline arguments',
    input: 'a b c\r\n',
    limits: { argumentsMax: 2 },
    error: 'invalid multibulk length',
  },
  {
    what: '11 arguments of a stranger',
    input: '*11\r\n',
    authenticated: false,
    error: 'unauthenticated multibulk length',
  },
  {
    what: '17 KiB of a stranger',
    input: '*1\r\n$16385\r\n',
    authenticated: false,
    error: 'unauthenticated bulk length',
  },
  {
    what: 'a huge count of a stranger',
    input: '*1048577\r\n',
    authenticated: false,
    error: 'invalid multibulk length',
  },
  {
    what: 'a huge length of a stranger',
    input: '*1\r\n$67108864\r\n',
    authenticated: false,
    error: 'invalid bulk length',
  },
  {
    what: '11 inline arguments of a stranger',
    input: 'a b c d e f g h i j k\r\n',
    authenticated: false,
    error: 'unauthenticated multibulk length',
  },
  {
    what: '17 KiB inline of a stranger',
    input: `a ${'b'.repeat(16385)}\r\n`,
    authenticated: false,
    error: 'unauthenticated bulk length',
  },
];

/** Twenty commands of all kinds, one behind the other. */
const mixedCommands: readonly { readonly input: string; readonly command?: readonly string[] }[] = [
  { input: ping, command: ['PING'] },
  { input: 'PING\r\n', command: ['PING'] },
  { input: multibulk('SET', 'k', ''), command: ['SET', 'k', ''] },
  { input: '\r\n' },
  { input: multibulk('SET', '\xff\xfe\x00', '\r\n'), command: ['SET', '\xff\xfe\x00', '\r\n'] },
  { input: '*0\r\n' },
  { input: 'SET "a\\x00b" \'c d\'\n', command: ['SET', 'a\x00b', 'c d'] },
  { input: multibulk('MSET', ...'abcdefghijkl'), command: ['MSET', ...'abcdefghijkl'] },
  { input: multibulk('SET', 'v', 'x'.repeat(120)), command: ['SET', 'v', 'x'.repeat(120)] },
  { input: '*-1\r\n' },
  { input: multibulk('GET', '$3\r\nfoo\r\n'), command: ['GET', '$3\r\nfoo\r\n'] },
  { input: ping, command: ['PING'] },
  { input: ping, command: ['PING'] },
  { input: '\n' },
  { input: 'ECHO ""\r\n', command: ['ECHO', ''] },
  { input: multibulk(''), command: [''] },
  { input: multibulk('DEL', 'a', 'b'), command: ['DEL', 'a', 'b'] },
  { input: 'GET k\n', command: ['GET', 'k'] },
  { input: multibulk('ECHO', '*1\r\n'), command: ['ECHO', '*1\r\n'] },
  { input: multibulk('QUIT'), command: ['QUIT'] },
];
const mixedInput = mixedCommands.map(({ input }) => input).join('');
const mixedOutput = mixedCommands.flatMap(({ command }) =>
  command === undefined ? [] : [command],
);

describe('RequestParser', () => {
  for (const { name, cut } of chunkings) {
    describe(name, () => {
      for (const { what, input, commands = [], ...options } of requests) {
        it(`takes ${what}`, () => {
          const outcome = parse(cut(bytesOf(input)), options);
          assert.deepEqual(outcome, { commands, error: undefined });
        });
      }

      for (const { what, input, error, ...options } of protocolErrors) {
        it(`refuses ${what}`, () => {
          const chunks = cut(bytesOf(ping + input + ping));
          const outcome = parse(chunks, options);
          assert.deepEqual(outcome, { commands: [['PING']], error: `Protocol error: ${error}` });
        });
      }
    });
  }

  it('does not care where a pipeline of all kinds is cut in two', () => {
    const input = bytesOf(mixedInput);
    for (let position = 0; position <= input.length; position += 1) {
      const outcome = parse(cutAt(input, [position]));
      assert.deepEqual(outcome, { commands: mixedOutput, error: undefined }, `Cut at ${position}`);
    }
  });

  it('does not care how much is fed before commands are taken', () => {
    const parser = newParser();
    for (const chunk of cutAtRandom(bytesOf(mixedInput), 3)) parser.feed(chunk);
    assert.deepEqual(takeAll(parser), mixedOutput);
    assert.equal(parser.bufferedBytes, 0);
  });

  it('keeps what is behind a command until it is asked for', () => {
    const parser = newParser();
    parser.feed(bytesOf(mixedInput));
    const taken: unknown[] = [];
    // One at a time, with more bytes arriving in between.
    for (let count = 0; count < mixedOutput.length; count += 1) {
      taken.push(parser.next()?.map((arg) => arg.toString('latin1')));
      parser.feed(bytesOf(ping));
    }
    assert.deepEqual(taken, mixedOutput);
    assert.deepEqual(
      takeAll(parser),
      mixedOutput.map(() => ['PING']),
    );
  });

  it('gives more commands than it parses ahead', () => {
    const count = 5000;
    const { commands, error } = parse([bytesOf(ping.repeat(count))]);
    assert.equal(commands.length, count);
    assert.equal(error, undefined);
  });

  it('parses a whole chunk into views of it', () => {
    const parser = newParser();
    const chunk = bytesOf(multibulk('SET', 'key', 'value'));
    parser.feed(chunk);
    for (const arg of parser.next()!) assert.equal(arg.buffer, chunk.buffer);
  });

  it('copies only the request that was cut by the end of a chunk', () => {
    const parser = newParser();
    const [first, second] = cutAt(bytesOf(multibulk('GET', 'a') + multibulk('GET', 'b')), [15]) as [
      Buffer,
      Buffer,
    ];
    parser.feed(first);
    assert.equal(parser.next(), undefined);
    parser.feed(second);
    assert.notEqual(parser.next()![1]!.buffer, second.buffer);
    assert.equal(parser.next()![1]!.buffer, second.buffer);
  });

  describe('error', () => {
    it('appears only when the commands before it are taken', () => {
      const parser = newParser();
      parser.feed(bytesOf(`${ping}${ping}*x\r\n`));
      assert.equal(parser.error, undefined);
      parser.next();
      assert.equal(parser.error, undefined);
      parser.next();
      assert.equal(parser.next(), undefined);
      assert.equal(parser.error, 'Protocol error: invalid multibulk length');
    });

    it('stays, and nothing fed behind it is looked at or kept', () => {
      const parser = newParser();
      parser.feed(bytesOf('*x\r\n'));
      parser.feed(bytesOf(ping));
      assert.equal(parser.next(), undefined);
      parser.feed(bytesOf(ping));
      assert.equal(parser.next(), undefined);
      assert.equal(parser.error, 'Protocol error: invalid multibulk length');
      assert.equal(parser.bufferedBytes, 0);
    });
  });

  describe('authenticated', () => {
    it('counts for the command behind the one that changed it, in the same chunk', () => {
      const parser = newParser({ authenticated: false });
      const large = multibulk('MSET', ...'abcdefghijkl'.split(''));
      parser.feed(bytesOf(multibulk('AUTH', 'secret') + large + large));
      assert.equal(parser.next()![0]!.toString(), 'AUTH');
      parser.authenticated = true;
      assert.equal(parser.next()!.length, 13);
      assert.equal(parser.next()!.length, 13);
      assert.equal(parser.error, undefined);
    });

    it('is false at first', () => {
      const parser = new RequestParser();
      assert.equal(parser.authenticated, false);
      parser.feed(bytesOf('*11\r\n'));
      assert.equal(parser.next(), undefined);
      assert.equal(parser.error, 'Protocol error: unauthenticated multibulk length');
    });
  });

  describe('bufferedBytes', () => {
    it('counts what arrived and not what was announced', () => {
      const parser = newParser();
      const input = '*1048576\r\n$60000000\r\nabc';
      for (const chunk of byteByByte(bytesOf(input))) {
        parser.feed(chunk);
        assert.equal(parser.next(), undefined);
      }
      assert.equal(parser.error, undefined);
      assert.equal(parser.bufferedBytes, input.length);
    });

    it('counts the bytes of a command until the next one is asked for', () => {
      const parser = newParser();
      parser.feed(bytesOf(`${ping}*1\r\n$4\r\nPI`));
      assert.equal(parser.bufferedBytes, ping.length + 10);
      parser.next();
      assert.equal(parser.bufferedBytes, ping.length + 10);
      assert.equal(parser.next(), undefined);
      assert.equal(parser.bufferedBytes, 10);
      parser.feed(bytesOf('NG\r\n'));
      assert.equal(parser.next()![0]!.toString(), 'PING');
      assert.equal(parser.next(), undefined);
      assert.equal(parser.bufferedBytes, 0);
    });

    it('does not count blank lines and empty requests', () => {
      const parser = newParser();
      for (const chunk of byteByByte(bytesOf('\r\n\n*0\r\n*-1\r\n'))) {
        parser.feed(chunk);
        assert.equal(parser.next(), undefined);
      }
      assert.equal(parser.bufferedBytes, 0);
    });
  });

  it('puts a value of 16 MiB together from 64 KiB chunks', () => {
    const value = Buffer.alloc(16 * 1024 * 1024, 'abcdefghijklmnopq');
    const header = bytesOf(`*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$${value.length}\r\n`);
    const input = Buffer.concat([header, value, bytesOf(`\r\n${ping}`)]);
    const parser = newParser();
    const commands: Buffer[][] = [];
    for (let position = 0; position < input.length; position += 65536) {
      parser.feed(Buffer.from(input.subarray(position, position + 65536)));
      for (let command = parser.next(); command !== undefined; command = parser.next()) {
        commands.push(command);
      }
    }
    assert.equal(commands.length, 2);
    assert.ok(commands[0]![2]!.equals(value));
    // Joined once: the other arguments are in the same memory.
    assert.equal(commands[0]![1]!.buffer, commands[0]![2]!.buffer);
    assert.equal(parser.bufferedBytes, 0);
  });

  it('takes a command of 1,048,576 arguments', () => {
    const count = 1024 * 1024;
    const parser = newParser();
    parser.feed(bytesOf(`*${count}\r\n`));
    assert.equal(parser.next(), undefined);
    parser.feed(bytesOf('$1\r\na\r\n'.repeat(count)));
    assert.equal(parser.next()!.length, count);
  });

  describe('fed with noise', () => {
    // Characters that mean something, so that noise gets somewhere.
    const alphabet = [
      '*',
      '$',
      '-',
      '+',
      '0',
      '1',
      '2',
      '3',
      '9',
      '\r',
      '\n',
      '\r\n',
      ' ',
      '"',
      "'",
      '\\',
      'x',
    ];
    const pieces = [
      ...alphabet,
      'PING',
      ping,
      '*1\r\n',
      '$2\r\n',
      '$0\r\n\r\n',
      '\xff',
      '\x00',
      '*2\r\n$1\r\na\r\n',
    ];

    it('never throws, never waits for ever, and says the same however it is cut', () => {
      let errors = 0;
      let commandCount = 0;
      for (let seed = 1; seed <= 3000; seed += 1) {
        const random = seededRandom(seed);
        const length = Math.floor(random() * 40);
        const text = Array.from(
          { length },
          () => pieces[Math.floor(random() * pieces.length)]!,
        ).join('');
        const input = bytesOf(text);
        const options = { authenticated: random() < 0.5 };
        const whole = parse([input], options);
        const message = `Seed ${seed}: ${JSON.stringify(text)}`;
        assert.deepEqual(parse(byteByByte(input), options), whole, message);
        assert.deepEqual(parse(cutAtRandom(input, seed), options), whole, message);
        commandCount += whole.commands.length;
        if (whole.error !== undefined) errors += 1;
      }
      // Noise that were all errors, or none, would prove little.
      assert.ok(errors > 300 && errors < 2900, `${errors} errors`);
      assert.ok(commandCount > 1000, `${commandCount} commands`);
    });

    it('survives bytes without any meaning', () => {
      for (let seed = 1; seed <= 300; seed += 1) {
        const random = seededRandom(seed);
        const input = Buffer.from(Array.from({ length: 400 }, () => Math.floor(random() * 256)));
        assert.deepEqual(parse(cutAtRandom(input, seed)), parse([input]), `Seed ${seed}`);
      }
    });
  });
});

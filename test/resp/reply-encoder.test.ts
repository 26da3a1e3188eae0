import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import {
  bigNumber,
  double,
  encodeReply,
  errorReply,
  errors,
  mapReply,
  nullArrayReply,
  okReply,
  pongReply,
  pushReply,
  queuedReply,
  type Reply,
  ReplyBuffer,
  setReply,
  simpleString,
  verbatim,
} from '../../resp/index.js';
import { seededRandom } from './chunkings.js';

/** Encodings are written as latin1 strings: one character, one byte. */
function encoded(reply: Reply, protocol: 2 | 3): string {
  return encodeReply(reply, protocol).toString('latin1');
}

interface Case {
  readonly what: string;
  readonly reply: Reply;
  readonly resp2: string;
  /** The same as RESP2 when not given. */
  readonly resp3?: string;
}

const long = 'x'.repeat(20_000);

const cases: readonly Case[] = [
  { what: 'OK', reply: okReply, resp2: '+OK\r\n' },
  { what: 'PONG', reply: pongReply, resp2: '+PONG\r\n' },
  { what: 'QUEUED', reply: queuedReply, resp2: '+QUEUED\r\n' },
  { what: 'an OK that is not the shared one', reply: simpleString('OK'), resp2: '+OK\r\n' },
  { what: 'a simple string', reply: simpleString('hash'), resp2: '+hash\r\n' },
  { what: 'a simple string with line ends', reply: simpleString('a\r\n+b'), resp2: '+a  +b\r\n' },
  { what: 'an error', reply: errors.syntax, resp2: '-ERR syntax error\r\n' },
  {
    what: 'an error with line ends',
    reply: errorReply("ERR unknown command 'a\r\nb\n'"),
    resp2: "-ERR unknown command 'a  b '\r\n",
  },
  { what: 'an error with an umlaut', reply: errorReply('ERR ü'), resp2: '-ERR \xc3\xbc\r\n' },
  { what: '0', reply: 0, resp2: ':0\r\n' },
  { what: '-1', reply: -1, resp2: ':-1\r\n' },
  {
    what: 'the largest safe integer',
    reply: Number.MAX_SAFE_INTEGER,
    resp2: ':9007199254740991\r\n',
  },
  { what: 'the largest bigint', reply: 2n ** 63n - 1n, resp2: ':9223372036854775807\r\n' },
  { what: 'the smallest bigint', reply: -(2n ** 63n), resp2: ':-9223372036854775808\r\n' },
  { what: 'null', reply: null, resp2: '$-1\r\n', resp3: '_\r\n' },
  { what: 'the null array', reply: nullArrayReply, resp2: '*-1\r\n', resp3: '_\r\n' },
  { what: 'true', reply: true, resp2: ':1\r\n', resp3: '#t\r\n' },
  { what: 'false', reply: false, resp2: ':0\r\n', resp3: '#f\r\n' },
  { what: 'an empty string', reply: '', resp2: '$0\r\n\r\n' },
  { what: 'a string', reply: 'hello', resp2: '$5\r\nhello\r\n' },
  { what: 'a string with line ends', reply: 'a\r\nb', resp2: '$4\r\na\r\nb\r\n' },
  {
    what: 'a string by its bytes',
    reply: 'ü€😀',
    resp2: '$9\r\n\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\r\n',
  },
  { what: 'half a surrogate pair', reply: '\ud800', resp2: '$3\r\n\xef\xbf\xbd\r\n' },
  { what: 'a long string', reply: long, resp2: `$20000\r\n${long}\r\n` },
  {
    what: 'a long string by its bytes',
    reply: 'ü'.repeat(20_000),
    resp2: `$40000\r\n${'\xc3\xbc'.repeat(20_000)}\r\n`,
  },
  {
    what: 'bytes that are not UTF-8',
    reply: Buffer.from('\xff\x00\r\n', 'latin1'),
    resp2: '$4\r\n\xff\x00\r\n\r\n',
  },
  { what: 'a plain Uint8Array', reply: new Uint8Array([0x61]), resp2: '$1\r\na\r\n' },
  { what: 'no bytes', reply: Buffer.alloc(0), resp2: '$0\r\n\r\n' },
  { what: 'many bytes', reply: Buffer.from(long), resp2: `$20000\r\n${long}\r\n` },
  {
    what: 'many bytes of a plain view',
    reply: new Uint8Array(Buffer.from(`<${long}>`)).subarray(1, 20_001),
    resp2: `$20000\r\n${long}\r\n`,
  },
  { what: 'an empty array', reply: [], resp2: '*0\r\n' },
  {
    what: 'a nested array',
    reply: [1, ['a', null], []],
    resp2: '*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n*0\r\n',
    resp3: '*3\r\n:1\r\n*2\r\n$1\r\na\r\n_\r\n*0\r\n',
  },
  { what: 'a double', reply: double(3.25), resp2: '$4\r\n3.25\r\n', resp3: ',3.25\r\n' },
  { what: 'a whole double', reply: double(10), resp2: '$2\r\n10\r\n', resp3: ',10\r\n' },
  {
    what: 'infinity',
    reply: double(Number.POSITIVE_INFINITY),
    resp2: '$3\r\ninf\r\n',
    resp3: ',inf\r\n',
  },
  {
    what: 'minus infinity',
    reply: double(Number.NEGATIVE_INFINITY),
    resp2: '$4\r\n-inf\r\n',
    resp3: ',-inf\r\n',
  },
  { what: 'not a number', reply: double(Number.NaN), resp2: '$3\r\nnan\r\n', resp3: ',nan\r\n' },
  {
    what: 'a big number',
    reply: bigNumber(-(2n ** 64n)),
    resp2: '$21\r\n-18446744073709551616\r\n',
    resp3: '(-18446744073709551616\r\n',
  },
  {
    what: 'a verbatim text',
    reply: verbatim('a\r\nü'),
    resp2: '$5\r\na\r\n\xc3\xbc\r\n',
    resp3: '=9\r\ntxt:a\r\n\xc3\xbc\r\n',
  },
  {
    what: 'a verbatim markdown',
    reply: verbatim('# a', 'mkd'),
    resp2: '$3\r\n# a\r\n',
    resp3: '=7\r\nmkd:# a\r\n',
  },
  {
    what: 'a long verbatim text',
    reply: verbatim(long),
    resp2: `$20000\r\n${long}\r\n`,
    resp3: `=20004\r\ntxt:${long}\r\n`,
  },
  {
    what: 'a map',
    reply: mapReply([
      ['proto', 3],
      ['modules', []],
    ]),
    resp2: '*4\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*0\r\n',
    resp3: '%2\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*0\r\n',
  },
  { what: 'an empty map', reply: mapReply([]), resp2: '*0\r\n', resp3: '%0\r\n' },
  {
    what: 'a set',
    reply: setReply(['a', true]),
    resp2: '*2\r\n$1\r\na\r\n:1\r\n',
    resp3: '~2\r\n$1\r\na\r\n#t\r\n',
  },
  {
    what: 'a push',
    reply: pushReply(['invalidate', null]),
    resp2: '*2\r\n$10\r\ninvalidate\r\n$-1\r\n',
    resp3: '>2\r\n$10\r\ninvalidate\r\n_\r\n',
  },
];

describe('encodeReply', () => {
  for (const { what, reply, resp2, resp3 = resp2 } of cases) {
    it(`encodes ${what}`, () => {
      assert.equal(encoded(reply, 2), resp2);
      assert.equal(encoded(reply, 3), resp3);
    });
  }

  for (const [what, reply] of [
    ['a fraction', 1.5],
    ['a number that is not exact', 2 ** 53],
    ['NaN', Number.NaN],
    ['infinity', Number.POSITIVE_INFINITY],
    ['a bigint of 65 bits', 2n ** 63n],
  ] as const) {
    it(`does not pass ${what} off as an integer`, () => {
      assert.throws(() => encodeReply(reply, 2), assert.AssertionError);
    });
  }
});

describe('ReplyBuffer', () => {
  it('gives the small replies of a turn as one buffer', () => {
    const buffer = new ReplyBuffer();
    for (const { reply } of cases.filter(({ resp2 }) => resp2.length < 100))
      buffer.append(reply, 2);
    for (let i = 0; i < 1000; i += 1) buffer.append(i, 2);
    assert.equal(buffer.take().length, 1);
  });

  it('begins another buffer behind 64 KiB', () => {
    const buffer = new ReplyBuffer();
    const value = Buffer.alloc(4096, 'v');
    for (let i = 0; i < 100; i += 1) buffer.append(value, 2);
    const { byteLength } = buffer;
    const pieces = buffer.take();
    for (const piece of pieces) assert.ok(piece.length <= 65536);
    assert.equal(pieces.length, Math.ceil(byteLength / (15 * 4106)));
    assert.equal(Buffer.concat(pieces).toString(), `$4096\r\n${value}\r\n`.repeat(100));
  });

  it('passes a value of 16 KiB through and copies a smaller one', () => {
    const large = Buffer.alloc(16384, 'a');
    const small = Buffer.alloc(16383, 'b');
    const buffer = new ReplyBuffer();
    buffer.append([large, small, large], 2);
    const pieces = buffer.take();
    assert.equal(pieces.length, 5);
    assert.equal(pieces[1]!.buffer, large.buffer);
    assert.equal(pieces[3]!.buffer, large.buffer);
    assert.equal(pieces[0]!.toString(), '*3\r\n$16384\r\n');
    assert.equal(pieces[2]!.toString(), `\r\n$16383\r\n${small}\r\n$16384\r\n`);
    assert.equal(pieces[4]!.toString(), '\r\n');
  });

  it('never writes again into what it handed out', () => {
    const random = seededRandom(3);
    const buffers = [new ReplyBuffer(), new ReplyBuffer(), new ReplyBuffer()];
    const handedOut: { readonly pieces: Buffer[]; readonly expected: string }[] = [];
    for (let turn = 0; turn < 600; turn += 1) {
      const buffer = buffers[turn % buffers.length]!;
      let expected = '';
      const count = Math.floor(random() * random() * 60);
      for (let i = 0; i < count; i += 1) {
        const { reply, resp3, resp2 } = cases[Math.floor(random() * cases.length)]!;
        buffer.append(reply, 3);
        expected += resp3 ?? resp2;
        assert.equal(buffer.byteLength, expected.length);
      }
      const pieces = buffer.take();
      assert.equal(buffer.byteLength, 0);
      handedOut.push({ pieces, expected });
    }
    for (const { pieces, expected } of handedOut) {
      assert.equal(Buffer.concat(pieces).toString('latin1'), expected);
    }
  });

  it('gives nothing when nothing was appended', () => {
    const buffer = new ReplyBuffer();
    assert.deepEqual(buffer.take(), []);
    buffer.append(okReply, 2);
    buffer.take();
    assert.deepEqual(buffer.take(), []);
  });
});

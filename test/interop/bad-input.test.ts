// Whatever bytes arrive: the client is told what is wrong in Redis' words, no other client notices,
// and what is well-formed but large or binary comes back as it was.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { ErrorAnswer, encodeRequest, type RespConnection } from './resp-connection.js';

const MiB = 1024 * 1024;

describe('Bad input', () => {
  let cluster: ClusterUnderTest;
  let leader: ServerUnderTest;
  let connection: RespConnection;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    leader = await cluster.leader();
  });
  beforeEach(async () => {
    connection = await leader.connect();
  });
  afterEach(() => connection.close());
  after(() => cluster.dispose());

  /** The answer to `bytes`, after which the server must close the connection and live on. */
  async function answerAndEnd(bytes: string | Buffer): Promise<string> {
    connection.send(bytes);
    const answer = await connection.next();
    assert(answer instanceof ErrorAnswer, `expected an error, got ${String(answer)}`);
    await connection.closed;
    assert.equal(connection.unclaimed.length, 0, 'one answer, not two');
    assert.equal(await leader.call('PING'), 'PONG');
    return answer.text;
  }

  describe('commands that are none', () => {
    const longWord = 'x'.repeat(300);
    const cases: [readonly string[], string][] = [
      [['NOSUCH'], "-ERR unknown command 'NOSUCH', with args beginning with: "],
      [
        ['nosuch', 'a', 'b c'],
        "-ERR unknown command 'nosuch', with args beginning with: 'a' 'b c' ",
      ],
      [
        [longWord, longWord],
        `-ERR unknown command '${'x'.repeat(128)}', with args beginning with: '${'x'.repeat(128)}' `,
      ],
      [['GET'], "-ERR wrong number of arguments for 'get' command"],
      [['GET', 'a', 'b'], "-ERR wrong number of arguments for 'get' command"],
      [['SET', 'a'], "-ERR wrong number of arguments for 'set' command"],
      [['MSET', 'a', '1', 'a'], "-ERR wrong number of arguments for 'mset' command"],
      [['PING', 'a', 'b'], "-ERR wrong number of arguments for 'ping' command"],
      [['SET', 'a', '1', 'nonsense'], '-ERR syntax error'],
      [['SET', 'a', '1', 'EX', 'x'], '-ERR value is not an integer or out of range'],
      [['SET', 'a', '1', 'EX', '0'], "-ERR invalid expire time in 'set' command"],
      [['INCRBY', 'a', 'x'], '-ERR value is not an integer or out of range'],
      [['CLUSTER', 'NOSUCH'], "-ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP."],
      [['CONFIG', 'GET'], "-ERR wrong number of arguments for 'config|get' command"],
      [['SELECT', '16'], '-ERR DB index is out of range'],
      [['SELECT', 'x'], '-ERR value is not an integer or out of range'],
      [['HELLO', '4'], '-NOPROTO unsupported protocol version'],
      [['HELLO', 'x'], '-ERR Protocol version is not an integer or out of range'],
    ];
    for (const [command, expected] of cases) {
      it(`${command.join(' ').slice(0, 40)} is answered as Redis does`, async () => {
        assert.equal(await connection.call(...command), expected);
        assert.equal(await connection.call('PING'), 'PONG');
      });
    }

    it('counts beyond 64 bits are refused and leave the value alone', async () => {
      await connection.call('SET', 'full', '9223372036854775807');
      assert.equal(
        await connection.call('INCR', 'full'),
        '-ERR increment or decrement would overflow',
      );
      assert.equal(await connection.call('GET', 'full'), '9223372036854775807');
    });
  });

  describe('protocol errors', () => {
    const cases: [string, string, string][] = [
      ['a count that is no number', '*x\r\n', 'invalid multibulk length'],
      ['a count beyond the limit', '*1048577\r\n', 'invalid multibulk length'],
      ['a count with a leading zero', '*01\r\n', 'invalid multibulk length'],
      ['a bulk without its dollar', '*1\r\n+PING\r\n', "expected '$', got '+'"],
      ['a bulk length that is no number', '*1\r\n$x\r\n', 'invalid bulk length'],
      ['a negative bulk length', '*1\r\n$-1\r\n', 'invalid bulk length'],
      ['a bulk beyond the limit', '*1\r\n$999999999999\r\n', 'invalid bulk length'],
      ['unbalanced quotes', 'SET key "value\r\n', 'unbalanced quotes in request'],
      ['an inline command without end', 'x'.repeat(70_000), 'too big inline request'],
      ['a count line without end', `*${'1'.repeat(70_000)}`, 'too big mbulk count string'],
      ['a length line without end', `*1\r\n$${'1'.repeat(70_000)}`, 'too big bulk count string'],
    ];
    for (const [what, bytes, text] of cases) {
      it(`${what} ends the connection with a sentence`, async () => {
        assert.equal(await answerAndEnd(bytes), `ERR Protocol error: ${text}`);
      });
    }

    it('is told after the answers to the commands before it, which take effect', async () => {
      connection.send(
        'SET before-error 1\r\nINCR before-error\r\nGET before-error\r\n*x\r\nGET a\r\n',
      );
      const answers = [];
      for (let at = 0; at < 4; at += 1) answers.push(await connection.next());
      assert.deepEqual(answers.slice(0, 2), ['OK', 2]);
      assert.equal(String(answers[2]), '2');
      assert.equal(
        (answers[3] as ErrorAnswer).text,
        'ERR Protocol error: invalid multibulk length',
      );
      await connection.closed;
    });

    it('ends the connection also of a client that does not close its side', async () => {
      const before = Number((await leader.info('clients')).get('connected_clients'));
      connection.socket.allowHalfOpen = true;
      connection.send('*x\r\n');
      await connection.next();
      // More and more bytes of it must be neither kept nor answered.
      const flood = Buffer.alloc(MiB, '*');
      for (let at = 0; at < 32 && !connection.socket.destroyed; at += 1) {
        await new Promise<void>((resolve) => connection.socket.write(flood, () => resolve()));
      }
      await connection.closed;
      const after = Number((await leader.info('clients')).get('connected_clients'));
      assert.equal(after, before - 1);
    });

    it('ignores blank lines and empty requests', async () => {
      connection.send('\r\n\r\n*0\r\n*-1\r\nPING\r\n');
      assert.equal(await connection.next(), 'PONG');
      assert.equal(await connection.call('ECHO', 'x'), 'x');
    });

    it('bytes one at a time are the same commands', async () => {
      const bytes = encodeRequest(['SET', 'slow', 'motion']);
      for (const byte of bytes) {
        await new Promise<void>((resolve) => {
          connection.socket.write(Buffer.of(byte), () => setImmediate(resolve));
        });
      }
      assert.equal(await connection.next(), 'OK');
      assert.equal(await connection.call('GET', 'slow'), 'motion');
    });
  });

  describe('sizes', () => {
    it('a key beyond 64 KiB is refused by name of the limit, and the connection goes on', async () => {
      const answer = await connection.call('SET', 'k'.repeat(64 * 1024 + 1), 'v');
      assert.match(String(answer), /^-ERR key is longer than the limit of 65536 bytes/);
      assert.equal(await connection.call('SET', 'k'.repeat(64 * 1024), 'v'), 'OK');
      assert.equal(await connection.call('GET', 'k'.repeat(64 * 1024)), 'v');
    });

    it('a value of 64 MiB is refused, and other clients do not notice', async () => {
      assert.equal(
        await answerAndEnd(`*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$${64 * MiB}\r\n`),
        'ERR Protocol error: invalid bulk length',
      );
      assert.equal(await leader.call('GET', 'big'), null);
    });

    it('a client that sends all of a refused value is cut off, and nobody else', async () => {
      const { socket } = connection;
      socket.write(`*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$${80 * MiB}\r\n`);
      const chunk = Buffer.alloc(MiB, 'x');
      for (let at = 0; at < 80 && !socket.destroyed; at += 1) {
        await new Promise<void>((resolve) => socket.write(chunk, () => resolve()));
      }
      // The sentence may be lost with what the server did not read: TCP resets such a connection.
      await connection.closed;
      assert.equal(await leader.call('GET', 'big'), null);
    });

    for (const [what, length] of [
      ['1 MiB', MiB],
      ['20 MiB', 20 * MiB],
    ] as const) {
      it(`a value of ${what} is kept byte for byte, on every server`, async () => {
        const value = patterned(length);
        assert.equal(await connection.callBytes('SET', 'large', value), 'OK');
        const found = (await connection.callBytes('GET', 'large')) as Buffer;
        assert(found.equals(value));
        await cluster.converged();
        assert.equal(await connection.call('DEL', 'large'), 1);
      });
    }

    it('several values of 20 MiB in one pipeline are all kept', async () => {
      const value = patterned(20 * MiB);
      const commands = Array.from({ length: 5 }, (_, at) => ['SET', `{large}${at}`, value]);
      const answers = await connection.pipeline(commands);
      assert.deepEqual(answers, ['OK', 'OK', 'OK', 'OK', 'OK']);
      assert.equal(await connection.call('STRLEN', '{large}4'), value.length);
      await connection.call('FLUSHALL');
    });

    it('a command of 10,000 arguments runs', async () => {
      const keys = Array.from({ length: 10_000 }, (_, at) => `{many}${at}`);
      const pairs = keys.flatMap((key, at) => [key, String(at)]);
      assert.equal(await connection.call('MSET', ...pairs), 'OK');
      const values = (await connection.call('MGET', ...keys)) as string[];
      assert.deepEqual(values.slice(0, 3), ['0', '1', '2']);
      assert.equal(values.at(-1), '9999');
      assert.equal(await connection.call('DEL', ...keys), 10_000);
    });
  });

  describe('bytes that are no text', () => {
    const everyByte = Buffer.from(Array.from({ length: 256 }, (_, at) => at));

    it('are kept as keys and values', async () => {
      const key = Buffer.concat([everyByte, Buffer.from('\r\n$-1\r\n')]);
      assert.equal(await connection.callBytes('SET', key, everyByte), 'OK');
      assert.deepEqual(await connection.callBytes('GET', key), everyByte);
      assert.deepEqual(await connection.callBytes('ECHO', everyByte), everyByte);
      // Text that differs only in bytes which are no UTF-8 must not be the same key.
      assert.equal(await connection.callBytes('GET', Buffer.of(0xff)), null);
      await connection.callBytes('SET', Buffer.of(0xfe), 'fe');
      assert.equal(await connection.callBytes('GET', Buffer.of(0xff)), null);
      await connection.call('FLUSHALL');
    });

    it('an empty key and an empty value are a key and a value', async () => {
      assert.equal(await connection.call('SET', '', ''), 'OK');
      assert.equal(await connection.call('GET', ''), '');
      assert.equal(await connection.call('EXISTS', ''), 1);
      assert.equal(await connection.call('DEL', ''), 1);
    });

    it('line ends in a command name cannot forge a second answer', async () => {
      assert.equal(
        await connection.call('NO\r\n+OK'),
        "-ERR unknown command 'NO  +OK', with args beginning with: ",
      );
      assert.equal(await connection.call('PING'), 'PONG');
    });
  });
});

/** Bytes in which a shift by any whole chunk or page shows. */
function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length, 'abcdefghijklmnopqrstuvw');
  for (let at = 0; at + 4 <= length; at += 4093) bytes.writeUInt32LE(at, at);
  return bytes;
}

// Commands of one connection take effect in the order they were sent, and are answered in it.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import type { RespConnection } from './resp-connection.js';

describe('Order of the commands of one connection', () => {
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

  it('gives each pipelined read what the writes before it made', async () => {
    const answers = await connection.pipeline([
      ['SET', 'order', '1'],
      ['GET', 'order'],
      ['INCR', 'order'],
      ['GET', 'order'],
      ['APPEND', 'order', '0'],
      ['GET', 'order'],
      ['DEL', 'order'],
      ['GET', 'order'],
      ['INCR', 'order'],
    ]);
    assert.deepEqual(answers, ['OK', '1', 2, '2', 2, '20', 1, null, 1]);
  });

  it('does not let a write overtake the read in front of it', async () => {
    for (let round = 0; round < 200; round += 1) {
      const answers = await connection.pipeline([
        ['SET', 'overtaken', 'before'],
        ['PING', 'between'],
        ['GET', 'overtaken'],
      ]);
      assert.deepEqual(answers, ['OK', 'between', 'before']);
      const more = await connection.pipeline([
        ['GET', 'overtaken'],
        ['SET', 'overtaken', 'after'],
        ['GET', 'overtaken'],
        ['STRLEN', 'overtaken'],
      ]);
      assert.deepEqual(more, ['before', 'OK', 'after', 5]);
    }
  });

  it('answers 1,000 reads and writes in one packet one by one', async () => {
    const commands: string[][] = [];
    const expected: unknown[] = [];
    for (let at = 1; at <= 1000; at += 1) {
      commands.push(['INCR', 'deep'], ['GET', 'deep'], ['ECHO', `echo ${at}`]);
      expected.push(at, String(at), `echo ${at}`);
    }
    assert.deepEqual(await connection.pipeline(commands), expected);
    assert.equal(connection.unclaimed.length, 0);
  });

  it('answers 1,000 alternations of read and write, each of which waits for the other', async () => {
    await connection.call('SET', 'turns', '0');
    const commands: string[][] = [];
    const expected: unknown[] = [];
    for (let at = 0; at < 1000; at += 1) {
      commands.push(['GET', 'turns'], ['INCR', 'turns']);
      expected.push(String(at), at + 1);
    }
    assert.deepEqual(await connection.pipeline(commands), expected);
  });

  it('answers mistakes in their place', async () => {
    const answers = await connection.pipeline([
      ['SET', 'mistakes', 'text'],
      ['INCR', 'mistakes'],
      ['NOSUCH'],
      ['GET', 'mistakes'],
      ['GET'],
      ['MGET', 'one-slot', 'another-slot'],
      ['SET', 'mistakes', 'other'],
      ['GET', 'mistakes'],
    ]);
    assert.deepEqual(answers, [
      'OK',
      '-ERR value is not an integer or out of range',
      "-ERR unknown command 'NOSUCH', with args beginning with: ",
      'text',
      "-ERR wrong number of arguments for 'get' command",
      "-CROSSSLOT Keys in request don't hash to the same slot",
      'OK',
      'other',
    ]);
  });

  it('changes the protocol at HELLO 3, for the replies behind it and for no other', async () => {
    const answers = await connection.pipeline([
      ['SET', 'greeting', 'v'],
      ['GET', 'missing'],
      ['CONFIG', 'GET', 'save'],
      ['HELLO', '3'],
      ['CONFIG', 'GET', 'save'],
      ['GET', 'greeting'],
      ['HELLO', '2'],
      ['CONFIG', 'GET', 'save'],
    ]);
    const [set, missing, flat, hello3, map, value, hello2, flatAgain] = answers;
    assert.deepEqual([set, missing, flat], ['OK', null, ['save', '']]);
    assert.equal((hello3 as { proto: number }).proto, 3);
    assert.deepEqual(map, { save: '' });
    assert.equal(value, 'v');
    assert(Array.isArray(hello2));
    assert.deepEqual(flatAgain, ['save', '']);
  });

  it('selects the database for the commands behind SELECT and for no other', async () => {
    const answers = await connection.pipeline([
      ['SET', 'selected', 'zero'],
      ['SELECT', '5'],
      ['GET', 'selected'],
      ['SET', 'selected', 'five'],
      ['SELECT', '0'],
      ['GET', 'selected'],
      ['SELECT', '5'],
      ['GET', 'selected'],
    ]);
    assert.deepEqual(answers, ['OK', 'OK', null, 'OK', 'OK', 'zero', 'OK', 'five']);
  });

  it('runs what came before the client closed its side, and answers it', async () => {
    // As `printf … | nc`: the end of the stream arrives long before the last command can run, since
    // each of these waits for the one before it.
    await connection.call('SET', 'half', '0');
    const rounds = 200;
    connection.send(`${'GET half\r\nINCR half\r\n'.repeat(rounds)}HELLO 3\r\nGET half\r\n`);
    connection.socket.end();
    for (let at = 0; at < rounds; at += 1) {
      assert.equal(String(await connection.next()), String(at));
      assert.equal(await connection.next(), at + 1);
    }
    assert((await connection.next()) instanceof Map);
    assert.equal(String(await connection.next()), String(rounds));
    await connection.closed;
  });

  it('keeps two connections apart while both are deep in a pipeline', async () => {
    const other = await leader.connect();
    try {
      const commands = (name: string) =>
        Array.from({ length: 500 }, () => [
          ['INCR', name],
          ['GET', name],
        ]).flat();
      const expected = Array.from({ length: 500 }, (_, at) => [at + 1, String(at + 1)]).flat();
      const [own, others] = await Promise.all([
        connection.pipeline(commands('mine')),
        other.pipeline(commands('yours')),
      ]);
      assert.deepEqual(own, expected);
      assert.deepEqual(others, expected);
    } finally {
      other.close();
    }
  });
});

import assert from 'node:assert/strict';
import { AdminClient } from '../../../src/cli/resp-client.js';
import { hang, ScriptedServer } from './scripted-server.js';

describe('The client for administration', () => {
  let server: ScriptedServer;
  let client: AdminClient | undefined;

  beforeEach(async () => {
    server = await ScriptedServer.start();
  });
  afterEach(async () => {
    client?.close();
    client = undefined;
    await server.stop();
  });

  async function connect(password?: string, answerMs?: number): Promise<AdminClient> {
    const { host, port } = server.address;
    client = await AdminClient.connect(host, port, password, answerMs);
    return client;
  }

  it('gives texts, numbers, nulls and lists of them', async () => {
    server.answer = () => '*4\r\n$5\r\nhello\r\n:7\r\n$-1\r\n*1\r\n+OK\r\n';
    const reply = await (await connect()).command('HOLT', 'MEMBERS', 'LIST');
    assert.deepEqual(reply, ['hello', 7, null, ['OK']]);
    assert.deepEqual(server.requests, ['HOLT MEMBERS LIST']);
  });

  it('authenticates first when there is a password', async () => {
    await (await connect('open sesame')).command('PING');
    assert.deepEqual(server.requests, ['AUTH open sesame', 'PING']);
    server.answer = () => '-WRONGPASS invalid username-password pair or user is disabled.\r\n';
    await assert.rejects(connect('wrong'), { name: 'AdminReplyError', code: 'WRONGPASS' });
  });

  it('rejects with the reply of a server that refuses', async () => {
    server.answer = () => '-MOVED 0 127.0.0.1:7101\r\n';
    await assert.rejects((await connect()).command('A'), {
      name: 'AdminReplyError',
      code: 'MOVED',
      message: 'MOVED 0 127.0.0.1:7101',
    });
  });

  it('rejects when the connection ends, and from then on', async () => {
    server.answer = () => undefined;
    const own = await connect();
    await assert.rejects(own.command('A'), /closed|ECONNRESET/);
    await assert.rejects(own.command('B'), /closed|ECONNRESET/);
  });

  it('gives up a server that hangs, where there is a limit', async () => {
    server.answer = () => hang;
    const own = await connect(undefined, 20);
    await assert.rejects(own.command('A'), /it does not answer within 20 ms/);
  });

  it('gives up what does not speak the protocol', async () => {
    server.answer = () => 'HTTP/1.1 400 Bad Request\r\n\r\n';
    await assert.rejects((await connect()).command('A'), /it does not speak the Redis protocol/);
  });

  it('rejects where nobody listens', async () => {
    const { host, port } = server.address;
    await server.stop();
    await assert.rejects(AdminClient.connect(host, port), /ECONNREFUSED/);
  });
});

import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { RespClient } from '../../cluster-scripts/resp-client.js';

describe('RESP client', () => {
  let server: net.Server;
  let client: RespClient;
  let received = '';

  /** Answers each chunk of bytes with the next of `answers`; `undefined`: closes. */
  async function connect(answers: (string | undefined)[], timeoutMs = 60_000): Promise<void> {
    received = '';
    server = net.createServer((socket) => {
      socket.on('data', (bytes) => {
        received += bytes.toString('latin1');
        if (answers.length === 0) return;
        const answer = answers.shift();
        if (answer === undefined) socket.destroy();
        else socket.write(answer);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    client = new RespClient({ host: '127.0.0.1', port }, timeoutMs);
  }

  afterEach(async () => {
    client.close();
    server.close();
    await once(server, 'close');
  });

  it('sends an array of bulk strings and returns the reply', async () => {
    await connect(['$5\r\nhello\r\n']);
    assert.equal(await client.command('INFO', 'raft'), 'hello');
    assert.equal(received, '*2\r\n$4\r\nINFO\r\n$4\r\nraft\r\n');
  });

  it('gives replies to commands in order, errors as rejections', async () => {
    await connect([':1\r\n-ERR no\r\n']);
    const first = client.command('A');
    const second = client.command('B');
    assert.equal(await first, 1);
    await assert.rejects(second, /ERR no/);
  });

  it('rejects all that wait when the connection ends', async () => {
    await connect([undefined]);
    const first = assert.rejects(client.command('A'), /connection closed|ECONNRESET/);
    const second = assert.rejects(client.command('B'), /connection closed|ECONNRESET/);
    await Promise.all([first, second]);
    assert.equal(client.isClosed, true);
    await assert.rejects(client.command('C'), /connection closed/);
  });

  it('gives up a server that does not answer', async () => {
    await connect([], 20);
    await assert.rejects(client.command('A'), /no answer within 20 ms/);
    assert.equal(client.isClosed, true);
  });
});

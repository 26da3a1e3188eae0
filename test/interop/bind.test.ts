// A server that listens on several addresses, for clients and for the other servers.

import assert from 'node:assert/strict';
import net from 'node:net';
import os from 'node:os';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { RespConnection } from './resp-connection.js';

const password = 'correct horse battery';

/** No machine has it: it is kept for documentation. */
const foreignHost = '192.0.2.1';

describe('A server on several addresses', () => {
  let cluster: ClusterUnderTest;
  let server: ServerUnderTest;

  before(async () => {
    cluster = await ClusterUnderTest.start({
      serverCount: 1,
      serverArguments: ['--bind', `127.0.0.1 127.0.0.2 -${foreignHost}`],
      environment: { HOLT_REQUIREPASS: password },
      password,
    });
    server = cluster.server(1);
  });
  after(() => cluster?.dispose());

  it('takes clients and servers on each, and passes over one that is missing', async () => {
    await cluster.leader();
    for (const host of ['127.0.0.1', '127.0.0.2']) {
      const client = await RespConnection.open(server.clientPort, host);
      assert.equal(await client.call('AUTH', password), 'OK');
      assert.equal(await client.call('SET', 'from', host), 'OK');
      client.close();
      await connect(server.busPort, host);
    }
    for (const port of [server.clientPort, server.busPort]) {
      await assert.rejects(connect(port, '127.0.0.3'), { code: 'ECONNREFUSED' });
    }
    for (const whom of ['clients', 'peers']) {
      const line = new RegExp(`"host":"${foreignHost}".*passing over an address for ${whom}`);
      assert.match(server.log, line);
    }
  });

  it('may take all addresses of both families', async () => {
    await server.stop();
    await server.start(['--bind', '* -::*']);
    const hosts = ['127.0.0.1', '127.0.0.3', ...(hasIpv6() ? ['::1'] : [])];
    for (const port of [server.clientPort, server.busPort]) {
      for (const host of hosts) await connect(port, host);
    }
  });

  it('does not start without one that must be there, and leaves none open', async () => {
    assert.equal(await server.stop(), 0);
    const sentence = await server.refusal(['--bind', `127.0.0.1 ${foreignHost}`]);
    assert.match(sentence, /^cannot start: listen EADDRNOTAVAIL/);
    await server.start();
  });
});

function hasIpv6(): boolean {
  const loopback = os.networkInterfaces().lo ?? [];
  return loopback.some(({ address }) => address === '::1');
}

function connect(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ port, host });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { assertPortsFree } from '../../cluster-scripts/ports.js';

describe('ports', () => {
  it('names a port in use and, where /proc tells, the process that holds it', async () => {
    const holder = net.createServer();
    holder.listen(0, '127.0.0.1');
    await once(holder, 'listening');
    const { port } = holder.address() as net.AddressInfo;
    const free = net.createServer();
    free.listen(0, '127.0.0.1');
    await once(free, 'listening');
    const { port: freePort } = free.address() as net.AddressInfo;
    free.close();
    await once(free, 'close');
    const server = {
      number: 2,
      directory: '/nowhere',
      host: '127.0.0.1',
      clientPort: freePort,
      busPort: port,
    };
    const by = fs.existsSync('/proc/self/fd') ? `pid ${process.pid} ` : 'another program';
    try {
      await assert.rejects(assertPortsFree([server]), (error: Error) => {
        assert.ok(
          error.message.startsWith(`port ${port} (bus of server 2) is in use by ${by}`),
          error.message,
        );
        assert.ok(!error.message.includes(`port ${freePort} `));
        return true;
      });
    } finally {
      holder.close();
    }
    await assertPortsFree([server]);
  });
});

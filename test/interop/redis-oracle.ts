// A redis-server of our own, to ask what Redis answers.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import net from 'node:net';
import { eventually } from './eventually.js';
import { RespConnection } from './resp-connection.js';

const redisServer = '/usr/bin/redis-server';

export class RedisOracle {
  readonly port: number;
  readonly #process: ChildProcess;

  static async start(): Promise<RedisOracle> {
    assert(
      existsSync(redisServer),
      `This test compares with a real Redis: install redis-server 7, so that there is ${redisServer}`,
    );
    const port = await freePort();
    const options = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const child = spawn(redisServer, options.map(String), { stdio: 'ignore' });
    const oracle = new RedisOracle(port, child);
    await eventually('redis-server takes connections', 10_000, async () => {
      assert.equal(child.exitCode, null, 'redis-server ended by itself');
      (await oracle.connect()).close();
      return true;
    });
    return oracle;
  }

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#process = child;
  }

  connect(): Promise<RespConnection> {
    return RespConnection.open(this.port);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const exited = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill();
    await exited;
  }
}

async function freePort(): Promise<number> {
  const probe = net.createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as net.AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

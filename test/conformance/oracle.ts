// A redis-server of our own, empty and on a free port, that the cases are proved against.

import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { eventually } from '../interop/eventually.js';
import { freeBasePorts } from '../interop/free-ports.js';
import { RespConnection } from '../interop/resp-connection.js';

const startDeadlineMs = 10_000;

export class Oracle {
  readonly port: number;
  readonly #server: ChildProcess;

  static async start(): Promise<Oracle> {
    const [port] = (await freeBasePorts(1)) as [number];
    const options = ['--port', port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
    const server = spawn('redis-server', options.map(String), { stdio: 'ignore' });
    let problem: Error | undefined;
    server.once('error', (error) => {
      problem = error;
    });
    const oracle = new Oracle(port, server);
    await eventually('redis-server takes connections', startDeadlineMs, async () => {
      const connection = await oracle.connect();
      connection.close();
      return true;
    }).catch((error: unknown) => {
      oracle.stop();
      throw problem ?? error;
    });
    return oracle;
  }

  private constructor(port: number, server: ChildProcess) {
    this.port = port;
    this.#server = server;
    process.once('exit', () => server.kill('SIGKILL'));
  }

  connect(): Promise<RespConnection> {
    assert(this.#server.exitCode === null, 'redis-server ended by itself');
    return RespConnection.open(this.port);
  }

  stop(): void {
    this.#server.kill('SIGKILL');
  }
}

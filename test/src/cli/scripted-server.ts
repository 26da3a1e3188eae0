// A server that answers what a test says: one answer per request, in order.

import { once } from 'node:events';
import net from 'node:net';
import type { Address } from '../../../src/address.js';

/** Bytes to answer with; `undefined` closes the connection, `hang` says nothing. */
type Answer = string | undefined | typeof hang;

export const hang = Symbol('hang');

export class ScriptedServer {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly requests: string[] = [];
  /** Called for each request with its words. */
  answer: (words: readonly string[]) => Answer = () => '+OK\r\n';

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  private constructor() {
    this.#server = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.#sockets.delete(socket));
      socket.on('data', (bytes) => this.#onData(socket, bytes.toString()));
    });
  }

  get address(): Address {
    return { host: '127.0.0.1', port: (this.#server.address() as net.AddressInfo).port };
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** The clients under test send one request, and wait for its answer. */
  #onData(socket: net.Socket, bytes: string): void {
    const words = bytes.split('\r\n').filter((_, at) => at > 0 && at % 2 === 0);
    this.requests.push(words.join(' '));
    const answer = this.answer(words);
    if (answer === undefined) socket.destroy();
    else if (typeof answer === 'string') socket.write(answer);
  }
}

// The real effects, from Node's own modules: with `node-files.ts` the only file of `raft/` that
// reaches for them.

import { randomBytes } from 'node:crypto';
import net from 'node:net';
import type { Chance, Clock, Connection, Network, Timers } from './effects.js';

export const nodeClock: Clock = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};

export const nodeTimers: Timers = {
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  every(ms, callback) {
    const timer = setInterval(callback, ms);
    return () => clearInterval(timer);
  },
  // The check phase: after every socket and file event that this turn of the loop had.
  atTurnEnd(callback) {
    setImmediate(callback);
  },
};

export const nodeChance: Chance = {
  random: () => Math.random(),
  bytes: (length) => randomBytes(length),
};

const connectTimeoutMs = 3_000;

export const nodeNetwork: Network = {
  listen(address, onConnection, done) {
    const server = net.createServer({ noDelay: true }, (socket) => {
      onConnection(new NodeConnection(socket));
    });
    const onError = (error: Error): void => done(error, undefined);
    server.once('error', onError);
    // Else `::` would take all IPv4 addresses along, and leave none for another listener.
    server.listen({ ...address, ipv6Only: true }, () => {
      server.off('error', onError);
      // One connection could not be accepted, as when descriptors run out: whoever dialled tries again.
      server.on('error', () => {});
      const bound = server.address() as net.AddressInfo;
      done(undefined, { port: bound.port, close: () => server.close() });
    });
  },
  connect(address, done) {
    const socket = net.connect({ ...address, noDelay: true });
    // Of several addresses the error has no text of its own, only a code.
    const onError = (error: NodeJS.ErrnoException): void =>
      done(error.message === '' ? new Error(error.code) : error, undefined);
    socket.once('error', onError);
    // Where packets vanish the kernel would try for two minutes, ever more rarely.
    socket.setTimeout(connectTimeoutMs, () => socket.destroy(new Error('it does not answer')));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', onError);
      done(undefined, new NodeConnection(socket));
    });
  },
};

class NodeConnection implements Connection {
  readonly #socket: net.Socket;
  #reason = 'the other side closed the connection';

  constructor(socket: net.Socket) {
    this.#socket = socket;
    // A reset or a broken pipe; 'close' follows.
    socket.on('error', (error) => {
      this.#reason = error.message;
    });
  }

  write(buffers: readonly Buffer[], sent: () => void): void {
    this.#socket.cork();
    for (const [at, buffer] of buffers.entries()) {
      if (at === buffers.length - 1) this.#socket.write(buffer, () => sent());
      else this.#socket.write(buffer);
    }
    this.#socket.uncork();
  }

  onData(callback: (chunk: Buffer) => void): void {
    this.#socket.on('data', callback);
  }

  onClose(callback: (reason: string) => void): void {
    this.#socket.once('close', () => callback(this.#reason));
  }

  destroy(): void {
    this.#reason = 'closed from this side';
    this.#socket.destroy();
  }
}

// Just enough of a client to ask a server how it is: commands out, replies in, in order.
//
// A paused server accepts connections and never answers, so every command has a time limit; after
// one has passed, the connection is closed, because what comes later could be taken for the answer
// to something else.

import net from 'node:net';
import RedisParser from 'redis-parser';
import { encodeReply } from '../resp/index.js';

interface Waiting {
  resolve(reply: unknown): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout;
}

export class RespClient {
  readonly #socket: net.Socket;
  readonly #timeoutMs: number;
  /** Commands without a reply yet, oldest first. */
  readonly #waiting: Waiting[] = [];

  /** Connects in the background: the first command waits for it. */
  constructor(address: { host: string; port: number }, timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#socket = net.connect({ ...address, noDelay: true });
    const parser = new RedisParser({
      returnReply: (reply: unknown) => this.#next()?.resolve(reply),
      returnError: (error: Error) => this.#next()?.reject(error),
      returnFatalError: (error: Error) => this.#socket.destroy(error),
    });
    let reason = new Error('connection closed');
    this.#socket.on('data', (bytes) => parser.execute(bytes));
    this.#socket.on('error', (error) => {
      reason = error;
    });
    this.#socket.on('close', () => {
      while (this.#waiting.length > 0) this.#next()!.reject(reason);
    });
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** A bulk string arrives as a string. Rejects on an error reply, or when there is no reply. */
  command(...args: readonly string[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new Error('connection closed'));
      const timer = setTimeout(() => {
        this.#socket.destroy(new Error(`no answer within ${this.#timeoutMs} ms`));
      }, this.#timeoutMs);
      this.#waiting.push({ resolve, reject, timer });
      // A request is an array of bulk strings: a reply of that shape has the same bytes.
      this.#socket.write(encodeReply(args, 2));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #next(): Waiting | undefined {
    const waiting = this.#waiting.shift();
    clearTimeout(waiting?.timer);
    return waiting;
  }
}

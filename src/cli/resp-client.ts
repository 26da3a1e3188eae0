// As much of a client as administration needs: commands out, replies in, in order, in RESP2.

import net from 'node:net';
import RedisParser from 'redis-parser';
import { encodeReply } from '../../resp/index.js';

/** Bulk strings and status replies come as text. */
export type AdminReply = string | number | null | readonly AdminReply[];

/** A server refuses a command. The message is its reply, `CODE sentence`. */
export class AdminReplyError extends Error {
  /** The first word, as in `MOVED`. */
  readonly code: string;

  constructor(message: string) {
    super(message);
    this.name = 'AdminReplyError';
    this.code = message.split(' ', 1)[0]!;
  }
}

/** As it comes: bulk strings and status replies are bytes. */
type RawReply = Buffer | number | null | readonly RawReply[];

interface Waiting {
  resolve(reply: RawReply): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout | undefined;
}

const connectMs = 5000;
const keepAliveMs = 10_000;

export class AdminClient {
  readonly #socket: net.Socket;
  readonly #answerMs: number;
  /** Commands without a reply yet, oldest first. */
  readonly #waiting: Waiting[] = [];
  #closeReason = new Error('the connection was closed');

  /**
   * Resolves when connected and, with a password, authenticated. A command that is not answered
   * within `answerMs` ends the connection: what came later could be taken for the answer to something
   * else. 0: it may take for ever, as what blocks does.
   */
  static async connect(
    host: string,
    port: number,
    password?: string,
    answerMs = 0,
  ): Promise<AdminClient> {
    const client = new AdminClient(await connectSocket(host, port), answerMs);
    try {
      if (password !== undefined && password !== '') await client.command('AUTH', password);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  private constructor(socket: net.Socket, answerMs: number) {
    this.#socket = socket;
    this.#answerMs = answerMs;
    const parser = new RedisParser({
      returnBuffers: true,
      returnReply: (reply: RawReply) => this.#next()?.resolve(reply),
      returnError: ({ message }: Error) => this.#next()?.reject(new AdminReplyError(message)),
      returnFatalError: () => socket.destroy(new Error('it does not speak the Redis protocol')),
    });
    socket.on('data', (bytes) => parser.execute(bytes));
    socket.on('error', (error) => {
      this.#closeReason = error;
    });
    socket.on('close', () => {
      while (this.#waiting.length > 0) this.#next()!.reject(this.#closeReason);
    });
    // A server that vanishes while a command waits is noticed by the kernel.
    socket.setKeepAlive(true, keepAliveMs);
  }

  /** Rejects with `AdminReplyError`, or with what happened to the connection. */
  async command(...args: readonly string[]): Promise<AdminReply> {
    return textReply(await this.#ask(args));
  }

  /** As `command`, of what answers with a bulk string. */
  async bytes(...args: readonly string[]): Promise<Buffer> {
    const reply = await this.#ask(args);
    if (!Buffer.isBuffer(reply)) throw new Error(`expected bytes, not ${JSON.stringify(reply)}`);
    return reply;
  }

  #ask(args: readonly string[]): Promise<RawReply> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(this.#closeReason);
      const ms = this.#answerMs;
      const onTimeout = (): void => {
        this.#socket.destroy(new Error(`it does not answer within ${ms} ms`));
      };
      const timer = ms === 0 ? undefined : setTimeout(onTimeout, ms);
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

function textReply(reply: RawReply): AdminReply {
  if (Buffer.isBuffer(reply)) return reply.toString();
  return Array.isArray(reply) ? reply.map(textReply) : (reply as number | null);
}

function connectSocket(host: string, port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port, noDelay: true });
    // Of several addresses the error has no text of its own, only a code.
    const onError = (error: NodeJS.ErrnoException): void =>
      reject(error.message === '' ? new Error(error.code) : error);
    socket.once('error', onError);
    socket.setTimeout(connectMs, () => socket.destroy(new Error('it does not answer')));
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', onError);
      resolve(socket);
    });
  });
}

// A client that insists: it follows redirections and tries again what was certainly refused, and
// keeps account of every answer. It never sends a command again whose outcome it does not know, so
// what it calls `acknowledged` happened exactly once, `unknown` at most once.

import type { ClusterUnderTest } from './cluster-under-test.js';
import { pause } from './eventually.js';
import { ConnectionLost, type RespConnection } from './resp-connection.js';

export type Outcome = 'acknowledged' | 'unknown';

/** Errors that say "never": the command may be sent again. */
const definiteRefusals = ['MOVED', 'CLUSTERDOWN', 'LOADING', 'TRYAGAIN'];
const retryPauseMs = 10;

export class InsistentClient {
  readonly #cluster: ClusterUnderTest;
  readonly #answerDeadlineMs: number;
  #connection: RespConnection | undefined;
  #nextServer = 0;
  #isClosed = false;
  /** Error answers by their first word, and `lost` for connections lost with a command under way. */
  readonly errors = new Map<string, number>();

  /** An answer that takes longer than `answerDeadlineMs` is taken for none, as by most clients. */
  constructor(cluster: ClusterUnderTest, options: { readonly answerDeadlineMs?: number } = {}) {
    this.#cluster = cluster;
    this.#answerDeadlineMs = options.answerDeadlineMs ?? 10_000;
  }

  /** Throws on an answer that no command of the load should ever get, and once it is closed. */
  async write(...args: (string | number | Buffer)[]): Promise<Outcome> {
    for (;;) {
      if (this.#isClosed) throw new Error('The client was closed');
      const connection = await this.#connected();
      if (connection === undefined) {
        await pause(retryPauseMs);
        continue;
      }
      const answer = await this.#ask(connection, args);
      if (answer === undefined) return 'unknown';
      if (typeof answer !== 'string' || !answer.startsWith('-')) return 'acknowledged';
      const code = answer.slice(1).split(' ', 1)[0]!;
      this.#count(code);
      if (code === 'UNCERTAIN') return 'unknown';
      if (!definiteRefusals.includes(code)) throw new Error(`Unexpected answer: ${answer}`);
      if (code === 'MOVED') this.#turnTo(answer);
      // It may be no member any more, and will never know of a leader.
      if (code === 'CLUSTERDOWN') this.#turnToNext();
      await pause(retryPauseMs);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#connection?.close();
  }

  /** Undefined when the connection was lost, or given up, with the command under way. */
  async #ask(connection: RespConnection, args: (string | number | Buffer)[]): Promise<unknown> {
    const timer = setTimeout(() => {
      connection.close();
      this.#nextServer += 1;
    }, this.#answerDeadlineMs);
    try {
      return await connection.call(...args);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      this.#count('lost');
      this.#connection = undefined;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  async #connected(): Promise<RespConnection | undefined> {
    if (this.#connection !== undefined && !this.#connection.isClosed) return this.#connection;
    const server = this.#cluster.servers[this.#nextServer % this.#cluster.servers.length]!;
    try {
      this.#connection = await server.connect();
      return this.#connection;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ECONNREFUSED' && code !== 'ECONNRESET') throw error;
      this.#nextServer += 1;
      return undefined;
    }
  }

  #turnTo(moved: string): void {
    const target = this.#cluster.servers.findIndex((server) => moved.endsWith(server.address));
    if (target === -1) throw new Error(`Sent to nobody: ${moved}`);
    this.#nextServer = target;
    this.#connection?.close();
    this.#connection = undefined;
  }

  #turnToNext(): void {
    this.#nextServer += 1;
    this.#connection?.close();
    this.#connection = undefined;
  }

  #count(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1);
  }
}

export interface Write {
  readonly key: string;
  readonly value: string;
  readonly begunAtMs: number;
  readonly answeredAtMs: number;
  readonly outcome: Outcome;
}

/** Clients that write keys of their own, each once, one after another, until they are stopped. */
export class WriteLoad {
  readonly writes: Write[] = [];
  readonly #clients: InsistentClient[];
  readonly #finished: Promise<unknown>;
  readonly #padding: string;
  #isStopping = false;

  constructor(
    cluster: ClusterUnderTest,
    options: {
      readonly clientCount?: number;
      readonly answerDeadlineMs?: number;
      /** Length of the values, about. */
      readonly valueBytes?: number;
    } = {},
  ) {
    const { clientCount = 8, valueBytes = 0, ...clientOptions } = options;
    this.#padding = '.'.repeat(valueBytes);
    this.#clients = Array.from(
      { length: clientCount },
      () => new InsistentClient(cluster, clientOptions),
    );
    this.#finished = Promise.all(this.#clients.map((client, at) => this.#run(client, at)));
    // Who awaits `stop` hears of it; until then it is no unhandled rejection.
    this.#finished.catch(() => undefined);
  }

  /** How often each error was answered. */
  get errors(): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const client of this.#clients) {
      for (const [code, count] of client.errors) sums.set(code, (sums.get(code) ?? 0) + count);
    }
    return sums;
  }

  /** The first write that began after `sinceMs` and was acknowledged. */
  firstAcknowledgedSince(sinceMs: number): Write | undefined {
    return this.writes.find(
      ({ begunAtMs, outcome }) => begunAtMs >= sinceMs && outcome === 'acknowledged',
    );
  }

  /** For after-hooks: ends it in the middle of things. */
  abort(): void {
    this.#isStopping = true;
    for (const client of this.#clients) client.close();
  }

  /** Lets every client finish its last write. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    try {
      await this.#finished;
    } finally {
      for (const client of this.#clients) client.close();
    }
  }

  async #run(client: InsistentClient, clientNumber: number): Promise<void> {
    for (let at = 0; !this.#isStopping; at += 1) {
      const key = `load:${clientNumber}:${at}`;
      const value = `value of ${key}${this.#padding}`;
      const begunAtMs = performance.now();
      const outcome = await client.write('SET', key, value);
      this.writes.push({ key, value, begunAtMs, answeredAtMs: performance.now(), outcome });
    }
  }
}

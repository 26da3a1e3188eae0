// The port that clients of one replica connect to: accepts, counts, and closes those that are idle.
// It owns the connections; `waiting-connections.ts` has those among them that wait.

import net from 'node:net';
import { type BindAddress, listenOnEach } from '../bind-addresses.js';
import type { ServerOptions } from '../options.js';
import type { Statistics } from '../statistics.js';
import type { BlockedClients } from './blocked-clients.js';
import type { ClientView } from './commands/table.js';
import { Connection, type PendingCommand } from './connection.js';
import type { Dispatcher } from './dispatcher.js';
import { Session } from './session.js';
import type { WaitingConnections } from './waiting-connections.js';

export interface ClientPortOptions {
  readonly addresses: readonly BindAddress[];
  readonly port: number;
  /** Read again for each use: CONFIG SET changes them. */
  readonly settings: Readonly<
    Pick<ServerOptions, 'maxclients' | 'requirepass' | 'timeout' | 'tcpKeepalive'>
  >;
  readonly statistics: Statistics;
  readonly blocked: BlockedClients;
  readonly waiting: WaitingConnections;
  /** Wall clock, as CLIENT LIST shows it. */
  readonly nowMs: () => number;
  /** Runs reads that had waited for their client to take earlier answers. */
  readonly runReads: (reads: readonly PendingCommand[]) => void;
  readonly onEvent: (level: 'info' | 'warn', text: string, fields: object) => void;
}

/** How often connections are looked through for idle ones: the unit of `timeout`. */
const idleCheckMs = 1000;

export class ClientPort {
  readonly #options: ClientPortOptions;
  /** One for each address. */
  #servers: readonly net.Server[] = [];
  readonly #connections = new Set<Connection>();
  #dispatcher: Dispatcher | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #nextId = 1;

  constructor(options: ClientPortOptions) {
    this.#options = options;
  }

  /** Resolves when clients can connect. */
  async listen(dispatcher: Dispatcher): Promise<void> {
    this.#dispatcher = dispatcher;
    const { addresses, port, onEvent } = this.#options;
    this.#servers = await listenOnEach(addresses, {
      listen: (host) => this.#listenOn(host),
      close: (server) => server.close(),
      onSkipped: (host, reason) =>
        onEvent('warn', 'passing over an address for clients', { host, port, reason }),
    });
    this.#idleTimer = setInterval(() => this.#checkIdle(), idleCheckMs);
  }

  #listenOn(host: string): Promise<net.Server> {
    const server = net.createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
      this.#onSocket(socket);
    });
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      const { port } = this.#options;
      server.listen({ host, port, backlog: 511, ipv6Only: true }, () => {
        server.off('error', reject);
        resolve(server);
      });
    });
  }

  /** Takes no more connections. */
  stopListening(): void {
    for (const server of this.#servers) server.close();
  }

  closeAll(): void {
    clearInterval(this.#idleTimer);
    this.#options.waiting.stop();
    this.stopListening();
    for (const connection of this.#connections) {
      connection.flush();
      connection.destroy();
    }
  }

  get views(): readonly ClientView[] {
    return [...this.#connections];
  }

  /** There is no password any more: who has not given it need not. */
  admitAll(): void {
    for (const { session, parser } of this.#connections) {
      session.isAuthenticated = true;
      parser.authenticated = true;
    }
  }

  /**
   * Counts checks instead of reading a clock for each chunk that arrives. Who waits for an answer is
   * not idle.
   */
  #checkIdle(): void {
    const { settings, statistics } = this.#options;
    if (settings.timeout === 0) return;
    for (const connection of this.#connections) {
      if (connection.isWaiting) continue;
      connection.idleChecks += 1;
      if (connection.idleChecks <= settings.timeout) continue;
      statistics.idleClientsClosed += 1;
      connection.destroy();
    }
  }

  #onSocket(socket: net.Socket): void {
    const { statistics, settings, nowMs, onEvent } = this.#options;
    statistics.connectionsReceived += 1;
    if (this.#connections.size >= settings.maxclients) {
      statistics.connectionsRejected += 1;
      socket.on('error', () => socket.destroy());
      // Nobody reads from it, so its end would never be seen.
      socket.end('-ERR max number of clients reached\r\n');
      socket.destroySoon();
      return;
    }
    if (settings.tcpKeepalive > 0) socket.setKeepAlive(true, settings.tcpKeepalive * 1000);
    const session = new Session({
      id: this.#nextId,
      address: `${socket.remoteAddress}:${socket.remotePort}`,
      localAddress: `${socket.localAddress}:${socket.localPort}`,
      nowMs: nowMs(),
      isAuthenticated: settings.requirepass === '',
    });
    this.#nextId += 1;
    const connection = new Connection(socket, session, {
      dispatch: (from, args) => this.#dispatcher!.dispatch(from, args),
      runQueued: (from, args) => this.#dispatcher!.runQueued(from, args),
      runReads: this.#options.runReads,
      onClosed: (closed) => {
        this.#connections.delete(closed);
        this.#options.waiting.forget(closed);
        this.#options.blocked.forget(closed);
      },
      onProtocolError: ({ session: { address } }, error) => {
        statistics.protocolErrors += 1;
        onEvent('warn', 'closing a client that broke the protocol', { address, error });
      },
      onBytesIn: (count) => {
        statistics.netInputBytes += count;
      },
      onBytesOut: (count) => {
        statistics.netOutputBytes += count;
      },
    });
    this.#connections.add(connection);
  }
}

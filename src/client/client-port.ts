// The port that clients of one replica connect to: accepts, counts, and lets nobody wait for ever.
//
// It owns the connections and the lists of those that wait: for a leader (not longer than
// `election-hold-ms`), for earlier commands of their own, or for room.

import net from 'node:net';
import { type BindAddress, listenOnEach } from '../bind-addresses.js';
import type { ServerOptions } from '../options.js';
import type { Statistics } from '../statistics.js';
import type { BlockedClients } from './blocked-clients.js';
import { ClientPause } from './client-pause.js';
import type { ClientView } from './commands/table.js';
import { Connection, type HoldReason, type PendingCommand } from './connection.js';
import type { Dispatcher, Holds } from './dispatcher.js';
import { clusterDownReply } from './error-replies.js';
import { Session } from './session.js';

export interface ClientPortOptions {
  readonly addresses: readonly BindAddress[];
  readonly port: number;
  /** Read again for each use: CONFIG SET changes them. */
  readonly settings: Readonly<
    Pick<
      ServerOptions,
      'maxclients' | 'requirepass' | 'electionHoldMs' | 'timeout' | 'tcpKeepalive'
    >
  >;
  readonly statistics: Statistics;
  readonly blocked: BlockedClients;
  /** Wall clock, as CLIENT LIST shows it. */
  readonly nowMs: () => number;
  /** For how long somebody waits: a clock that is set must not lengthen it. */
  readonly monotonicMs: () => number;
  /** Runs reads that had waited for their client to take earlier answers. */
  readonly runReads: (reads: readonly PendingCommand[]) => void;
  readonly onEvent: (level: 'info' | 'warn', text: string, fields: object) => void;
}

/** How often waiting connections are looked through for those that waited too long. */
const holdCheckMs = 50;
/** How often connections are looked through for idle ones: the unit of `timeout`. */
const idleCheckMs = 1000;

export class ClientPort implements Holds {
  readonly #options: ClientPortOptions;
  /** One for each address. */
  #servers: readonly net.Server[] = [];
  readonly #connections = new Set<Connection>();
  /** Waiting for a leader: until when, in milliseconds of `monotonicMs`. Oldest first. */
  readonly #awaitingLeader = new Map<Connection, number>();
  readonly #awaitingApply = new Set<Connection>();
  readonly #awaitingRoom = new Set<Connection>();
  readonly #awaitingPauseEnd = new Set<Connection>();
  readonly pause: ClientPause;
  readonly #dirty: Connection[] = [];
  #dispatcher: Dispatcher | undefined;
  #holdTimer: NodeJS.Timeout | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #nextId = 1;

  constructor(options: ClientPortOptions) {
    this.#options = options;
    this.pause = new ClientPause({
      monotonicMs: options.monotonicMs,
      onEnd: () => this.#onPauseEnd(),
    });
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
    clearInterval(this.#holdTimer);
    clearInterval(this.#idleTimer);
    this.pause.end();
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
        this.#awaitingLeader.delete(closed);
        this.#awaitingApply.delete(closed);
        this.#awaitingRoom.delete(closed);
        this.#awaitingPauseEnd.delete(closed);
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

  // ---------------------------------------------------------------------------- waiting

  hold(connection: Connection, reason: HoldReason): void {
    connection.holdReason = reason;
    switch (reason) {
      case 'order':
        // `flush` goes on when the earlier commands are answered.
        return;
      case 'apply':
        this.#awaitingApply.add(connection);
        return;
      case 'overload':
        this.#awaitingRoom.add(connection);
        return;
      case 'pause':
        this.#awaitingPauseEnd.add(connection);
        return;
      case 'election': {
        if (this.#awaitingLeader.has(connection)) return;
        const { monotonicMs, settings } = this.#options;
        this.#awaitingLeader.set(connection, monotonicMs() + settings.electionHoldMs);
        this.#holdTimer ??= setInterval(() => this.#checkHolds(), holdCheckMs);
      }
    }
  }

  /** There is a leader, here or elsewhere: those who waited for it go on, in the order they came. */
  onLeader(): void {
    const waiting = [...this.#awaitingLeader];
    for (const [connection, until] of waiting) {
      this.#awaitingLeader.delete(connection);
      connection.resume();
      // Still none that serves: what it has waited already counts.
      if (this.#awaitingLeader.has(connection)) this.#awaitingLeader.set(connection, until);
    }
  }

  /** More entries are applied. */
  onApplied(): void {
    resumeAll(this.#awaitingApply);
  }

  /** There is room again. */
  onRoom(): void {
    resumeAll(this.#awaitingRoom);
  }

  #onPauseEnd(): void {
    resumeAll(this.#awaitingPauseEnd);
  }

  #checkHolds(): void {
    const now = this.#options.monotonicMs();
    for (const [connection, until] of this.#awaitingLeader) {
      if (until > now) continue;
      this.#awaitingLeader.delete(connection);
      connection.rejectHeld(clusterDownReply);
      // What stood behind it has waited as long, and comes up again in this loop.
      if (this.#awaitingLeader.has(connection)) this.#awaitingLeader.set(connection, until);
    }
    if (this.#awaitingLeader.size > 0) return;
    clearInterval(this.#holdTimer);
    this.#holdTimer = undefined;
  }

  // ---------------------------------------------------------------------------- flushing

  /** The connection has replies for the next `flush`. */
  markDirty(connection: Connection): void {
    if (connection.isDirty) return;
    connection.isDirty = true;
    this.#dirty.push(connection);
  }

  /** One write for each connection that was answered since the last time. */
  flush(): void {
    // Flushing may run a held command, whose reply makes another connection dirty.
    for (let at = 0; at < this.#dirty.length; at += 1) this.#dirty[at]!.flush();
    this.#dirty.length = 0;
  }
}

/** Those that still have to wait come back into the set. */
function resumeAll(connections: Set<Connection>): void {
  if (connections.size === 0) return;
  const waiting = [...connections];
  connections.clear();
  for (const connection of waiting) connection.resume();
}

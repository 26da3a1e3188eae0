// A transport whose messages wait while its process is paused, as bytes in sockets do.

import type { Message } from '../../raft/core/index.js';
import type { Connection } from '../../raft/effects.js';
import type {
  OutgoingMessage,
  PeerAddress,
  Transport,
  TransportEvents,
} from '../../raft/transport.js';
import type { AwakeTimers } from './awake-timers.js';

export class AwakeTransport implements Transport {
  readonly #transport: Transport;
  readonly #timers: AwakeTimers;
  readonly #onSent: (message: Message) => void;

  constructor(transport: Transport, timers: AwakeTimers, onSent: (message: Message) => void) {
    this.#transport = transport;
    this.#timers = timers;
    this.#onSent = onSent;
  }

  start(events: TransportEvents): void {
    const timers = this.#timers;
    this.#transport.start({
      onMessage: (incoming) => timers.run(() => events.onMessage(incoming)),
      onLinkAlive: (from) => timers.run(() => events.onLinkAlive(from)),
      onLinkLost: (to) => timers.run(() => events.onLinkLost(to)),
      onSnapshotConnection: (from, connection) => {
        const awake = new AwakeConnection(connection, timers);
        timers.run(() => events.onSnapshotConnection(from, awake));
      },
    });
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#transport.setPeers(peers);
  }

  send(outgoing: OutgoingMessage): void {
    this.#onSent(outgoing.message);
    this.#transport.send(outgoing);
  }

  flush(): void {
    this.#transport.flush();
  }

  isLinked(to: string): boolean {
    return this.#transport.isLinked(to);
  }

  connectForSnapshot(
    to: string,
    done: (error: Error | undefined, connection: Connection | undefined) => void,
  ): void {
    const timers = this.#timers;
    this.#transport.connectForSnapshot(to, (error, connection) => {
      const awake = connection === undefined ? undefined : new AwakeConnection(connection, timers);
      timers.run(() => done(error, awake));
    });
  }

  stop(): void {
    this.#transport.stop();
  }
}

/** From the moment it is there: what arrives before anybody listens comes after whoever will. */
class AwakeConnection implements Connection {
  readonly #connection: Connection;
  readonly #timers: AwakeTimers;
  #onData: (chunk: Buffer) => void = () => {};
  #onClose: (reason: string) => void = () => {};

  constructor(connection: Connection, timers: AwakeTimers) {
    this.#connection = connection;
    this.#timers = timers;
    connection.onData((chunk) => timers.run(() => this.#onData(chunk)));
    connection.onClose((reason) => timers.run(() => this.#onClose(reason)));
  }

  write(buffers: readonly Buffer[], sent: () => void): void {
    this.#connection.write(buffers, () => this.#timers.run(sent));
  }

  onData(callback: (chunk: Buffer) => void): void {
    this.#onData = callback;
  }

  onClose(callback: (reason: string) => void): void {
    this.#onClose = callback;
  }

  destroy(): void {
    this.#connection.destroy();
  }
}

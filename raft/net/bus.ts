// The bus: TCP connections between the replicas of a group.
//
// Every replica dials every other one and sends on the connection it dialled; answers come back on
// the connection that the other one dialled. So each connection carries bytes one way, and its loss
// means one thing: what was sent to that peer may not have arrived.
//
//   a ── dialled by a: messages a → b ──▶ b
//   a ◀─ dialled by b: messages b → a ─── b
//
// While its own dial is down, a replica sends nothing to that peer, though the one that the peer
// dialled may work: messages on two connections could overtake one another, and the loss of an
// accepted connection is told to nobody, so that what went down with it would not be sent again at
// once.
//
// A snapshot has a connection of its own, dialled by its sender, on which both sides speak; the bus
// only opens it.
//
// Both ends prove that they know the cluster's secret first (`handshake.ts`). A peer that dials
// again replaces its older connection, so nothing old arrives behind something new.
//
// Whom to dial is told by `setPeers`; whoever knows the secret is heard, member or not, because the
// membership here may be older than theirs. A peer that is not to be dialled (the leader of a group
// that this replica is about to join, whose address the log will bring) is answered on the
// connection that it dialled.

import type { BufferPool } from '../buffer-pool.js';
import type { ReplicaId } from '../core/index.js';
import type { Chance, Clock, Connection, Listener, Network, Timers } from '../effects.js';
import type { ReplicaIdentity } from '../identity.js';
import type {
  IncomingMessage,
  OutgoingMessage,
  PeerAddress,
  Transport,
  TransportEvents,
} from '../transport.js';
import {
  type Greeting,
  GreetingConnection,
  greetAcceptor,
  handshakeTimeoutMs,
  ignore,
} from './greeting.js';
import {
  decodeHello,
  encodeHello,
  type Hello,
  helloBytes,
  isSameProof,
  nonceBytes,
  type Purpose,
  proof,
  proofBytes,
} from './handshake.js';
import { OutgoingQueue } from './outgoing-queue.js';
import { PacketReader } from './wire.js';

export interface BusOptions {
  readonly identity: ReplicaIdentity;
  readonly host: string;
  readonly port: number;
  /** The cluster's secret; empty only where the bus listens on loopback. */
  readonly secret: Buffer;
  readonly network: Network;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly pool: BufferPool;
  /** One line per event that matters. */
  readonly onEvent: (event: BusEvent) => void;
}

export interface BusEvent {
  readonly level: 'info' | 'warn';
  readonly text: string;
  readonly peer: ReplicaId | undefined;
}

/** Strangers that may be greeting at a time; more are turned away. */
const greetingCountMax = 64;
/**
 * A link on which bytes left and for so long nothing came back from the peer is dialled again: after
 * a partition that swallowed packets, TCP itself would wait for minutes before it tries again.
 */
const silenceMsMax = 5_000;
/** More patience for bytes that are still to be sent: 1 MiB/s is slow, not dead. */
const unsentBytesPerMs = 1024;
const silenceCheckMs = 1_000;
const redialMsMin = 50;
const redialMsMax = 1_000;

/** A connection that a peer dialled, and what it is answered there. */
interface AcceptedLink {
  readonly connection: Connection;
  readonly queue: OutgoingQueue;
}

export class Bus implements Transport {
  readonly #options: BusOptions;
  readonly #links = new Map<ReplicaId, DialledLink>();
  readonly #accepted = new Map<ReplicaId, AcceptedLink>();
  readonly #greeting = new Set<Connection>();
  #listener: Listener | undefined;
  #events: TransportEvents | undefined;
  #cancelSilenceCheck: (() => void) | undefined;
  #isStopped = false;

  /** Calls back when the bus listens, or with the reason why it cannot. */
  static listen(
    options: BusOptions,
    done: (error: Error | undefined, bus: Bus | undefined) => void,
  ): void {
    const bus = new Bus(options);
    options.network.listen(
      options,
      (connection) => bus.#onConnection(connection),
      (error, listener) => {
        bus.#listener = listener;
        done(error, error === undefined ? bus : undefined);
      },
    );
  }

  private constructor(options: BusOptions) {
    this.#options = options;
  }

  get port(): number {
    return this.#listener!.port;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    this.#cancelSilenceCheck = this.#options.timers.every(silenceCheckMs, () => {
      for (const link of this.#links.values()) link.checkSilence();
    });
  }

  /** Only after `start`. A peer at another address than before is dialled there. */
  setPeers(peers: readonly PeerAddress[]): void {
    if (this.#isStopped) return;
    const wanted = new Map(peers.map((peer) => [peer.replicaId, peer]));
    for (const [replicaId, link] of this.#links) {
      const peer = wanted.get(replicaId);
      if (peer !== undefined && link.leadsTo(peer)) continue;
      link.stop();
      this.#links.delete(replicaId);
      // What was on its way to the old address may be lost.
      if (peer !== undefined) this.#events!.onLinkLost(replicaId);
    }
    for (const peer of peers) {
      if (!this.#links.has(peer.replicaId)) this.#dial(peer);
    }
  }

  #dial(peer: PeerAddress): void {
    const events = this.#events!;
    const { replicaId } = peer;
    const link = new DialledLink(this.#options, peer, {
      onMessage: (incoming) => events.onMessage(incoming),
      onHeard: () => events.onLinkAlive(replicaId),
      onLost: () => events.onLinkLost(replicaId),
    });
    this.#links.set(replicaId, link);
    link.dial();
  }

  send(outgoing: OutgoingMessage): void {
    const { to } = outgoing.message;
    const link = this.#links.get(to);
    if (link !== undefined) return link.send(outgoing);
    const { identity, clock } = this.#options;
    this.#accepted.get(to)?.queue.push(outgoing, { identity, wallMs: clock.wallMs() });
  }

  flush(): void {
    for (const link of this.#links.values()) link.flush();
    for (const { connection, queue } of this.#accepted.values()) {
      const departure = queue.take();
      if (departure !== undefined) connection.write(departure.buffers, () => departure.release());
    }
  }

  connectForSnapshot(
    to: ReplicaId,
    done: (error: Error | undefined, connection: Connection | undefined) => void,
  ): void {
    const link = this.#links.get(to);
    if (link === undefined) return done(new Error('it is no peer'), undefined);
    link.dialForSnapshot(done);
  }

  isLinked(to: ReplicaId): boolean {
    return this.#links.get(to)?.isUp ?? false;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelSilenceCheck?.();
    this.#listener?.close();
    for (const link of this.#links.values()) link.stop();
    const accepted = [...this.#accepted.values()].map(({ connection }) => connection);
    for (const connection of [...accepted, ...this.#greeting]) connection.destroy();
  }

  // ---------------------------------------------------------------------------- accepting

  #onConnection(raw: Connection): void {
    const { identity, secret, chance, timers } = this.#options;
    // A peer may be quicker than this replica's own start.
    if (this.#events === undefined || this.#greeting.size >= greetingCountMax) {
      return raw.destroy();
    }
    const connection = new GreetingConnection(raw);
    this.#greeting.add(connection);
    const cancelTimeout = timers.after(handshakeTimeoutMs, () => connection.destroy());
    const endGreeting = (): void => {
      cancelTimeout();
      this.#greeting.delete(connection);
    };
    connection.onClose(endGreeting);

    connection.read(helloBytes, (diallerHello) => {
      const hello = decodeHello(diallerHello, identity);
      if (typeof hello === 'string') {
        this.#event('warn', `refused a connection: ${hello}`, undefined);
        return connection.destroy();
      }
      const own = encodeHello({
        identity,
        to: hello.identity.replicaId,
        purpose: hello.purpose,
        nonce: chance.bytes(nonceBytes),
      });
      connection.write([own, proof(secret, 'accept', diallerHello, own)], ignore);
      connection.read(proofBytes, (given) => {
        const peer = hello.identity.replicaId;
        if (!isSameProof(given, proof(secret, 'dial', diallerHello, own))) {
          this.#event('warn', 'refused a connection: its bus secret is wrong', peer);
          return connection.destroy();
        }
        endGreeting();
        if (hello.purpose === 'snapshot') this.#events!.onSnapshotConnection(peer, connection);
        else this.#accept(connection, hello);
      });
    });
  }

  #accept(connection: Connection, hello: Hello): void {
    const peer = hello.identity.replicaId;
    const older = this.#accepted.get(peer);
    const queue = new OutgoingQueue();
    this.#accepted.set(peer, { connection, queue });
    older?.queue.drop();
    older?.connection.destroy();
    this.#event('info', 'accepted a connection from the peer', peer);
    const reader = new PacketReader({
      pool: this.#options.pool,
      self: this.#options.identity,
      peer: hello.identity,
      onPacket: (packet) => {
        // Of a connection that was replaced in the meantime: something newer is on its way.
        if (this.#isCurrent(peer, connection)) this.#events!.onMessage(packet);
        else packet.block?.release();
      },
    });
    connection.onClose((reason) => {
      if (!this.#isCurrent(peer, connection)) return;
      queue.drop();
      this.#accepted.delete(peer);
      this.#event('info', `connection from the peer closed: ${reason}`, peer);
    });
    connection.onData((chunk) => this.#onPeerBytes(connection, reader, peer, chunk));
  }

  #onPeerBytes(connection: Connection, reader: PacketReader, peer: ReplicaId, chunk: Buffer): void {
    if (!this.#isCurrent(peer, connection)) return;
    this.#events!.onLinkAlive(peer);
    this.#links.get(peer)?.onHeard();
    const wrong = reader.feed(chunk);
    if (wrong === undefined) return;
    this.#event('warn', `closing the connection from the peer, it sent ${wrong}`, peer);
    connection.destroy();
  }

  #isCurrent(peer: ReplicaId, connection: Connection): boolean {
    return this.#accepted.get(peer)?.connection === connection;
  }

  #event(level: BusEvent['level'], text: string, peer: ReplicaId | undefined): void {
    this.#options.onEvent({ level, text, peer });
  }
}

interface DialledLinkEvents {
  /** Answers of a peer that does not dial this replica. */
  onMessage(incoming: IncomingMessage): void;
  onHeard(): void;
  onLost(): void;
}

/** The connection that this replica dialled to one peer, and dials again when it is lost. */
class DialledLink {
  readonly #options: BusOptions;
  readonly #peer: PeerAddress;
  readonly #events: DialledLinkEvents;
  readonly #queue = new OutgoingQueue();
  #connection: Connection | undefined;
  #isUp = false;
  #isStopped = false;
  #redialMs = redialMsMin;
  #cancelRedial: (() => void) | undefined;
  #lastTrouble = '';
  /** Since when bytes have left without anything heard from the peer; undefined: none have. */
  #silentSinceMs: number | undefined;
  #unsentBytes = 0;
  #closeReason: string | undefined;

  constructor(options: BusOptions, peer: PeerAddress, events: DialledLinkEvents) {
    this.#options = options;
    this.#peer = peer;
    this.#events = events;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  leadsTo({ host, port }: PeerAddress): boolean {
    return this.#peer.host === host && this.#peer.port === port;
  }

  dial(): void {
    this.#cancelRedial = undefined;
    if (this.#isStopped) return;
    this.#options.network.connect(this.#peer, (error, connection) => {
      if (error !== undefined) return this.#redial(error.message);
      if (this.#isStopped) return connection!.destroy();
      this.#greet(connection!);
    });
  }

  send(outgoing: OutgoingMessage): void {
    if (!this.#isUp) return;
    const { identity, clock } = this.#options;
    this.#queue.push(outgoing, { identity, wallMs: clock.wallMs() });
  }

  flush(): void {
    const departure = this.#queue.take();
    if (departure === undefined) return;
    const { buffers, byteLength } = departure;
    this.#unsentBytes += byteLength;
    this.#silentSinceMs ??= this.#options.clock.monotonicMs();
    this.#connection!.write(buffers, () => {
      this.#unsentBytes -= byteLength;
      departure.release();
    });
  }

  onHeard(): void {
    this.#silentSinceMs = undefined;
  }

  checkSilence(): void {
    if (!this.#isUp || this.#silentSinceMs === undefined) return;
    const silentMs = this.#options.clock.monotonicMs() - this.#silentSinceMs;
    if (silentMs < silenceMsMax + this.#unsentBytes / unsentBytesPerMs) return;
    this.#closeReason = `nothing was heard from it for ${Math.round(silentMs / 1000)} s`;
    this.#connection!.destroy();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRedial?.();
    this.#connection?.destroy();
  }

  /** A connection of its own beside the link. Calls back once. */
  dialForSnapshot(
    done: (error: Error | undefined, connection: Connection | undefined) => void,
  ): void {
    this.#options.network.connect(this.#peer, (error, raw) => {
      if (error !== undefined) return done(error, undefined);
      const connection = new GreetingConnection(raw!);
      greetAcceptor(connection, this.#greeting('snapshot'), (trouble) => {
        if (trouble === undefined) done(undefined, connection);
        else done(new Error(trouble), undefined);
      });
    });
  }

  #greet(raw: Connection): void {
    const connection = new GreetingConnection(raw);
    this.#connection = connection;
    greetAcceptor(connection, this.#greeting('messages'), (trouble) => {
      if (trouble !== undefined) return this.#onClosed(trouble);
      connection.onClose((reason) => this.#onClosed(this.#closeReason ?? reason));
      const { pool, identity } = this.#options;
      const reader = new PacketReader({
        pool,
        self: identity,
        peer: { ...identity, replicaId: this.#peer.replicaId },
        onPacket: (packet) => this.#events.onMessage(packet),
      });
      this.#isUp = true;
      this.#redialMs = redialMsMin;
      this.#lastTrouble = '';
      this.#event('info', 'connected to the peer');
      connection.onData((chunk) => this.#onBytes(connection, reader, chunk));
    });
  }

  #onBytes(connection: GreetingConnection, reader: PacketReader, chunk: Buffer): void {
    // Of a link that was given up in the meantime.
    if (!this.#isUp || this.#isStopped) return;
    this.onHeard();
    this.#events.onHeard();
    const wrong = reader.feed(chunk);
    if (wrong !== undefined) connection.fail(`it sent ${wrong}`);
  }

  #greeting(purpose: Purpose): Greeting {
    const { identity, secret, chance, timers } = this.#options;
    return { identity, to: this.#peer.replicaId, purpose, secret, chance, timers };
  }

  #onClosed(reason: string): void {
    this.#connection = undefined;
    this.#closeReason = undefined;
    this.#silentSinceMs = undefined;
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#queue.drop();
    if (this.#isStopped) return;
    if (wasUp) this.#events.onLost();
    this.#redial(wasUp ? `connection lost: ${reason}` : reason);
  }

  #redial(reason: string): void {
    if (this.#isStopped) return;
    // A peer that is down is dialled for hours: the same reason is told once.
    if (reason !== this.#lastTrouble) this.#event('warn', `no connection to the peer: ${reason}`);
    this.#lastTrouble = reason;
    const { timers, chance } = this.#options;
    const ms = this.#redialMs * (0.5 + chance.random() / 2);
    this.#redialMs = Math.min(this.#redialMs * 2, redialMsMax);
    this.#cancelRedial = timers.after(ms, () => this.dial());
  }

  #event(level: BusEvent['level'], text: string): void {
    this.#options.onEvent({ level, text, peer: this.#peer.replicaId });
  }
}

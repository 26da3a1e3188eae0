// The bus: TCP connections between the replicas of a group.
//
// Every replica dials every other one and sends on the connection it dialled; answers come back on
// the connection that the other one dialled. So each connection carries bytes one way, and its loss
// means one thing: what was sent to that peer may not have arrived.
//
//   a ── dialled by a: messages a → b ──▶ b
//   a ◀─ dialled by b: messages b → a ─── b
//
// Both ends prove that they know the cluster's secret first (`handshake.ts`). A peer that dials
// again replaces its older connection, so nothing old arrives behind something new.

import type { BufferPool } from '../buffer-pool.js';
import type { ReplicaId } from '../core/index.js';
import type { Chance, Clock, Connection, Listener, Network, Timers } from '../effects.js';
import type { ReplicaIdentity } from '../identity.js';
import type { OutgoingMessage, Transport, TransportEvents } from '../transport.js';
import {
  decodeHello,
  encodeHello,
  type Hello,
  helloBytes,
  isSameProof,
  nonceBytes,
  proof,
  proofBytes,
} from './handshake.js';
import { encodeHeaderAndRows, PacketReader } from './wire.js';

export interface PeerAddress {
  readonly replicaId: ReplicaId;
  readonly host: string;
  /** The peer's bus port. */
  readonly port: number;
}

export interface BusOptions {
  readonly identity: ReplicaIdentity;
  readonly host: string;
  readonly port: number;
  readonly peers: readonly PeerAddress[];
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

const handshakeTimeoutMs = 5_000;
/** A greeting, and the first messages that a dialler may send right behind its proof. */
const greetingBytesMax = 256 * 1024;
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

export class Bus implements Transport {
  readonly #options: BusOptions;
  readonly #links = new Map<ReplicaId, DialledLink>();
  readonly #accepted = new Map<ReplicaId, Connection>();
  readonly #greeting = new Set<Connection>();
  #listener: Listener | undefined;
  #events: TransportEvents | undefined;
  #cancelSilenceCheck: (() => void) | undefined;

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
    for (const peer of this.#options.peers) {
      const link = new DialledLink(this.#options, peer, () => events.onLinkLost(peer.replicaId));
      this.#links.set(peer.replicaId, link);
      link.dial();
    }
    this.#cancelSilenceCheck = this.#options.timers.every(silenceCheckMs, () => {
      for (const link of this.#links.values()) link.checkSilence();
    });
  }

  send(outgoing: OutgoingMessage): void {
    this.#links.get(outgoing.message.to)?.send(outgoing);
  }

  flush(): void {
    for (const link of this.#links.values()) link.flush();
  }

  isLinked(to: ReplicaId): boolean {
    return this.#links.get(to)?.isUp ?? false;
  }

  stop(): void {
    this.#cancelSilenceCheck?.();
    this.#listener?.close();
    for (const link of this.#links.values()) link.stop();
    for (const connection of [...this.#accepted.values(), ...this.#greeting]) connection.destroy();
  }

  // ---------------------------------------------------------------------------- accepting

  #onConnection(connection: Connection): void {
    const { identity, secret, chance, timers } = this.#options;
    // A peer may be quicker than this replica's own start.
    if (this.#events === undefined || this.#greeting.size >= greetingCountMax) {
      return connection.destroy();
    }
    this.#greeting.add(connection);
    const greeter = new ExactReader();
    const cancelTimeout = timers.after(handshakeTimeoutMs, () => connection.destroy());
    let reader: PacketReader | undefined;
    let peer: ReplicaId | undefined;

    connection.onClose((reason) => {
      cancelTimeout();
      this.#greeting.delete(connection);
      if (peer === undefined || this.#accepted.get(peer) !== connection) return;
      this.#accepted.delete(peer);
      this.#event('info', `connection from the peer closed: ${reason}`, peer);
    });
    connection.onData((chunk) => {
      if (reader === undefined) {
        if (!greeter.feed(chunk)) connection.destroy();
      } else {
        this.#onPeerBytes(connection, reader, peer!, chunk);
      }
    });

    greeter.read(helloBytes, (diallerHello) => {
      const hello = decodeHello(diallerHello, identity);
      if (typeof hello === 'string') {
        this.#event('warn', `refused a connection: ${hello}`, undefined);
        return connection.destroy();
      }
      const own = encodeHello({
        identity,
        to: hello.identity.replicaId,
        nonce: chance.bytes(nonceBytes),
      });
      connection.write([own, proof(secret, 'accept', diallerHello, own)], ignore);
      greeter.read(proofBytes, (given) => {
        peer = hello.identity.replicaId;
        if (!isSameProof(given, proof(secret, 'dial', diallerHello, own))) {
          this.#event('warn', 'refused a connection: its bus secret is wrong', peer);
          return connection.destroy();
        }
        cancelTimeout();
        reader = this.#accept(connection, hello);
        const early = greeter.rest();
        if (early.length > 0) this.#onPeerBytes(connection, reader, peer, early);
      });
    });
  }

  #accept(connection: Connection, hello: Hello): PacketReader {
    const peer = hello.identity.replicaId;
    this.#greeting.delete(connection);
    this.#accepted.get(peer)?.destroy();
    this.#accepted.set(peer, connection);
    this.#event('info', 'accepted a connection from the peer', peer);
    return new PacketReader({
      pool: this.#options.pool,
      self: this.#options.identity,
      peer: hello.identity,
      onPacket: (packet) => {
        // Of a connection that was replaced in the meantime: something newer is on its way.
        if (this.#accepted.get(peer) === connection) this.#events!.onMessage(packet);
        else packet.block?.release();
      },
    });
  }

  #onPeerBytes(connection: Connection, reader: PacketReader, peer: ReplicaId, chunk: Buffer): void {
    if (this.#accepted.get(peer) !== connection) return;
    this.#events!.onLinkAlive(peer);
    this.#links.get(peer)?.onHeard();
    const wrong = reader.feed(chunk);
    if (wrong === undefined) return;
    this.#event('warn', `closing the connection from the peer, it sent ${wrong}`, peer);
    connection.destroy();
  }

  #event(level: BusEvent['level'], text: string, peer: ReplicaId | undefined): void {
    this.#options.onEvent({ level, text, peer });
  }
}

function ignore(): void {}

/** The connection that this replica dialled to one peer, and dials again when it is lost. */
class DialledLink {
  readonly #options: BusOptions;
  readonly #peer: PeerAddress;
  readonly #onLost: () => void;
  #connection: Connection | undefined;
  #isUp = false;
  #isStopped = false;
  #redialMs = redialMsMin;
  #cancelRedial: (() => void) | undefined;
  #lastTrouble = '';
  #queue: Buffer[] = [];
  #queuedBlocks: OutgoingMessage['blocks'][number][] = [];
  /** Since when bytes have left without anything heard from the peer; undefined: none have. */
  #silentSinceMs: number | undefined;
  #unsentBytes = 0;
  #closeReason: string | undefined;

  constructor(options: BusOptions, peer: PeerAddress, onLost: () => void) {
    this.#options = options;
    this.#peer = peer;
    this.#onLost = onLost;
  }

  get isUp(): boolean {
    return this.#isUp;
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
    const head = { identity, wallMs: clock.wallMs() };
    this.#queue.push(encodeHeaderAndRows(outgoing.message, outgoing.entries, head));
    for (const entry of outgoing.entries) {
      if (entry.byteLength > 0) this.#queue.push(entry.payload);
    }
    for (const block of outgoing.blocks) {
      block.retain();
      this.#queuedBlocks.push(block);
    }
  }

  flush(): void {
    if (this.#queue.length === 0) return;
    const buffers = this.#queue;
    const blocks = this.#queuedBlocks;
    this.#queue = [];
    this.#queuedBlocks = [];
    const byteLength = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
    this.#unsentBytes += byteLength;
    this.#silentSinceMs ??= this.#options.clock.monotonicMs();
    this.#connection!.write(buffers, () => {
      this.#unsentBytes -= byteLength;
      for (const block of blocks) block.release();
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

  #greet(connection: Connection): void {
    const { identity, secret, chance, timers } = this.#options;
    this.#connection = connection;
    const greeter = new ExactReader();
    let trouble: string | undefined;
    const fail = (reason: string): void => {
      trouble = reason;
      connection.destroy();
    };
    const cancelTimeout = timers.after(handshakeTimeoutMs, () => fail('it does not answer'));
    connection.onData((chunk) => {
      if (!greeter.feed(chunk)) fail('it says more than a greeting');
    });
    connection.onClose((reason) => {
      cancelTimeout();
      this.#onClosed(trouble ?? this.#closeReason ?? reason);
    });

    const own = encodeHello({
      identity,
      to: this.#peer.replicaId,
      nonce: chance.bytes(nonceBytes),
    });
    connection.write([own], ignore);
    greeter.read(helloBytes + proofBytes, (answer) => {
      const acceptorHello = answer.subarray(0, helloBytes);
      const hello = decodeHello(acceptorHello, identity);
      if (typeof hello === 'string') return fail(hello);
      if (hello.identity.replicaId !== this.#peer.replicaId) {
        return fail(`replica ${hello.identity.replicaId} answers there`);
      }
      const given = answer.subarray(helloBytes);
      if (!isSameProof(given, proof(secret, 'accept', own, acceptorHello))) {
        return fail('its bus secret is not ours');
      }
      cancelTimeout();
      connection.write([proof(secret, 'dial', own, acceptorHello)], ignore);
      this.#isUp = true;
      this.#redialMs = redialMsMin;
      this.#lastTrouble = '';
      this.#event('info', 'connected to the peer');
    });
  }

  #onClosed(reason: string): void {
    this.#connection = undefined;
    this.#closeReason = undefined;
    this.#silentSinceMs = undefined;
    const wasUp = this.#isUp;
    this.#isUp = false;
    this.#queue = [];
    for (const block of this.#queuedBlocks) block.release();
    this.#queuedBlocks = [];
    if (this.#isStopped) return;
    if (wasUp) this.#onLost();
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

/** Gives out exactly as many bytes as were asked for, while a handshake lasts. */
class ExactReader {
  #bytes: Buffer = Buffer.alloc(0);
  #wanted = 0;
  #callback: ((bytes: Buffer) => void) | undefined;

  read(byteLength: number, callback: (bytes: Buffer) => void): void {
    this.#wanted = byteLength;
    this.#callback = callback;
    this.#deliver();
  }

  /** False when more has arrived than anybody has to say before both sides are known. */
  feed(chunk: Buffer): boolean {
    if (this.#bytes.length + chunk.length > greetingBytesMax) return false;
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    this.#deliver();
    return true;
  }

  /** What arrived behind the last read. */
  rest(): Buffer {
    const rest = this.#bytes;
    this.#bytes = Buffer.alloc(0);
    return rest;
  }

  #deliver(): void {
    const callback = this.#callback;
    if (callback === undefined || this.#bytes.length < this.#wanted) return;
    const taken = this.#bytes.subarray(0, this.#wanted);
    this.#bytes = this.#bytes.subarray(this.#wanted);
    this.#callback = undefined;
    callback(taken);
  }
}

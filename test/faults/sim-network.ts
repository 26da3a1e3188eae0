// A network between simulated replicas that carries the real bytes.
//
// A test may lose, double and overtake single messages (`loss`, `doubling`, `overtaking`), which TCP
// does not, and cut a direction without anybody noticing: everything sent that way vanishes.
//
// Between two replicas there are two links, one each way, like the bus has. A link keeps order and
// may lose everything that is on its way, all at once, when it breaks; it comes back after a while
// unless the two are partitioned. A replica sends to the peers that it was told of, and to those that
// were told of it, like the bus does. Messages are encoded and taken apart by `raft/net/wire.ts`, and
// payloads are read from their blocks only when they leave, some time after they were queued: a
// block that was let go too early shows as a damaged message.

import assert from 'node:assert/strict';
import type { Block, BufferPool } from '../../raft/buffer-pool.js';
import type { ReplicaId } from '../../raft/core/index.js';
import type { Clock, Connection } from '../../raft/effects.js';
import type { ReplicaIdentity } from '../../raft/identity.js';
import { encodeHeaderAndRows, PacketReader } from '../../raft/net/wire.js';
import type {
  OutgoingMessage,
  PeerAddress,
  Transport,
  TransportEvents,
} from '../../raft/transport.js';
import { SimConnection } from './sim-connection.js';
import type { SimWorld } from './sim-world.js';

const relinkMs = 60;

export interface SimEnd {
  readonly identity: ReplicaIdentity;
  readonly pool: BufferPool;
  readonly clock: Clock;
}

export class SimNetwork {
  readonly #world: SimWorld;
  readonly #ends = new Map<ReplicaId, SimTransport>();
  readonly #links = new Map<string, Link>();
  /** Replicas that are cut off from all others. */
  readonly #isolated = new Set<ReplicaId>();
  /** For snapshots. */
  #connections: Connected[] = [];
  /** Milliseconds from sender to receiver. */
  delayMsMin = 0.2;
  delayMsMax = 2;
  /** Share of messages that are lost, that arrive twice, and that may arrive before earlier ones. */
  loss = 0;
  doubling = 0;
  overtaking = 0;
  /** Directions in which everything vanishes, as `from>to`. */
  readonly #cuts = new Set<string>();
  /** Told of all bytes that get through: of messages when they arrive, of snapshots when they leave. */
  onCarried: (from: ReplicaId, to: ReplicaId, bytes: Buffer) => void = () => {};
  /** Bytes that left, by sender. */
  readonly bytesSentBy = new Map<ReplicaId, number>();
  /** A test may meddle with what is sent on it. */
  onSnapshotConnection: (dialled: SimConnection) => void = () => {};

  constructor(world: SimWorld) {
    this.#world = world;
  }

  transport(end: SimEnd): SimTransport {
    return new SimTransport(this, end);
  }

  isolate(replicaId: ReplicaId): void {
    this.#isolated.add(replicaId);
    for (const { ends, dialled } of this.#connections) {
      if (ends.some(({ end }) => end.identity.replicaId === replicaId)) dialled.cut();
    }
    for (const [name, link] of this.#links) if (name.includes(replicaId)) this.breakLink(link);
  }

  heal(): void {
    this.#isolated.clear();
    this.#cuts.clear();
  }

  /** Of one that was isolated. */
  rejoin(replicaId: ReplicaId): void {
    this.#isolated.delete(replicaId);
  }

  /** From now on nothing arrives at `to` from `from`; nobody is told. */
  cut(from: ReplicaId, to: ReplicaId): void {
    this.#cuts.add(`${from}>${to}`);
  }

  mend(from: ReplicaId, to: ReplicaId): void {
    this.#cuts.delete(`${from}>${to}`);
  }

  isCut(from: ReplicaId, to: ReplicaId): boolean {
    return this.#cuts.has(`${from}>${to}`);
  }

  /** Of all links. */
  breakLinks(): void {
    for (const link of [...this.#links.values()]) this.breakLink(link);
  }

  attach(transport: SimTransport): void {
    const { replicaId } = transport.end.identity;
    this.#ends.set(replicaId, transport);
    for (const other of this.#ends.keys()) {
      if (other === replicaId) continue;
      this.#relinkLater(replicaId, other);
      this.#relinkLater(other, replicaId);
    }
  }

  detach(transport: SimTransport): void {
    const { replicaId } = transport.end.identity;
    if (this.#ends.get(replicaId) !== transport) return;
    this.#ends.delete(replicaId);
    for (const { ends, dialled, accepted } of this.#connections) {
      if (ends[0] === transport) dialled.forget();
      if (ends[1] === transport) accepted.forget();
    }
    this.#connections = this.#connections.filter(({ ends }) => !ends.includes(transport));
    for (const [name, link] of this.#links) if (name.includes(replicaId)) this.breakLink(link);
  }

  peersOf(transport: SimTransport): ReplicaId[] {
    const { replicaId } = transport.end.identity;
    return [...this.#ends.keys()].filter((other) => other !== replicaId);
  }

  /** Dials `to` for a snapshot. */
  connect(
    dialler: SimTransport,
    to: ReplicaId,
    done: (error: Error | undefined, connection: Connection | undefined) => void,
  ): void {
    const from = dialler.end.identity.replicaId;
    this.#world.after(1 + this.#world.random(), () => {
      const acceptor = this.#ends.get(to);
      // The one that dialled is no more.
      if (this.#ends.get(from) !== dialler) return;
      const isUnreachable = this.#isolated.has(from) || this.#isolated.has(to);
      // A connection needs both directions.
      const isOneWay = this.isCut(from, to) || this.isCut(to, from);
      if (acceptor === undefined || isUnreachable || isOneWay) {
        return done(new Error('nobody is there'), undefined);
      }
      const [dialled, accepted] = SimConnection.pair(this.#world);
      const meddle = (one: ReplicaId, other: ReplicaId) => (bytes: Buffer) => {
        if (this.isCut(one, other)) return 'cut';
        this.onCarried(one, other, bytes);
        return bytes;
      };
      dialled.meddle = meddle(from, to);
      accepted.meddle = meddle(to, from);
      this.#connections.push({ ends: [dialler, acceptor], dialled, accepted });
      this.onSnapshotConnection(dialled);
      acceptor.events!.onSnapshotConnection(from, accepted);
      done(undefined, dialled);
    });
  }

  link(from: ReplicaId, to: ReplicaId): Link | undefined {
    return this.#links.get(`${from}>${to}`);
  }

  /** Everything on its way is lost, and the sender hears of it. */
  breakLink(link: Link): void {
    this.#links.delete(`${link.from.end.identity.replicaId}>${link.to.end.identity.replicaId}`);
    const from = link.from.end.identity.replicaId;
    const to = link.to.end.identity.replicaId;
    link.close();
    if (this.#ends.get(from) === link.from) link.from.events?.onLinkLost(to);
    this.#relinkLater(from, to);
  }

  #relinkLater(from: ReplicaId, to: ReplicaId): void {
    this.#world.after(relinkMs * (0.5 + this.#world.random()), () => this.#relink(from, to));
  }

  #relink(from: ReplicaId, to: ReplicaId): void {
    const source = this.#ends.get(from);
    const target = this.#ends.get(to);
    if (source === undefined || target === undefined) return;
    if (this.#links.has(`${from}>${to}`)) return;
    if (this.#isolated.has(from) || this.#isolated.has(to)) return this.#relinkLater(from, to);
    this.#links.set(`${from}>${to}`, new Link(this, this.#world, source, target));
  }
}

interface Connected {
  /** The dialler first. */
  readonly ends: readonly [SimTransport, SimTransport];
  readonly dialled: SimConnection;
  readonly accepted: SimConnection;
}

interface Queued {
  readonly buffers: readonly Buffer[];
  readonly blocks: readonly Block[];
}

/** One direction between two running replicas. */
export class Link {
  readonly from: SimTransport;
  readonly to: SimTransport;
  readonly #network: SimNetwork;
  readonly #world: SimWorld;
  readonly #reader: PacketReader;
  #queue: Queued[] = [];
  readonly #leaving = new Set<Queued>();
  #arrivesAt = 0;
  #isClosed = false;

  constructor(network: SimNetwork, world: SimWorld, from: SimTransport, to: SimTransport) {
    this.#network = network;
    this.#world = world;
    this.from = from;
    this.to = to;
    this.#reader = new PacketReader({
      pool: to.end.pool,
      self: to.end.identity,
      peer: from.end.identity,
      onPacket: (packet) => to.events!.onMessage(packet),
    });
  }

  send(outgoing: OutgoingMessage): void {
    const { identity, clock } = this.from.end;
    const head = { identity, wallMs: clock.wallMs() };
    const buffers = [encodeHeaderAndRows(outgoing.message, outgoing.entries, head)];
    for (const entry of outgoing.entries) buffers.push(entry.payload);
    for (const block of outgoing.blocks) block.retain();
    this.#queue.push({ buffers, blocks: outgoing.blocks });
  }

  flush(): void {
    const queue = this.#queue;
    this.#queue = [];
    for (const queued of queue) {
      this.#leaving.add(queued);
      this.#world.after(this.#world.random(), () => this.#leave(queued));
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const queued of [...this.#queue, ...this.#leaving]) this.#release(queued);
    this.#queue = [];
  }

  /** Leaves in the order it was queued: whatever is before it leaves now, too. */
  #leave(last: Queued): void {
    if (!this.#leaving.has(last)) return;
    for (const queued of this.#leaving) {
      const bytes = Buffer.concat(queued.buffers);
      const { replicaId } = this.from.end.identity;
      const { bytesSentBy } = this.#network;
      bytesSentBy.set(replicaId, (bytesSentBy.get(replicaId) ?? 0) + bytes.length);
      this.#release(queued);
      this.#sendOff(bytes);
      if (queued === last) break;
    }
  }

  #sendOff(bytes: Buffer): void {
    const { delayMsMin, delayMsMax, loss, doubling, overtaking } = this.#network;
    const world = this.#world;
    const isDrawn = (share: number): boolean => share > 0 && world.random() < share;
    const delay = delayMsMin + world.random() * (delayMsMax - delayMsMin);
    if (isDrawn(loss)) return;
    if (isDrawn(overtaking)) {
      world.after(delay, () => this.#arrive(bytes));
    } else {
      this.#arrivesAt = Math.max(this.#arrivesAt, world.nowMs + delay);
      world.after(this.#arrivesAt - world.nowMs, () => this.#arrive(bytes));
    }
    if (isDrawn(doubling)) world.after(delay + 20 * world.random(), () => this.#arrive(bytes));
  }

  #arrive(bytes: Buffer): void {
    if (this.#isClosed) return;
    const from = this.from.end.identity.replicaId;
    const to = this.to.end.identity.replicaId;
    if (this.#network.isCut(from, to)) return;
    this.#network.onCarried(from, to, bytes);
    this.to.events!.onLinkAlive(from);
    assert.equal(this.#reader.feed(bytes), undefined);
  }

  #release(queued: Queued): void {
    this.#leaving.delete(queued);
    for (const block of queued.blocks) block.release();
  }
}

export class SimTransport implements Transport {
  readonly end: SimEnd;
  readonly #network: SimNetwork;
  #peers: ReadonlySet<ReplicaId> = new Set();
  events: TransportEvents | undefined;

  constructor(network: SimNetwork, end: SimEnd) {
    this.#network = network;
    this.end = end;
  }

  start(events: TransportEvents): void {
    this.events = events;
    this.#network.attach(this);
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers = new Set(peers.map(({ replicaId }) => replicaId));
  }

  hasPeer(replicaId: ReplicaId): boolean {
    return this.#peers.has(replicaId);
  }

  send(outgoing: OutgoingMessage): void {
    this.#link(outgoing.message.to)?.send(outgoing);
  }

  flush(): void {
    for (const to of this.#network.peersOf(this)) this.#link(to)?.flush();
  }

  connectForSnapshot(
    to: ReplicaId,
    done: (error: Error | undefined, connection: Connection | undefined) => void,
  ): void {
    this.#network.connect(this, to, done);
  }

  isLinked(to: ReplicaId): boolean {
    return this.#link(to) !== undefined;
  }

  stop(): void {
    this.#network.detach(this);
  }

  #link(to: ReplicaId): Link | undefined {
    const self = this.end.identity.replicaId;
    const link = this.#network.link(self, to);
    if (link?.from !== this) return undefined;
    return this.hasPeer(to) || link.to.hasPeer(self) ? link : undefined;
  }
}

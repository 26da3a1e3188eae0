// The bus on real sockets, on loopback. Timers are real, too, but for the handshake's, which a test
// fires by hand. Checklist: 48, 61.

import assert from 'node:assert/strict';
import net from 'node:net';
import type { Heartbeat, ReplicaId } from '../../../raft/core/index.js';
import type { Connection, Timers } from '../../../raft/effects.js';
import type { ReplicaIdentity } from '../../../raft/identity.js';
import {
  encodeHello,
  helloBytes,
  type Purpose,
  proof,
  proofBytes,
} from '../../../raft/net/handshake.js';
import { Bus, type BusEvent } from '../../../raft/net/index.js';
import { encodeHeaderAndRows } from '../../../raft/net/wire.js';
import { nodeChance, nodeClock, nodeNetwork, nodeTimers } from '../../../raft/node-effects.js';
import type { IncomingMessage, PeerAddress } from '../../../raft/transport.js';
import { GarblingPool } from '../../faults/garbling-pool.js';
import { entry } from '../log/journals.js';

const clusterId = '5'.repeat(32);
const secret = Buffer.from('the secret of the cluster');
const [idA, idB] = ['a'.repeat(40), 'b'.repeat(40)] as [ReplicaId, ReplicaId];

function identityOf(replicaId: ReplicaId): ReplicaIdentity {
  return { clusterId, group: 1, replicaId };
}

function heartbeat(from: ReplicaId, to: ReplicaId, round: number): Heartbeat {
  return { kind: 'heartbeat', from, to, term: 1, commit: 0, round };
}

/** The node's timers, but whatever waits as long as a handshake or a silence waits for the test. */
class HandTimers implements Timers {
  readonly handshakes: (() => void)[] = [];
  readonly silenceChecks: (() => void)[] = [];

  after(ms: number, callback: () => void): () => void {
    if (ms < 5_000) return nodeTimers.after(ms, callback);
    this.handshakes.push(callback);
    return () => {
      const at = this.handshakes.indexOf(callback);
      if (at >= 0) this.handshakes.splice(at, 1);
    };
  }

  every(ms: number, callback: () => void): () => void {
    if (ms < 1_000) return nodeTimers.every(ms, callback);
    this.silenceChecks.push(callback);
    return () => this.silenceChecks.splice(0);
  }

  atTurnEnd(callback: () => void): void {
    nodeTimers.atTurnEnd(callback);
  }
}

/** One end of a connection for a snapshot. */
class Talk {
  readonly from: ReplicaId;
  readonly connection: Connection;
  heard = '';
  isClosed = false;

  constructor(from: ReplicaId, connection: Connection) {
    this.from = from;
    this.connection = connection;
    connection.onData((chunk) => {
      this.heard += chunk.toString('latin1');
    });
    connection.onClose(() => {
      this.isClosed = true;
    });
  }

  say(text: string): void {
    this.connection.write([Buffer.from(text)], () => {});
  }
}

/** One end: a bus and what it heard. */
class End {
  readonly id: ReplicaId;
  readonly events: BusEvent[] = [];
  readonly messages: IncomingMessage[] = [];
  readonly lost: ReplicaId[] = [];
  /** How often bytes arrived. */
  alive = 0;
  readonly snapshots: Talk[] = [];
  readonly pool = new GarblingPool(64 * 1024 * 1024);
  readonly timers = new HandTimers();
  /** How far this end's clock is ahead of the node's. */
  aheadMs = 0;
  #bus: Bus | undefined;

  constructor(id: ReplicaId) {
    this.id = id;
  }

  get bus(): Bus {
    return this.#bus!;
  }

  get rounds(): number[] {
    return this.messages.map(({ message }) => (message as Heartbeat).round);
  }

  async listen(options: {
    readonly peers?: readonly PeerAddress[];
    readonly identity?: ReplicaIdentity;
    readonly secret?: Buffer;
    readonly port?: number;
  }): Promise<void> {
    const bus = await new Promise<Bus>((resolve, reject) => {
      Bus.listen(
        {
          identity: options.identity ?? identityOf(this.id),
          host: '127.0.0.1',
          port: options.port ?? 0,
          secret: options.secret ?? secret,
          network: nodeNetwork,
          timers: this.timers,
          clock: { ...nodeClock, monotonicMs: () => nodeClock.monotonicMs() + this.aheadMs },
          chance: nodeChance,
          pool: this.pool,
          onEvent: (event) => this.events.push(event),
        },
        (error, listening) => (error === undefined ? resolve(listening!) : reject(error)),
      );
    });
    this.#bus = bus;
    bus.start({
      onMessage: (incoming) => this.messages.push(incoming),
      onLinkAlive: () => {
        this.alive += 1;
      },
      onLinkLost: (to) => this.lost.push(to),
      onSnapshotConnection: (from, connection) => this.snapshots.push(new Talk(from, connection)),
    });
    bus.setPeers(options.peers ?? []);
  }

  heard(text: RegExp): boolean {
    return this.events.some((event) => text.test(event.text));
  }

  checkSilenceAfter(ms: number): void {
    this.aheadMs += ms;
    for (const check of this.timers.silenceChecks) check();
  }

  say(round: number, to: ReplicaId): void {
    this.bus.send({ message: heartbeat(this.id, to, round), entries: [], blocks: [] });
    this.bus.flush();
  }
}

/** Waits for a fact. A fact that never comes true is the test's own time limit. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 2));
}

function dialForSnapshot(from: End, to: ReplicaId): Promise<Talk> {
  return new Promise((resolve, reject) => {
    from.bus.connectForSnapshot(to, (error, connection) => {
      if (error === undefined) resolve(new Talk(to, connection!));
      else reject(error);
    });
  });
}

function addressOf(end: End): PeerAddress {
  return { replicaId: end.id, host: '127.0.0.1', port: end.bus.port };
}

/** A dialler that a test plays itself, byte by byte. */
class RawPeer {
  readonly socket: net.Socket;
  received: Buffer = Buffer.alloc(0);
  isClosed = false;

  constructor(port: number) {
    this.socket = net.connect({ host: '127.0.0.1', port });
    this.socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.isClosed = true;
    });
  }

  async greet(
    from: ReplicaId,
    to: ReplicaId,
    nonce: Buffer,
    purpose: Purpose = 'messages',
  ): Promise<Buffer> {
    const own = encodeHello({ identity: identityOf(from), to, purpose, nonce });
    this.socket.write(own);
    await until(() => this.received.length >= helloBytes + proofBytes || this.isClosed);
    return proof(secret, 'dial', own, this.received.subarray(0, helloBytes));
  }
}

describe('Bus', () => {
  const ends: End[] = [];
  const raws: RawPeer[] = [];

  function end(id: ReplicaId): End {
    const made = new End(id);
    ends.push(made);
    return made;
  }

  function dialRaw(to: End): RawPeer {
    const made = new RawPeer(to.bus.port);
    raws.push(made);
    return made;
  }

  afterEach(() => {
    for (const { bus } of ends.splice(0)) bus?.stop();
    for (const { socket } of raws.splice(0)) socket.destroy();
  });

  async function pair(): Promise<[End, End]> {
    const b = end(idB);
    await b.listen({});
    const a = end(idA);
    await a.listen({ peers: [addressOf(b)] });
    await until(() => a.bus.isLinked(idB));
    return [a, b];
  }

  it('carries messages in order, with their entries, and gives blocks back', async () => {
    const [a, b] = await pair();
    const block = a.pool.take(100_000);
    block.buffer.fill('payload');
    const first = entry(1, 1, block.buffer.subarray(0, 90_000));
    // `entry` copies; what is sent is the block's own memory.
    const sent = { ...first, payload: block.buffer.subarray(0, 90_000) };
    a.bus.send({
      message: {
        kind: 'append',
        from: idA,
        to: idB,
        term: 1,
        prevIndex: 0,
        prevTerm: 0,
        commit: 0,
        entries: [sent],
      },
      entries: [sent],
      blocks: [block],
    });
    // The sender lets go at once: the bus holds the block until the bytes have left.
    block.release();
    a.bus.flush();
    for (let round = 1; round <= 50; round += 1) a.say(round, idB);
    await until(() => b.messages.length === 51);
    assert.deepEqual(b.messages[0]!.entries, [first]);
    assert.deepEqual(
      b.rounds.slice(1),
      Array.from({ length: 50 }, (_, at) => at + 1),
    );
    await until(() => a.pool.given === 1);
  });

  it('dials again after a loss, and tells of it once', async () => {
    const [a, b] = await pair();
    const { port } = b.bus;
    b.bus.stop();
    await until(() => a.lost.length === 1);
    assert(!a.bus.isLinked(idB));
    // Said without a link: dropped, not kept for later.
    a.say(1, idB);
    const again = end(idB);
    await again.listen({ port });
    await until(() => a.bus.isLinked(idB));
    a.say(2, idB);
    await until(() => again.messages.length > 0);
    assert.deepEqual(again.rounds, [2]);
    assert.deepEqual(a.lost, [idB]);
  });

  it('dials again when nothing comes back for what it says', async () => {
    const [a, b] = await pair();
    a.checkSilenceAfter(60_000);
    assert(a.bus.isLinked(idB), 'nothing was said, so nothing is to be answered');
    a.say(1, idB);
    a.checkSilenceAfter(4_000);
    assert(a.bus.isLinked(idB));
    a.checkSilenceAfter(2_000);
    await until(() => a.lost.length === 1);
    assert(a.heard(/nothing was heard from it for 6 s/));
    await until(() => a.bus.isLinked(idB));
    a.say(2, idB);
    await until(() => b.rounds.includes(2));
  });

  it('keeps a link whose peer is heard', async () => {
    const b = end(idB);
    await b.listen({});
    const a = end(idA);
    await a.listen({ peers: [addressOf(b)] });
    await until(() => a.bus.isLinked(idB));
    const raw = dialRaw(a);
    a.say(1, idB);
    a.checkSilenceAfter(4_000);
    // The peer speaks on the connection that it dialled.
    raw.socket.write(await raw.greet(idB, idA, Buffer.alloc(32, 2)));
    const head = { identity: identityOf(idB), wallMs: 0 };
    raw.socket.write(encodeHeaderAndRows(heartbeat(idB, idA, 7), [], head));
    await until(() => a.rounds.includes(7));
    a.checkSilenceAfter(4_000);
    assert(a.bus.isLinked(idB));
    assert.deepEqual(a.lost, []);
  });

  it('refuses a dialler with the wrong secret, and is refused by it', async () => {
    const b = end(idB);
    await b.listen({});
    const a = end(idA);
    await a.listen({ peers: [addressOf(b)], secret: Buffer.from('something else') });
    await until(() => a.heard(/its bus secret is not ours/));
    assert(!a.bus.isLinked(idB));
    // Played by hand, because our own dialler does not even answer a wrong proof.
    const raw = dialRaw(b);
    await raw.greet(idA, idB, Buffer.alloc(32, 1));
    raw.socket.write(Buffer.alloc(proofBytes, 1));
    await until(() => b.heard(/its bus secret is wrong/));
    await until(() => raw.isClosed);
    assert.deepEqual(b.messages, []);
  });

  it('refuses another cluster, and a dialler that looks for another replica', async () => {
    const b = end(idB);
    await b.listen({});
    const stranger = end(idA);
    await stranger.listen({
      peers: [addressOf(b)],
      identity: { ...identityOf(idA), clusterId: '6'.repeat(32) },
    });
    await until(() => b.heard(/refused a connection: it belongs to cluster 6666/));
    const lost = end('c'.repeat(40));
    await lost.listen({ peers: [{ ...addressOf(b), replicaId: 'd'.repeat(40) }] });
    await until(() => b.heard(/refused a connection: it looks for replica dddd/));
    assert(!stranger.bus.isLinked(idB));
    assert(!lost.bus.isLinked('d'.repeat(40)));
  });

  it('refuses a proof that was recorded earlier', async () => {
    const b = end(idB);
    await b.listen({});
    const nonce = Buffer.alloc(32, 7);
    const first = dialRaw(b);
    const recorded = await first.greet(idA, idB, nonce);
    first.socket.write(recorded);
    await until(() => b.heard(/accepted a connection/));
    const second = dialRaw(b);
    await second.greet(idA, idB, nonce);
    second.socket.write(recorded);
    await until(() => second.isClosed);
    assert(b.heard(/its bus secret is wrong/));
  });

  it('does not wait for ever for somebody who says nothing', async () => {
    const b = end(idB);
    await b.listen({});
    const silent = dialRaw(b);
    await until(() => b.timers.handshakes.length === 1);
    b.timers.handshakes[0]!();
    await until(() => silent.isClosed);
  });

  it('does not wait for ever for an answer', async () => {
    const accepted: net.Socket[] = [];
    const mute = net.createServer((socket) => accepted.push(socket.on('error', () => {})));
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const { port } = mute.address() as net.AddressInfo;
    const a = end(idA);
    await a.listen({ peers: [{ replicaId: idB, host: '127.0.0.1', port }] });
    await until(() => a.timers.handshakes.length === 1);
    a.timers.handshakes[0]!();
    await until(() => a.heard(/it does not answer/));
    mute.close();
    for (const socket of accepted) socket.destroy();
  });

  it('closes on garbage, before and after the handshake', async () => {
    const b = end(idB);
    await b.listen({});
    const early = dialRaw(b);
    early.socket.write('GET / HTTP/1.1\r\n'.repeat(20));
    await until(() => early.isClosed);
    assert(b.heard(/does not speak the bus protocol/));
    const late = dialRaw(b);
    late.socket.write(await late.greet(idA, idB, Buffer.alloc(32, 2)));
    await until(() => b.heard(/accepted a connection/));
    late.socket.write(Buffer.alloc(500, 'x'));
    await until(() => late.isClosed);
    assert(b.heard(/it sent a message without its magic number/));
    assert.deepEqual(b.messages, []);
  });

  it('does not gather a greeting without end', async () => {
    const b = end(idB);
    await b.listen({});
    const raw = dialRaw(b);
    await raw.greet(idA, idB, Buffer.alloc(32, 3));
    // A wrong proof and what would follow it.
    raw.socket.write(Buffer.alloc(4 * 1024 * 1024));
    await until(() => raw.isClosed);
    assert.deepEqual(b.messages, []);
  });

  it('takes messages that come right behind the proof', async () => {
    const b = end(idB);
    await b.listen({});
    const raw = dialRaw(b);
    const given = await raw.greet(idA, idB, Buffer.alloc(32, 4));
    const head = { identity: identityOf(idA), wallMs: 1 };
    const bytes = encodeHeaderAndRows(heartbeat(idA, idB, 5), [], head);
    raw.socket.write(Buffer.concat([given, bytes, bytes.subarray(0, 50)]));
    await until(() => b.messages.length === 1);
    raw.socket.write(bytes.subarray(50));
    await until(() => b.messages.length === 2);
    assert.deepEqual(b.rounds, [5, 5]);
  });

  it('lets a newer connection of a peer replace the older one', async () => {
    const b = end(idB);
    await b.listen({});
    const head = { identity: identityOf(idA), wallMs: 1 };
    const older = dialRaw(b);
    older.socket.write(await older.greet(idA, idB, Buffer.alloc(32, 5)));
    older.socket.write(encodeHeaderAndRows(heartbeat(idA, idB, 1), [], head));
    await until(() => b.messages.length === 1);
    const newer = dialRaw(b);
    newer.socket.write(await newer.greet(idA, idB, Buffer.alloc(32, 6)));
    await until(() => older.isClosed);
    newer.socket.write(encodeHeaderAndRows(heartbeat(idA, idB, 2), [], head));
    await until(() => b.messages.length === 2);
    assert.deepEqual(b.rounds, [1, 2]);
  });

  it('answers a peer that it does not dial on the connection of that peer', async () => {
    const [a, b] = await pair();
    a.say(1, idB);
    await until(() => b.rounds.includes(1));
    const heardBefore = a.alive;
    b.say(2, idA);
    await until(() => a.rounds.includes(2));
    assert(a.alive > heardBefore);
    // Now that it dials, the answers take that way.
    b.bus.setPeers([addressOf(a)]);
    await until(() => b.bus.isLinked(idA));
    b.say(3, idA);
    await until(() => a.rounds.includes(3));
    assert.deepEqual(a.rounds, [2, 3]);
  });

  it('keeps a link whose peer answers on it', async () => {
    const [a, b] = await pair();
    a.say(1, idB);
    a.checkSilenceAfter(4_000);
    await until(() => b.rounds.includes(1));
    b.say(2, idA);
    await until(() => a.rounds.includes(2));
    a.checkSilenceAfter(4_000);
    assert(a.bus.isLinked(idB));
    assert.deepEqual(a.lost, []);
  });

  it('closes the link of an acceptor that answers garbage', async () => {
    const accepted: net.Socket[] = [];
    const fake = net.createServer((socket) => {
      accepted.push(socket.on('error', () => {}));
      socket.once('data', (hello) => {
        const own = encodeHello({
          identity: identityOf(idB),
          to: idA,
          purpose: 'messages',
          nonce: Buffer.alloc(32),
        });
        socket.write(Buffer.concat([own, proof(secret, 'accept', hello, own)]));
        socket.once('data', () => socket.write(Buffer.alloc(500, 'x')));
      });
    });
    await new Promise<void>((resolve) => fake.listen(0, '127.0.0.1', resolve));
    const { port } = fake.address() as net.AddressInfo;
    const a = end(idA);
    await a.listen({ peers: [{ replicaId: idB, host: '127.0.0.1', port }] });
    await until(() => a.heard(/connection lost: it sent a message without its magic number/));
    fake.close();
    for (const socket of accepted) socket.destroy();
  });

  it('dials who comes, and lets go who is gone', async () => {
    const [a, b] = await pair();
    const c = end('c'.repeat(40));
    await c.listen({});
    a.bus.setPeers([addressOf(b), addressOf(c)]);
    await until(() => a.bus.isLinked(c.id));
    assert(a.bus.isLinked(idB), 'the other link stays');
    a.bus.setPeers([addressOf(c)]);
    assert(!a.bus.isLinked(idB));
    await until(() => b.heard(/connection from the peer closed/));
    a.say(1, idB);
    a.say(2, c.id);
    await until(() => c.rounds.includes(2));
    assert.deepEqual(b.messages, []);
    // Nobody waits for one that is gone.
    assert.deepEqual(a.lost, []);
  });

  it('dials a peer again that moved, and tells that messages may be lost', async () => {
    const [a, b] = await pair();
    const moved = end(idB);
    await moved.listen({});
    a.bus.setPeers([addressOf(moved)]);
    assert.deepEqual(a.lost, [idB]);
    await until(() => a.bus.isLinked(idB));
    a.say(1, idB);
    await until(() => moved.rounds.includes(1));
    assert.deepEqual(b.messages, []);
  });

  it('dials nobody any more once it has stopped', async () => {
    const [a, b] = await pair();
    a.bus.stop();
    a.bus.setPeers([addressOf(b), { ...addressOf(b), replicaId: 'c'.repeat(40) }]);
    assert(!a.bus.isLinked('c'.repeat(40)));
    await until(() => b.heard(/connection from the peer closed/));
    assert(!b.heard(/looks for replica/));
  });

  it('opens a connection for a snapshot beside the link, on which both speak', async () => {
    const [a, b] = await pair();
    const dialled = await dialForSnapshot(a, idB);
    await until(() => b.snapshots.length === 1);
    const [accepted] = b.snapshots;
    assert.equal(accepted!.from, idA);
    dialled.say('from a');
    accepted!.say('from b');
    await until(() => accepted!.heard === 'from a' && dialled.heard === 'from b');
    // The link is another connection.
    a.say(1, idB);
    await until(() => b.rounds.includes(1));
    dialled.connection.destroy();
    await until(() => accepted!.isClosed);
    a.say(2, idB);
    await until(() => b.rounds.includes(2));
    assert.deepEqual(a.lost, []);
  });

  it('hands over what comes right behind the greeting for a snapshot', async () => {
    const b = end(idB);
    await b.listen({});
    const raw = dialRaw(b);
    const given = await raw.greet(idA, idB, Buffer.alloc(32, 4), 'snapshot');
    raw.socket.write(Buffer.concat([given, Buffer.from('an offer')]));
    await until(() => b.snapshots[0]?.heard === 'an offer');
    assert.deepEqual(b.messages, []);
  });

  it('tells why there is no connection for a snapshot', async () => {
    const [a, b] = await pair();
    await assert.rejects(dialForSnapshot(a, 'c'.repeat(40)), /it is no peer/);
    b.bus.stop();
    await assert.rejects(dialForSnapshot(a, idB), /ECONNREFUSED/);
    const stranger = end(idA);
    const again = end(idB);
    await again.listen({});
    await stranger.listen({ peers: [addressOf(again)], secret: Buffer.from('something else') });
    await assert.rejects(dialForSnapshot(stranger, idB), /its bus secret is not ours/);
    assert.deepEqual(again.snapshots, []);
  });

  it('tells why it cannot listen', async () => {
    const b = end(idB);
    await b.listen({});
    const a = end(idA);
    await assert.rejects(a.listen({ port: b.bus.port }), /EADDRINUSE/);
  });

  it('gives queued blocks back when the peer is lost', async () => {
    const [a, b] = await pair();
    const payloadBytes = 1024 * 1024;
    // More than the sockets take while nobody reads.
    const blocks = Array.from({ length: 40 }, () => a.pool.take(payloadBytes));
    const message = {
      kind: 'append',
      from: idA,
      to: idB,
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      commit: 0,
    } as const;
    for (const block of blocks) {
      const payload = block.buffer.subarray(0, payloadBytes);
      const sent = { ...entry(1, 1, ''), byteLength: payloadBytes, payload };
      a.bus.send({ message: { ...message, entries: [sent] }, entries: [sent], blocks: [block] });
      block.release();
    }
    a.bus.flush();
    b.bus.stop();
    await until(() => a.pool.given === blocks.length);
    assert.deepEqual(a.lost, [idB]);
  });
});

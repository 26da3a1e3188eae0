// What goes wrong, and what operators do meanwhile.
//
// Each trouble has chance of its own, so that a run without one of them is otherwise as like the run
// with it as can be. It strikes as often as the plan says; what it began it ends, by itself after a while
// or when all troubles are over.

import { memberOf } from '../../src/cluster/members.js';
import { randomInteger, seededRandom } from '../faults/seeded-random.js';
import type { SimWorld } from '../faults/sim-world.js';
import type { Cluster } from './cluster.js';
import { type Plan, type TroubleName, troubleNames } from './plan.js';
import type { SimClient } from './sim-client.js';
import type { SimServer } from './sim-server.js';
import type { Transcript } from './transcript.js';

export interface TroublesOptions {
  readonly world: SimWorld;
  readonly plan: Plan;
  readonly cluster: Cluster;
  readonly clients: readonly SimClient[];
  readonly transcript: Transcript;
}

type Random = () => number;

const membersMax = 6;

export class Troubles {
  readonly #options: TroublesOptions;
  /** Ends of what is under way. */
  readonly #ends = new Set<() => void>();
  readonly #counts = new Map<TroubleName, number>();
  /** Servers that run and were never added: an id is not used again. */
  readonly #waiting: SimServer[] = [];
  #isOver = false;

  constructor(options: TroublesOptions) {
    this.#options = options;
    const { world, plan, cluster } = options;
    const { network } = cluster;
    network.loss = plan.loss;
    network.doubling = plan.doubling;
    network.overtaking = plan.overtaking;
    for (const [at, name] of troubleNames.entries()) {
      // Numbers of one seed are far apart enough for as many streams.
      const random = seededRandom(Math.imul(world.seed, 31) + at + 1);
      if (plan.rates[name] > 0) this.#repeat(name, random);
    }
  }

  /** How often each struck. */
  get counts(): ReadonlyMap<TroubleName, number> {
    return this.#counts;
  }

  /** Nothing goes wrong any more. Servers that are down come back by themselves. */
  end(): void {
    this.#isOver = true;
    for (const end of [...this.#ends]) end();
    const { network, servers } = this.#options.cluster;
    for (const { disk } of servers) disk.cutAt(Number.POSITIVE_INFINITY);
    network.loss = 0;
    network.doubling = 0;
    network.overtaking = 0;
    network.heal();
  }

  #repeat(name: TroubleName, random: Random): void {
    const { world, plan } = this.#options;
    // As often in any second as in any other.
    const pauseMs = (-Math.log(1 - random()) * 1000) / plan.rates[name];
    world.after(pauseMs, () => {
      if (this.#isOver) return;
      this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
      this.#strike(name, random);
      this.#repeat(name, random);
    });
  }

  #strike(name: TroubleName, random: Random): void {
    const { cluster } = this.#options;
    switch (name) {
      case 'crash':
        return pick(random, cluster.running)?.kill();
      case 'power':
        return pick(random, cluster.running)?.losePower();
      case 'torn':
        return pick(random, cluster.servers)?.disk.cutAt(randomInteger(random, 1, 200));
      case 'blackout':
        for (const server of cluster.running) server.losePower();
        return;
      case 'stop':
        return pick(random, cluster.running)?.stop();
      case 'partition':
        return this.#partition(random);
      case 'isolation':
        return this.#isolate(random);
      case 'oneWay':
        return this.#cutOneWay(random);
      case 'linkBreak':
        return cluster.network.breakLinks();
      case 'pause':
        return this.#pause(random);
      case 'clock':
        return this.#setClock(random);
      case 'transfer':
        return this.#transfer(random);
      case 'membership':
        return this.#changeMembership(random);
      case 'snapshot':
        return this.#snapshot(random);
      case 'diskError':
        return this.#failDisk(random);
      case 'fullDisk':
        return this.#fillDisk(random);
      case 'slowDisk':
        return this.#slowDisk(random);
      case 'clientCut':
        return pick(random, this.#options.clients)?.socket?.vanish();
      case 'deposition':
        return this.#depose(random);
    }
  }

  /** Runs `end` once: after a while, or when all troubles are over. */
  #lasting(random: Random, msMax: number, end: () => void): void {
    const once = (): void => {
      if (this.#ends.delete(once)) end();
    };
    this.#ends.add(once);
    this.#options.world.after(20 + random() * msMax, once);
  }

  // ---------------------------------------------------------------------------- network

  #partition(random: Random): void {
    const { network, servers } = this.#options.cluster;
    const isHere = servers.map(() => random() < 0.5);
    const pairs = servers.flatMap((one, at) =>
      servers.flatMap((other, otherAt) => (isHere[at] === isHere[otherAt] ? [] : [[one, other]])),
    ) as [SimServer, SimServer][];
    const here = servers.filter((_, at) => isHere[at]).map(({ number }) => number);
    this.#options.transcript.tell(`partition: ${here.join(' ')} from the others`);
    this.#cut(random, pairs, 4_000);
    if (random() < 0.3) network.breakLinks();
  }

  #cutOneWay(random: Random): void {
    const { servers } = this.#options.cluster;
    const [from, to] = [pick(random, servers)!, pick(random, servers)!];
    if (from === to) return;
    this.#options.transcript.tell(`nothing gets from ${from.number} to ${to.number}`);
    this.#cut(random, [[from, to]], 6_000);
  }

  #cut(random: Random, pairs: readonly (readonly [SimServer, SimServer])[], msMax: number): void {
    const { network } = this.#options.cluster;
    for (const [from, to] of pairs) network.cut(from.id, to.id);
    this.#lasting(random, msMax, () => {
      for (const [from, to] of pairs) network.mend(from.id, to.id);
    });
  }

  #isolate(random: Random): void {
    const { network, servers } = this.#options.cluster;
    const server = pick(random, servers)!;
    server.tell('is cut off from all others');
    network.isolate(server.id);
    this.#lasting(random, 4_000, () => network.rejoin(server.id));
  }

  // ---------------------------------------------------------------------------- servers

  #pause(random: Random): void {
    const server = pick(random, this.#options.cluster.running);
    if (server === undefined || server.process.timers.isPaused) return;
    server.pause();
    this.#lasting(random, 3_000, () => server.resume());
  }

  /**
   * The leader sleeps until others have elected, and wakes cut off from them: it still believes that it
   * leads, and finds what was asked meanwhile by the clients that stayed. The others write elsewhere.
   */
  #depose(random: Random): void {
    const { world, plan, cluster, clients } = this.#options;
    const { leader, network } = cluster;
    if (leader === undefined || leader.process.timers.isPaused) return;
    leader.tell('is cut off from all others');
    network.isolate(leader.id);
    leader.pause();
    for (const { socket } of clients) if (random() < 0.5) socket?.vanish();
    const wake = (): void => {
      if (!this.#ends.delete(wake)) return;
      leader.resume();
      this.#lasting(random, 1_000, () => network.rejoin(leader.id));
    };
    this.#ends.add(wake);
    const { electionTimeoutMilliseconds = 1_000 } = plan.raft;
    world.after(electionTimeoutMilliseconds * (1 + 3 * random()), wake);
  }

  /** Stays wrong: nobody sets it right. */
  #setClock(random: Random): void {
    const server = pick(random, this.#options.cluster.servers)!;
    const ms = pick(random, [100, 10_000, 3_600_000])!;
    server.clock.wallErrorMs = Math.floor((2 * random() - 1) * ms);
    server.tell(`has a clock that is off by ${server.clock.wallErrorMs} ms`);
  }

  #transfer(random: Random): void {
    const { leader, servers } = this.#options.cluster;
    if (leader === undefined) return;
    const target = pick(random, [undefined, ...servers]);
    leader.tell(`is asked to hand over to ${target?.name ?? 'anybody'}`);
    leader.node.transferLeadership(target?.id);
  }

  #snapshot(random: Random): void {
    pick(random, this.#options.cluster.running)?.node.takeSnapshot(() => {});
  }

  #changeMembership(random: Random): void {
    const { cluster } = this.#options;
    const { voters, learners } = cluster;
    const kind = pick(random, ['add', 'promote', 'promote', 'remove'] as const);
    if (kind === 'add') {
      if (voters.length + learners.length >= membersMax) return;
      const server = this.#waiting.shift() ?? (cluster.sparesLeft > 0 ? cluster.join() : undefined);
      if (server === undefined) return;
      const change = { kind: 'addLearner', member: memberOf(server.member) } as const;
      cluster.change(change, () => this.#waiting.push(server));
    } else if (kind === 'promote') {
      const server = pick(random, learners);
      if (server !== undefined) cluster.change({ kind: 'promote', replicaId: server.id });
    } else {
      const server = pick(random, [...voters, ...learners]);
      if (server !== undefined) cluster.change({ kind: 'remove', replicaId: server.id });
    }
  }

  // ---------------------------------------------------------------------------- disks

  #failDisk(random: Random): void {
    const server = pick(random, this.#options.cluster.servers)!;
    const share = pick(random, [0.01, 0.1, 1])!;
    server.tell('has a disk that fails');
    const { disk } = server;
    disk.trouble = () => (random() < share ? 'EIO' : undefined);
    server.machineFault = () => (random() < share ? systemError() : undefined);
    this.#lasting(random, 300, () => {
      disk.trouble = () => undefined;
      server.machineFault = () => undefined;
    });
  }

  /** It is noticed in time, or not. */
  #fillDisk(random: Random): void {
    const { world, cluster } = this.#options;
    const server = pick(random, cluster.servers)!;
    server.tell('has little room left on its disk');
    server.isLow = true;
    let isEnded = false;
    if (random() < 0.7) {
      world.after(random() * 1_000, () => {
        if (isEnded) return;
        server.tell('has a full disk');
        server.disk.isFull = true;
      });
    }
    this.#lasting(random, 3_000, () => {
      isEnded = true;
      server.isLow = false;
      server.disk.isFull = false;
    });
  }

  #slowDisk(random: Random): void {
    const server = pick(random, this.#options.cluster.servers)!;
    server.slowMs = pick(random, [5, 50, 400])!;
    server.tell(`has a disk that is slower by ${server.slowMs} ms`);
    this.#lasting(random, 3_000, () => {
      server.slowMs = 0;
    });
  }
}

function pick<Item>(random: Random, items: readonly Item[]): Item | undefined {
  return items[Math.floor(random() * items.length)];
}

function systemError(): Error {
  return Object.assign(new Error('EIO: sync'), { code: 'EIO' });
}

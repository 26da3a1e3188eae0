// The servers of a simulation: who they are, who of them takes part, and who is brought back.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Membership, MembershipChange } from '../../raft/index.js';
import { memberOf } from '../../src/cluster/members.js';
import type { GroupMember } from '../../src/identity.js';
import { SimNetwork } from '../faults/sim-network.js';
import type { SimWorld } from '../faults/sim-world.js';
import type { Plan } from './plan.js';
import { SimServer, type Watcher } from './sim-server.js';
import type { Coverage } from './simulation.js';
import type { Transcript } from './transcript.js';

export interface ClusterOptions {
  readonly world: SimWorld;
  readonly transcript: Transcript;
  readonly watcher: Watcher;
  readonly plan: Plan;
  /** Where the real files of the servers are. */
  readonly scratch: string;
}

/** Ids are of hexadecimal digits, one server each. */
const serversMax = 9;

export class Cluster {
  readonly network: SimNetwork;
  readonly #options: ClusterOptions;
  readonly #servers: SimServer[] = [];
  readonly #founders: readonly GroupMember[];
  /** Down on purpose, until somebody says otherwise. */
  readonly #keptDown = new Set<SimServer>();
  #membershipChanges = 0;
  #isOver = false;

  constructor(options: ClusterOptions) {
    this.#options = options;
    const { world, plan, transcript } = options;
    this.network = new SimNetwork(world);
    this.network.delayMsMax = plan.delayMsMax;
    this.network.onCarried = (from, to, bytes) => {
      transcript.count(`${from.slice(0, 1)}>${to.slice(0, 1)} ${crc32(bytes)}`);
    };
    this.#founders = Array.from({ length: plan.servers }, (_, at) => memberNumber(at + 1));
    for (const member of this.#founders) this.#add(member);
  }

  boot(): void {
    for (const server of this.#servers) server.boot();
  }

  /** Also those that do not take part yet, or any more. */
  get servers(): readonly SimServer[] {
    return this.#servers;
  }

  get running(): readonly SimServer[] {
    return this.#servers.filter(({ isRunning }) => isRunning);
  }

  /** The one that takes commands and has the highest term. */
  get leader(): SimServer | undefined {
    return this.running
      .filter(({ node }) => node.isServing)
      .toSorted((one, other) => other.node.term - one.node.term)[0];
  }

  /** As the leader knows it; without one, the newest that a running server knows. */
  get #membership(): Membership | undefined {
    const { leader } = this;
    if (leader !== undefined) return leader.node.membership;
    return this.running
      .map(({ node }) => node.membership)
      .toSorted((one, other) => other.index - one.index)[0];
  }

  get voters(): readonly SimServer[] {
    return this.#those(this.#membership?.voters ?? []);
  }

  get learners(): readonly SimServer[] {
    return this.#those(this.#membership?.learners ?? []);
  }

  #those(members: Membership['voters']): readonly SimServer[] {
    const ids = members.map(({ replicaId }) => replicaId);
    return this.#servers.filter(({ id }) => ids.includes(id));
  }

  /** There is a leader, its membership is committed, and all voters know it. */
  get isMembershipSettled(): boolean {
    const { leader } = this;
    if (leader === undefined) return false;
    const { index } = leader.node.membership;
    if (leader.node.status().commitIndex < index) return false;
    return this.voters.every((one) => one.isRunning && one.node.membership.index === index);
  }

  get coverage(): Pick<Coverage, 'snapshots' | 'restored' | 'membershipChanges'> {
    const sum = (count: (server: SimServer) => number): number =>
      this.#servers.reduce((total, server) => total + count(server), 0);
    return {
      snapshots: sum(({ snapshotCount }) => snapshotCount),
      restored: sum(({ restoreCount }) => restoreCount),
      membershipChanges: this.#membershipChanges,
    };
  }

  /** How many more servers there may be. */
  get sparesLeft(): number {
    const { plan } = this.#options;
    const most = Math.min(serversMax, plan.servers + plan.sparesMax);
    return most - this.#servers.length;
  }

  /** A server with an empty disk that waits to be added. */
  join(): SimServer {
    const server = this.#add(memberNumber(this.#servers.length + 1), true);
    server.boot();
    return server;
  }

  /** Has the leader, if there is one, change the membership. `onRefused`: it certainly will not be. */
  change(change: MembershipChange, onRefused: () => void = () => {}): void {
    const { leader } = this;
    if (leader === undefined) return onRefused();
    const of = change.kind === 'addLearner' ? change.member.replicaId : change.replicaId;
    leader.tell(`is asked to ${change.kind} ${of.slice(0, 1)}`);
    leader.node.changeMembership(change, (result) => {
      const outcome = result.kind === 'done' ? 'done' : `refused: ${result.code}`;
      if (result.kind === 'done') this.#membershipChanges += 1;
      else if (result.code !== 'lost') onRefused();
      leader.tell(`${change.kind} ${of.slice(0, 1)} ${outcome}`);
    });
  }

  #add(member: GroupMember, isJoining = false): SimServer {
    const { world, plan, transcript, watcher, scratch } = this.#options;
    const voters = isJoining ? [] : this.#founders.map(memberOf);
    const server = new SimServer({
      world,
      network: this.network,
      transcript,
      watcher,
      raft: plan.raft,
      maxSegmentFileSize: plan.maxSegmentFileSize,
      diskMsMax: plan.diskMsMax,
      scratch,
      member,
      initial: { index: 0, voters, learners: [] },
      onDown: (down) => this.#onDown(down),
    });
    this.#servers.push(server);
    return server;
  }

  // ---------------------------------------------------------------------------- coming back

  /** Stays down, or will when it goes down. */
  keepDown(server: SimServer): void {
    this.#keptDown.add(server);
  }

  /** May be up again, all of them. */
  bringBack(): void {
    this.#keptDown.clear();
    for (const server of this.#servers) {
      if (!server.isUp) this.#onDown(server);
    }
  }

  #onDown(server: SimServer): void {
    const { world, plan } = this.#options;
    world.after(20 + world.random() * plan.downMsMax, () => {
      if (!this.#isOver && !server.isUp && !this.#keptDown.has(server)) server.boot();
    });
  }

  /** Everything ends: files are closed and removed. */
  end(): void {
    this.#isOver = true;
    for (const server of this.#servers) {
      if (server.isUp) server.kill();
    }
  }
}

function memberNumber(serverNumber: number): GroupMember {
  assert(serverNumber <= serversMax);
  return {
    replicaId: String(serverNumber).repeat(40),
    serverNumber,
    host: `10.0.0.${serverNumber}`,
    clientPort: 7001,
    busPort: 17001,
  };
}

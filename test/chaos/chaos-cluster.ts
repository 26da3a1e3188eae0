// The servers of a run, and what makes them a healthy cluster again.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import type { ListedMember } from '../../src/cli/members.js';
import { eventually, pause } from '../interop/eventually.js';
import { type ProgramResult, runProgram } from '../interop/run-program.js';
import { mountSmallDisk } from '../interop/small-disk.js';
import {
  ChaosServer,
  holtPath,
  password,
  pipelineWithin,
  type ServerEvents,
} from './chaos-server.js';
import type { Network } from './network.js';

export interface ClusterOptions {
  readonly directory: string;
  readonly serverCount: number;
  readonly network: Network;
  /** The server whose disk is small; undefined: none. */
  readonly smallDiskOf: number | undefined;
  readonly events: ServerEvents;
}

/** From the end of all faults until everybody serves again. A slow machine takes some seconds. */
export const healMsMax = 60_000;
const leaderMsMax = 5_000;
const membersMsMax = 20_000;
const readMsMax = 10_000;
const keysAtOnce = 200;
const pollMs = 100;
/** With logs and snapshots of the least size, and the keys of some hours. */
const smallDiskSize = '96m';

export class ChaosCluster {
  readonly #options: ClusterOptions;
  readonly #servers: ChaosServer[] = [];
  #numbers: number;

  static async start(options: ClusterOptions): Promise<ChaosCluster> {
    const { directory, serverCount, network, events, smallDiskOf } = options;
    const cluster = new ChaosCluster(options);
    for (let number = 1; number <= serverCount; number += 1) {
      const place = await network.add(number);
      cluster.#servers.push(new ChaosServer(directory, number, place, events));
    }
    const addresses = cluster.#servers.flatMap(({ place }) => [
      '--server',
      `${place.host}:${place.basePort}`,
    ]);
    const made = await runHolt(['init', '--dir', directory, ...addresses]);
    assert.equal(made.code, 0, made.stderr);
    const small = cluster.#servers.find(({ number }) => number === smallDiskOf);
    if (small !== undefined) await mountSmallDisk(small, smallDiskSize);
    await cluster.startAll();
    await cluster.healed();
    return cluster;
  }

  private constructor(options: ClusterOptions) {
    this.#options = options;
    this.#numbers = options.serverCount;
  }

  get network(): Network {
    return this.#options.network;
  }

  /** Those that are members, or are about to be. */
  get servers(): readonly ChaosServer[] {
    return this.#servers;
  }

  get smallDisk(): ChaosServer | undefined {
    return this.#servers.find(({ number }) => number === this.#options.smallDiskOf);
  }

  /** For the end of this process, where nothing can be waited for. */
  killNow(): void {
    for (const server of this.#servers) server.killNow();
    const { smallDisk } = this;
    if (smallDisk !== undefined) spawnSync('umount', ['--lazy', smallDisk.directory]);
  }

  async startAll(): Promise<void> {
    for (const server of this.#servers) server.launch();
    await Promise.all(this.#servers.map((server) => server.started()));
  }

  async endAll(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.end(signal)));
  }

  /** The server that leads and serves, if one can be found within some seconds. */
  async leader(): Promise<ChaosServer | undefined> {
    const deadlineMs = performance.now() + leaderMsMax;
    while (performance.now() < deadlineMs) {
      const answers = await Promise.all(
        this.#servers.map(async (server) => ({ server, info: await server.info('raft') })),
      );
      const leader = answers
        .filter(({ info }) => info?.get('raft_serving') === '1')
        .sort((a, b) => Number(b.info!.get('raft_term')) - Number(a.info!.get('raft_term')))[0];
      if (leader !== undefined) return leader.server;
      await pause(pollMs);
    }
    return undefined;
  }

  // ---------------------------------------------------------------------------- members

  /** Starts a new server, which waits to be added. */
  async join(member: ChaosServer): Promise<ChaosServer> {
    const { directory, network, events } = this.#options;
    this.#numbers += 1;
    const number = this.#numbers;
    const place = await network.add(number);
    const server = new ChaosServer(directory, number, place, events);
    fs.mkdirSync(server.directory);
    const secret = fs.readFileSync(join(member.directory, 'bus-secret'));
    fs.writeFileSync(join(server.directory, 'bus-secret'), secret, { mode: 0o600 });
    this.#servers.push(server);
    server.isJoining = true;
    server.launch([
      ...['--join', member.address],
      ...['--join-as', `${place.host}:${place.basePort}`],
    ]);
    await server.started();
    return server;
  }

  /** `holt members`; it may fail when something else goes wrong meanwhile. */
  async members(...args: readonly string[]): Promise<ProgramResult> {
    const member = this.#servers.find(({ isAwake }) => isAwake) ?? this.#servers[0]!;
    return runHolt(['members', ...args, '--connect', member.address], membersMsMax);
  }

  /** It is no member any more: what is left of it goes. */
  async forget(server: ChaosServer): Promise<void> {
    if (server.isGone) return;
    server.isGone = true;
    await server.end('SIGKILL');
    this.#servers.splice(this.#servers.indexOf(server), 1);
    fs.rmSync(server.directory, { recursive: true, force: true });
    await this.network.remove(server.number);
  }

  /** Members are as many as at first, and all of them are here. */
  async #reconcile(): Promise<void> {
    await eventually('members are as they should be', healMsMax, async () => {
      const { code, stdout, stderr } = await this.members('list', '--json');
      assert.equal(code, 0, stderr);
      const members = JSON.parse(stdout) as readonly ListedMember[];
      const surplus = this.#surplus(members);
      if (surplus !== undefined) {
        const removed = await this.members('remove', surplus.id);
        assert.equal(removed.code, 0, removed.stderr);
        return false;
      }
      const isMember = ({ number }: ChaosServer): boolean =>
        members.some(({ server }) => server === number);
      for (const server of this.#servers.filter((each) => !isMember(each))) {
        await this.forget(server);
      }
      return true;
    });
  }

  /** One that is not here, or never became a voter, or is one too many. */
  #surplus(members: readonly ListedMember[]): ListedMember | undefined {
    const isHere = ({ server }: ListedMember): boolean =>
      this.#servers.some(({ number }) => number === server);
    const strange = members.find((member) => !isHere(member) || member.role === 'learner');
    if (strange !== undefined) return strange;
    if (members.length <= this.#options.serverCount) return undefined;
    return members.find(
      ({ server, role }) => role === 'voter' && server !== this.#options.smallDiskOf,
    );
  }

  // ---------------------------------------------------------------------------- healing

  /** Faults are over: undoes what is left of them. */
  async heal(): Promise<void> {
    await this.network.heal();
    // Of one that did not become a member nobody knows how far it came.
    for (const server of this.#servers.filter(({ isJoining }) => isJoining)) {
      await this.forget(server);
    }
    for (const server of this.#servers) {
      server.resume();
      server.launch();
    }
  }

  /** Resolves when all run, one leads and everybody has what it had. Throws when that takes too long. */
  async healed(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.started()));
    await eventually('a leader serves', healMsMax, async () => (await this.leader()) !== undefined);
    await this.#reconcile();
    await this.#caughtUp();
  }

  async #caughtUp(): Promise<void> {
    await eventually('all have caught up', healMsMax, async () => {
      const leader = await this.leader();
      const wanted = Number((await leader?.info('raft'))?.get('raft_commit_index'));
      assert(wanted > 0, 'Nobody leads');
      await eventually('all have applied what was committed', readMsMax, async () => {
        const infos = await Promise.all(this.#servers.map((server) => server.info('raft')));
        return infos.every((info) => Number(info?.get('raft_applied_index')) >= wanted);
      });
      return true;
    });
  }

  /** What `server` answers for these keys; those that are not there are left out. Throws. */
  async contents(
    server: ChaosServer,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    const connection = await server.connect();
    assert(connection !== undefined, `Server ${server.number} does not answer`);
    try {
      await pipelineWithin(readMsMax, connection, [['READONLY']]);
      const contents = new Map<string, string>();
      for (let at = 0; at < keys.length; at += keysAtOnce) {
        const asked = keys.slice(at, at + keysAtOnce);
        const values = await pipelineWithin(
          readMsMax,
          connection,
          asked.map((key) => ['GET', key]),
        );
        for (const [place, value] of values.entries()) {
          if (value === null) continue;
          assert(typeof value === 'string' && !value.startsWith('-'), `${asked[place]}: ${value}`);
          contents.set(asked[place]!, value);
        }
      }
      return contents;
    } finally {
      connection.close();
    }
  }
}

export function runHolt(args: readonly string[], deadlineMs = 60_000): Promise<ProgramResult> {
  return runProgram(process.execPath, [holtPath, ...args], {
    environment: { ...process.env, HOLT_REQUIREPASS: password },
    deadlineMs,
  });
}

// A cluster of three that a measurement may fill, kill and start again.

import fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Launch } from '../../cluster-scripts/launch.js';
import {
  type LocalCluster,
  type LocalServer,
  makeCluster,
  nextServer,
} from '../../cluster-scripts/local-cluster.js';
import { startJoining } from '../../cluster-scripts/members.js';
import { assertPortsFree } from '../../cluster-scripts/ports.js';
import { RespClient } from '../../cluster-scripts/resp-client.js';
import { signalServer } from '../../cluster-scripts/server-process.js';
import { clusterStatus, parseInfo } from '../../cluster-scripts/status.js';
import { Trouble } from '../../cluster-scripts/trouble.js';
import { atEnd } from '../cleanup.js';

const answerTimeoutMs = 60_000;
const catchUpTimeoutMs = 600_000;
const pollMs = 20;

export class RunningGroup {
  readonly #cluster: LocalCluster;
  readonly #launches = new Map<number, Launch>();
  readonly #clients = new Map<number, RespClient>();
  readonly #release: () => void;

  /** On a directory of its own. Resolves when a leader serves. */
  static async start(directory: string, basePort: number): Promise<RunningGroup> {
    const cluster = makeCluster(directory, { servers: 3, port: basePort });
    await assertPortsFree(cluster.servers);
    const group = new RunningGroup(cluster);
    await Promise.all(cluster.servers.map((server) => group.startServer(server)));
    return group;
  }

  private constructor(cluster: LocalCluster) {
    this.#cluster = cluster;
    this.#release = atEnd(() => this.#kill());
  }

  get servers(): readonly LocalServer[] {
    return this.#cluster.servers;
  }

  async pid(server: LocalServer): Promise<number> {
    const { servers } = await clusterStatus(this.#cluster);
    const pid = servers.find((each) => each.server === server.number)?.pid;
    if (pid === undefined || pid === null) {
      throw new Trouble(`server ${server.number} does not run`);
    }
    return pid;
  }

  /** The server that leads and serves. */
  async leader(): Promise<LocalServer> {
    const { groups } = await clusterStatus(this.#cluster);
    const server = this.servers.find(({ number }) => number === groups[0]!.leader);
    if (server === undefined) throw new Trouble('the group has no leader');
    return server;
  }

  async followers(): Promise<LocalServer[]> {
    const leader = await this.leader();
    return this.servers.filter((server) => server !== leader);
  }

  /** Resolves when it answers and a leader serves. */
  async startServer(server: LocalServer): Promise<void> {
    const launch = new Launch(this.#cluster);
    this.#launches.set(server.number, launch);
    launch.start(server);
    await launch.untilServing();
  }

  /** Starts one that holds nothing and was never part of the group; resolves when it waits to be added. */
  async startEmptyServer(): Promise<LocalServer> {
    const server = nextServer(this.#cluster, [...this.#launches.keys()]);
    const launch = new Launch(this.#cluster);
    this.#launches.set(server.number, launch);
    const leader = addressOf(await this.leader());
    await startJoining(launch, { cluster: this.#cluster, server, leader });
    return server;
  }

  /** Resolves when the group sends it what it has. */
  async addLearner(server: LocalServer): Promise<void> {
    await this.command(await this.leader(), 'HOLT', 'MEMBERS', 'ADD', addressOf(server), 'LEARNER');
  }

  /** Of one that was added. Its process ends. */
  async removeServer(server: LocalServer): Promise<void> {
    await this.command(await this.leader(), 'HOLT', 'MEMBERS', 'REMOVE', String(server.number));
    await this.killServer(server);
    fs.rmSync(server.directory, { recursive: true });
  }

  async killServer(server: LocalServer): Promise<void> {
    const pid = signalServer(server, 'SIGKILL');
    this.#forgetClient(server);
    while (fs.existsSync(`/proc/${pid}`)) await sleep(pollMs);
  }

  command(server: LocalServer, ...args: readonly string[]): Promise<unknown> {
    return this.#client(server).command(...args);
  }

  async info(server: LocalServer, section: string): Promise<Map<string, string>> {
    return parseInfo(String(await this.command(server, 'INFO', section)));
  }

  async raftIndex(server: LocalServer, field: 'applied' | 'commit'): Promise<number> {
    return Number((await this.info(server, 'raft')).get(`raft_${field}_index`));
  }

  /** Resolves when `server` has applied what the leader has committed by now. */
  async untilCaughtUp(server: LocalServer): Promise<void> {
    const wanted = await this.raftIndex(await this.leader(), 'commit');
    const deadline = performance.now() + catchUpTimeoutMs;
    while ((await this.raftIndex(server, 'applied')) < wanted) {
      if (performance.now() > deadline) {
        throw new Trouble(`server ${server.number} does not catch up`);
      }
      await sleep(pollMs);
    }
  }

  /** Takes a snapshot on each of the servers, and resolves when all are durable. */
  async snapshot(servers: readonly LocalServer[]): Promise<void> {
    await Promise.all(servers.map((server) => this.#snapshotOf(server)));
  }

  async #snapshotOf(server: LocalServer): Promise<void> {
    // One that was due by itself would refuse a second one.
    await this.#untilSnapshotEnded(server);
    await this.command(server, 'BGSAVE');
    const status = await this.#untilSnapshotEnded(server);
    if (status === 'ok') return;
    throw new Trouble(`the snapshot of server ${server.number} ended with "${status}"`);
  }

  async #untilSnapshotEnded(server: LocalServer): Promise<string | undefined> {
    for (;;) {
      const info = await this.info(server, 'persistence');
      if (info.get('rdb_bgsave_in_progress') === '0') return info.get('rdb_last_bgsave_status');
      await sleep(pollMs);
    }
  }

  groupDirectory(server: LocalServer): string {
    return join(server.directory, 'group-1');
  }

  async dispose(): Promise<void> {
    this.#kill();
    for (const launch of this.#launches.values()) await launch.stop();
    this.#release();
    fs.rmSync(this.#cluster.directory, { recursive: true, maxRetries: 10, retryDelay: 100 });
  }

  #kill(): void {
    for (const server of this.servers) this.#forgetClient(server);
    for (const launch of this.#launches.values()) launch.kill();
  }

  #client(server: LocalServer): RespClient {
    const known = this.#clients.get(server.number);
    if (known !== undefined && !known.isClosed) return known;
    const { host, clientPort: port } = server;
    const client = new RespClient({ host, port }, answerTimeoutMs);
    this.#clients.set(server.number, client);
    return client;
  }

  #forgetClient(server: LocalServer): void {
    this.#clients.get(server.number)?.close();
    this.#clients.delete(server.number);
  }
}

function addressOf({ host, clientPort }: LocalServer): string {
  return `${host}:${clientPort}`;
}

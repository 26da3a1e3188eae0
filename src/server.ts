// A server: one OS process, one data directory, a replica of each group placed on it.
//
//   DIR/server-N/  identity.json  lock  pid  bus-secret  group-G/{vote, log/, live.db, snapshots/}

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { createStorage, nodeChance, nodeFiles, resolveRaftOptions } from '../raft/index.js';
import { exposedHost, parseBind } from './bind-addresses.js';
import type { ServerContext } from './client/commands/table.js';
import { initialMembership } from './cluster/members.js';
import { lockDirectory } from './directory-lock.js';
import {
  DirectoryError,
  type HostedReplica,
  hostedReplica,
  type Identity,
  ownMember,
  readIdentity,
  recordBirth,
} from './identity.js';
import { joinCluster } from './join.js';
import type { ServerOptions } from './options.js';
import { Replica, type ReplicaConfig } from './replica.js';

export class Server {
  readonly #log: Logger;
  readonly #directory: string;
  readonly #unlock: () => void;
  readonly #replicas: readonly Replica[];

  /**
   * Opens the directory and starts its replicas. `onFatal` is called when one of them cannot go on:
   * the process must end then. Throws `DirectoryError` or `RaftError`, each with what to do.
   */
  static async start(
    options: ServerOptions,
    log: Logger,
    onFatal: (error: Error) => void,
  ): Promise<Server> {
    checkProtection(options);
    const { dir: directory } = options;
    const isJoining = options.join !== '';
    // Before the lock, which is a file in it: a directory that is none gets its own sentence.
    if (!isJoining) readIdentity(directory);
    else nodeFiles.makeDirectory(directory);
    const unlock = lockDirectory(directory);
    try {
      writePid(directory);
      let identity = isJoining ? await joinCluster(options, log) : readIdentity(directory);
      const server = serverProcess();
      const replicas: Replica[] = [];
      for (const { group } of identity.replicas) {
        identity = giveBirth(directory, identity, group, options, log);
        const hosted = hostedReplica(identity, group);
        const config = replicaConfig(options, identity, hosted, server);
        replicas.push(await Replica.start(config, log.child({ group }), { onFatal }));
      }
      return new Server(log, directory, unlock, replicas);
    } catch (error) {
      unlock();
      throw error;
    }
  }

  private constructor(
    log: Logger,
    directory: string,
    unlock: () => void,
    replicas: readonly Replica[],
  ) {
    this.#log = log;
    this.#directory = directory;
    this.#unlock = unlock;
    this.#replicas = replicas;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.stop()));
    this.#log.info('server stopped');
    this.#unlock();
    fs.rmSync(pidPath(this.#directory), { force: true });
  }
}

/** Redis' protected mode: whoever can be reached from elsewhere has a password and a secret. */
function checkProtection(options: ServerOptions): void {
  const addresses = parseBind(options.bind);
  if (addresses.length === 0) {
    throw new DirectoryError(`Cannot listen: bind is "${options.bind}", which names no address`);
  }
  const exposed = exposedHost(addresses);
  if (exposed === undefined) return;
  if (options.requirepass === '') {
    throw new DirectoryError(
      `Cannot listen on ${exposed} without a password: give one by --requirepass-file or ` +
        'HOLT_REQUIREPASS, or bind to loopback',
    );
  }
  if (options.busSecret === '') {
    throw new DirectoryError(
      `Cannot listen on ${exposed} without a bus secret: give one by --bus-secret-file or ` +
        'HOLT_BUS_SECRET, the same on all servers, or bind to loopback',
    );
  }
}

/** A replica that has never taken part gets its files; that it has is recorded before it does. */
function giveBirth(
  directory: string,
  identity: Identity,
  group: number,
  options: ServerOptions,
  log: Logger,
): Identity {
  const hosted = hostedReplica(identity, group);
  if (hosted.born !== null) return identity;
  const born = createStorage({
    directory: groupDirectory(directory, group),
    identity: { clusterId: identity.clusterId, group, replicaId: hosted.replicaId },
    files: nodeFiles,
    chance: nodeChance,
    maxSegmentFileSize: options.maxSegmentFileSize,
    onWarning: (text) => log.warn(text),
  });
  log.info({ group, replicaId: hosted.replicaId }, 'replica born');
  return recordBirth(directory, identity, group, born);
}

function replicaConfig(
  options: ServerOptions,
  identity: Identity,
  hosted: HostedReplica,
  server: ServerContext['process'],
): ReplicaConfig {
  const { group, replicaId, born } = hosted;
  return {
    directory: groupDirectory(options.dir, group),
    clusterId: identity.clusterId,
    group,
    replicaId,
    born: born!,
    self: ownMember(identity, group),
    membership: initialMembership(identity, group),
    options,
    raft: resolveRaftOptions({
      electionTimeoutMilliseconds: options.electionTimeoutMs,
      heartbeatPeriodMilliseconds: options.heartbeatPeriodMs,
      maxSegmentFileSize: options.maxSegmentFileSize,
      uncertainAfterMilliseconds: options.electionHoldMs,
      followerReadTimeoutMilliseconds: options.followerReadTimeoutMs,
      readMode: options.readMode === 'lease' ? 'lease' : 'readIndex',
      snapshotMinLogSize: options.snapshotMinLogSize,
      snapshotPeriodSeconds: options.snapshotPeriodSeconds,
      snapshotsKept: options.snapshotsKept,
    }),
    bootId: bootId(),
    process: server,
  };
}

export function groupDirectory(directory: string, group: number): string {
  return join(directory, `group-${group}`);
}

function pidPath(directory: string): string {
  return join(directory, 'pid');
}

function writePid(directory: string): void {
  fs.writeFileSync(pidPath(directory), `${process.pid}\n`);
}

function serverProcess(): ServerContext['process'] {
  const startedAtMs = Date.now();
  return {
    version: holtVersion(),
    runId: randomBytes(20).toString('hex'),
    pid: process.pid,
    startedAtMs,
    memoryBytes: () => process.memoryUsage.rss(),
    system: `${process.platform} ${process.arch}`,
    systemMemoryBytes: os.totalmem(),
    usage: () => {
      const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
      return {
        userMicroseconds: userCPUTime,
        systemMicroseconds: systemCPUTime,
        memoryPeakBytes: maxRSS * 1024,
      };
    },
  };
}

export function holtVersion(): string {
  const path = new URL('../../package.json', import.meta.url);
  return (JSON.parse(fs.readFileSync(path, 'utf8')) as { version: string }).version;
}

/**
 * Changes with every start of the operating system. Where there is none to be read, every start of
 * the process counts as one: the live database is then rebuilt each time, never wrongly trusted.
 */
export function bootId(): string {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return randomBytes(16).toString('hex');
  }
}

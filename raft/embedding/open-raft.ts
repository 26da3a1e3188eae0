// Starts a replica: identity, connections, files, and then the loop.
//
// The order is part of the safety. The bus listens first: its port is held by one process of the
// machine, so a second one on the same directory fails before it has touched a file. The replica is
// marked as born before its files are opened for the first time, hence before its first vote.

import { join } from 'node:path';
import { BufferPool } from '../buffer-pool.js';
import type { Membership } from '../membership.js';
import { Bus, type BusEvent, type BusOptions } from '../net/index.js';
import { type RaftOptions, resolveRaftOptions } from '../options.js';
import { findRestorable, type Snapshot, SnapshotStore } from '../snapshot/index.js';
import { createStorage, openStorage, type Storage, type StorageOptions } from '../storage.js';
import { nodeEffects, type RaftEffects } from './effects.js';
import { SetupError } from './errors.js';
import {
  type IdentityFile,
  readIdentityFile,
  replicaIdentityOf,
  writeIdentityFile,
} from './identity-file.js';
import { MachineBridge } from './machine-bridge.js';
import { Raft, type RaftEvents } from './raft.js';
import type { ReplicatedStateMachine } from './state-machine.js';

export interface RaftConfig<Result> {
  /** One that `foundCluster` or `joinCluster` made. */
  readonly directory: string;
  /** Empty: it is filled from the newest snapshot and the log. */
  readonly machine: ReplicatedStateMachine<Result>;
  readonly events: RaftEvents;
  readonly options?: Partial<RaftOptions>;
  /**
   * Known to all replicas and to nobody else: whoever has it can read and write everything. Needed
   * unless all members are on loopback. From a file or the environment, never an argument.
   */
  readonly secret?: string | Uint8Array;
  /** Listen here instead of at the member's own host: `0.0.0.0` in a container. */
  readonly listenHost?: string;
  /** For tests: other files, sockets and clocks than the real ones. */
  readonly effects?: RaftEffects;
}

/** Unused buffers kept for the next entries. */
const poolBytesMax = 16 * 1024 * 1024;

/**
 * Resolves with a running replica. Rejects with `SetupError`, with `RaftError` when the files cannot
 * be trusted, or with the system's error when the port is taken; each says what to do.
 */
export async function openRaft<Result>(config: RaftConfig<Result>): Promise<Raft<Result>> {
  const { directory, machine, events, effects = nodeEffects } = config;
  const options = resolveRaftOptions(config.options ?? {});
  const found = readIdentityFile(effects.files, directory);
  const identity = replicaIdentityOf(found);
  const pool = new BufferPool(poolBytesMax);
  let raft: Raft<Result> | undefined;
  const bus = await listen({
    identity,
    host: config.listenHost ?? found.self.host,
    port: found.self.port,
    secret: checkedSecret(config, found),
    pool,
    ...effects,
    onEvent: (event) => warn(event, raft?.membership ?? found.membership, events),
  });
  const onWarning = (text: string): void => events.onWarning?.(text);
  let storage: Storage | undefined;
  try {
    storage = openFiles(found, {
      directory,
      identity,
      files: effects.files,
      chance: effects.chance,
      maxSegmentFileSize: options.maxSegmentFileSize,
      onWarning,
    });
    const { files, chance, clock } = effects;
    const snapshots = SnapshotStore.open({
      directory: join(directory, 'snapshots'),
      identity,
      files,
      chance,
      clock,
      onWarning,
    });
    const bridge = new MachineBridge(machine, files);
    const snapshot = findRestorable(snapshots, storage.journal, onWarning);
    if (snapshot !== undefined) await restore(bridge, snapshot);
    raft = new Raft({
      identity,
      membership: { ...found.membership, index: 0 },
      self: found.self,
      bridge,
      options,
      storage,
      snapshots,
      transport: bus,
      pool,
      effects,
      events,
    });
    return raft;
  } catch (error) {
    bus.stop();
    storage?.journal.closeSync();
    storage?.voteFile.closeSync();
    throw error;
  }
}

function listen(options: BusOptions): Promise<Bus> {
  return new Promise((resolve, reject) => {
    Bus.listen(options, (error, bus) => {
      if (error !== undefined) reject(error);
      else resolve(bus!);
    });
  });
}

/** The state begins with the snapshot; the log brings what is behind it. */
function restore(bridge: MachineBridge<unknown>, { path }: Snapshot): Promise<void> {
  return new Promise((resolve, reject) => {
    bridge.readSnapshot(path, (error) => {
      if (error === undefined) resolve();
      else reject(error);
    });
  });
}

function openFiles(found: IdentityFile, options: StorageOptions): Storage {
  if (found.born !== null) return openStorage(options, found.born);
  const born = createStorage(options);
  writeIdentityFile(options.files, options.directory, { ...found, born });
  return openStorage(options, born);
}

function checkedSecret(
  { secret = '', listenHost }: Pick<RaftConfig<unknown>, 'secret' | 'listenHost'>,
  { self, membership }: IdentityFile,
): Buffer {
  const bytes = Buffer.from(secret as string);
  const hosts = [self, ...membership.voters].map(({ host }) => host);
  if (listenHost !== undefined) hosts.push(listenHost);
  const exposed = hosts.find((host) => !isLoopback(host));
  if (bytes.length === 0 && exposed !== undefined) {
    throw new SetupError(
      `Cannot start without a secret: ${exposed} is not loopback, and whoever reaches the bus could ` +
        'change everything. Give all replicas the same `secret`',
    );
  }
  return bytes;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

function warn(
  { level, text, peer }: BusEvent,
  { voters, learners }: Pick<Membership, 'voters' | 'learners'>,
  events: RaftEvents,
): void {
  if (level !== 'warn') return;
  const member = [...voters, ...learners].find(({ replicaId }) => replicaId === peer);
  events.onWarning?.(member === undefined ? text : `${member.host}:${member.port}: ${text}`);
}

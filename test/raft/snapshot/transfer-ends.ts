// Two disks in a simulated world with a snapshot on one of them, to be sent to the other.

import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Timers } from '../../../raft/effects.js';
import type { ReplicaIdentity } from '../../../raft/identity.js';
import type { Snapshot, SnapshotFile, SnapshotManifest } from '../../../raft/snapshot/store.js';
import { chunkBytes } from '../../../raft/snapshot/transfer/frames.js';
import type { FileSum } from '../../../raft/state-machine.js';
import { FaultyFiles } from '../../faults/faulty-files.js';
import { GarblingPool } from '../../faults/garbling-pool.js';
import { seededRandom } from '../../faults/seeded-random.js';
import { SimClock, type SimWorld } from '../../faults/sim-world.js';

export const leaderId = 'a'.repeat(40);
export const followerId = 'b'.repeat(40);
export const clusterId = '5'.repeat(32);

/** Three chunks and a bit, nothing, and a little. */
export const contents: ReadonlyMap<string, Buffer> = new Map([
  ['data.db', pattern(3 * chunkBytes + 1234, 1)],
  ['empty', Buffer.alloc(0)],
  ['more.db', pattern(chunkBytes, 2)],
]);
export const totalBytes = 4 * chunkBytes + 1234;

function pattern(byteLength: number, seed: number): Buffer {
  const random = seededRandom(seed);
  const bytes = Buffer.alloc(byteLength);
  for (let at = 0; at < byteLength; at += 4) {
    bytes.writeUInt32LE(Math.floor(random() * 0x1_0000_0000), Math.min(at, byteLength - 4));
  }
  return bytes;
}

/** One machine: disk, clock, buffers. */
export class Machine {
  readonly identity: ReplicaIdentity;
  readonly files: FaultyFiles;
  readonly pool = new GarblingPool(64 * 1024 * 1024);
  readonly clock: SimClock;
  readonly timers: Timers;
  /** What a file operation takes at most. */
  diskMsMax = 1;
  readonly #world: SimWorld;

  constructor(world: SimWorld, replicaId: string) {
    this.#world = world;
    this.identity = { clusterId, group: 1, replicaId };
    this.files = new FaultyFiles({
      later: (callback) => void world.after(0.05 + world.random() * this.diskMsMax, callback),
    });
    this.clock = new SimClock(world, 1000);
    this.timers = world.timersFor(() => !this.files.isDead);
  }

  get blocksInUse(): number {
    return this.pool.taken - this.pool.given;
  }

  powerCut(): void {
    this.files.powerCut(this.#world.random);
  }

  /** Made durable, as a published snapshot is. */
  put(path: string, bytes: Buffer): void {
    this.files.makeDirectory(dirname(path));
    const file = this.files.open(path, 'create');
    file.writeSync(bytes, 0);
    file.syncSync();
    file.closeSync();
    this.files.syncDirectorySync(dirname(path));
  }
}

export function manifestOf(change: Partial<SnapshotManifest> = {}): SnapshotManifest {
  return {
    format: 1,
    snapshotId: '7'.repeat(32),
    clusterId,
    group: 1,
    index: 100,
    term: 3,
    stamp: 1_700_000_000_000,
    createdMs: 1_700_000_000_001,
    membership: { index: 0, voters: [leaderId, followerId].map(member), learners: [] },
    files: [...contents].map(([name, bytes]) => fileOf(name, bytes)),
    ...change,
  };
}

export function fileOf(name: string, bytes: Buffer): SnapshotFile {
  return { name, byteLength: bytes.length, crc32: crc32(bytes) };
}

function member(replicaId: string) {
  return { replicaId, host: 'localhost', port: 17_000, attributes: {} };
}

/** Puts a snapshot of these files on the machine's disk. */
export function publish(machine: Machine, files = contents): Snapshot {
  const manifest = manifestOf({ files: [...files].map(([name, bytes]) => fileOf(name, bytes)) });
  const path = `/holt/snapshots/snapshot-${manifest.snapshotId}`;
  for (const [name, bytes] of files) machine.put(join(path, name), bytes);
  return { path, manifest };
}

/** What a transfer asks of the store of its replica: keeps what is right, and throws away the rest. */
export class ReceivingStore {
  readonly adopted: Snapshot[] = [];
  /** What the receiver had summed, each time. */
  readonly sums: ReadonlyMap<string, FileSum>[] = [];
  readonly #machine: Machine;
  readonly #world: SimWorld;

  constructor(world: SimWorld, machine: Machine) {
    this.#world = world;
    this.#machine = machine;
  }

  receivingDirectory(manifest: SnapshotManifest): string {
    const path = `/holt/snapshots/receiving-${manifest.snapshotId}`;
    this.#machine.files.makeDirectory(path);
    return path;
  }

  adopt(
    receiving: string,
    manifest: SnapshotManifest,
    sums: ReadonlyMap<string, FileSum>,
    done: (error: Error | undefined, snapshot: Snapshot | undefined) => void,
  ): void {
    this.sums.push(sums);
    this.#world.after(5, () => {
      const { files } = this.#machine;
      const wrong = manifest.files.find(({ name, byteLength, crc32: expected }) => {
        const bytes = files.contents(join(receiving, name));
        return bytes.length !== byteLength || crc32(bytes) !== expected;
      });
      if (wrong === undefined) {
        const snapshot = { path: receiving, manifest };
        this.adopted.push(snapshot);
        return done(undefined, snapshot);
      }
      for (const { name } of manifest.files) files.remove(join(receiving, name));
      done(new Error(`its file "${wrong.name}" is not what its manifest says`), undefined);
    });
  }
}

export function assertWhole(
  machine: Machine,
  snapshot: Snapshot | undefined,
  files = contents,
): void {
  assert(snapshot !== undefined, 'Nothing was received');
  for (const [name, bytes] of files) {
    assert(machine.files.contents(join(snapshot.path, name)).equals(bytes), name);
  }
}

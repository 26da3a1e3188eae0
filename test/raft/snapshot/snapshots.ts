// What the tests of snapshots share: a store on a disk with a hand crank, and files to put into it.

import assert from 'node:assert/strict';
import type { Membership } from '../../../raft/membership.js';
import {
  type Snapshot,
  type SnapshotManifest,
  SnapshotStore,
} from '../../../raft/snapshot/index.js';
import { randomBytes } from '../../faults/seeded-random.js';
import { type Disk, identity } from '../log/journals.js';

export const storeDirectory = '/holt/snapshots';

export const membership: Membership = {
  index: 3,
  voters: [{ replicaId: 'a'.repeat(40), host: '10.0.0.1', port: 17001, attributes: { server: 1 } }],
  learners: [],
};

export interface OpenStoreOptions {
  readonly warnings?: string[];
  readonly identity?: typeof identity;
}

export function openStore(disk: Disk, options: OpenStoreOptions = {}): SnapshotStore {
  return SnapshotStore.open({
    directory: storeDirectory,
    identity: options.identity ?? identity,
    files: disk.files,
    chance: { bytes: (byteLength) => randomBytes(disk.random, byteLength) },
    clock: { wallMs: () => 1_700_000_000_000 },
    onWarning: (text) => options.warnings?.push(text),
  });
}

/** As a state machine does: written, and not synced. */
export function writeFile(disk: Disk, path: string, bytes: Buffer): void {
  const file = disk.files.open(path, 'create');
  file.writeSync(bytes, 0);
  file.closeSync();
}

/** The content that the tests give the snapshot of an index. */
export function contentOf(index: number): Buffer {
  return Buffer.alloc(3000, `state at ${index};`);
}

export function publish(disk: Disk, store: SnapshotStore, index: number): Snapshot {
  const temporary = store.begin();
  writeFile(disk, `${temporary}/data.db`, contentOf(index));
  writeFile(disk, `${temporary}/more`, Buffer.alloc(0));
  let published: Snapshot | undefined;
  store.publish(temporary, headAt(index), (error, snapshot) => {
    assert.equal(error, undefined);
    published = snapshot;
  });
  disk.drain();
  assert(published !== undefined);
  return published;
}

export function headAt(index: number): {
  index: number;
  term: number;
  stamp: number;
  membership: Membership;
} {
  return { index, term: 2, stamp: 1_700_000_000_000 + index, membership };
}

export function indexes(store: SnapshotStore): number[] {
  return store.all.map(({ manifest }) => manifest.index);
}

/** Every snapshot of the store is whole, has what it was given, and is on the disk by its name. */
export function assertWhole(disk: Disk, store: SnapshotStore): void {
  for (const snapshot of store.all) {
    assert.equal(store.verifySync(snapshot), undefined);
    const { path, manifest } = snapshot;
    assert(disk.files.contents(`${path}/data.db`).equals(contentOf(manifest.index)));
    assert.deepEqual(manifest.membership, membership);
  }
}

/** What another replica would send: the files, in the directory where they are received. */
export function receive(disk: Disk, store: SnapshotStore, manifest: SnapshotManifest): string {
  const directory = store.receivingDirectory(manifest);
  if (disk.files.list(directory).length === 0) {
    writeFile(disk, `${directory}/data.db`, contentOf(manifest.index));
    writeFile(disk, `${directory}/more`, Buffer.alloc(0));
  }
  return directory;
}

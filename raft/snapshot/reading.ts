// Snapshots for whoever may read them and change nothing: those of a stopped replica, and one that
// stands alone, as a backup does.

import assert from 'node:assert/strict';
import type { Files } from '../effects.js';
import { readOnly } from '../read-only-files.js';
import type { Snapshot } from './manifest.js';
import {
  readManifest,
  SnapshotStore,
  type SnapshotStoreOptions,
  verifySnapshotSync,
} from './store.js';

/**
 * The store of a stopped replica, for `all` and `verifySync`. Undefined: the replica never had one.
 * Throws what the files report.
 */
export function openSnapshotsToRead(
  options: Pick<SnapshotStoreOptions, 'directory' | 'identity' | 'files' | 'onWarning'>,
): SnapshotStore | undefined {
  if (options.files.stat(options.directory) === undefined) return undefined;
  return SnapshotStore.open({
    ...options,
    files: readOnly(options.files),
    chance: { bytes: () => assert.fail('Nothing is made') },
    clock: { wallMs: () => assert.fail('Nothing is made') },
  });
}

/**
 * The snapshot in the directory `path`, of whatever cluster, with every byte verified. Throws
 * `RaftError` when it is no whole snapshot.
 */
export function openLoneSnapshot(files: Files, path: string): Snapshot {
  const snapshot = { path, manifest: readManifest(files, path) };
  const wrong = verifySnapshotSync(files, snapshot);
  if (wrong !== undefined) throw wrong;
  return snapshot;
}

// Where a state can be restored from: a backup, or the directory of a server that does not run.

import fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import {
  type Membership,
  nodeFiles,
  openLoneSnapshot,
  openSnapshotsToRead,
} from '../../raft/index.js';
import { initialMembership } from '../cluster/members.js';
import { lockDirectory, lockForReading } from '../directory-lock.js';
import { DirectoryError, type Identity, identityPath, readIdentity } from '../identity.js';
import { groupDirectory } from '../server.js';
import { logOf, type Source } from './past-state.js';

export interface OpenSource extends Source {
  readonly group: number;
  /** For whoever is told what it is: `backup of index 12` or `server 2`. */
  readonly title: string;
  close(): void;
}

/** Every snapshot is verified, and nothing is changed. Throws `DirectoryError` or `RaftError`. */
export function openSource(from: string, group: number): OpenSource {
  if (fs.existsSync(identityPath(from))) return openServer(from, group, lockForReading);
  if (fs.existsSync(join(from, 'manifest.json'))) return openBackup(from);
  throw new DirectoryError(
    `Cannot restore from "${from}": it is neither a backup (with a manifest.json) nor the ` +
      'directory of a server (with an identity.json)',
  );
}

/**
 * The directory of a stopped server, for one who changes it afterwards: no server starts on it until
 * `close`. Throws as `openSource`.
 */
export function openOwnSource(directory: string, group: number): OpenSource {
  return openServer(directory, group, lockDirectory);
}

/** Who took part when the replica stopped, as far as it knew. */
export function newestMembership(source: Source, identity: Identity, group: number): Membership {
  const ofSnapshot = source.snapshots.at(-1)?.manifest.membership;
  return [ofSnapshot, source.log?.membership].reduce<Membership>(
    (newest, other) => (other !== undefined && other.index >= newest.index ? other : newest),
    initialMembership(identity, group),
  );
}

/** It is held, so that no server starts on it meanwhile. */
function openServer(
  directory: string,
  group: number,
  lock: (directory: string) => () => void,
): OpenSource {
  const identity = readIdentity(directory);
  const hosted = identity.replicas.find((replica) => replica.group === group);
  if (hosted === undefined) {
    throw new DirectoryError(`Cannot restore from "${directory}": it has no group ${group}`);
  }
  const unlock = lock(directory);
  try {
    const path = groupDirectory(directory, group);
    const replica = { clusterId: identity.clusterId, group, replicaId: hosted.replicaId };
    const store = openSnapshotsToRead({
      directory: join(path, 'snapshots'),
      identity: replica,
      files: nodeFiles,
      onWarning: (text) => process.stderr.write(`left out: ${text}\n`),
    });
    const snapshots = (store?.all ?? []).filter((snapshot) => {
      const error = store!.verifySync(snapshot);
      if (error !== undefined) process.stderr.write(`left out: ${error.message}\n`);
      return error === undefined;
    });
    const log = logOf(path, replica);
    return {
      group,
      title: `server ${identity.serverNumber}`,
      snapshots,
      log,
      close() {
        log?.close();
        unlock();
      },
    };
  } catch (error) {
    unlock();
    throw error;
  }
}

function openBackup(directory: string): OpenSource {
  const path = resolve(directory);
  const snapshot = openLoneSnapshot(nodeFiles, path);
  const { manifest } = snapshot;
  return {
    group: manifest.group,
    title: `the backup "${basename(path)}" of index ${manifest.index}`,
    snapshots: [snapshot],
    log: undefined,
    close() {},
  };
}

/** Beside what is made, on the same disk. The caller removes it. */
export function makeScratch(beside: string): string {
  const parent = dirname(resolve(beside));
  fs.mkdirSync(parent, { recursive: true });
  return fs.mkdtempSync(join(parent, '.holt-restore-'));
}

// The directories of a new cluster that does not begin empty: each of its replicas has a snapshot from
// the start, and installs it when it is first started, as one that a leader had sent.
//
// The state is what is carried over, and nothing else: cluster, servers and replicas have new ids, so
// that what is left of the old cluster can never talk to the new one.

import fs from 'node:fs';
import { join } from 'node:path';
import {
  nodeChance,
  nodeClock,
  nodeFiles,
  type Snapshot,
  SnapshotStore,
} from '../../raft/index.js';
import { initialMembership } from '../cluster/members.js';
import { hostedReplica, type Identity } from '../identity.js';
import type { PastState } from './past-state.js';

/**
 * Gives the replica of `group` in the server's group directory its first snapshot, whose files are
 * copied from `files`. The replica has no log yet.
 */
export async function giveSnapshot(
  groupDirectory: string,
  identity: Identity,
  group: number,
  files: string,
  at: PastState,
): Promise<Snapshot> {
  const { replicaId } = hostedReplica(identity, group);
  fs.mkdirSync(groupDirectory, { recursive: true });
  const store = SnapshotStore.open({
    directory: join(groupDirectory, 'snapshots'),
    identity: { clusterId: identity.clusterId, group, replicaId },
    files: nodeFiles,
    chance: nodeChance,
    clock: nodeClock,
    onWarning: () => {},
  });
  const temporary = store.begin();
  for (const name of fs.readdirSync(files)) {
    // Shares the blocks where the file system can.
    fs.copyFileSync(join(files, name), join(temporary, name), fs.constants.COPYFILE_FICLONE);
  }
  const head = { ...at, membership: initialMembership(identity, group) };
  return new Promise((resolve, reject) => {
    store.publish(temporary, head, (error, snapshot) => {
      if (snapshot === undefined) reject(error);
      else resolve(snapshot);
    });
  });
}

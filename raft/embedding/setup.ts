// What is done to directories while no replica runs on them.
//
// A cluster is founded by one explicit act, once: a program that founded it at every start where it
// finds nothing would, after a disk was lost, start an old replica that has forgotten its votes.

import { resolve } from 'node:path';
import type { Chance, Files } from '../effects.js';
import type { Member } from '../membership.js';
import { voteFileIdentity } from '../storage.js';
import { nodeEffects } from './effects.js';
import { SetupError } from './errors.js';
import { identityPath, readIdentityFile, writeIdentityFile } from './identity-file.js';

export interface NewReplica {
  /** Of this replica alone. Made if it is missing. */
  readonly directory: string;
  /** Where the other replicas reach it. */
  readonly host: string;
  readonly port: number;
  /** Whatever you want to know of a member, say the address it has for clients. JSON. */
  readonly attributes?: Readonly<Record<string, unknown>>;
}

export interface SetupEffects {
  readonly files: Files;
  readonly chance: Pick<Chance, 'bytes'>;
}

/**
 * Founds a cluster: makes the directories of its first members, in which they have ids of their own.
 * Each may be moved to its machine until its replica is started for the first time. Throws
 * `SetupError`, with nothing done, when a directory has a replica already. After a crash in the
 * middle remove what was made, and found again.
 */
export function foundCluster(
  replicas: readonly NewReplica[],
  effects: SetupEffects = nodeEffects,
): readonly Member[] {
  const { files, chance } = effects;
  checkNewReplicas(replicas, files);
  const clusterId = chance.bytes(16).toString('hex');
  const members = replicas.map((replica) => newMember(replica, chance));
  const membership = { voters: members, learners: [] };
  for (const [at, { directory }] of replicas.entries()) {
    files.makeDirectory(directory);
    const self = members[at]!;
    writeIdentityFile(files, directory, { format: 1, clusterId, self, membership, born: null });
  }
  return members;
}

/**
 * Makes the directory of a replica that is to join the cluster. Start it, and have the leader add the
 * member that is returned (`Raft.changeMembership`). Throws `SetupError` when the directory has a
 * replica already.
 */
export function joinCluster(
  replica: NewReplica,
  clusterId: string,
  effects: SetupEffects = nodeEffects,
): Member {
  const { files, chance } = effects;
  if (!/^[0-9a-f]{32}$/.test(clusterId)) throw new SetupError(`Cannot join "${clusterId}": no id`);
  checkNewReplicas([replica], files);
  const self = newMember(replica, chance);
  files.makeDirectory(replica.directory);
  const membership = { voters: [], learners: [] };
  writeIdentityFile(files, replica.directory, {
    format: 1,
    clusterId,
    self,
    membership,
    born: null,
  });
  return self;
}

/**
 * Says that a directory was moved on purpose, and that no other copy of it ran since. Without this
 * a replica refuses to start on files that are not the ones it was born with: a copy may be older
 * than what the replica promised.
 */
export function adoptDirectory(directory: string, effects: SetupEffects = nodeEffects): void {
  const { files } = effects;
  const identity = readIdentityFile(files, directory);
  const born = voteFileIdentity(files, directory);
  if (identity.born === null || born === undefined) {
    throw new SetupError(
      `Cannot adopt "${directory}": its replica never ran, or lost its vote file`,
    );
  }
  writeIdentityFile(files, directory, { ...identity, born });
}

function newMember(
  { host, port, attributes = {} }: NewReplica,
  chance: Pick<Chance, 'bytes'>,
): Member {
  return { replicaId: chance.bytes(20).toString('hex'), host, port, attributes };
}

function checkNewReplicas(replicas: readonly NewReplica[], files: Files): void {
  if (replicas.length === 0) throw new SetupError('Cannot found a cluster without members');
  const directories = new Set(replicas.map(({ directory }) => resolve(directory)));
  const addresses = new Set(replicas.map(({ host, port }) => `${host}:${port}`));
  if (directories.size < replicas.length || addresses.size < replicas.length) {
    throw new SetupError('Cannot set up: two members share a directory or an address');
  }
  for (const { directory, port } of replicas) {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new SetupError(`Cannot set up "${directory}": ${port} is no port`);
    }
    if (files.stat(identityPath(directory)) !== undefined) {
      throw new SetupError(`Cannot set up "${directory}": it has a replica already`);
    }
  }
}

// `identity.json`: which replica of which cluster a directory belongs to.
//
// Written once, when the replica founds the cluster or is to join it, with random ids that are never
// used again. The only later change is the mark that the replica is born, which is durable before its
// first vote: from then on a missing vote file or log is a loss, and never made anew.

import { join } from 'node:path';
import type { FileIdentity, Files } from '../effects.js';
import { RaftError } from '../errors.js';
import type { ReplicaIdentity } from '../identity.js';
import type { Member, Membership } from '../membership.js';
import { SetupError } from './errors.js';
import { createText, readText } from './text-files.js';

export interface IdentityFile {
  readonly format: 1;
  /** 32 hexadecimal digits. */
  readonly clusterId: string;
  readonly self: Member;
  /** What the group began with; nobody where the replica joined later: the log tells it the rest. */
  readonly membership: Omit<Membership, 'index'>;
  /** Which file the vote file is; null until the replica has taken part for the first time. */
  readonly born: FileIdentity | null;
}

/** A directory holds one replica of one group. */
const group = 1;

export function identityPath(directory: string): string {
  return join(directory, 'identity.json');
}

export function replicaIdentityOf(file: IdentityFile): ReplicaIdentity {
  return { clusterId: file.clusterId, group, replicaId: file.self.replicaId };
}

/** Throws `SetupError` when there is none, `RaftError` when it cannot be read. */
export function readIdentityFile(files: Files, directory: string): IdentityFile {
  const path = identityPath(directory);
  const text = readText(files, path);
  if (text === undefined) {
    throw new SetupError(
      `Cannot open "${directory}": no replica was set up there, with \`foundCluster\` or ` +
        '`joinCluster`. If one was, the directory is lost or not mounted: then remove that member ' +
        'and join with a new one, whose id has promised nothing',
    );
  }
  let parsed: Partial<IdentityFile>;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new RaftError('DAMAGED', `Cannot read "${path}": it is not JSON`, { cause });
  }
  if (parsed.format !== 1) {
    throw new RaftError('VERSION', `Cannot read "${path}": it has format ${parsed.format}, not 1`);
  }
  return parsed as IdentityFile;
}

/** Durable on return; a crash leaves the old file or the new one. */
export function writeIdentityFile(files: Files, directory: string, identity: IdentityFile): void {
  const path = identityPath(directory);
  const temporary = `${path}.tmp`;
  // Left behind by a crash.
  if (files.stat(temporary) !== undefined) files.remove(temporary);
  createText(files, temporary, `${JSON.stringify(identity, undefined, 2)}\n`, { isSynced: true });
  files.rename(temporary, path);
  files.syncDirectorySync(directory);
}

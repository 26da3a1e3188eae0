// What a stopped replica has on its disk: read, and left as it is.
//
// Each part is judged by itself, so that damage in one does not hide the state of the others.

import { join } from 'node:path';
import type { FileIdentity } from './effects.js';
import { RaftError } from './errors.js';
import {
  inspectLog,
  inspectVoteFile,
  isSameFile,
  type LogContents,
  type VoteFileContents,
} from './log/index.js';
import { openSnapshotsToRead, type SnapshotManifest } from './snapshot/index.js';
import { type StorageOptions, voteFileIdentity } from './storage.js';

export interface StorageContents {
  readonly voteFile: VoteFileContents | RaftError;
  /** The vote file is the one that the replica was born with; undefined: there is none. */
  readonly isOwnFile: boolean | undefined;
  readonly log: LogContents | RaftError;
  readonly snapshots: SnapshotsContents;
}

export interface SnapshotsContents {
  /** With every byte as it was published; ascending by index. */
  readonly whole: readonly SnapshotManifest[];
  /** What is wrong with the others: a sentence each. */
  readonly problems: readonly string[];
}

type InspectOptions = Pick<StorageOptions, 'directory' | 'identity' | 'files'>;

/** `recorded`: which file the vote file was, as `createStorage` said. Throws what the files report. */
export function inspectStorage(options: InspectOptions, recorded: FileIdentity): StorageContents {
  const { directory, identity, files } = options;
  const found = voteFileIdentity(files, directory);
  return {
    voteFile: contentsOrError(() =>
      inspectVoteFile({ path: join(directory, 'vote'), identity, files }),
    ),
    isOwnFile: found && isSameFile(found, recorded),
    log: contentsOrError(() => inspectLog({ directory: join(directory, 'log'), identity, files })),
    snapshots: inspectSnapshots(options),
  };
}

function inspectSnapshots({ directory, identity, files }: InspectOptions): SnapshotsContents {
  const whole: SnapshotManifest[] = [];
  const problems: string[] = [];
  const store = openSnapshotsToRead({
    directory: join(directory, 'snapshots'),
    identity,
    files,
    onWarning: (text) => problems.push(text),
  });
  if (store === undefined) return { whole, problems };
  for (const snapshot of store.all) {
    const error = store.verifySync(snapshot);
    if (error === undefined) whole.push(snapshot.manifest);
    else problems.push(error.message);
  }
  return { whole, problems };
}

function contentsOrError<Contents>(inspect: () => Contents): Contents | RaftError {
  try {
    return inspect();
  } catch (error) {
    if (error instanceof RaftError) return error;
    throw error;
  }
}

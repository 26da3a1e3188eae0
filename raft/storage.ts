// The durable part of a replica, in one directory: `vote` and `log/`.
//
// A replica is *born* before its first vote or acknowledgement: the files are created, their owner
// records that they exist (and which file the vote file is), and only then the replica takes part.
// From then on a missing vote file or log is a loss that must not be repaired by making a new one:
// the replica could vote twice in one term, or forget what it acknowledged.

import { join } from 'node:path';
import type { Chance, FileIdentity, Files } from './effects.js';
import { RaftError } from './errors.js';
import type { ReplicaIdentity } from './identity.js';
import { isSameFile, Journal, VoteFile } from './log/index.js';

export interface StorageOptions {
  readonly directory: string;
  readonly identity: ReplicaIdentity;
  readonly files: Files;
  readonly chance: Pick<Chance, 'bytes'>;
  readonly maxSegmentFileSize: number;
  readonly onWarning: (message: string) => void;
}

export interface Storage {
  readonly voteFile: VoteFile;
  readonly journal: Journal;
}

/**
 * Creates the files of a replica that has never taken part, durably, and returns which file the
 * vote file is. The caller records it with the mark that the replica is born.
 */
export function createStorage(options: StorageOptions): FileIdentity {
  const { directory, identity, files } = options;
  files.makeDirectory(directory);
  const path = votePath(directory);
  VoteFile.create({ path, identity, files });
  openJournal(options, false).closeSync();
  const { device, inode, birthMs } = files.stat(path)!;
  return { device, inode, birthMs };
}

/** Opens the files of a born replica, for which `recorded` was kept. Throws `RaftError`. */
export function openStorage(options: StorageOptions, recorded: FileIdentity): Storage {
  const { directory, identity, files } = options;
  const path = votePath(directory);
  const found = files.stat(path);
  if (found !== undefined && !isSameFile(found, recorded)) {
    throw new RaftError(
      'FOREIGN',
      `Cannot use "${path}": it is not the file that this replica was born with, so the directory ` +
        'was copied or restored, and may be older than what this replica acknowledged. If it was ' +
        'moved on purpose, and no other copy of it ran since, say so with `holt adopt` (a program ' +
        'that embeds the library: with `adoptDirectory`)',
    );
  }
  const voteFile = VoteFile.open({ path, identity, files });
  return { voteFile, journal: openJournal(options, true) };
}

/** Which file the vote file in `directory` is now; undefined when there is none. */
export function voteFileIdentity(files: Files, directory: string): FileIdentity | undefined {
  const stat = files.stat(votePath(directory));
  if (stat === undefined) return undefined;
  return { device: stat.device, inode: stat.inode, birthMs: stat.birthMs };
}

function votePath(directory: string): string {
  return join(directory, 'vote');
}

function openJournal(options: StorageOptions, mustExist: boolean): Journal {
  return Journal.open({ ...options, directory: join(options.directory, 'log'), mustExist });
}

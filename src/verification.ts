// What is whole in the directory of a stopped server, and what is not. Nothing in it is changed: no
// byte, and no mtime.
//
// Whole means that a server starts from it and has everything that it ever acknowledged. What a start
// mends by itself, because nobody was told of it or because it can be made again, is a note.

import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import {
  inspectStorage,
  type LogContents,
  nodeFiles,
  type RaftError,
  type SnapshotsContents,
  type StorageContents,
  snapshotBytes,
  type VoteFileContents,
} from '../raft/index.js';
import { checkDatabaseCopy, inspectMarker } from '../sqlite-sm/index.js';
import { machineFiles } from './files.js';
import type { HostedReplica, Identity } from './identity.js';
import { bootId, groupDirectory } from './server.js';

export interface Finding {
  readonly verdict: 'whole' | 'note' | 'damaged';
  /** A part of the replica, as in `vote file`. */
  readonly about: string;
  /** A sentence without a full stop. */
  readonly text: string;
}

/** Of one replica. Throws what the files report, as when they may not be read. */
export function verifyReplica(
  directory: string,
  identity: Identity,
  { group, replicaId, born }: HostedReplica,
): Finding[] {
  if (born === null) return [note('replica', 'it has never taken part')];
  const replicaDirectory = groupDirectory(directory, group);
  const { clusterId } = identity;
  const storage = inspectStorage(
    { directory: replicaDirectory, identity: { clusterId, group, replicaId }, files: nodeFiles },
    born,
  );
  const { log, snapshots } = storage;
  const database = verifyDatabase(replicaDirectory);
  const findings = [
    ...verifyVoteFile(storage),
    ...verifyLog(log),
    ...verifySnapshots(snapshots),
    ...database.findings,
  ];
  if (!(log instanceof Error) && database.index !== undefined) {
    findings.push(verifyJoin(log, snapshots, database.index));
  }
  return findings;
}

function verifyVoteFile({ voteFile, isOwnFile }: StorageContents): Finding[] {
  const about = 'vote file';
  if (voteFile instanceof Error) return [damaged(about, voteFile.message)];
  const findings = [voteFinding(voteFile)];
  if (isOwnFile === false) {
    findings.push(
      damaged(
        about,
        'it is not the file that this replica was born with: the directory was copied or restored, ' +
          'and may be older than what the replica acknowledged. If it was moved on purpose, say so ' +
          'with `holt adopt`',
      ),
    );
  }
  return findings;
}

function voteFinding({ term, votedFor, soundCopies }: VoteFileContents): Finding {
  const vote = votedFor === undefined ? 'no vote in it' : `voted for ${votedFor}`;
  const state = `term ${term}, ${vote}`;
  return soundCopies === 2
    ? whole('vote file', `${state}; both copies are sound`)
    : damaged('vote file', `${state}; one of the two copies is damaged, and a start mends it`);
}

function verifyLog(log: LogContents | RaftError): Finding[] {
  const about = 'log';
  if (log instanceof Error) return [damaged(about, log.message)];
  const { segmentCount, byteLength, frameCount, baseIndex, lastIndex, lastTerm } = log;
  const entries =
    lastIndex === baseIndex
      ? `no entries behind index ${baseIndex}`
      : `entries ${baseIndex + 1} to ${lastIndex}, the last of term ${lastTerm}`;
  const findings = [
    whole(
      about,
      `${plural(segmentCount, 'segment')} of ${byteLength} bytes, ${plural(frameCount, 'frame')}, ` +
        entries,
    ),
  ];
  if (log.tornFrame !== undefined) {
    findings.push(
      note(
        about,
        `frame ${log.tornFrame} was being written when the replica stopped, and is dropped at the ` +
          'next start: nobody was told that it was stored',
      ),
    );
  }
  if (log.spareCount > 0) {
    findings.push(note(about, `${plural(log.spareCount, 'file')} that hold nothing yet`));
  }
  return findings;
}

function verifySnapshots({ whole: all, problems }: SnapshotsContents): Finding[] {
  const about = 'snapshots';
  const findings = all.map((manifest) => {
    const { index, term, files } = manifest;
    const size = `${snapshotBytes(manifest)} bytes in ${plural(files.length, 'file')}`;
    return whole(about, `one of entry ${index} of term ${term}, ${size}`);
  });
  for (const problem of problems) findings.push(damaged(about, problem));
  return findings.length > 0 ? findings : [whole(about, 'there are none')];
}

interface DatabaseFindings {
  readonly findings: readonly Finding[];
  /** Of the last entry whose effects a start finds in it; undefined when that is not known. */
  readonly index: number | undefined;
}

function verifyDatabase(directory: string): DatabaseFindings {
  const about = 'live.db';
  const { isTrusted, reason } = inspectMarker({
    directory,
    bootId: bootId(),
    files: machineFiles,
  });
  if (!isTrusted) {
    const text = `not trusted, ${reason}: the next start builds it anew`;
    return { findings: [note(about, text)], index: 0 };
  }
  const contents = onCopyOf(join(directory, about), checkDatabaseCopy);
  if (typeof contents === 'string') {
    const text = `trusted, ${reason}; not checked: ${contents}`;
    return { findings: [note(about, text)], index: undefined };
  }
  const { problems, appliedIndex } = contents;
  if (appliedIndex === undefined) {
    const text =
      `${problems.slice(0, problemsShown).join('; ')}. Without the file live.db.marker the next ` +
      'start builds it anew';
    return { findings: [damaged(about, text)], index: 0 };
  }
  const text = `trusted, ${reason}; quick_check found nothing; it has entries up to ${appliedIndex}`;
  return { findings: [whole(about, text)], index: appliedIndex };
}

const problemsShown = 3;

/**
 * A database with a WAL cannot be opened without writing: it is copied into the system's temporary
 * directory first. Returns why not, when there is no room for it.
 */
function onCopyOf<Result>(path: string, check: (copy: string) => Result): Result | string {
  const sources = [path, `${path}-wal`].filter((each) => fs.existsSync(each));
  const byteLength = sources.reduce((sum, each) => sum + fs.statSync(each).size, 0);
  const { bavail, bsize } = fs.statfsSync(os.tmpdir());
  if (bavail * bsize < byteLength) {
    return `a copy of ${byteLength} bytes does not fit into ${os.tmpdir()} (TMPDIR)`;
  }
  const directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-verify-'));
  try {
    for (const source of sources) {
      const copy = join(directory, `copy.db${source.slice(path.length)}`);
      fs.copyFileSync(source, copy, fs.constants.COPYFILE_FICLONE);
    }
    return check(join(directory, 'copy.db'));
  } finally {
    fs.rmSync(directory, { recursive: true, force: true });
  }
}

/**
 * The state that a start begins with must lie within the log, or what is between is lost. `applied` is
 * the database's; without one the start takes the newest snapshot.
 */
function verifyJoin(
  { baseIndex, lastIndex }: LogContents,
  { whole: all }: SnapshotsContents,
  applied: number,
): Finding {
  const about = 'state';
  const index = applied > 0 ? applied : (all.at(-1)?.index ?? 0);
  // A snapshot from another replica may be ahead: the log then begins anew behind it.
  const isSnapshot = all.some((snapshot) => snapshot.index === index);
  if (index > lastIndex && !isSnapshot) {
    return damaged(about, `it has entries up to ${index}, and the log ends at ${lastIndex}`);
  }
  if (index < baseIndex) {
    return damaged(about, `it has entries up to ${index}, and the log begins behind ${baseIndex}`);
  }
  return whole(about, `it is that of entry ${index}, and the log has what follows`);
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function whole(about: string, text: string): Finding {
  return { verdict: 'whole', about, text };
}

function note(about: string, text: string): Finding {
  return { verdict: 'note', about, text };
}

function damaged(about: string, text: string): Finding {
  return { verdict: 'damaged', about, text };
}

// HOLT BACKUP: a snapshot of this replica, read piece by piece by `holt backup`.
//
//   HOLT BACKUP BEGIN                      takes a snapshot; its manifest, as JSON
//   HOLT BACKUP READ id file offset        up to 256 KiB; empty behind the end
//   HOLT BACKUP END id                     it is not read any more

import fs from 'node:fs';
import { join } from 'node:path';
import type { Snapshot } from '../../../raft/index.js';
import { errorReply, errors, okReply, type Reply } from '../../../resp/index.js';
import { parseCount } from './numbers.js';
import { type Blocking, lowerCase, type ServerContext } from './table.js';

/** A read holds the loop: so much comes from the page cache in a tenth of a millisecond. */
const pieceBytes = 256 * 1024;
/** The one file that the manifest itself does not list. */
const manifestName = 'manifest.json';

export const backupHelp = [
  'BACKUP BEGIN',
  '    Take a snapshot of this replica, and return its manifest. It is kept until END, or until',
  '    nothing was read of it for a minute.',
  'BACKUP READ <id> <file> <offset>',
  '    Return up to 256 KiB of a file of it, empty at the end.',
  'BACKUP END <id>',
  '    Let it go.',
];

const goesOn = errorReply('ERR the snapshot goes on in the background');
const noLease = errorReply(
  'ERR no such backup: it was ended, or nothing was read of it for too long',
);

/** `words` from BACKUP on. */
export function runBackup(context: ServerContext, words: readonly Buffer[]): Reply | Blocking {
  const action = lowerCase(words[1]!);
  if (action === 'begin' && words.length === 2) return begin(context);
  if (action === 'read' && words.length === 5) return read(context, words);
  if (action === 'end' && words.length === 3) {
    return context.leases.end(words[2]!.toString('latin1')) ? okReply : noLease;
  }
  return errors.syntax;
}

function begin({ snapshots, leases }: ServerContext): Reply | Blocking {
  let outcome: Reply | undefined;
  const take = (): void =>
    snapshots.take((error, snapshot) => {
      if (snapshot === undefined) {
        outcome = errorReply(`ERR ${error!.message}`);
        return;
      }
      leases.begin(snapshot);
      outcome = Buffer.from(JSON.stringify(snapshot.manifest));
    });
  // One that is under way may be of a moment before what its client has just written.
  if (snapshots.status().isTaking) snapshots.take(take);
  else take();
  return (
    outcome ?? {
      isDone: () => outcome !== undefined,
      reply: () => outcome ?? goesOn,
      timeoutMs: 0,
      outlivesLeadership: true,
    }
  );
}

function read({ leases }: ServerContext, words: readonly Buffer[]): Reply {
  const snapshot = leases.use(words[2]!.toString('latin1'));
  if (snapshot === undefined) return noLease;
  const name = words[3]!.toString('latin1');
  const offset = parseCount(words[4]!);
  if (offset === undefined || offset < 0 || !Number.isSafeInteger(offset)) return errors.notInteger;
  if (!hasFile(snapshot, name)) return errorReply('ERR the snapshot has no such file');
  return readPiece(join(snapshot.path, name), offset);
}

/** A name is compared with those that are known: it never becomes a path otherwise. */
function hasFile({ manifest }: Snapshot, name: string): boolean {
  return name === manifestName || manifest.files.some((file) => file.name === name);
}

function readPiece(path: string, offset: number): Reply {
  const piece = Buffer.allocUnsafeSlow(pieceBytes);
  const descriptor = fs.openSync(path, 'r');
  try {
    return piece.subarray(0, fs.readSync(descriptor, piece, 0, pieceBytes, offset));
  } finally {
    fs.closeSync(descriptor);
  }
}

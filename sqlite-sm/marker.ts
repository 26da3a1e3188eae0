// May the bytes of live.db be believed?
//
// The database is written without fsync. As long as the operating system runs, the kernel holds
// every byte that was written, so a process that was killed finds its file whole. After a power
// loss nothing is known: SQLite's own checks do not see a page that was never written back. A copy
// of the directory is as bad, since it may have been taken in the middle of anything.
//
// So a small file beside the database, itself written durably, names the boot of the operating
// system and the very file (device, inode, birth time) that is trusted:
//
//   open    marker fits           → the database is whole
//           anything else         → it is deleted and made again from a snapshot and the log
//   delete  1. marker  2. live.db, -wal, -shm     never the other way round: a crash between the
//   create  1. live.db 2. marker                  two leaves no marker, hence no trust
//
// What it cannot see is a block device that was set back underneath a running system.

import { Buffer } from 'node:buffer';
import type { FileIdentity, MachineFiles } from './effects.js';

const formatVersion = 1;

export interface MarkerVerdict {
  /** The database is the one that this boot wrote. */
  readonly isTrusted: boolean;
  /** A phrase for the log line, as in `the marker is of another boot`. */
  readonly reason: string;
}

export function checkMarker(
  files: MachineFiles,
  databasePath: string,
  bootId: string,
): MarkerVerdict {
  const bytes = files.readFile(markerPath(databasePath));
  const identity = files.stat(databasePath);
  if (bytes === undefined) {
    return distrust(identity === undefined ? 'there is no database yet' : 'there is no marker');
  }
  if (identity === undefined) return distrust('there is a marker but no database');
  const lines = bytes.toString('latin1').split('\n');
  const expected = markerLines(identity, bootId);
  // One line more than fields, and empty: the last byte of a whole marker is a line feed.
  if (lines.length !== expected.length || lines.at(-1) !== '') {
    return distrust('the marker is damaged');
  }
  const wrong = lines.findIndex((line, i) => line !== expected[i]);
  if (wrong < 0) return { isTrusted: true, reason: 'the marker fits' };
  return distrust(`the marker is of another ${fieldNames[wrong]}`);
}

/** The last step of creating a database. */
export function writeMarker(files: MachineFiles, databasePath: string, bootId: string): void {
  const identity = files.stat(databasePath);
  if (identity === undefined) {
    throw new Error(`Cannot mark "${databasePath}" as trusted: the file is missing`);
  }
  const text = markerLines(identity, bootId).join('\n');
  files.writeFileDurably(markerPath(databasePath), Buffer.from(text, 'latin1'));
}

/** The first step of deleting or replacing a database. */
export function removeMarker(files: MachineFiles, databasePath: string): void {
  files.unlinkDurably(markerPath(databasePath));
}

export function markerPath(databasePath: string): string {
  return `${databasePath}.marker`;
}

const fieldNames = ['format', 'boot', 'device', 'inode', 'birth time'] as const;

function markerLines(identity: FileIdentity, bootId: string): string[] {
  return [
    `holt live database marker ${formatVersion}`,
    `boot ${bootId}`,
    `device ${identity.device}`,
    `inode ${identity.inode}`,
    `birth ${identity.birthMs}`,
    '',
  ];
}

function distrust(reason: string): MarkerVerdict {
  return { isTrusted: false, reason };
}

// `holt backup`: a copy of all data, from any replica, while it serves.
//
// The replica takes a snapshot and this program reads it over the connection, so that it need not run
// on the server's machine. The copy is a snapshot directory like the server's own: `data.db`, which
// opens in sqlite3, and `manifest.json`. It gets its name only when every byte is on the disk and has
// the checksum that the manifest says.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { nodeFiles, type SnapshotManifest, snapshotBytes } from '../../raft/index.js';
import { DirectoryError } from '../identity.js';
import type { AdminClient } from './resp-client.js';
import { withReplica } from './snapshot.js';

export interface BackupArguments {
  /** Does not exist yet. */
  readonly to: string;
  /** `host:port` of a replica. */
  readonly connect: string;
  readonly passwordFile?: string | undefined;
}

const manifestName = 'manifest.json';
/** Pieces asked for ahead: the round trip is hidden, and memory is not the limit. */
const piecesAhead = 4;
const mebibyte = 1024 * 1024;

/** Throws `DirectoryError`. */
export async function runBackup(args: BackupArguments): Promise<void> {
  const target = resolve(args.to);
  if (fs.existsSync(target)) {
    throw new DirectoryError(
      `Cannot back up to "${args.to}": it exists, and nothing is overwritten`,
    );
  }
  const partial = join(
    dirname(target),
    `.${basename(target)}-${randomBytes(4).toString('hex')}.partial`,
  );
  try {
    const manifest = await withReplica(args, (client) => fetchSnapshot(client, partial));
    fs.renameSync(partial, target);
    nodeFiles.syncDirectorySync(dirname(target));
    process.stdout.write(
      `backed up index ${manifest.index} of group ${manifest.group}, ` +
        `${(snapshotBytes(manifest) / mebibyte).toFixed(1)} MiB, to ${args.to}\n`,
    );
  } finally {
    fs.rmSync(partial, { recursive: true, force: true });
  }
}

async function fetchSnapshot(client: AdminClient, directory: string): Promise<SnapshotManifest> {
  const manifest: SnapshotManifest = JSON.parse(
    String(await client.command('HOLT', 'BACKUP', 'BEGIN')),
  );
  await copySnapshot(client, manifest, directory);
  await client.command('HOLT', 'BACKUP', 'END', manifest.snapshotId);
  return manifest;
}

async function copySnapshot(
  client: AdminClient,
  manifest: SnapshotManifest,
  directory: string,
): Promise<void> {
  fs.mkdirSync(directory, { recursive: true });
  for (const { name, byteLength, crc32: wanted } of manifest.files) {
    const found = await copyFile(client, manifest.snapshotId, name, byteLength, directory);
    if (found !== wanted) {
      throw new DirectoryError(
        `Cannot back up: "${name}" arrived with another checksum than it has there`,
      );
    }
  }
  // Last: without it the directory is no backup.
  await copyFile(client, manifest.snapshotId, manifestName, Number.POSITIVE_INFINITY, directory);
  nodeFiles.syncDirectorySync(directory);
}

/** Returns the CRC-32 of what was copied. `byteLength` may be more than there is. */
async function copyFile(
  client: AdminClient,
  snapshotId: string,
  name: string,
  byteLength: number,
  directory: string,
): Promise<number> {
  const descriptor = fs.openSync(join(directory, name), 'wx', 0o600);
  try {
    let checksum = 0;
    let written = 0;
    while (written < byteLength) {
      const pieces = await readAhead(client, snapshotId, name, written, byteLength);
      for (const piece of pieces) {
        fs.writeSync(descriptor, piece);
        checksum = crc32(piece, checksum);
        written += piece.length;
      }
      if (pieces.length === 0) break;
    }
    fs.fsyncSync(descriptor);
    return checksum;
  } finally {
    fs.closeSync(descriptor);
  }
}

const pieceBytes = 256 * 1024;

/** The next pieces, up to the end of the file; none at its end. */
async function readAhead(
  client: AdminClient,
  snapshotId: string,
  name: string,
  from: number,
  end: number,
): Promise<Buffer[]> {
  const offsets = Array.from({ length: piecesAhead }, (_, at) => from + at * pieceBytes);
  const pieces = await Promise.all(
    offsets
      .filter((offset) => offset < end)
      .map((offset) => client.bytes('HOLT', 'BACKUP', 'READ', snapshotId, name, String(offset))),
  );
  const short = pieces.findIndex((piece) => piece.length < pieceBytes);
  const whole = short < 0 ? pieces : pieces.slice(0, short + 1);
  return whole.filter((piece) => piece.length > 0);
}

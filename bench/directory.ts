// Where the servers keep their data while they are measured.

import fs from 'node:fs';
import { join } from 'node:path';
import { Trouble } from '../cluster-scripts/trouble.js';
import { atEnd } from './cleanup.js';

const gibibyte = 1024 ** 3;
/** Three replicas' logs of 4 KiB values, several times over: it must not be the disk that ends a run. */
const freeBytesMin = 20 * gibibyte;

/**
 * Beside the sources, because temporary directories are often in memory, where a synchronous write
 * costs nothing. Removed at the end. Throws `Trouble` when there is not enough room.
 */
export function makeDirectory(root: string): string {
  const parent = join(root, 'data');
  fs.mkdirSync(parent, { recursive: true });
  const { bavail, bsize } = fs.statfsSync(parent);
  assertRoom(bavail * bsize, parent);
  // Hidden: a cluster script, which may use `data/` at the same time, takes no notice of it.
  const directory = fs.mkdtempSync(join(parent, '.bench-'));
  atEnd(() => fs.rmSync(directory, { recursive: true, maxRetries: 10, retryDelay: 100 }));
  return directory;
}

export function assertRoom(freeBytes: number, directory: string): void {
  if (freeBytes >= freeBytesMin) return;
  throw new Trouble(
    `${(freeBytes / gibibyte).toFixed(1)} GiB are free in "${directory}", and a run needs ` +
      `${freeBytesMin / gibibyte} GiB: make room, or run it in a checkout on a larger disk`,
  );
}

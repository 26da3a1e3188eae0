// Small files, written so that a crash leaves the old one or the new one.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname } from 'node:path';
import { nodeFiles } from '../raft/index.js';
import type { MachineFiles } from '../sqlite-sm/index.js';

/** Order: bytes durable under another name, rename, directory durable. */
export function writeFileDurably(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`;
  const descriptor = fs.openSync(temporary, 'wx', 0o600);
  try {
    fs.writeFileSync(descriptor, bytes);
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
  fs.renameSync(temporary, path);
  nodeFiles.syncDirectorySync(dirname(path));
}

export function readFileIfExists(path: string): Buffer | undefined {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The files of the state machine, beside SQLite's own. */
export const machineFiles: MachineFiles = {
  readFile: readFileIfExists,
  writeFileDurably,
  unlinkDurably(path) {
    fs.rmSync(path, { force: true });
    nodeFiles.syncDirectorySync(dirname(path));
  },
  stat(path) {
    const stat = fs.statSync(path, { throwIfNoEntry: false, bigint: true });
    if (stat === undefined) return undefined;
    return { device: stat.dev, inode: stat.ino, birthMs: Number(stat.birthtimeNs) / 1e6 };
  },
};

// Files of the program: small ones, written so that a crash leaves the old one or the new one, and
// those of the state machine, which may be of any size.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { dirname } from 'node:path';
import { nodeFiles } from '../raft/index.js';
import type { CopyProgress, MachineFiles } from '../sqlite-sm/index.js';
import type { FreeBytes } from './disk-watch.js';

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

export const freeBytes: FreeBytes = (path, done) => {
  fs.statfs(path, (error, stats) => {
    if (error !== null) done(error, undefined);
    else done(undefined, stats.bavail * stats.bsize);
  });
};

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
    return {
      device: stat.dev,
      inode: stat.ino,
      birthMs: Number(stat.birthtimeNs) / 1e6,
      byteLength: Number(stat.size),
      modifiedNs: stat.mtimeNs,
    };
  },
  open: (path, mode) => nodeFiles.open(path, mode),
  copy(source, target, done) {
    const mode = fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE;
    fs.copyFile(source, target, mode, (error) => done(error ?? undefined));
  },
  copySync(source, target, onProgress) {
    if (!cloneSync(source, target)) copyInSlicesSync(source, target, onProgress);
  },
};

/** Whether the file system could share the blocks. Nothing is left when it could not. */
function cloneSync(source: string, target: string): boolean {
  const mode = fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE_FORCE;
  try {
    fs.copyFileSync(source, target, mode);
    return true;
  } catch {
    // Most file systems cannot. Whatever else is wrong stops the plain copy, too, and is told there.
    return false;
  }
}

/** Between two reports: a few milliseconds. */
const sliceBytes = 8 * 1024 * 1024;

function copyInSlicesSync(source: string, target: string, onProgress: CopyProgress): void {
  const from = fs.openSync(source, 'r');
  try {
    const totalBytes = fs.fstatSync(from).size;
    const to = fs.openSync(target, 'wx', 0o600);
    try {
      const slice = Buffer.allocUnsafeSlow(Math.min(sliceBytes, totalBytes));
      for (let copiedBytes = 0; copiedBytes < totalBytes; ) {
        const byteLength = fs.readSync(from, slice, 0, slice.length, copiedBytes);
        if (byteLength === 0) throw new Error(`Cannot copy "${source}": it has become shorter`);
        fs.writeFileSync(to, slice.subarray(0, byteLength));
        copiedBytes += byteLength;
        onProgress(copiedBytes, totalBytes);
      }
    } finally {
      fs.closeSync(to);
    }
  } finally {
    fs.closeSync(from);
  }
}

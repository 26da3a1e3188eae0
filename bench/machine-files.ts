// The state machine's files for benches that run it alone: the real ones, without waiting for the disk
// where the program has to.

import fs from 'node:fs';
import { nodeFiles } from '../raft/index.js';
import type { MachineFiles } from '../sqlite-sm/index.js';

export const benchFiles: MachineFiles = {
  readFile: (name) => (fs.existsSync(name) ? fs.readFileSync(name) : undefined),
  writeFileDurably: (name, bytes) => fs.writeFileSync(name, bytes),
  unlinkDurably: (name) => fs.rmSync(name, { force: true }),
  stat(name) {
    const stat = fs.statSync(name, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return {
      device: stat.dev,
      inode: stat.ino,
      birthMs: Number(stat.birthtimeMs),
      byteLength: Number(stat.size),
      modifiedNs: stat.mtimeNs,
    };
  },
  open: (name, mode) => nodeFiles.open(name, mode),
  copy: (source, target, done) => fs.copyFile(source, target, (error) => done(error ?? undefined)),
  copySync: (source, target) => fs.copyFileSync(source, target),
};

// Where the real files of simulations are: a directory on a file system without a disk, if there is one.

import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';

const sharedMemory = '/dev/shm';

/** Makes one. Whoever asks removes it. */
export function makeMemoryDirectory(): string {
  const parent = fs.existsSync(sharedMemory) ? sharedMemory : os.tmpdir();
  return fs.mkdtempSync(join(parent, 'holt-simulation-'));
}

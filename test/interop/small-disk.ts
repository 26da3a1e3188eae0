// A disk of its own for a server: a tmpfs, which takes the right to mount one.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { runProgram } from './run-program.js';

/** Moves the server's directory to a disk of `size`, as in `24m`. Returns where it is mounted. */
export async function mountSmallDisk(
  { directory }: { readonly directory: string },
  size: string,
): Promise<string> {
  const files = fs.readdirSync(directory).map((name) => ({
    path: `${directory}/${name}`,
    bytes: fs.readFileSync(`${directory}/${name}`),
  }));
  const options = ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', directory];
  const mounted = await runProgram('mount', options);
  assert.equal(mounted.code, 0, `Cannot mount a tmpfs: ${mounted.stderr}`);
  for (const { path, bytes } of files) fs.writeFileSync(path, bytes, { mode: 0o600 });
  return directory;
}

export async function resizeDisk(mountPoint: string, size: string): Promise<void> {
  const remounted = await runProgram('mount', ['-o', `remount,size=${size}`, mountPoint]);
  assert.equal(remounted.code, 0, remounted.stderr);
}

/** When the server has ended. */
export async function unmountDisk(mountPoint: string): Promise<void> {
  await runProgram('umount', ['--lazy', mountPoint]);
}

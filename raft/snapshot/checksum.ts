// The length and crc of a file, read in slices.
//
// A file of gigabytes is read while clients wait for answers: between two slices everybody else gets
// a turn.

import { crc32 } from 'node:zlib';
import type { Done, FileHandle, Files } from '../effects.js';
import type { FileSum } from '../state-machine.js';

const sliceBytes = 1024 * 1024;
const nothing: FileSum = Object.freeze({ byteLength: 0, crc32: 0 });

/** `isSynced`: what was summed is on the disk when it is done. */
export function sumFile(
  files: Files,
  path: string,
  { isSynced }: { readonly isSynced: boolean },
  done: (error: Error | undefined, sum: FileSum) => void,
): void {
  let byteLength: number;
  let file: FileHandle;
  try {
    byteLength = lengthOf(files, path);
    file = files.open(path, 'read');
  } catch (error) {
    return done(error as Error, nothing);
  }
  const slice = Buffer.allocUnsafeSlow(Math.min(byteLength, sliceBytes));
  let sum = nothing;
  function finish(error: Error | undefined): void {
    file.closeSync();
    done(error, sum);
  }
  function next(): void {
    const part = slice.subarray(0, Math.min(sliceBytes, byteLength - sum.byteLength));
    if (part.length === 0) return isSynced ? file.sync(finish) : finish(undefined);
    file.read(part, sum.byteLength, (error) => {
      if (error !== undefined) return finish(error);
      sum = { byteLength: sum.byteLength + part.length, crc32: crc32(part, sum.crc32) };
      next();
    });
  }
  next();
}

/** Makes a file durable that was summed as it was written. Fails when it has another length. */
export function syncSummedFile(
  files: Files,
  path: string,
  { byteLength }: FileSum,
  done: Done,
): void {
  let file: FileHandle;
  try {
    const found = lengthOf(files, path);
    if (found !== byteLength) throw new Error(`it has ${found} bytes, expected ${byteLength}`);
    file = files.open(path, 'read');
  } catch (error) {
    return done(error as Error);
  }
  file.sync((error) => {
    file.closeSync();
    done(error);
  });
}

/** As `sumFile`, at a start. Throws what the files report. */
export function sumFileSync(files: Files, path: string): FileSum {
  const byteLength = lengthOf(files, path);
  const file = files.open(path, 'read');
  try {
    const slice = Buffer.allocUnsafeSlow(Math.min(byteLength, sliceBytes));
    let sum = nothing;
    while (sum.byteLength < byteLength) {
      const read = file.readSync(slice, sum.byteLength);
      if (read === 0) throw new Error('the file ends too early');
      const part = slice.subarray(0, read);
      sum = { byteLength: sum.byteLength + read, crc32: crc32(part, sum.crc32) };
    }
    return sum;
  } finally {
    file.closeSync();
  }
}

function lengthOf(files: Files, path: string): number {
  const stat = files.stat(path);
  if (stat === undefined) throw new Error('it is missing');
  return stat.byteLength;
}

// Which pages a WAL would change in the database.
//
//   | header, 32 bytes | frame | frame | …
//   a frame: | page number, from 1 | size after a commit | salt, 8 bytes | checksum, 8 | the page |
//
// All integers are big-endian (https://sqlite.org/fileformat2.html#the_write_ahead_log). The salt of
// a frame is that of the header, or the frame is left over from an earlier use of the file. Checksums
// are not looked at: this process wrote the file, and a torn frame is a matter for the next start.

import { Buffer } from 'node:buffer';
import { pageBytes } from './database.js';
import type { MachineFile } from './effects.js';

const headerBytes = 32;
const frameHeaderBytes = 24;
const frameBytes = frameHeaderBytes + pageBytes;
/** Of its last hexadecimal digit only the order of bytes in checksums is meant. */
const magic = 0x377f0682;
/** Frames read at once: about a megabyte. */
const framesMax = 256;

/**
 * The pages in the first `frameCount` frames, counted from 0, as they lie in the database. Throws
 * when the file does not hold that many, or is no WAL of our pages.
 */
export function readChangedPages(wal: MachineFile, frameCount: number): Set<number> {
  const pages = new Set<number>();
  const header = Buffer.alloc(headerBytes);
  const isWhole = wal.readSync(header, 0) === headerBytes;
  if (!isWhole || (header.readUInt32BE(0) & ~1) !== magic || header.readUInt32BE(8) !== pageBytes) {
    throw new Error('Cannot read the WAL: its header is not one of ours');
  }
  const salt = header.subarray(16, 24);
  const buffer = Buffer.allocUnsafeSlow(Math.min(frameCount, framesMax) * frameBytes);
  for (let first = 0; first < frameCount; first += framesMax) {
    const bytes = buffer.subarray(0, Math.min(frameCount - first, framesMax) * frameBytes);
    if (wal.readSync(bytes, headerBytes + first * frameBytes) !== bytes.length) {
      throw new Error(`Cannot read the WAL: it ends before frame ${frameCount}`);
    }
    for (let offset = 0; offset < bytes.length; offset += frameBytes) {
      if (bytes.compare(salt, 0, salt.length, offset + 8, offset + 16) !== 0) {
        throw new Error(`Cannot read the WAL: fewer than ${frameCount} frames are in use`);
      }
      pages.add(bytes.readUInt32BE(offset) - 1);
    }
  }
  return pages;
}

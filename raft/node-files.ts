// The real files.
//
// Writes that cover whole blocks, as the log's frames and the zeros of its new segments do, bypass
// the page cache (O_DIRECT). Their bytes are read again only after a restart or by a follower that
// is far behind, and putting them into the cache is most of what a log write costs: a new segment
// takes fresh pages from the kernel twice its size, which then push out pages of the database. The
// kernel demands that memory, offset and length are aligned, so the bytes are copied once into a
// buffer that is; that copy is the one the page cache would have made.
//
// It is an optimisation and nothing depends on it: where the file system refuses, or all aligned
// buffers are taken, or the write is larger than one of them, the write goes through the page cache.
// Both ways return when the data is on the disk, if the file was opened for that, and the kernel
// keeps what both see the same.

import fs from 'node:fs';
import { dirname } from 'node:path';
import type { Done, FileHandle, FileStat, Files, OpenMode } from './effects.js';

const openFlags: Record<OpenMode, number> = {
  read: fs.constants.O_RDONLY,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
  durable: fs.constants.O_RDWR | fs.constants.O_DSYNC,
};

/** The same for a second descriptor of a file that exists; zero where there is no such thing. */
const directFlags: Record<OpenMode, number> = {
  read: 0,
  create: fs.constants.O_RDWR | (fs.constants.O_DIRECT ?? 0),
  durable: fs.constants.O_RDWR | fs.constants.O_DSYNC | (fs.constants.O_DIRECT ?? 0),
};

export const nodeFiles: Files = {
  stat(path): FileStat | undefined {
    const stat = fs.statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    return {
      device: stat.dev,
      inode: stat.ino,
      birthMs: stat.birthtimeMs,
      byteLength: stat.size,
    };
  },
  list: (directory) => fs.readdirSync(directory),
  makeDirectory(path) {
    const created = fs.mkdirSync(path, { recursive: true });
    if (created === undefined) return;
    // From the first created directory's parent down, so that the whole path survives.
    for (let at = path; at.length >= dirname(created).length; at = dirname(at)) {
      nodeFiles.syncDirectorySync(at);
      if (at === dirname(at)) break;
    }
  },
  createDirectory: (path) => fs.mkdirSync(path),
  open: (path, mode) => new NodeFile(path, mode),
  rename: (source, target) => fs.renameSync(source, target),
  remove: (path) => fs.unlinkSync(path),
  removeTreeSync: (path) => fs.rmSync(path, { recursive: true, force: true }),
  removeTree(path, done) {
    fs.rm(path, { recursive: true, force: true }, (error) => done(error ?? undefined));
  },
  syncDirectorySync(directory) {
    const descriptor = fs.openSync(directory, fs.constants.O_RDONLY);
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  },
  syncDirectory(directory, done) {
    fs.open(directory, fs.constants.O_RDONLY, (openError, descriptor) => {
      if (openError !== null) return done(openError);
      fs.fsync(descriptor, (error) => {
        fs.closeSync(descriptor);
        done(error ?? undefined);
      });
    });
  },
};

class NodeFile implements FileHandle {
  readonly #descriptor: number;
  /** For whole blocks past the page cache. Undefined where the file system has no such writes. */
  #direct: number | undefined;
  #isDirectRefused = false;

  constructor(path: string, mode: OpenMode) {
    this.#descriptor = fs.openSync(path, openFlags[mode], 0o600);
    this.#direct = openDirect(path, directFlags[mode]);
  }

  readSync(target: Buffer, position: number): number {
    let done = 0;
    while (done < target.length) {
      const read = fs.readSync(
        this.#descriptor,
        target,
        done,
        target.length - done,
        position + done,
      );
      if (read === 0) break;
      done += read;
    }
    return done;
  }

  read(target: Buffer, position: number, done: Done): void {
    const step = (offset: number): void => {
      if (offset === target.length) return done(undefined);
      const rest = target.length - offset;
      fs.read(this.#descriptor, target, offset, rest, position + offset, (error, read) => {
        if (error !== null) return done(error);
        if (read === 0) return done(new Error('the file ends too early'));
        step(offset + read);
      });
    };
    step(0);
  }

  writeSync(source: Buffer, position: number): void {
    for (let done = 0; done < source.length; ) {
      done += fs.writeSync(this.#descriptor, source, done, source.length - done, position + done);
    }
  }

  write(sources: readonly Buffer[], position: number, done: Done): void {
    const total = sources.reduce((sum, source) => sum + source.length, 0);
    const areWholeBlocks = position % blockBytes === 0 && total % blockBytes === 0;
    if (
      this.#direct !== undefined &&
      !this.#isDirectRefused &&
      areWholeBlocks &&
      total > 0 &&
      total <= alignedBytes
    ) {
      const aligned = takeAligned();
      if (aligned !== undefined) {
        return this.#writeDirect(this.#direct, sources, aligned.subarray(0, total), position, done);
      }
    }
    this.#writeCached(sources, total, position, done);
  }

  #writeDirect(
    descriptor: number,
    sources: readonly Buffer[],
    aligned: Buffer,
    position: number,
    done: Done,
  ): void {
    let at = 0;
    for (const source of sources) at += source.copy(aligned, at);
    fs.write(descriptor, aligned, 0, aligned.length, position, (error, written) => {
      giveAligned(aligned);
      if (error === null && written === aligned.length) return done(undefined);
      if (error !== null && error.code !== 'EINVAL') return done(error);
      // Refused, or short as near a full disk. The other way succeeds or tells what is wrong.
      // Closed with the file: another write may be under way in it.
      if (error !== null) this.#isDirectRefused = true;
      this.#writeCached(sources, aligned.length, position, done);
    });
  }

  #writeCached(sources: readonly Buffer[], total: number, position: number, done: Done): void {
    if (sources.length === 1) return this.#writeOne(sources[0]!, position, done);
    fs.writev(this.#descriptor, sources as Buffer[], position, (error, written) => {
      if (error !== null) return done(error);
      if (written === total) return done(undefined);
      // Short, as near a full disk: the rest tells what is wrong.
      this.#writeOne(Buffer.concat(sources).subarray(written), position + written, done);
    });
  }

  #writeOne(source: Buffer, position: number, done: Done): void {
    fs.write(this.#descriptor, source, 0, source.length, position, (error, written) => {
      if (error !== null) return done(error);
      if (written === source.length) return done(undefined);
      if (written === 0) return done(new Error('nothing could be written'));
      this.#writeOne(source.subarray(written), position + written, done);
    });
  }

  syncSync(): void {
    fs.fsyncSync(this.#descriptor);
  }

  sync(done: Done): void {
    fs.fsync(this.#descriptor, (error) => done(error ?? undefined));
  }

  closeSync(): void {
    this.#closeDirect();
    fs.closeSync(this.#descriptor);
  }

  #closeDirect(): void {
    if (this.#direct === undefined) return;
    fs.closeSync(this.#direct);
    this.#direct = undefined;
  }
}

function openDirect(path: string, flags: number): number | undefined {
  if (fs.constants.O_DIRECT === undefined || flags === 0) return undefined;
  try {
    return fs.openSync(path, flags);
  } catch (error) {
    // What a file system without such writes answers, tmpfs for one.
    if ((error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}

// ------------------------------------------------------------------------------ aligned memory

/** Every device's logical block divides it. */
const blockBytes = 4096;
/** The largest direct write: a full entry, its table and its padding fit. */
const alignedBytes = 1024 * 1024;
/** Writes in flight of one process: a log write and a new segment for each of a few groups. */
const alignedCount = 4;
/**
 * Made at the first use, as a resizable buffer: those get pages of their own from V8, where others
 * come from malloc and begin anywhere.
 */
let freeAligned: Buffer[] | undefined;

/** ES2024 in its declarations, but in every Node that Holt runs on. */
const ResizableBuffer = ArrayBuffer as unknown as new (
  byteLength: number,
  options: { readonly maxByteLength: number },
) => ArrayBuffer;

function takeAligned(): Buffer | undefined {
  if (freeAligned === undefined) {
    const byteLength = alignedBytes * alignedCount;
    const buffer = new ResizableBuffer(byteLength, { maxByteLength: byteLength });
    freeAligned = Array.from({ length: alignedCount }, (_, at) =>
      Buffer.from(buffer, at * alignedBytes, alignedBytes),
    );
  }
  return freeAligned.pop();
}

/** Takes any part of it that begins where it begins. */
function giveAligned(part: Buffer): void {
  freeAligned!.push(Buffer.from(part.buffer, part.byteOffset, alignedBytes));
}

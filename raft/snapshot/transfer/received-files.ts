// The files of a snapshot that is being received, in the directory where they gather.
//
// At most one operation is under way at a time. A chunk is durable when it is written: what was told
// of as stored is still there after a power cut. A file of which every chunk was written here, in their
// order, is summed on its way: to read gigabytes again would only show what the page cache has of them.

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { Done, FileHandle, Files } from '../../effects.js';
import { attempt } from '../../errors.js';
import type { FileSum } from '../../state-machine.js';
import type { SnapshotFile, SnapshotManifest } from '../store.js';
import { type Chunk, chunkBytes } from './frames.js';

/** Of a file whose chunks did not all come, one after another: no chunk is the next one of it. */
const unknownSum: FileSum = Object.freeze({ byteLength: -1, crc32: 0 });

export class ReceivedFiles {
  readonly #files: Files;
  readonly #directory: string;
  readonly #manifest: SnapshotManifest;
  #open: { readonly file: number; readonly handle: FileHandle } | undefined;
  /** By name: of the file as far as it was written, or `unknownSum`. */
  readonly #sums = new Map<string, FileSum>();
  #isBusy = false;
  #isClosed = false;

  constructor(files: Files, directory: string, manifest: SnapshotManifest) {
    this.#files = files;
    this.#directory = directory;
    this.#manifest = manifest;
  }

  /** Makes the files that are not there; of the others, CRC-32 of each whole chunk. */
  look(done: (error: Error | undefined, checksums: number[][]) => void): void {
    this.#lookAt(0, [], Buffer.allocUnsafeSlow(chunkBytes), done);
  }

  /** `done` when the chunk, which must be one of the manifest's, is on the disk. */
  write(chunk: Chunk, done: Done): void {
    const handle = this.#handleOf(chunk.file);
    if (handle instanceof Error) return done(handle);
    this.#isBusy = true;
    handle.write([chunk.bytes], chunk.chunk * chunkBytes, (error) => {
      this.#endOperation();
      if (error === undefined) this.#sum(chunk);
      done(error);
    });
  }

  #sum({ file, chunk, bytes }: Chunk): void {
    const { name } = this.#manifest.files[file]!;
    const before = this.#sums.get(name) ?? { byteLength: 0, crc32: 0 };
    const isNext = before.byteLength === chunk * chunkBytes;
    const after = {
      byteLength: before.byteLength + bytes.length,
      crc32: crc32(bytes, before.crc32),
    };
    this.#sums.set(name, isNext ? after : unknownSum);
  }

  /** By name, of the files that were written here from their beginning to their end. */
  get sums(): ReadonlyMap<string, FileSum> {
    const whole = this.#manifest.files.filter(
      ({ name, byteLength }) => this.#sums.get(name)?.byteLength === byteLength,
    );
    return new Map(whole.map(({ name }) => [name, this.#sums.get(name)!]));
  }

  /** Nothing is read or written any more. */
  close(): void {
    this.#isClosed = true;
    // A file must not be closed, and its descriptor used again, under an operation.
    if (!this.#isBusy) this.#closeHandle();
  }

  /** Gives the room back, as far as that works. */
  discard(): void {
    this.close();
    for (const file of this.#manifest.files) {
      const path = this.#pathOf(file);
      attempt(() => {
        if (this.#files.stat(path) !== undefined) this.#files.remove(path);
      });
    }
  }

  #lookAt(
    at: number,
    found: number[][],
    buffer: Buffer,
    done: (error: Error | undefined, checksums: number[][]) => void,
  ): void {
    const file = this.#manifest.files[at];
    // Their names are to survive, too.
    if (file === undefined) return this.#syncNames((error) => done(error, found));
    const handle = this.#handleOf(at);
    if (handle instanceof Error) return done(handle, []);
    const presentBytes = this.#files.stat(this.#pathOf(file))!.byteLength;
    const checksums: number[] = [];
    const next = (): void => {
      const position = checksums.length * chunkBytes;
      const end = Math.min(position + chunkBytes, file.byteLength);
      if (position >= end || end > presentBytes) {
        return this.#lookAt(at + 1, [...found, checksums], buffer, done);
      }
      const bytes = buffer.subarray(0, end - position);
      this.#isBusy = true;
      handle.read(bytes, position, (error) => {
        this.#endOperation();
        if (this.#isClosed) return;
        if (error !== undefined) return done(error, []);
        checksums.push(crc32(bytes));
        next();
      });
    };
    next();
  }

  #syncNames(done: Done): void {
    this.#isBusy = true;
    this.#files.syncDirectory(this.#directory, (error) => {
      this.#endOperation();
      if (!this.#isClosed) done(error);
    });
  }

  #endOperation(): void {
    this.#isBusy = false;
    if (this.#isClosed) this.#closeHandle();
  }

  #closeHandle(): void {
    this.#open?.handle.closeSync();
    this.#open = undefined;
  }

  #handleOf(at: number): FileHandle | Error {
    if (this.#open?.file === at) return this.#open.handle;
    this.#closeHandle();
    const file = this.#manifest.files[at]!;
    const path = this.#pathOf(file);
    const error = attempt(() => {
      const stat = this.#files.stat(path);
      // Longer than it can be: something else.
      if (stat !== undefined && stat.byteLength > file.byteLength) this.#files.remove(path);
      if (this.#files.stat(path) === undefined) this.#files.open(path, 'create').closeSync();
      this.#open = { file: at, handle: this.#files.open(path, 'durable') };
    });
    return error ?? this.#open!.handle;
  }

  #pathOf(file: SnapshotFile): string {
    return join(this.#directory, file.name);
  }
}

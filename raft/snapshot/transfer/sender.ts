// Sends one snapshot to one follower.
//
// The files are read chunk by chunk, each chunk once: its checksum tells whether the receiver has it
// already, and goes with it when not. What was sent and is not on the receiver's disk yet is bounded
// by the window, so a slow disk or network at the other end holds nothing in memory here.
//
// All that is read is held against the manifest as well: a snapshot that has changed on this disk is
// noticed here, before the other side finds out at the end.

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { BufferPool } from '../../buffer-pool.js';
import type { Term } from '../../core/index.js';
import type { Clock, Connection, FileHandle, Files, Timers } from '../../effects.js';
import { attempt } from '../../errors.js';
import type { Snapshot, SnapshotFile } from '../store.js';
import {
  type Chunk,
  chunkBytes,
  encodeFrame,
  FrameReader,
  type TransferFrame,
  windowBytes,
} from './frames.js';
import { aliveMs, PeerSilence } from './peer-silence.js';

export interface SnapshotSenderOptions {
  readonly snapshot: Snapshot;
  /** In which this replica leads. */
  readonly term: Term;
  readonly connection: Connection;
  readonly files: Files;
  readonly pool: BufferPool;
  readonly timers: Timers;
  readonly clock: Clock;
  /** The receiver has more of it. */
  readonly onProgress: () => void;
  /** The snapshot on this disk is not what it was, or cannot be read. Followed by `onEnded`. */
  readonly onRotted: () => void;
  /** Once. Undefined: it is installed there; else why not, as a sentence's end. */
  readonly onEnded: (trouble: string | undefined) => void;
}

export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #reader: FrameReader;
  readonly #silence: PeerSilence;
  #cancelTicks: () => void = () => {};
  readonly totalBytes: number;
  /** What the receiver has by chunk; undefined until it told. */
  #present: readonly (readonly number[])[] | undefined;
  #handle: FileHandle | undefined;
  /** The next chunk to read. */
  #file = 0;
  #chunk = 0;
  /** CRC-32 of the file as far as it was read. */
  #fileCrc = 0;
  #isReading = false;
  #isAllSent = false;
  #sentBytes = 0;
  #storedBytes = 0;
  #skippedBytes = 0;
  #isEnded = false;

  constructor(options: SnapshotSenderOptions) {
    this.#options = options;
    const { files } = options.snapshot.manifest;
    this.totalBytes = files.reduce((sum, file) => sum + file.byteLength, 0);
    this.#silence = new PeerSilence(options.clock);
    this.#reader = new FrameReader(options.pool, (frame) => this.#onFrame(frame));
  }

  start(): void {
    const { snapshot, term, connection, timers } = this.#options;
    this.#cancelTicks = timers.every(aliveMs, () => this.#tick());
    this.#write({ kind: 'offer', term, manifest: Buffer.from(JSON.stringify(snapshot.manifest)) });
    connection.onClose((reason) => this.#end(`the connection was lost: ${reason}`));
    connection.onData((data) => {
      this.#silence.onHeard();
      const wrong = this.#reader.feed(data);
      if (wrong !== undefined) this.#end(`the receiver sent ${wrong}`);
    });
  }

  /** Bytes that the receiver has. */
  get doneBytes(): number {
    return this.#skippedBytes + this.#storedBytes;
  }

  stop(reason: string): void {
    this.#end(reason);
  }

  #tick(): void {
    const silence = this.#silence.trouble;
    if (silence !== undefined) this.#end(silence);
    else this.#write({ kind: 'alive' });
  }

  #write(frame: TransferFrame): void {
    this.#options.connection.write(encodeFrame(frame), () => {});
  }

  #end(trouble: string | undefined): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#cancelTicks();
    this.#reader.close();
    this.#options.connection.destroy();
    // A file must not be closed, and its descriptor used again, under a read.
    if (!this.#isReading) this.#close();
    this.#options.onEnded(trouble);
  }

  #close(): void {
    this.#handle?.closeSync();
    this.#handle = undefined;
  }

  #onFrame(frame: TransferFrame): void {
    if (this.#isEnded) return;
    switch (frame.kind) {
      case 'present':
        return this.#onPresent(frame.checksums);
      case 'stored':
        return this.#onStored(frame.byteLength);
      case 'installed':
        return this.#end(this.#isAllSent ? undefined : 'the receiver spoke out of turn');
      case 'refused':
        return this.#end(frame.reason);
      case 'alive':
        return;
      case 'chunk':
        frame.block.release();
        return this.#end('the receiver sent a chunk');
      case 'offer':
      case 'end':
        return this.#end(`the receiver sent a frame "${frame.kind}"`);
    }
  }

  #onPresent(checksums: readonly (readonly number[])[]): void {
    const { files } = this.#options.snapshot.manifest;
    if (this.#present !== undefined || checksums.length !== files.length) {
      return this.#end('the receiver speaks of another snapshot');
    }
    this.#present = checksums;
    this.#next();
  }

  #onStored(byteLength: number): void {
    if (byteLength < this.#storedBytes || byteLength > this.#sentBytes) {
      return this.#end('the receiver has stored what was not sent');
    }
    this.#storedBytes = byteLength;
    this.#options.onProgress();
    this.#next();
  }

  // ---------------------------------------------------------------------------- chunks

  /** Reads the next chunk, when there is one and the window has room for it. */
  #next(): void {
    while (!this.#isEnded && !this.#isReading && !this.#isAllSent) {
      const file = this.#options.snapshot.manifest.files[this.#file];
      if (file === undefined) {
        this.#isAllSent = true;
        return this.#write({ kind: 'end' });
      }
      const position = this.#chunk * chunkBytes;
      if (position >= file.byteLength) this.#finishFile(file);
      else if (this.#sentBytes - this.#storedBytes + chunkBytes > windowBytes) return;
      else this.#read(file, position);
    }
  }

  #finishFile(file: SnapshotFile): void {
    this.#close();
    if (this.#fileCrc !== file.crc32) return this.#endRotted(file, 'has changed on disk');
    this.#file += 1;
    this.#chunk = 0;
    this.#fileCrc = 0;
  }

  #endRotted(file: SnapshotFile, what: string): void {
    this.#options.onRotted();
    this.#end(`${this.#pathOf(file)} ${what}`);
  }

  #read(file: SnapshotFile, position: number): void {
    const { files, pool } = this.#options;
    // In a callback an exception would end the process.
    const openError = attempt(() => {
      this.#handle ??= files.open(this.#pathOf(file), 'read');
    });
    if (openError !== undefined) {
      return this.#endRotted(file, `cannot be opened: ${openError.message}`);
    }
    const handle = this.#handle!;
    const block = pool.take(chunkBytes);
    const bytes = block.buffer.subarray(0, Math.min(chunkBytes, file.byteLength - position));
    this.#isReading = true;
    handle.read(bytes, position, (error) => {
      this.#isReading = false;
      if (error !== undefined && !this.#isEnded) {
        this.#endRotted(file, `cannot be read: ${error.message}`);
      }
      if (this.#isEnded) {
        block.release();
        return this.#close();
      }
      this.#fileCrc = crc32(bytes, this.#fileCrc);
      const checksum = crc32(bytes);
      this.#take({ kind: 'chunk', file: this.#file, chunk: this.#chunk, bytes, checksum, block });
      this.#chunk += 1;
      this.#next();
    });
  }

  /** Sends the chunk, unless the receiver has it. */
  #take(chunk: Chunk): void {
    const { connection, onProgress } = this.#options;
    const { block, bytes } = chunk;
    if (this.#present![chunk.file]![chunk.chunk] === chunk.checksum) {
      block.release();
      this.#skippedBytes += bytes.length;
      return onProgress();
    }
    this.#sentBytes += bytes.length;
    connection.write(encodeFrame(chunk), () => block.release());
  }

  #pathOf(file: SnapshotFile): string {
    return join(this.#options.snapshot.path, file.name);
  }
}

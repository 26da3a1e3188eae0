// Receives one snapshot from the leader.
//
//   offered ──wanted──▶ looking at what is here ──▶ receiving ──end──▶ adopting ──▶ installing ──▶ over
//
// Chunks are written in the order they come, each durably before it is told of as stored, into a
// directory that survives this connection and this process. Whatever ended an earlier transfer of the
// same snapshot, the chunks that it left are looked at first, and the sender is told their checksums:
// it sends those that differ. Nothing is believed unchecked: each chunk as it comes, all files against
// the manifest at the end (`SnapshotStore.adopt`, which throws away what is wrong, and reads again what
// did not all come in one go).
//
// Until then the replica goes on as if nothing were. Once the snapshot is in the store the connection
// no longer matters: it is installed whether the sender hears of it or not.

import type { BufferPool } from '../../buffer-pool.js';
import type { Term } from '../../core/index.js';
import type { Clock, Connection, Files, Timers } from '../../effects.js';
import type { ReplicaIdentity } from '../../identity.js';
import type { Snapshot, SnapshotManifest, SnapshotStore } from '../store.js';
import {
  type Chunk,
  chunkBytes,
  encodeFrame,
  FrameReader,
  type TransferFrame,
  windowBytes,
} from './frames.js';
import { decodeOfferedManifest } from './offered-manifest.js';
import { aliveMs, PeerSilence } from './peer-silence.js';
import { ReceivedFiles } from './received-files.js';

export interface SnapshotReceiverOptions {
  readonly identity: ReplicaIdentity;
  readonly connection: Connection;
  readonly store: Pick<SnapshotStore, 'receivingDirectory' | 'adopt'>;
  readonly files: Files;
  readonly pool: BufferPool;
  readonly timers: Timers;
  readonly clock: Clock;
  /** Why the offered snapshot is not wanted, as a sentence's end; undefined: it is. */
  readonly refusal: (manifest: SnapshotManifest, term: Term) => string | undefined;
  /** The snapshot is durable here: switches to it, and calls back with why that is not to be. */
  readonly install: (snapshot: Snapshot, done: (refusal: string | undefined) => void) => void;
  /** The sender lives. */
  readonly onHeard: () => void;
  /** The snapshot is wanted, or more of it is here. */
  readonly onProgress: () => void;
  /** Once. Undefined: the snapshot is installed; else why not, as a sentence's end. */
  readonly onEnded: (trouble: string | undefined) => void;
}

/** After the last word, for the sender to read it and close. */
const lingerMs = 5_000;

export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  readonly #reader: FrameReader;
  readonly #silence: PeerSilence;
  #cancelTicks: () => void = () => {};
  #cancelLinger: (() => void) | undefined;
  #phase: 'offered' | 'looking' | 'receiving' | 'adopting' | 'installing' | 'over' = 'offered';
  #manifest: SnapshotManifest | undefined;
  #directory = '';
  #received: ReceivedFiles | undefined;
  /** Waiting to be written, oldest first. */
  #queue: Chunk[] = [];
  #queuedBytes = 0;
  #isWriting = false;
  #isEndSeen = false;
  #presentBytes = 0;
  #storedBytes = 0;
  #isClosed = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#options = options;
    this.#silence = new PeerSilence(options.clock);
    this.#reader = new FrameReader(options.pool, (frame) => this.#onFrame(frame));
  }

  start(): void {
    const { connection, timers, onHeard } = this.#options;
    this.#cancelTicks = timers.every(aliveMs, () => this.#tick());
    connection.onClose((reason) => this.#onClosed(reason));
    connection.onData((data) => {
      if (this.#phase === 'over') return;
      this.#silence.onHeard();
      onHeard();
      const wrong = this.#reader.feed(data);
      if (wrong !== undefined) this.#fail(`the sender sent ${wrong}`);
    });
  }

  /** Undefined until the offer came and was accepted. */
  get manifest(): SnapshotManifest | undefined {
    return this.#manifest;
  }

  get totalBytes(): number {
    return this.#manifest?.files.reduce((sum, file) => sum + file.byteLength, 0) ?? 0;
  }

  /** Bytes that are here, some of which may have to come again. */
  get doneBytes(): number {
    return Math.min(this.totalBytes, this.#presentBytes + this.#storedBytes);
  }

  /** All of it is here: it will be installed, whatever becomes of the connection. */
  get isComplete(): boolean {
    return this.#phase === 'adopting' || this.#phase === 'installing';
  }

  stop(reason: string): void {
    this.#fail(reason);
  }

  #tick(): void {
    const silence = this.#silence.trouble;
    if (silence !== undefined && !this.isComplete) this.#fail(silence);
    else this.#say({ kind: 'alive' });
  }

  #say(frame: TransferFrame): void {
    if (!this.#isClosed) this.#options.connection.write(encodeFrame(frame), () => {});
  }

  #onClosed(reason: string): void {
    this.#isClosed = true;
    this.#cancelLinger?.();
    if (!this.isComplete) this.#end(`the connection was lost: ${reason}`);
  }

  /** For a reason that the sender is not told. */
  #fail(trouble: string): void {
    this.#end(trouble);
    this.#options.connection.destroy();
  }

  #refuse(reason: string): void {
    this.#finish({ kind: 'refused', reason }, reason);
  }

  /** The last word. The sender closes when it has read it. */
  #finish(frame: TransferFrame, trouble: string | undefined): void {
    const { connection, timers } = this.#options;
    this.#say(frame);
    if (!this.#isClosed) {
      this.#cancelLinger = timers.after(lingerMs, () => connection.destroy());
    }
    this.#end(trouble);
  }

  #end(trouble: string | undefined): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#cancelTicks();
    this.#reader.close();
    for (const chunk of this.#queue) chunk.block.release();
    this.#queue = [];
    this.#received?.close();
    this.#options.onEnded(trouble);
  }

  #onFrame(frame: TransferFrame): void {
    switch (frame.kind) {
      case 'offer':
        if (this.#phase !== 'offered') return this.#fail('the sender offered another snapshot');
        return this.#onOffer(frame.manifest, frame.term);
      case 'chunk':
        return this.#onChunk(frame);
      case 'end':
        if (this.#phase !== 'receiving') return this.#fail('the sender came to an end too early');
        this.#isEndSeen = true;
        return this.#writeNext();
      case 'alive':
        return;
      case 'present':
      case 'stored':
      case 'installed':
      case 'refused':
        return this.#fail(`the sender sent a frame "${frame.kind}"`);
    }
  }

  // ---------------------------------------------------------------------------- the offer

  #onOffer(bytes: Buffer, term: Term): void {
    const { identity, refusal, store, files, onProgress } = this.#options;
    const manifest = decodeOfferedManifest(bytes, identity);
    if (typeof manifest === 'string') return this.#refuse(`the snapshot is not taken: ${manifest}`);
    const reason = refusal(manifest, term);
    if (reason !== undefined) return this.#refuse(reason);
    try {
      this.#directory = store.receivingDirectory(manifest);
    } catch (error) {
      return this.#refuse(`there is no room for the snapshot: ${(error as Error).message}`);
    }
    this.#phase = 'looking';
    this.#manifest = manifest;
    this.#received = new ReceivedFiles(files, this.#directory, manifest);
    this.#received.look((error, checksums) => {
      if (this.#phase !== 'looking') return;
      if (error !== undefined) return this.#giveUp(error);
      this.#phase = 'receiving';
      for (const [at, { byteLength }] of manifest.files.entries()) {
        this.#presentBytes += Math.min(byteLength, checksums[at]!.length * chunkBytes);
      }
      this.#say({ kind: 'present', checksums });
      onProgress();
    });
  }

  // ---------------------------------------------------------------------------- chunks

  #onChunk(chunk: Chunk): void {
    const trouble = this.#troubleWith(chunk);
    if (trouble !== undefined) {
      chunk.block.release();
      return this.#fail(trouble);
    }
    this.#queue.push(chunk);
    this.#queuedBytes += chunk.bytes.length;
    this.#writeNext();
  }

  #troubleWith({ file, chunk, bytes }: Chunk): string | undefined {
    if (this.#phase !== 'receiving' || this.#isEndSeen)
      return 'the sender sent a chunk out of turn';
    const byteLength = this.#manifest!.files[file]?.byteLength ?? 0;
    const expected = Math.min(chunkBytes, byteLength - chunk * chunkBytes);
    if (bytes.length === 0 || bytes.length !== expected) {
      return 'the sender sent a chunk of something else';
    }
    if (this.#queuedBytes + bytes.length > windowBytes) return 'the sender does not wait';
    return undefined;
  }

  #writeNext(): void {
    if (this.#isWriting || this.#phase !== 'receiving') return;
    const chunk = this.#queue.shift();
    if (chunk === undefined) {
      if (this.#isEndSeen) this.#adopt();
      return;
    }
    this.#isWriting = true;
    this.#received!.write(chunk, (error) => {
      this.#isWriting = false;
      chunk.block.release();
      this.#queuedBytes -= chunk.bytes.length;
      if (this.#phase !== 'receiving') return;
      if (error !== undefined) return this.#giveUp(error);
      this.#storedBytes += chunk.bytes.length;
      this.#say({ kind: 'stored', byteLength: this.#storedBytes });
      this.#options.onProgress();
      this.#writeNext();
    });
  }

  /** The disk is full, or fails: the log needs what room there is more than a part of a snapshot. */
  #giveUp(error: Error): void {
    this.#received!.discard();
    this.#refuse(`the snapshot cannot be stored: ${error.message}`);
  }

  // ---------------------------------------------------------------------------- the end

  #adopt(): void {
    this.#phase = 'adopting';
    const { sums } = this.#received!;
    this.#received!.close();
    this.#options.store.adopt(this.#directory, this.#manifest!, sums, (error, snapshot) => {
      if (this.#phase !== 'adopting') return;
      if (error !== undefined) return this.#refuse(`the snapshot cannot be used: ${error.message}`);
      this.#phase = 'installing';
      this.#options.install(snapshot!, (refusal) => {
        if (this.#phase !== 'installing') return;
        if (refusal === undefined) this.#finish({ kind: 'installed' }, undefined);
        else this.#refuse(refusal);
      });
    });
  }
}

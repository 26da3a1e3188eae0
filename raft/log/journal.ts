// The log on disk: a journal of frames, of which at most one is being written.
//
// Three ideas carry it:
//   - A write is one frame, on sectors of its own. No write ever touches a sector that holds
//     acknowledged bytes, so a torn write can only hurt itself.
//   - Nothing is overwritten to truncate. An entry with index k voids everything at or above k that
//     was written before it; reading the journal forwards gives the log. A new segment may void all
//     segments before it, when a snapshot stands for them (`reset`).
//   - With one write in flight, a frame proves that all frames before it were durable. That is what
//     lets recovery tell a torn write from damage (`recovery.ts`). Of the last one nothing is proven:
//     a start writes it again.
//
// A failed write or sync is never retried: what is on the disk is unknown from then on, and the
// owner ends the process.
//
// What is behind a snapshot goes a segment at a time, the oldest first, and is written again under
// a new header: a recycled segment saves the zeros of a new one.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type EntryKind, type LogIndex, LogTerms, type Term } from '../core/index.js';
import type { Chance, Done, FileHandle, Files } from '../effects.js';
import { type Entry, entryRowBytes } from '../entry.js';
import { attempt, diskError, RaftError, rejoinAdvice } from '../errors.js';
import type { ReplicaIdentity } from '../identity.js';
import {
  alignFrame,
  decodeFrame,
  frameAlignment,
  frameBytes,
  frameHeaderBytes,
  writeEntryRows,
  writeFrameHeader,
} from './frame.js';
import { type EntryLocation, LogIndexTable } from './log-index.js';
import {
  checkFollows,
  locateEntries,
  type ScannedFrame,
  type ScannedSegment,
  scanSegments,
} from './recovery.js';
import {
  createSpareSync,
  decodeSegmentHeader,
  encodeSegmentHeader,
  isSpareName,
  type Segment,
  type SegmentHeader,
  segmentHeaderBytes,
  segmentIdBytes,
  segmentNumberOf,
  segmentPath,
  sparePath,
} from './segment.js';
import { type Spare, Spares } from './spares.js';

export interface JournalOptions {
  readonly directory: string;
  readonly identity: ReplicaIdentity;
  readonly files: Files;
  readonly chance: Pick<Chance, 'bytes'>;
  /** Segments start at 1 MiB and double up to this. Bytes. */
  readonly maxSegmentFileSize: number;
  /** A log must exist: this replica has voted or acknowledged before. */
  readonly mustExist: boolean;
  /** Something worth a line in the log. */
  readonly onWarning: (message: string) => void;
}

const firstSegmentBytes = 1024 * 1024;

interface PendingAppend {
  readonly entries: readonly Entry[];
  readonly frame: Buffer | undefined;
  readonly done: Done;
}

/** The last entry that a snapshot stands for. */
interface SnapshotEnd {
  readonly index: LogIndex;
  readonly term: Term;
}

export class Journal {
  readonly #options: JournalOptions;
  #table: LogIndexTable;
  #baseTerm: Term;
  /** Ascending; the last one is written to. */
  #segments: Segment[];
  #nextOffset: number;
  #nextFrameNumber: number;
  #previousCrc: number;
  readonly #spares: Spares;
  /** The one write in flight, also while it waits for the next segment. */
  #pending: PendingAppend | undefined;
  #isResetting = false;
  #isClosed = false;
  #endsInEmptyFrame = false;
  #readsUnderWay = 0;
  /** Of dropped segments, once nothing is read any more. */
  #filesToClose: FileHandle[] = [];
  /** Segments that hold nothing any more, oldest first. */
  #dropped: Segment[] = [];
  #isDropping = false;
  /** It shows at the next append: nobody waits for a segment to go. */
  #dropFailure: Error | undefined;

  /** Opens or creates the log. Synchronous: nothing is served yet. Throws `RaftError`. */
  static open(options: JournalOptions): Journal {
    const { files, directory } = options;
    const names = files.stat(directory) ? files.list(directory) : [];
    const numbers = names.map(segmentNumberOf).filter((number) => number !== undefined);
    if (numbers.length === 0) {
      if (options.mustExist) {
        throw new RaftError(
          'MISSING',
          `Cannot open the log in "${directory}": it is empty, but this replica has ` +
            `taken part before. ${rejoinAdvice}`,
        );
      }
      createFirstSegment(options);
      numbers.push(1);
    }
    // A killed process may have left names that only the page cache has. What is built on a segment
    // must not vanish with its name.
    files.syncDirectorySync(directory);
    for (const name of names) {
      // Half-made, or recycled; new ones are made in the background.
      if (isSpareName(name)) files.remove(`${directory}/${name}`);
    }
    return new Journal(options, openSegments(options, numbers));
  }

  private constructor(options: JournalOptions, scanned: readonly ScannedSegment[]) {
    this.#options = options;
    this.#spares = new Spares(options);
    const first = scanned[0]!;
    this.#table = new LogIndexTable(first.previousIndex);
    this.#baseTerm = first.previousTerm;
    this.#segments = scanned.map((segment) => ({ ...segment, indexMax: 0 }));
    const result = scanSegments(scanned, (found) => this.#takeScanned(found));
    if (result.isTornFrameDropped) {
      options.onWarning(
        `Dropped frame ${result.nextFrameNumber}, which was being written when this replica ` +
          'stopped; nobody was told that it was stored',
      );
    }
    this.#nextOffset = result.nextOffset;
    this.#nextFrameNumber = result.nextFrameNumber;
    this.#previousCrc = result.previousCrc;
    this.#repeatLastFrame(result.last);
    this.#spares.onUsed(this.#nextOffset, this.#currentByteLength);
  }

  // ---------------------------------------------------------------------------- what it holds

  /** Entries up to here are behind a snapshot and gone. */
  get baseIndex(): LogIndex {
    return this.#table.baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.#table.lastIndex;
  }

  /** Undefined outside baseIndex … lastIndex. */
  termAt(index: LogIndex): Term | undefined {
    if (index === this.baseIndex) return this.#baseTerm;
    return index > this.baseIndex && index <= this.lastIndex
      ? this.#table.termAt(index)
      : undefined;
  }

  get isWriting(): boolean {
    return this.#pending !== undefined || this.#isResetting;
  }

  get endsInEmptyFrame(): boolean {
    return this.#endsInEmptyFrame;
  }

  /** Bytes of all segment files. */
  get byteLength(): number {
    return this.#segments.reduce((sum, segment) => sum + segment.byteLength, 0);
  }

  get segmentCount(): number {
    return this.#segments.length;
  }

  /** Bytes written for what is behind `index`, to the end of the log, padding and all. About. */
  bytesBehind(index: LogIndex): number {
    if (index >= this.lastIndex) return 0;
    const first = this.#table.at(Math.max(index, this.baseIndex) + 1);
    let bytes = this.#nextOffset - first.offset;
    for (const { segmentNumber, byteLength } of this.#segments.slice(0, -1)) {
      if (segmentNumber >= first.segmentNumber) bytes += byteLength;
    }
    return bytes;
  }

  at(index: LogIndex): EntryLocation {
    return this.#table.at(index);
  }

  /** The terms of the whole log, for the core. */
  terms(): LogTerms {
    const terms = new LogTerms(this.baseIndex, this.#baseTerm);
    for (let index = this.baseIndex + 1; index <= this.lastIndex; index += 1) {
      terms.push(this.#table.termAt(index));
    }
    return terms;
  }

  // ---------------------------------------------------------------------------- writing

  /**
   * Appends the entries as one frame; `done` when it is durable. At most one at a time.
   *
   * `frame`, when given, is a buffer with the rows and payloads of exactly these entries already in
   * place behind room for the header, and room for the padding behind them: it is written as it is.
   * Neither it nor the payloads may change until `done`.
   */
  append(entries: readonly Entry[], frame: Buffer | undefined, done: Done): void {
    assert(!this.isWriting, 'At most one write in flight');
    assert(!this.#isClosed);
    const first = entries[0];
    if (first !== undefined) {
      assert(first.index > this.baseIndex, 'Cannot append behind a snapshot');
      assert(first.index <= this.lastIndex + 1, 'Cannot leave a gap in the log');
    }
    if (this.#dropFailure !== undefined) {
      return done(diskError('remove a log segment', this.#dropFailure));
    }
    this.#pending = { entries, frame, done };
    if (this.#fits(this.#pending)) this.#write(this.#pending);
    else this.#rotate(this.#pending);
  }

  /** Synchronous, for start and stop: an empty frame behind the last one says that it was whole. */
  appendEmptySync(): void {
    assert(!this.isWriting, 'At most one write in flight');
    const frame = this.#encode([], undefined);
    const current = this.#segments.at(-1)!;
    // Without room the frame is skipped: the next segment's header will say the same.
    if (this.#nextOffset + frameAlignment > current.byteLength) return;
    current.file.writeSync(Buffer.concat(frame.parts), this.#nextOffset);
    this.#onWritten([], frame);
  }

  closeSync(): void {
    assert(!this.isWriting, 'A write is in flight');
    this.#isClosed = true;
    this.#spares.close();
    for (const segment of this.#segments) segment.file.closeSync();
  }

  /** Of the segment that is written to. */
  get #currentByteLength(): number {
    return this.#segments.at(-1)!.byteLength;
  }

  #fits(pending: PendingAppend): boolean {
    const current = this.#segments.at(-1)!;
    return this.#nextOffset + frameBytes(pending.entries) <= current.byteLength;
  }

  #write(pending: PendingAppend): void {
    const frame = this.#encode(pending.entries, pending.frame);
    const current = this.#segments.at(-1)!;
    current.file.write(frame.parts, this.#nextOffset, (error) => {
      this.#pending = undefined;
      if (error !== undefined) return pending.done(diskError('write to the log', error));
      this.#onWritten(pending.entries, frame);
      this.#spares.onUsed(this.#nextOffset, this.#currentByteLength);
      pending.done(undefined);
    });
  }

  #encode(entries: readonly Entry[], frame: Buffer | undefined): EncodedFrame {
    const byteLength = frameBytes(entries);
    const rowsEnd = frameHeaderBytes + entries.length * entryRowBytes;
    const bodyEnd = entries.reduce((sum, entry) => sum + entry.payload.length, rowsEnd);
    const head = frame ?? Buffer.allocUnsafeSlow(rowsEnd);
    if (frame === undefined) writeEntryRows(head, frameHeaderBytes, entries);
    const header = {
      segmentId: this.#segments.at(-1)!.segmentId,
      frameNumber: this.#nextFrameNumber,
      previousCrc: this.#previousCrc,
      entryCount: entries.length,
      bodyBytes: bodyEnd - frameHeaderBytes,
    };
    const crc = writeFrameHeader(head, header);
    if (frame !== undefined) {
      assert(frame.length >= byteLength, 'No room for the padding of the frame');
      frame.fill(0, bodyEnd, byteLength);
      return { parts: [frame.subarray(0, byteLength)], byteLength, crc };
    }
    const parts = [head, ...entries.map((entry) => entry.payload).filter((p) => p.length > 0)];
    if (bodyEnd < byteLength) parts.push(zeroBlock.subarray(0, byteLength - bodyEnd));
    return { parts, byteLength, crc };
  }

  #onWritten(entries: readonly Entry[], frame: EncodedFrame): void {
    const segment = this.#segments.at(-1)!;
    let offset = this.#nextOffset + frameHeaderBytes + entries.length * entryRowBytes;
    for (const entry of entries) {
      this.#put(segment, entry.index, {
        segmentNumber: segment.segmentNumber,
        offset,
        byteLength: entry.payload.length,
        checksum: entry.checksum,
        kind: entry.kind,
        term: entry.term,
        stamp: entry.stamp,
      });
      offset += entry.payload.length;
    }
    this.#nextOffset += frame.byteLength;
    this.#nextFrameNumber += 1;
    this.#previousCrc = frame.crc;
    this.#endsInEmptyFrame = entries.length === 0;
  }

  #put(segment: Segment, index: LogIndex, location: EntryLocation): void {
    assert(index <= this.lastIndex + 1, `The log has a gap before index ${index}`);
    if (index <= this.lastIndex) this.#table.truncateAfter(index - 1);
    this.#table.push(location);
    segment.indexMax = Math.max(segment.indexMax, index);
  }

  // ---------------------------------------------------------------------------- reading

  /** Reads the payloads of first … last from the files and checks them. */
  read(
    firstIndex: LogIndex,
    lastIndex: LogIndex,
    done: (error: Error | undefined, entries: readonly Entry[]) => void,
  ): void {
    // Looked up at once: while the files are read, the log may be truncated or compacted.
    const wanted: { index: LogIndex; location: EntryLocation; file: FileHandle }[] = [];
    for (let index = firstIndex; index <= lastIndex; index += 1) {
      const location = this.#table.at(index);
      wanted.push({ index, location, file: this.#fileOf(location) });
    }
    const entries: Entry[] = [];
    const finish = (error: Error | undefined): void => {
      this.#readsUnderWay -= 1;
      if (this.#readsUnderWay === 0) {
        for (const file of this.#filesToClose.splice(0)) file.closeSync();
      }
      done(error, error === undefined ? entries : []);
    };
    const next = (): void => {
      let entry = wanted[entries.length];
      // There is nothing to read of a no-op, and a run of them must not nest callbacks.
      while (entry?.location.byteLength === 0) {
        entries.push({ index: entry.index, payload: noBytes, ...entryRow(entry.location) });
        entry = wanted[entries.length];
      }
      if (entry === undefined) return finish(undefined);
      const { index, location, file } = entry;
      const payload = Buffer.allocUnsafeSlow(location.byteLength);
      file.read(payload, location.offset, (error) => {
        if (error !== undefined) return finish(diskError('read the log', error));
        if (crc32(payload) !== location.checksum) return finish(changedOnDisk(index, location));
        entries.push({ index, payload, ...entryRow(location) });
        next();
      });
    };
    this.#readsUnderWay += 1;
    next();
  }

  /** All entries of that kind. For a start: synchronous. Throws `RaftError`. */
  readKindSync(kind: EntryKind): Entry[] {
    const entries: Entry[] = [];
    for (let index = this.baseIndex + 1; index <= this.lastIndex; index += 1) {
      if (this.#table.kindAt(index) !== kind) continue;
      const location = this.#table.at(index);
      const payload = Buffer.allocUnsafeSlow(location.byteLength);
      this.#fileOf(location).readSync(payload, location.offset);
      if (crc32(payload) !== location.checksum) throw changedOnDisk(index, location);
      entries.push({ index, payload, ...entryRow(location) });
    }
    return entries;
  }

  #fileOf(location: EntryLocation): FileHandle {
    const first = this.#segments[0]!.segmentNumber;
    const segment = this.#segments[location.segmentNumber - first];
    assert(segment?.segmentNumber === location.segmentNumber);
    return segment.file;
  }

  // ---------------------------------------------------------------------------- segments

  /**
   * Everything up to `index` is in a durable snapshot: drops the segments that hold nothing else.
   * Returns the new base index. The files go one by one in the background; after a crash some may
   * still be there, and the log is longer than it had to be. A write may be in flight: it goes to the
   * newest segment, which is never dropped.
   */
  compactTo(index: LogIndex): LogIndex {
    const dropped: Segment[] = [];
    let { baseIndex } = this;
    while (this.#segments.length > 1 && this.#segments[0]!.indexMax <= index) {
      const next = this.#segments[1]!;
      // Entries that a later segment holds again, from the start of a replica, are behind it too.
      if (next.previousIndex > index || next.previousIndex > this.lastIndex) break;
      dropped.push(this.#segments.shift()!);
      baseIndex = Math.max(baseIndex, next.previousIndex);
    }
    if (baseIndex > this.baseIndex) {
      // Not the header's term: the entry may have been replaced after the segment began.
      this.#baseTerm = this.#table.termAt(baseIndex);
      this.#table.compactTo(baseIndex);
    }
    this.#drop(dropped);
    return baseIndex;
  }

  /**
   * A snapshot whose last entry is (index, term) stands for everything: the log begins anew behind it,
   * empty. All earlier segments are void from the moment the new one has its name; `done` when that is
   * durable. Nothing may be written meanwhile.
   */
  reset(index: LogIndex, term: Term, done: Done): void {
    assert(!this.isWriting, 'At most one write in flight');
    assert(!this.#isClosed);
    this.#isResetting = true;
    const end: SnapshotEnd = { index, term };
    const finish = (error: Error | undefined): void => {
      this.#isResetting = false;
      if (error !== undefined) return done(diskError('begin the log anew', error));
      this.#drop(this.#restartBehind(end));
      done(undefined);
    };
    const needed = segmentHeaderBytes + frameAlignment;
    // Small again when one has to be made: the snapshot may have left little room.
    this.#spares.take(needed, firstSegmentBytes / 2, (error, spare) => {
      if (error !== undefined) return finish(error);
      this.#beginSegment(spare!, end, finish);
    });
  }

  /** As `reset`, at a start. The void segments are gone when it returns. */
  resetSync(index: LogIndex, term: Term): void {
    assert(!this.isWriting && !this.#isDropping, 'At a start only');
    const { files, directory } = this.#options;
    const end: SnapshotEnd = { index, term };
    this.#beginSegmentSync(segmentHeaderBytes + frameAlignment, end);
    for (const { file, path } of this.#restartBehind(end)) {
      file.closeSync();
      files.remove(path);
    }
    files.syncDirectorySync(directory);
  }

  /** The newest segment is all there is. Returns the others, which are void. */
  #restartBehind({ index, term }: SnapshotEnd): Segment[] {
    this.#table = new LogIndexTable(index);
    this.#baseTerm = term;
    this.#endsInEmptyFrame = false;
    return this.#segments.splice(0, this.#segments.length - 1);
  }

  #drop(segments: readonly Segment[]): void {
    for (const { file } of segments) this.#closeWhenRead(file);
    this.#dropped.push(...segments);
    if (!this.#isDropping) this.#dropNext();
  }

  /** A descriptor must not be closed, and its number used again, under a read. */
  #closeWhenRead(file: FileHandle): void {
    if (this.#readsUnderWay === 0) file.closeSync();
    else this.#filesToClose.push(file);
  }

  /** One by one, oldest first: a crash must not leave a gap between segments. */
  #dropNext(): void {
    const dropped = this.#isClosed ? undefined : this.#dropped.shift();
    this.#isDropping = dropped !== undefined;
    if (dropped === undefined) return;
    const { files, directory } = this.#options;
    let spare: Spare | undefined;
    const error = attempt(() => {
      // Whoever reads it keeps the file's bytes, though not its name.
      if (this.#readsUnderWay > 0) files.remove(dropped.path);
      else spare = this.#spares.recycle(dropped, this.#currentByteLength);
    });
    if (error !== undefined) return this.#failDropping(error);
    files.syncDirectory(directory, (syncError) => {
      if (syncError !== undefined) return this.#failDropping(syncError);
      // Not before: a file must not have the name of a new segment while it may still have its old one.
      if (spare !== undefined) this.#spares.add(spare);
      this.#dropNext();
    });
  }

  #failDropping(error: Error): void {
    this.#isDropping = false;
    this.#dropFailure = error;
  }

  /** The pending frame does not fit: goes on in a spare. */
  #rotate(pending: PendingAppend): void {
    const needed = segmentHeaderBytes + frameBytes(pending.entries);
    this.#spares.take(needed, this.#currentByteLength, (spareError, spare) => {
      if (spareError !== undefined) return this.#failPending('create a log segment', spareError);
      this.#beginSegment(spare!, undefined, (error) => {
        if (error !== undefined) return this.#failPending('begin a log segment', error);
        this.#write(pending);
      });
    });
  }

  /** `snapshot`: it stands for everything in earlier segments. */
  #beginSegment(spare: Spare, snapshot: SnapshotEnd | undefined, done: Done): void {
    const { files, directory, identity } = this.#options;
    const header = this.#nextHeader(spare.byteLength, snapshot);
    const path = segmentPath(directory, header.segmentNumber);
    let file: FileHandle;
    try {
      file = files.open(spare.path, 'durable');
    } catch (error) {
      return done(error as Error);
    }
    file.write([encodeSegmentHeader(identity, header)], 0, (error) => {
      if (error !== undefined) return done(error);
      const renameError = attempt(() => files.rename(spare.path, path));
      if (renameError !== undefined) return done(renameError);
      files.syncDirectory(directory, (syncError) => {
        if (syncError !== undefined) return done(syncError);
        this.#segments.push({ ...header, path, file, indexMax: 0 });
        this.#nextOffset = segmentHeaderBytes;
        done(undefined);
      });
    });
  }

  #nextHeader(byteLength: number, snapshot: SnapshotEnd | undefined): SegmentHeader {
    const previousIndex = snapshot?.index ?? this.lastIndex;
    return {
      segmentId: this.#options.chance.bytes(segmentIdBytes),
      segmentNumber: this.#segments.at(-1)!.segmentNumber + 1,
      firstFrameNumber: this.#nextFrameNumber,
      previousCrc: this.#previousCrc,
      previousIndex,
      previousTerm: snapshot?.term ?? this.termAt(previousIndex)!,
      voidsEarlier: snapshot !== undefined,
      byteLength,
    };
  }

  #failPending(action: string, error: Error): void {
    const pending = this.#pending!;
    this.#pending = undefined;
    pending.done(diskError(action, error));
  }

  // ---------------------------------------------------------------------------- start

  #takeScanned(found: ScannedFrame): void {
    const segment = this.#segments.find((s) => s.segmentNumber === found.segment.segmentNumber)!;
    for (const { row, offset } of locateEntries(found)) {
      // As said in `compactTo`, the segment's header may know an older entry at the base.
      if (row.index === this.baseIndex) this.#baseTerm = row.term;
      // A frame repeated at a start may reach back behind a snapshot.
      if (row.index <= this.baseIndex) continue;
      checkFollows(row.index, this.lastIndex, found.frame.frameNumber);
      this.#put(segment, row.index, {
        segmentNumber: segment.segmentNumber,
        offset,
        byteLength: row.byteLength,
        checksum: row.checksum,
        kind: row.kind,
        term: row.term,
        stamp: row.stamp,
      });
    }
    this.#endsInEmptyFrame = found.frame.entryCount === 0;
  }

  /**
   * What the page cache shows of the last frame may be on no disk: the process may have died while it
   * wrote it, or the write has failed. No sync would tell, for the kernel takes the pages of a failed
   * write for clean. So it is written again before anybody is told of it: behind itself, since it may
   * have been acknowledged, and under its own number, since the first one may be gone when the power
   * is. What comes behind is chained to either.
   */
  #repeatLastFrame(last: ScannedFrame | undefined): void {
    if (last === undefined) return;
    const { frame } = last;
    const isProven =
      frame.frameNumber < this.#nextFrameNumber &&
      last.segment.segmentNumber < this.#segments.at(-1)!.segmentNumber;
    // By the header of the next segment.
    if (isProven) return;
    const bytes = Buffer.allocUnsafeSlow(frame.byteLength);
    last.segment.file.readSync(bytes, last.offset);
    assert.equal(decodeFrame(bytes, frame.segmentId)?.crc, frame.crc);
    this.#nextFrameNumber = frame.frameNumber;
    this.#previousCrc = frame.previousCrc;
    if (this.#nextOffset + bytes.length > this.#currentByteLength) {
      this.#beginSegmentSync(segmentHeaderBytes + bytes.length, undefined);
    }
    const segment = this.#segments.at(-1)!;
    const { segmentId } = segment;
    const crc = writeFrameHeader(bytes, { ...frame, segmentId });
    segment.file.writeSync(bytes, this.#nextOffset);
    this.#takeScanned({ segment, offset: this.#nextOffset, frame: { ...frame, segmentId, crc } });
    this.#nextOffset += bytes.length;
    this.#nextFrameNumber += 1;
    this.#previousCrc = crc;
  }

  #beginSegmentSync(bytesNeeded: number, snapshot: SnapshotEnd | undefined): void {
    const { maxSegmentFileSize } = this.#options;
    // As in `reset`: behind a snapshot there may be little room, and a start must not fail for it.
    const usual = snapshot === undefined ? this.#currentByteLength * 2 : firstSegmentBytes;
    const byteLength = Math.max(Math.min(usual, maxSegmentFileSize), alignFrame(bytesNeeded));
    const header = this.#nextHeader(byteLength, snapshot);
    this.#segments.push({ ...header, ...createSegmentSync(this.#options, header), indexMax: 0 });
    this.#nextOffset = segmentHeaderBytes;
  }
}

function entryRow(location: EntryLocation): Omit<Entry, 'index' | 'payload'> {
  const { term, kind, stamp, byteLength, checksum } = location;
  return { term, kind, stamp, byteLength, checksum };
}

interface EncodedFrame {
  readonly parts: readonly Buffer[];
  readonly byteLength: number;
  readonly crc: number;
}

const zeroBlock = Buffer.alloc(frameAlignment);
const noBytes = Buffer.alloc(0);

function createFirstSegment(options: JournalOptions): void {
  const { files, directory, chance, maxSegmentFileSize } = options;
  files.makeDirectory(directory);
  const header: SegmentHeader = {
    segmentId: chance.bytes(segmentIdBytes),
    segmentNumber: 1,
    firstFrameNumber: 1,
    previousCrc: 0,
    previousIndex: 0,
    previousTerm: 0,
    voidsEarlier: false,
    byteLength: Math.min(firstSegmentBytes, maxSegmentFileSize),
  };
  createSegmentSync(options, header).file.closeSync();
}

/** Order: zeros durable, header durable, final name, directory durable. */
function createSegmentSync(
  { files, directory, identity, chance }: JournalOptions,
  header: SegmentHeader,
): { readonly path: string; readonly file: FileHandle } {
  const spare = sparePath(directory, chance.bytes(8));
  createSpareSync(files, spare, header.byteLength);
  const file = files.open(spare, 'durable');
  file.writeSync(encodeSegmentHeader(identity, header), 0);
  const path = segmentPath(directory, header.segmentNumber);
  files.rename(spare, path);
  files.syncDirectorySync(directory);
  return { path, file };
}

/**
 * Ascending. Those that a later one voids are removed: a crash came before that. Nothing in them
 * counts, so neither gaps nor damage in them matter.
 */
export function openSegments(
  options: Pick<JournalOptions, 'directory' | 'identity' | 'files'>,
  numbers: readonly number[],
): ScannedSegment[] {
  const { files, directory } = options;
  const segments: ScannedSegment[] = [];
  for (const number of numbers.toSorted((a, b) => b - a)) {
    if (segments[0]?.voidsEarlier === true) files.remove(segmentPath(directory, number));
    else segments.unshift(openSegment(options, number));
  }
  // Gone before the one that voids them can go in its turn.
  if (segments.length < numbers.length) files.syncDirectorySync(directory);
  return segments;
}

/** Throws `RaftError` when it is damaged or not this log's. */
function openSegment(
  options: Pick<JournalOptions, 'directory' | 'identity' | 'files'>,
  segmentNumber: number,
): ScannedSegment {
  const path = segmentPath(options.directory, segmentNumber);
  const file = options.files.open(path, 'durable');
  const block = Buffer.alloc(segmentHeaderBytes);
  const read = file.readSync(block, 0);
  const header = decodeSegmentHeader(block.subarray(0, read), options.identity, path);
  if (header.segmentNumber !== segmentNumber) {
    throw new RaftError('DAMAGED', `Log segment "${path}" is number ${header.segmentNumber}`);
  }
  const { byteLength } = options.files.stat(path)!;
  if (byteLength < header.byteLength) {
    throw new RaftError(
      'DAMAGED',
      `Cannot trust the log: "${path}" has ${byteLength} of its ${header.byteLength} bytes. ` +
        rejoinAdvice,
    );
  }
  return { ...header, path, file, byteLength };
}

function changedOnDisk(index: LogIndex, { segmentNumber }: EntryLocation): RaftError {
  const what = `entry ${index} in segment ${segmentNumber} has changed on the disk`;
  return new RaftError('DAMAGED', `Cannot trust the log: ${what}. ${rejoinAdvice}`);
}

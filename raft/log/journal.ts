// The log on disk: a journal of frames, of which at most one is being written.
//
// Three ideas carry it:
//   - A write is one frame, on sectors of its own. No write ever touches a sector that holds
//     acknowledged bytes, so a torn write can only hurt itself.
//   - Nothing is overwritten to truncate. An entry with index k voids everything at or above k that
//     was written before it; reading the journal forwards gives the log.
//   - With one write in flight, a frame proves that all frames before it were durable. That is what
//     lets recovery tell a torn write from damage (`recovery.ts`).
//
// A failed write or sync is never retried: what is on the disk is unknown from then on, and the
// owner ends the process.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { type LogIndex, LogTerms, type Term } from '../core/index.js';
import type { Chance, Done, FileHandle, Files } from '../effects.js';
import { type Entry, entryRowBytes } from '../entry.js';
import { RaftError, rejoinAdvice } from '../errors.js';
import type { ReplicaIdentity } from '../identity.js';
import {
  alignFrame,
  frameAlignment,
  frameBytes,
  frameHeaderBytes,
  writeEntryRows,
  writeFrameHeader,
} from './frame.js';
import { type EntryLocation, LogIndexTable } from './log-index.js';
import { locateEntries, type ScannedFrame, type ScannedSegment, scanSegments } from './recovery.js';
import {
  createSpare,
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

export class Journal {
  readonly #options: JournalOptions;
  #table: LogIndexTable;
  #baseTerm: Term;
  /** Ascending; the last one is written to. */
  #segments: Segment[];
  #nextOffset: number;
  #nextFrameNumber: number;
  #previousCrc: number;
  /** A file full of zeros or of stale frames, ready to become the next segment. */
  #spare: { readonly path: string; readonly byteLength: number } | undefined;
  #isSpareUnderWay = false;
  /** The one write in flight, also while it waits for the next segment. */
  #pending: PendingAppend | undefined;
  /** The pending frame did not fit and waits for the next segment. */
  #isRotating = false;
  #isClosed = false;
  #endsInEmptyFrame = false;
  #readsUnderWay = 0;
  /** Of dropped segments, once nothing is read any more. */
  #filesToClose: FileHandle[] = [];

  /** Opens or creates the log. Synchronous: nothing is served yet. Throws `RaftError`. */
  static open(options: JournalOptions): Journal {
    const names = options.files.stat(options.directory)
      ? options.files.list(options.directory)
      : [];
    const numbers = names.map(segmentNumberOf).filter((number) => number !== undefined);
    if (numbers.length === 0) {
      if (options.mustExist) {
        throw new RaftError(
          'MISSING',
          `Cannot open the log in "${options.directory}": it is empty, but this replica has ` +
            `taken part before. ${rejoinAdvice}`,
        );
      }
      createFirstSegment(options);
      numbers.push(1);
    }
    for (const name of names) {
      // Half-made; a new one is made in the background.
      if (isSpareName(name)) options.files.remove(`${options.directory}/${name}`);
    }
    numbers.sort((a, b) => a - b);
    return new Journal(
      options,
      numbers.map((number) => openSegment(options, number)),
    );
  }

  private constructor(options: JournalOptions, scanned: readonly ScannedSegment[]) {
    this.#options = options;
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
    this.#confirmLastFrame(result.last);
    this.#prepareSpare();
  }

  // ---------------------------------------------------------------------------- what it holds

  /** Entries up to here are behind a snapshot and gone. */
  get baseIndex(): LogIndex {
    return this.#table.baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.#table.lastIndex;
  }

  get isWriting(): boolean {
    return this.#pending !== undefined;
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
    assert(this.#pending === undefined, 'At most one write in flight');
    assert(!this.#isClosed);
    const first = entries[0];
    if (first !== undefined) {
      assert(first.index > this.baseIndex, 'Cannot append behind a snapshot');
      assert(first.index <= this.lastIndex + 1, 'Cannot leave a gap in the log');
    }
    this.#pending = { entries, frame, done };
    this.#isRotating = !this.#fits(this.#pending);
    if (this.#isRotating) this.#rotate(this.#pending);
    else this.#write(this.#pending);
  }

  /** Synchronous, for start and stop: an empty frame behind the last one says that it was whole. */
  appendEmptySync(): void {
    assert(this.#pending === undefined, 'At most one write in flight');
    const frame = this.#encode([], undefined);
    const current = this.#segments.at(-1)!;
    // Without room the frame is skipped: the next segment's header will say the same.
    if (this.#nextOffset + frameAlignment > current.byteLength) return;
    current.file.writeSync(Buffer.concat(frame.parts), this.#nextOffset);
    this.#onWritten([], frame);
  }

  closeSync(): void {
    assert(this.#pending === undefined, 'A write is in flight');
    this.#isClosed = true;
    for (const segment of this.#segments) segment.file.closeSync();
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
        if (crc32(payload) !== location.checksum) {
          const what = `entry ${index} in segment ${location.segmentNumber} has changed on the disk`;
          return finish(new RaftError('DAMAGED', `Cannot trust the log: ${what}. ${rejoinAdvice}`));
        }
        entries.push({ index, payload, ...entryRow(location) });
        next();
      });
    };
    this.#readsUnderWay += 1;
    next();
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
   * The first dropped one becomes the spare, when there is none. Returns the new base index.
   */
  compactTo(index: LogIndex): LogIndex {
    assert(this.#pending === undefined, 'A write is in flight');
    while (this.#segments.length > 1 && this.#segments[0]!.indexMax <= index) {
      const next = this.#segments[1]!;
      // Entries that a later segment holds again, from the start of a replica, are behind it too.
      if (next.previousIndex > index || next.previousIndex > this.lastIndex) break;
      const dropped = this.#segments.shift()!;
      this.#closeWhenRead(dropped.file);
      if (next.previousIndex > this.baseIndex) {
        // Not the header's term: the entry may have been replaced after the segment began.
        this.#baseTerm = this.#table.termAt(next.previousIndex);
        this.#table.compactTo(next.previousIndex);
      }
      this.#recycle(dropped);
      // One by one, oldest first: a crash must not leave a gap between segments.
      this.#options.files.syncDirectorySync(this.#options.directory);
    }
    return this.baseIndex;
  }

  /** A descriptor must not be closed, and its number used again, under a read. */
  #closeWhenRead(file: FileHandle): void {
    if (this.#readsUnderWay === 0) file.closeSync();
    else this.#filesToClose.push(file);
  }

  #recycle(dropped: Segment): void {
    const { files, directory, chance } = this.#options;
    if (this.#spare !== undefined || this.#isSpareUnderWay) return files.remove(dropped.path);
    const path = sparePath(directory, chance.bytes(8));
    files.rename(dropped.path, path);
    this.#spare = { path, byteLength: dropped.byteLength };
  }

  #prepareSpare(): void {
    if (this.#spare !== undefined || this.#isSpareUnderWay || this.#isClosed) return;
    const { files, directory, chance, maxSegmentFileSize } = this.#options;
    const current = this.#segments.at(-1)!;
    const waiting = this.#isRotating ? this.#pending : undefined;
    const needed = waiting ? segmentHeaderBytes + frameBytes(waiting.entries) : 0;
    const byteLength = Math.max(Math.min(current.byteLength * 2, maxSegmentFileSize), needed);
    const path = sparePath(directory, chance.bytes(8));
    this.#isSpareUnderWay = true;
    createSpare(files, path, byteLength, (error) => {
      this.#isSpareUnderWay = false;
      if (this.#isClosed) return;
      // Nobody needs it yet: an error shows when somebody does.
      if (error === undefined) this.#spare = { path, byteLength };
      if (!this.#isRotating) return;
      if (error !== undefined) this.#failPending('create a log segment', error);
      else this.#rotate(this.#pending!);
    });
  }

  /** The pending frame does not fit: goes on in the spare, as soon as there is one. */
  #rotate(pending: PendingAppend): void {
    const spare = this.#spare;
    const needed = segmentHeaderBytes + frameBytes(pending.entries);
    if (spare === undefined) return this.#prepareSpare();
    this.#spare = undefined;
    if (spare.byteLength < needed) {
      const error = attempt(() => this.#options.files.remove(spare.path));
      if (error !== undefined) return this.#failPending('remove a spare log segment', error);
      return this.#prepareSpare();
    }
    this.#beginSegment(spare, (error) => {
      if (error !== undefined) return this.#failPending('begin a log segment', error);
      this.#isRotating = false;
      this.#prepareSpare();
      this.#write(pending);
    });
  }

  #beginSegment(spare: { path: string; byteLength: number }, done: Done): void {
    const { files, directory, identity, chance } = this.#options;
    const segmentNumber = this.#segments.at(-1)!.segmentNumber + 1;
    const header: SegmentHeader = {
      segmentId: chance.bytes(segmentIdBytes),
      segmentNumber,
      firstFrameNumber: this.#nextFrameNumber,
      previousCrc: this.#previousCrc,
      previousIndex: this.lastIndex,
      previousTerm: this.lastIndex > this.baseIndex ? this.at(this.lastIndex).term : this.#baseTerm,
    };
    const path = segmentPath(directory, segmentNumber);
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
        this.#segments.push({
          ...header,
          path,
          byteLength: spare.byteLength,
          file,
          indexMax: 0,
        });
        this.#nextOffset = segmentHeaderBytes;
        done(undefined);
      });
    });
  }

  #failPending(action: string, error: Error): void {
    const pending = this.#pending!;
    this.#pending = undefined;
    this.#isRotating = false;
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
   * What the page cache shows of the last frame may not be on the disk: the process may have died
   * while it wrote it. Its entries are written again, before anybody is told. The sync comes first,
   * because the new frame is read as proof that the one before it was durable.
   */
  #confirmLastFrame(last: ScannedFrame | undefined): void {
    if (last === undefined) return;
    last.segment.file.syncSync();
    const entries: Entry[] = [];
    for (const { row, offset } of locateEntries(last)) {
      const payload = Buffer.allocUnsafeSlow(row.byteLength);
      last.segment.file.readSync(payload, offset);
      assert.equal(crc32(payload), row.checksum);
      if (row.index > this.baseIndex) entries.push({ ...row, payload });
    }
    const needed = frameBytes(entries);
    if (this.#nextOffset + needed > this.#segments.at(-1)!.byteLength) {
      this.#beginSegmentSync(segmentHeaderBytes + needed);
    }
    const frame = this.#encode(entries, undefined);
    const whole = Buffer.concat(frame.parts);
    this.#segments.at(-1)!.file.writeSync(whole, this.#nextOffset);
    this.#onWritten(entries, frame);
  }

  #beginSegmentSync(bytesNeeded: number): void {
    const { files, directory, identity, chance, maxSegmentFileSize } = this.#options;
    const previous = this.#segments.at(-1)!;
    const byteLength = Math.max(
      Math.min(previous.byteLength * 2, maxSegmentFileSize),
      alignFrame(bytesNeeded),
    );
    const header: SegmentHeader = {
      segmentId: chance.bytes(segmentIdBytes),
      segmentNumber: previous.segmentNumber + 1,
      firstFrameNumber: this.#nextFrameNumber,
      previousCrc: this.#previousCrc,
      previousIndex: this.lastIndex,
      previousTerm: this.lastIndex > this.baseIndex ? this.at(this.lastIndex).term : this.#baseTerm,
    };
    const path = segmentPath(directory, header.segmentNumber);
    const file = createSegmentSync(files, directory, identity, chance, header, byteLength);
    this.#segments.push({ ...header, path, byteLength, file, indexMax: 0 });
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
  const { files, directory, identity, chance, maxSegmentFileSize } = options;
  files.makeDirectory(directory);
  const header: SegmentHeader = {
    segmentId: chance.bytes(segmentIdBytes),
    segmentNumber: 1,
    firstFrameNumber: 1,
    previousCrc: 0,
    previousIndex: 0,
    previousTerm: 0,
  };
  const byteLength = Math.min(firstSegmentBytes, maxSegmentFileSize);
  createSegmentSync(files, directory, identity, chance, header, byteLength).closeSync();
}

/** Order: zeros durable, header durable, final name, directory durable. */
function createSegmentSync(
  files: Files,
  directory: string,
  identity: ReplicaIdentity,
  chance: Pick<Chance, 'bytes'>,
  header: SegmentHeader,
  byteLength: number,
): FileHandle {
  const spare = sparePath(directory, chance.bytes(8));
  createSpareSync(files, spare, byteLength);
  const file = files.open(spare, 'durable');
  file.writeSync(encodeSegmentHeader(identity, header), 0);
  files.rename(spare, segmentPath(directory, header.segmentNumber));
  files.syncDirectorySync(directory);
  return file;
}

function openSegment(options: JournalOptions, segmentNumber: number): ScannedSegment {
  const path = segmentPath(options.directory, segmentNumber);
  const file = options.files.open(path, 'durable');
  const block = Buffer.alloc(segmentHeaderBytes);
  const read = file.readSync(block, 0);
  const header = decodeSegmentHeader(block.subarray(0, read), options.identity, path);
  if (header.segmentNumber !== segmentNumber) {
    throw new RaftError('DAMAGED', `Log segment "${path}" is number ${header.segmentNumber}`);
  }
  return { ...header, path, file, byteLength: options.files.stat(path)!.byteLength };
}

/** In a callback an exception would end the process without a word. */
function attempt(action: () => void): Error | undefined {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  return undefined;
}

function diskError(action: string, cause: Error): RaftError {
  return new RaftError('DISK', `Cannot ${action}: ${cause.message}`, { cause });
}

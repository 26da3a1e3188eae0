// The log of a stopped replica, entry by entry, for whoever rebuilds a state from it. It changes
// nothing: see `inspect.ts`, which only asks whether the log is whole.

import { crc32 } from 'node:zlib';
import type { LogIndex, Term } from '../core/index.js';
import type { Entry } from '../entry.js';
import { RaftError } from '../errors.js';
import { decodeMembership, type Membership } from '../membership.js';
import { openForReading } from './inspect.js';
import type { JournalOptions } from './journal.js';
import { LogIndexTable } from './log-index.js';
import {
  checkFollows,
  locateEntries,
  type ScannedFrame,
  type ScannedSegment,
  scanSegments,
} from './recovery.js';

export class LogView {
  readonly #segments: readonly ScannedSegment[];
  readonly #table: LogIndexTable;

  /** Throws `RaftError` when the log is damaged, missing or another replica's. */
  static open(options: Pick<JournalOptions, 'directory' | 'identity' | 'files'>): LogView {
    const { segments } = openForReading(options);
    try {
      return new LogView(segments);
    } catch (error) {
      closeAll(segments);
      throw error;
    }
  }

  private constructor(segments: readonly ScannedSegment[]) {
    this.#segments = segments;
    this.#table = new LogIndexTable(segments[0]!.previousIndex);
    scanSegments(segments, (found) => this.#take(found));
  }

  /** Entries up to here are behind a snapshot and gone. */
  get baseIndex(): LogIndex {
    return this.#table.baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.#table.lastIndex;
  }

  /** Of an entry that is there. */
  termAt(index: LogIndex): Term {
    return this.#table.termAt(index);
  }

  /** The newest that the log has, committed or not. Throws `RaftError` when its entry is damaged. */
  get membership(): Membership | undefined {
    for (let index = this.lastIndex; index > this.baseIndex; index -= 1) {
      if (this.#table.kindAt(index) !== 'configuration') continue;
      return decodeMembership(this.#read(index).payload, index);
    }
    return undefined;
  }

  /** From `firstIndex` to the end. Throws `RaftError` at an entry that is damaged. */
  *entries(firstIndex: LogIndex): Generator<Entry> {
    for (let index = firstIndex; index <= this.lastIndex; index += 1) yield this.#read(index);
  }

  close(): void {
    closeAll(this.#segments);
  }

  #take(found: ScannedFrame): void {
    const { segmentNumber } = found.segment;
    for (const { row, offset } of locateEntries(found)) {
      const { index, byteLength, checksum, kind, term, stamp } = row;
      // A frame repeated at a start may reach back behind a snapshot.
      if (index <= this.baseIndex) continue;
      checkFollows(index, this.lastIndex, found.frame.frameNumber);
      // It voids whatever was there and behind it.
      if (index <= this.lastIndex) this.#table.truncateAfter(index - 1);
      this.#table.push({ segmentNumber, offset, byteLength, checksum, kind, term, stamp });
    }
  }

  #read(index: LogIndex): Entry {
    const { segmentNumber, offset, byteLength, checksum, kind, term, stamp } =
      this.#table.at(index);
    const segment = this.#segments.find((each) => each.segmentNumber === segmentNumber)!;
    const payload = Buffer.allocUnsafeSlow(byteLength);
    segment.file.readSync(payload, offset);
    if (crc32(payload) !== checksum) {
      throw new RaftError('DAMAGED', `Entry ${index} in "${segment.path}" is damaged`);
    }
    return { index, term, kind, stamp, byteLength, checksum, payload };
  }
}

function closeAll(segments: readonly ScannedSegment[]): void {
  for (const { file } of segments) file.closeSync();
}

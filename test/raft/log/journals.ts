// What the tests of the log share: a disk with a hand crank, entries, and a journal to open.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { EntryKind } from '../../../raft/core/index.js';
import type { Entry } from '../../../raft/entry.js';
import { RaftError, type RaftErrorCode } from '../../../raft/errors.js';
import type { ReplicaIdentity } from '../../../raft/identity.js';
import { Journal } from '../../../raft/log/index.js';
import { FaultyFiles } from '../../faults/faulty-files.js';
import { randomBytes, seededRandom } from '../../faults/seeded-random.js';

export const identity: ReplicaIdentity = {
  clusterId: '0'.repeat(32),
  group: 1,
  replicaId: 'a'.repeat(40),
};

export const logDirectory = '/holt/log';

/** Files whose asynchronous operations end when the test says so. */
export class Disk {
  readonly files: FaultyFiles;
  readonly random: () => number;
  #waiting: (() => void)[] = [];

  constructor(seed = 1, pristine?: FaultyFiles) {
    this.random = seededRandom(seed);
    const options = { later: (callback: () => void) => void this.#waiting.push(callback) };
    this.files = pristine?.clone(options) ?? new FaultyFiles(options);
  }

  /** One operation ends. False when none is under way. */
  step(): boolean {
    const next = this.#waiting.shift();
    next?.();
    return next !== undefined;
  }

  /** Everything ends, also what begins meanwhile. */
  drain(): void {
    while (this.step());
  }

  powerCut(survivors?: 'some' | 'none'): void {
    this.#waiting = [];
    this.files.powerCut(this.random, survivors);
  }

  kill(): void {
    this.#waiting = [];
    this.files.kill(this.random);
  }
}

export interface OpenOptions {
  readonly maxSegmentFileSize?: number;
  readonly mustExist?: boolean;
  readonly identity?: ReplicaIdentity;
  readonly warnings?: string[];
}

export function openJournal(disk: Disk, options: OpenOptions = {}): Journal {
  return Journal.open({
    directory: logDirectory,
    identity: options.identity ?? identity,
    files: disk.files,
    chance: { bytes: (byteLength) => randomBytes(disk.random, byteLength) },
    maxSegmentFileSize: options.maxSegmentFileSize ?? 32 * 1024,
    mustExist: options.mustExist ?? false,
    onWarning: (text) => options.warnings?.push(text),
  });
}

export function segmentFile(number: number): string {
  return `${logDirectory}/${String(number).padStart(16, '0')}.log`;
}

export function entry(
  index: number,
  term: number,
  payload: string | Buffer = `value ${index} of term ${term}`,
  kind: EntryKind = 'command',
): Entry {
  const bytes = Buffer.from(payload as string);
  return {
    index,
    term,
    kind,
    stamp: 1_700_000_000_000 + index,
    byteLength: bytes.length,
    payload: bytes,
    checksum: crc32(bytes),
  };
}

export function entriesOf(first: number, last: number, term: number, byteLength = 20): Entry[] {
  const entries: Entry[] = [];
  for (let index = first; index <= last; index += 1) {
    entries.push(entry(index, term, Buffer.alloc(byteLength, `${term}/${index};`)));
  }
  return entries;
}

/** Appends one frame and waits until it is durable. */
export function append(disk: Disk, journal: Journal, entries: readonly Entry[]): void {
  let error: Error | undefined | 'waiting' = 'waiting';
  journal.append(entries, undefined, (result) => {
    error = result;
  });
  disk.drain();
  assert.equal(error, undefined);
}

export function readAll(disk: Disk, journal: Journal): readonly Entry[] {
  return readRange(disk, journal, journal.baseIndex + 1, journal.lastIndex);
}

export function readRange(disk: Disk, journal: Journal, first: number, last: number): Entry[] {
  let found: readonly Entry[] | undefined;
  journal.read(first, last, (error, entries) => {
    assert.equal(error, undefined);
    found = entries;
  });
  disk.drain();
  assert(found !== undefined);
  return [...found];
}

export function raftError(code: RaftErrorCode, message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof RaftError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

// The files of one state machine: SQLite's own in a directory of real memory, snapshots on the
// simulated disk.
//
// SQLite opens its files by itself, so they are real, on a file system that has no disk behind it.
// What the machine promises about them is simulated here:
//
//   the process dies     the kernel has every byte that was written. In this process SQLite can only be
//                        closed properly, which commits and empties the WAL; so the bytes are kept from
//                        before and put back into the same files
//   the power goes       nothing of them was ever synced: any of it may be lost or garbled. The marker
//                        and the absence of removed files were written durably, and stay
//
// A snapshot is made of pages that are read here and written through the simulated disk. SQLite cannot
// look into that, so a snapshot that is to be read comes back as a copy first.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import type { FileDone, MachineFile, MachineFiles } from '../../sqlite-sm/index.js';
import { machineFiles } from '../../src/files.js';
import type { FaultyFiles } from '../faults/faulty-files.js';
import { randomBytes, randomInteger } from '../faults/seeded-random.js';

const pageBytes = 4096;
const markerSuffix = '.marker';
const dataName = 'data.db';

export interface MachineDiskOptions {
  /** Exists; removed by `remove`. */
  readonly directory: string;
  /** Where snapshots are. */
  readonly disk: FaultyFiles;
  /** Below this, paths are on the simulated disk. */
  readonly diskRoot: string;
  /** Calls back when an operation is over, unless the process dies before. */
  readonly later: (callback: () => void) => void;
  /** Asked before each operation on SQLite's files that goes by here. */
  readonly fault: (operation: 'sync' | 'copy') => Error | undefined;
}

export class MachineDisk {
  readonly files: MachineFiles;
  readonly #options: MachineDiskOptions;
  readonly #open = new Set<MachineFile>();
  #copies = 0;

  constructor(options: MachineDiskOptions) {
    this.#options = options;
    this.files = {
      ...machineFiles,
      writeFileDurably: (path, bytes) => fs.writeFileSync(path, bytes),
      unlinkDurably: (path) => fs.rmSync(path, { force: true }),
      open: (path, mode) => {
        const { disk, diskRoot } = options;
        return path.startsWith(`${diskRoot}/`) ? disk.open(path, mode) : this.#openReal(path, mode);
      },
      copy: (source, target, done) => this.#copy(source, target, done),
      copySync: (source, target) => fs.copyFileSync(source, target, fs.constants.COPYFILE_EXCL),
    };
  }

  get directory(): string {
    return this.#options.directory;
  }

  /** A directory that SQLite can look into, with the state machine's file of a snapshot. */
  export(snapshotDirectory: string): string {
    const { disk, directory } = this.#options;
    this.#copies += 1;
    const target = join(directory, `snapshot-${this.#copies}`);
    fs.mkdirSync(target);
    const path = `${snapshotDirectory}/${dataName}`;
    const bytes = Buffer.alloc(disk.stat(path)!.byteLength);
    const file = disk.open(path, 'read');
    file.readSync(bytes, 0);
    file.closeSync();
    fs.writeFileSync(join(target, dataName), bytes);
    return target;
  }

  /** The process dies. `close` has SQLite let go of the files, in whatever way it likes. */
  kill(close: () => void): void {
    const { directory } = this.#options;
    const before = new Map(
      this.#names().map((name) => [name, fs.readFileSync(join(directory, name))]),
    );
    close();
    for (const file of [...this.#open]) file.closeSync();
    for (const name of this.#names()) {
      if (!before.has(name)) fs.rmSync(join(directory, name));
    }
    // Into the same file where it is still there: the marker knows which one that is.
    for (const [name, bytes] of before) fs.writeFileSync(join(directory, name), bytes);
    this.#removeExports();
  }

  /** After `kill`: what was never synced is lost in part, or all of it, or garbled. */
  losePower(random: () => number): void {
    for (const name of this.#names()) {
      if (name.endsWith(markerSuffix)) continue;
      const path = join(this.#options.directory, name);
      const chance = random();
      if (chance < 0.1) fs.rmSync(path);
      else if (chance < 0.8) loseParts(path, random);
    }
  }

  remove(): void {
    fs.rmSync(this.#options.directory, { recursive: true, force: true });
  }

  #names(): string[] {
    return fs
      .readdirSync(this.#options.directory, { withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .toSorted();
  }

  #removeExports(): void {
    const { directory } = this.#options;
    for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
      if (entry.isDirectory()) fs.rmSync(join(directory, entry.name), { recursive: true });
    }
  }

  /** Half of it is there while it is under way. */
  #copy(source: string, target: string, done: FileDone): void {
    const { later, fault } = this.#options;
    const bytes = fs.readFileSync(source);
    const half = Math.floor(bytes.length / 2);
    fs.writeFileSync(target, bytes.subarray(0, half), { flag: 'wx' });
    later(() => {
      const error = fault('copy');
      if (error !== undefined) return done(error);
      fs.appendFileSync(target, bytes.subarray(half));
      done(undefined);
    });
  }

  #openReal(path: string, mode: 'read' | 'create'): MachineFile {
    const { later, fault } = this.#options;
    const file = machineFiles.open(path, mode);
    /** Half at the beginning and half at the end: what changes meanwhile may be in either. */
    const read = (target: Buffer, position: number, done: FileDone): void => {
      const middle = Math.floor(target.length / 2);
      file.readSync(target.subarray(0, middle), position);
      later(() => {
        const rest = target.subarray(middle);
        const isWhole = file.readSync(rest, position + middle) === rest.length;
        done(isWhole ? undefined : new Error('the file ends too early'));
      });
    };
    const opened: MachineFile = {
      read,
      readSync: (target, position) => file.readSync(target, position),
      write: () => assert.fail(`${basename(path)} is SQLite's alone to write`),
      writeSync: () => assert.fail(`${basename(path)} is SQLite's alone to write`),
      sync: (done) => later(() => done(fault('sync'))),
      closeSync: () => {
        assert(this.#open.delete(opened), `${basename(path)} was closed twice`);
        file.closeSync();
      },
    };
    this.#open.add(opened);
    return opened;
  }
}

/** Cuts the end, and zeroes or garbles pages: as write-back in no particular order leaves a file. */
function loseParts(path: string, random: () => number): void {
  const bytes = fs.readFileSync(path);
  const length = random() < 0.3 ? Math.floor(random() * bytes.length) : bytes.length;
  const share = random();
  for (let start = 0; start < length; start += pageBytes) {
    if (random() >= share) continue;
    const page = bytes.subarray(start, start + pageBytes);
    if (random() < 0.5) page.fill(0);
    else {
      const at = randomInteger(random, 0, page.length - 1);
      randomBytes(random, Math.min(64, page.length - at)).copy(page, at);
    }
  }
  fs.writeFileSync(path, bytes.subarray(0, length));
}

// A disk that forgets, in memory.
//
// A killed process proves nothing about durability: the kernel still has what it wrote. This disk
// can lose power. Every file has two images, and every directory two lists of names:
//
//                 write                     sync, or the end of a durable write
//     program ───────────▶ page cache ────────────────────────────────────────▶ disk
//                          (what a read sees)                        (what is left after a power cut)
//
// A power cut decides sector by sector, of everything that had not reached the disk: it is there, it
// is not, or the sector was cut in the middle and is garbage. Each name that was made, changed or
// removed without a sync of its directory is decided the same way. In particular the write that was
// under way may leave any of its sectors behind, not only the first ones. A directory is a name, too,
// and is renamed as a whole.
//
// What it does not do: reorder a sync, damage sectors that nobody was writing, or give back a short
// read. A test damages bytes by itself (`flip`).

import assert from 'node:assert/strict';
import { basename, dirname } from 'node:path';
import type { Done, FileHandle, FileStat, Files, OpenMode } from '../../raft/effects.js';

export const sectorBytes = 512;
const pageBytes = 4096;

/** What can be made to fail, and what `cutAt` counts. */
export type Operation = 'create' | 'write' | 'sync' | 'rename' | 'remove' | 'syncDirectory';

export interface FaultyFilesOptions {
  /** Calls back when an asynchronous operation on `path` is over. */
  readonly later: (callback: () => void, path: string) => void;
  /** The power went in the middle of an operation (`cutAt`). Nothing may be done here but note it. */
  readonly onCut?: () => void;
}

export interface Fault {
  readonly operation: Operation;
  /** Only where the path contains this. */
  readonly path?: string;
  /** The how manieth from now on, counted from 1. */
  readonly nth: number;
  readonly code: 'EIO' | 'ENOSPC';
  /** Of a write: half of the bytes arrive before the error. */
  readonly isShort?: boolean;
}

/** Thrown out of a synchronous call when the power goes, or into one that comes afterwards. */
export class PowerLost extends Error {
  override readonly name = 'PowerLost';
}

class Inode {
  readonly number: number;
  readonly isDirectory: boolean;
  cached: Buffer = Buffer.alloc(0);
  durable: Buffer = Buffer.alloc(0);
  byteLength = 0;
  durableLength = 0;
  /** Sectors that differ from the disk's and that a sync will write. */
  readonly dirty = new Set<number>();

  constructor(number: number, isDirectory = false) {
    this.number = number;
    this.isDirectory = isDirectory;
  }

  write(source: Buffer, position: number): void {
    const end = position + source.length;
    if (end > this.cached.length) this.cached = grown(this.cached, end);
    source.copy(this.cached, position);
    this.byteLength = Math.max(this.byteLength, end);
    this.#eachSector(position, source.length, (sector) => this.dirty.add(sector));
  }

  /** Takes back what of an unfinished write had not come into the page cache. */
  restore(before: Buffer, position: number): void {
    before.copy(this.cached, position);
  }

  syncRange(position: number, byteLength: number): void {
    this.#growDurable(
      Math.max(this.durableLength, Math.min(this.byteLength, position + byteLength)),
    );
    this.#eachSector(position, byteLength, (sector) => this.#syncSector(sector));
  }

  syncAll(): void {
    this.#growDurable(this.byteLength);
    for (const sector of this.dirty) this.#syncSector(sector);
  }

  /** The kernel reports a failed write-back once and forgets that the pages were dirty. */
  forgetDirty(position: number, byteLength: number): void {
    this.#eachSector(position, byteLength, (sector) => this.dirty.delete(sector));
  }

  losePower(random: () => number, survivors: 'some' | 'none'): void {
    if (survivors === 'none') this.dirty.clear();
    else if (random() < 0.5) this.#growDurable(this.byteLength);
    for (const sector of [...this.dirty]) {
      const chance = random();
      if (sector * sectorBytes >= this.durableLength) continue;
      if (chance < 0.4) this.#syncSector(sector);
      else if (chance < 0.6) this.#garble(sector, random);
    }
    this.dirty.clear();
    this.byteLength = this.durableLength;
    this.cached = Buffer.from(this.durable);
  }

  clone(): Inode {
    const copy = new Inode(this.number, this.isDirectory);
    copy.cached = Buffer.from(this.cached);
    copy.durable = Buffer.from(this.durable);
    copy.byteLength = this.byteLength;
    copy.durableLength = this.durableLength;
    for (const sector of this.dirty) copy.dirty.add(sector);
    return copy;
  }

  #syncSector(sector: number): void {
    const start = sector * sectorBytes;
    const end = Math.min(start + sectorBytes, this.durableLength);
    this.cached.copy(this.durable, start, start, Math.max(start, end));
    this.dirty.delete(sector);
  }

  /** A part of the new bytes, then nonsense, then a part of the old ones. */
  #garble(sector: number, random: () => number): void {
    const start = sector * sectorBytes;
    const first = Math.floor(random() * sectorBytes);
    const last = first + Math.floor(random() * (sectorBytes - first));
    this.cached.copy(this.durable, start, start, Math.min(start + first, this.durableLength));
    for (let at = start + first; at < Math.min(start + last, this.durableLength); at += 1) {
      this.durable[at] = Math.floor(random() * 256);
    }
  }

  #growDurable(byteLength: number): void {
    if (byteLength > this.durable.length) this.durable = grown(this.durable, byteLength);
    this.durableLength = byteLength;
  }

  #eachSector(position: number, byteLength: number, visit: (sector: number) => void): void {
    const last = Math.floor((position + byteLength - 1) / sectorBytes);
    for (let sector = Math.floor(position / sectorBytes); sector <= last; sector += 1)
      visit(sector);
  }
}

function drawSurvivors(random: () => number): 'some' | 'none' {
  return random() < 0.75 ? 'some' : 'none';
}

function grown(buffer: Buffer, byteLength: number): Buffer {
  const larger = Buffer.alloc(Math.max(byteLength, buffer.length * 2));
  buffer.copy(larger);
  return larger;
}

type Names = Map<string, Inode>;

/** A change of a directory that its disk may not have yet. */
interface NameChange {
  /** It may get another name before the change is on the disk. */
  directory: string;
  readonly apply: (names: Names, directory: string) => void;
}

interface WriteUnderWay {
  readonly inode: Inode;
  readonly position: number;
  readonly before: Buffer;
}

export class FaultyFiles implements Files {
  readonly #options: FaultyFilesOptions;
  #names: Names = new Map();
  #durableNames: Names = new Map();
  #nameChanges: NameChange[] = [];
  #underWay = new Set<WriteUnderWay>();
  #inodes = 0;
  #faults: { fault: Fault; left: number }[] = [];
  #cutIn: number | undefined;
  #isDead = false;
  /** Every crash begins another life; nothing of an older one reaches the files any more. */
  #life = 0;
  /** Of these files O_DSYNC is forgotten: their writes wait for a sync, as all others do. */
  ignoresDurableOpens: (path: string) => boolean = () => false;
  /** Asked before every operation: what it fails with, besides what `fail` ordered. */
  trouble: (operation: Operation, path: string) => Fault['code'] | undefined = () => undefined;
  /** No file can be made or grow. What has its place already can still be overwritten. */
  isFull = false;
  /** Operations so far, for `cutAt`. */
  operations = 0;

  constructor(options: FaultyFilesOptions) {
    this.#options = options;
  }

  // ---------------------------------------------------------------------------- faults

  /**
   * The power goes. Afterwards there is what the disk had; handles of before are dead and their
   * callbacks never come. Of what was not synced, `random` decides for each sector and name, or
   * nothing survives: a kernel that had not begun to write back.
   */
  powerCut(random: () => number, survivors: 'some' | 'none' = drawSurvivors(random)): void {
    for (const change of this.#nameChanges) {
      if (survivors === 'some' && random() < 0.5)
        change.apply(this.#durableNames, change.directory);
    }
    this.#nameChanges = [];
    this.#names = new Map(this.#durableNames);
    for (const inode of new Set(this.#names.values())) {
      if (!inode.isDirectory) inode.losePower(random, survivors);
    }
    this.#beginLife();
  }

  /** The process dies; the page cache lives on, with a beginning of each write that was under way. */
  kill(random: () => number): void {
    for (const { inode, position, before } of this.#underWay) {
      const pages = Math.floor(random() * (before.length / pageBytes + 1));
      const arrived = Math.min(pages * pageBytes, before.length);
      inode.restore(before.subarray(arrived), position + arrived);
    }
    this.#beginLife();
  }

  /** In the middle of the nth operation from now on the power goes; `powerCut` tells how it ended. */
  cutAt(nth: number): void {
    this.#cutIn = nth;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  fail(fault: Fault): void {
    this.#faults.push({ fault, left: fault.nth });
  }

  /** An independent copy of both images, with nothing under way. */
  clone(options: FaultyFilesOptions): FaultyFiles {
    const copy = new FaultyFiles(options);
    const copies = new Map<Inode, Inode>();
    const copyOf = (inode: Inode): Inode => {
      const known = copies.get(inode) ?? inode.clone();
      copies.set(inode, known);
      return known;
    };
    assert.equal(this.#nameChanges.length, 0, 'Sync the directories before a clone');
    for (const [path, inode] of this.#names) copy.#names.set(path, copyOf(inode));
    copy.#durableNames = new Map(copy.#names);
    copy.#inodes = this.#inodes;
    return copy;
  }

  /** What a read of the whole file sees. */
  contents(path: string): Buffer {
    const inode = this.inodeAt(path);
    return Buffer.from(inode.cached.subarray(0, inode.byteLength));
  }

  /** Damages the file in both images: inverts the bits of `mask` in `byteLength` bytes. */
  flip(path: string, position: number, byteLength = 1, mask = 0xff): void {
    const inode = this.inodeAt(path);
    for (const image of [inode.cached, inode.durable]) {
      for (let at = position; at < position + byteLength; at += 1) image[at]! ^= mask;
    }
  }

  /** Puts bytes into both images, as somebody with a disk editor. */
  overwrite(path: string, position: number, bytes: Buffer): void {
    const inode = this.inodeAt(path);
    bytes.copy(inode.cached, position);
    bytes.copy(inode.durable, position);
  }

  /** Shortens the file in both images. */
  truncate(path: string, byteLength: number): void {
    const inode = this.inodeAt(path);
    inode.byteLength = byteLength;
    inode.durableLength = byteLength;
  }

  /** The same bytes in another file under the same name, as a copied or restored directory has. */
  replaceByCopy(path: string): void {
    const copy = this.inodeAt(path).clone();
    const renumbered = Object.assign(new Inode(this.#nextInode()), {
      cached: copy.cached,
      durable: copy.durable,
      byteLength: copy.byteLength,
      durableLength: copy.durableLength,
    });
    this.#names.set(path, renumbered);
    this.#durableNames.set(path, renumbered);
  }

  // ---------------------------------------------------------------------------- Files

  stat(path: string): FileStat | undefined {
    const inode = this.#names.get(path);
    if (inode === undefined) return undefined;
    const { number, byteLength } = inode;
    return { device: 1, inode: number, birthMs: number * 1000, byteLength };
  }

  list(directory: string): string[] {
    const prefix = `${directory}/`;
    return [...this.#names.keys()]
      .filter((path) => dirname(path) === directory)
      .map((path) => path.slice(prefix.length));
  }

  makeDirectory(path: string): void {
    for (let at = path; at !== dirname(at); at = dirname(at)) {
      if (this.#durableNames.has(at)) continue;
      const inode = this.#names.get(at) ?? new Inode(0, true);
      this.#names.set(at, inode);
      this.#durableNames.set(at, inode);
    }
  }

  createDirectory(path: string): void {
    this.#assertAlive();
    if (this.#names.has(path)) throw systemError('EEXIST', 'mkdir', path);
    this.#throwFault('create', path);
    const inode = new Inode(0, true);
    this.#changeNames({
      directory: dirname(path),
      apply: (names) => names.set(path, inode),
    });
    this.#throwIfCut();
  }

  open(path: string, mode: OpenMode): FileHandle {
    this.#assertAlive();
    if (mode !== 'create') {
      const access = {
        isWritable: mode !== 'read',
        isDurable: mode === 'durable' && !this.ignoresDurableOpens(path),
      };
      return new Handle(this, path, access, this.#life);
    }
    if (this.#names.has(path)) throw systemError('EEXIST', 'open', path);
    this.#throwFault('create', path);
    const inode = new Inode(this.#nextInode());
    this.#changeNames({
      directory: dirname(path),
      apply: (names, directory) => names.set(`${directory}/${basename(path)}`, inode),
    });
    this.#throwIfCut();
    return new Handle(this, path, { isWritable: true, isDurable: false }, this.#life);
  }

  rename(source: string, target: string): void {
    this.#assertAlive();
    const inode = this.inodeAt(source);
    if (inode.isDirectory && this.#names.has(target)) {
      throw systemError('ENOTEMPTY', 'rename', source);
    }
    this.#throwFault('rename', source);
    for (const change of this.#nameChanges) {
      if (inode.isDirectory && change.directory === source) change.directory = target;
    }
    this.#changeNames({
      directory: dirname(target),
      apply: (names) => {
        for (const [path, inside] of [...names]) {
          if (!path.startsWith(`${source}/`)) continue;
          names.delete(path);
          names.set(target + path.slice(source.length), inside);
        }
        if (names.get(source) === inode) names.delete(source);
        names.set(target, inode);
      },
    });
    this.#throwIfCut();
  }

  remove(path: string): void {
    this.#assertAlive();
    const inode = this.inodeAt(path);
    if (inode.isDirectory) throw systemError('EISDIR', 'unlink', path);
    this.#throwFault('remove', path);
    this.#changeNames({
      directory: dirname(path),
      apply: (names, directory) => {
        const now = `${directory}/${basename(path)}`;
        if (names.get(now) === inode) names.delete(now);
      },
    });
    this.#throwIfCut();
  }

  removeTreeSync(path: string): void {
    this.#assertAlive();
    if (!this.#names.has(path)) return;
    for (const name of this.list(path)) this.remove(`${path}/${name}`);
    this.#throwFault('remove', path);
    this.#changeNames({
      directory: dirname(path),
      apply: (names) => {
        for (const name of [...names.keys()]) {
          if (name === path || name.startsWith(`${path}/`)) names.delete(name);
        }
      },
    });
    this.#throwIfCut();
  }

  removeTree(path: string, done: Done): void {
    this.finishLater(path, () => {
      try {
        this.removeTreeSync(path);
      } catch (error) {
        if (error instanceof PowerLost) throw error;
        return done(error as Error);
      }
      done(undefined);
    });
  }

  syncDirectorySync(directory: string): void {
    this.#assertAlive();
    this.#throwFault('syncDirectory', directory);
    this.#throwIfCut();
    this.#syncNames(directory);
  }

  syncDirectory(directory: string, done: Done): void {
    const fault = this.takeFault('syncDirectory', directory);
    this.finishLater(directory, () => {
      if (fault !== undefined) return done(fault.error);
      this.#syncNames(directory);
      done(undefined);
    });
  }

  // ---------------------------------------------------------------------------- for handles

  inodeAt(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw systemError('ENOENT', 'open', path);
    return inode;
  }

  isOfThisLife(life: number): boolean {
    return !this.#isDead && life === this.#life;
  }

  begin(inode: Inode, source: Buffer, position: number): WriteUnderWay {
    const before = Buffer.alloc(source.length);
    inode.cached.copy(before, 0, position, Math.min(inode.cached.length, position + before.length));
    const write = { inode, position, before };
    this.#underWay.add(write);
    return write;
  }

  end(write: WriteUnderWay): void {
    this.#underWay.delete(write);
  }

  /** Counts an operation; true when the power goes in the middle of it. */
  isCut(): boolean {
    this.operations += 1;
    if (this.#cutIn === undefined) return false;
    this.#cutIn -= 1;
    if (this.#cutIn > 0) return false;
    this.#cutIn = undefined;
    this.#isDead = true;
    this.#options.onCut?.();
    return true;
  }

  /** `isGrowing`: the operation needs room that is not taken yet. */
  takeFault(
    operation: Operation,
    path: string,
    isGrowing = operation === 'create',
  ): { error: Error; isShort: boolean } | undefined {
    for (const waiting of this.#faults) {
      if (waiting.fault.operation !== operation) continue;
      if (!path.includes(waiting.fault.path ?? '')) continue;
      waiting.left -= 1;
      if (waiting.left > 0) continue;
      this.#faults = this.#faults.filter((other) => other !== waiting);
      const error = systemError(waiting.fault.code, operation, path);
      return { error, isShort: waiting.fault.isShort ?? false };
    }
    const code = this.isFull && isGrowing ? 'ENOSPC' : this.trouble(operation, path);
    if (code === undefined) return undefined;
    return { error: systemError(code, operation, path), isShort: false };
  }

  /** Ends an asynchronous operation, unless a crash comes first. */
  finishLater(path: string, finish: () => void): void {
    if (this.#isDead || this.isCut()) return;
    const life = this.#life;
    this.#options.later(() => {
      if (this.isOfThisLife(life)) finish();
    }, path);
  }

  // ---------------------------------------------------------------------------- inside

  #beginLife(): void {
    this.#life += 1;
    this.#isDead = false;
    this.#cutIn = undefined;
    this.#underWay = new Set();
    this.#faults = [];
  }

  #nextInode(): number {
    this.#inodes += 1;
    return this.#inodes;
  }

  #changeNames(change: NameChange): void {
    change.apply(this.#names, change.directory);
    this.#nameChanges.push(change);
  }

  #syncNames(directory: string): void {
    const later: NameChange[] = [];
    for (const change of this.#nameChanges) {
      if (change.directory === directory) change.apply(this.#durableNames, change.directory);
      else later.push(change);
    }
    this.#nameChanges = later;
  }

  #throwFault(operation: Operation, path: string): void {
    const fault = this.takeFault(operation, path);
    if (fault !== undefined) throw fault.error;
  }

  #throwIfCut(): void {
    if (this.isCut()) throw new PowerLost('The power is gone');
  }

  #assertAlive(): void {
    if (this.#isDead) throw new PowerLost('The power is gone');
  }
}

interface Access {
  readonly isWritable: boolean;
  /** Every write is on the disk when it is over. */
  readonly isDurable: boolean;
}

class Handle implements FileHandle {
  readonly #files: FaultyFiles;
  /** As it was opened; the file may have another name by now. */
  readonly #path: string;
  readonly #inode: Inode;
  readonly #access: Access;
  readonly #life: number;
  #isClosed = false;

  constructor(files: FaultyFiles, path: string, access: Access, life: number) {
    this.#files = files;
    this.#path = path;
    this.#inode = files.inodeAt(path);
    this.#access = access;
    this.#life = life;
  }

  readSync(target: Buffer, position: number): number {
    this.#assertAlive();
    return this.#inode.cached.copy(
      target,
      0,
      Math.min(position, this.#inode.byteLength),
      Math.min(this.#inode.byteLength, position + target.length),
    );
  }

  read(target: Buffer, position: number, done: Done): void {
    this.#assertOpen();
    this.#files.finishLater(this.#path, () => {
      assert(!this.#isClosed, 'A file was closed while it was read');
      const read = this.readSync(target, position);
      done(read === target.length ? undefined : new Error('the file ends too early'));
    });
  }

  writeSync(source: Buffer, position: number): void {
    this.#assertAlive();
    assert(this.#access.isWritable);
    const fault = this.#files.takeFault('write', this.#path, this.#isGrowing(source, position));
    if (fault !== undefined) {
      this.#failWrite(source, position, fault.isShort);
      throw fault.error;
    }
    this.#inode.write(source, position);
    if (this.#files.isCut()) throw new PowerLost('The power is gone');
    if (this.#access.isDurable) this.#inode.syncRange(position, source.length);
  }

  write(sources: readonly Buffer[], position: number, done: Done): void {
    if (!this.#files.isOfThisLife(this.#life)) return;
    this.#assertOpen();
    assert(this.#access.isWritable);
    const asGiven = Buffer.concat(sources);
    const isGrowing = this.#isGrowing(asGiven, position);
    const fault = this.#files.takeFault('write', this.#path, isGrowing);
    const underWay = this.#files.begin(this.#inode, asGiven, position);
    if (fault === undefined) this.#inode.write(asGiven, position);
    this.#files.finishLater(this.#path, () => {
      this.#files.end(underWay);
      assert(!this.#isClosed, 'A file was closed while it was written');
      if (fault !== undefined) {
        this.#failWrite(asGiven, position, fault.isShort);
        return done(fault.error);
      }
      // The device reads the buffers until the write is over, not only when it begins.
      assert(asGiven.equals(Buffer.concat(sources)), 'A buffer changed while it was being written');
      if (this.#access.isDurable) this.#inode.syncRange(position, asGiven.length);
      done(undefined);
    });
  }

  syncSync(): void {
    this.#assertAlive();
    const fault = this.#files.takeFault('sync', this.#path);
    if (fault !== undefined) {
      this.#inode.dirty.clear();
      throw fault.error;
    }
    if (this.#files.isCut()) throw new PowerLost('The power is gone');
    this.#inode.syncAll();
  }

  sync(done: Done): void {
    if (!this.#files.isOfThisLife(this.#life)) return;
    this.#assertOpen();
    const fault = this.#files.takeFault('sync', this.#path);
    this.#files.finishLater(this.#path, () => {
      if (fault === undefined) this.#inode.syncAll();
      else this.#inode.dirty.clear();
      done(fault?.error);
    });
  }

  closeSync(): void {
    assert(!this.#isClosed, 'A file was closed twice');
    this.#isClosed = true;
  }

  #isGrowing(source: Buffer, position: number): boolean {
    return position + source.length > this.#inode.byteLength;
  }

  /** The page cache has it, the disk does not, and no later sync will tell. */
  #failWrite(source: Buffer, position: number, isShort: boolean): void {
    const arrived = isShort ? source.subarray(0, Math.floor(source.length / 2)) : source;
    this.#inode.write(arrived, position);
    this.#inode.forgetDirty(position, arrived.length);
  }

  #assertAlive(): void {
    this.#assertOpen();
    if (!this.#files.isOfThisLife(this.#life)) throw new PowerLost('The power is gone');
  }

  #assertOpen(): void {
    assert(!this.#isClosed, 'A closed file was used');
  }
}

function systemError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code });
}

// The snapshots of a replica, in `group-G/snapshots/`.
//
//   tmp-…                  being made, or being removed; gone at the next start
//   receiving-ID           being sent by another replica; survives a restart
//   snapshot-INDEX-ID      whole: the state machine's files, manifest.json, perhaps `held`
//
// A snapshot has its name only when everything in it is on the disk:
//
//   1. the files, synced and summed        3. its new name      (rename)
//   2. the manifest, synced; the directory 4. durable           (sync of `snapshots/`)
//
// so a crash at any point leaves the old ones, or the old ones and a whole new one. Only after step 4
// is anybody told, and only then may the log be cut. What rots later shows by the crcs: a snapshot is
// verified before it is used.
//
// To remove one, it first loses its name, durably: a crash must not leave half of a snapshot that
// looks like one.

import assert from 'node:assert/strict';
import { basename, join } from 'node:path';
import type { LogIndex, Term } from '../core/index.js';
import type { Chance, Clock, Done, FileHandle, Files } from '../effects.js';
import { attempt, diskError, RaftError } from '../errors.js';
import type { ReplicaIdentity } from '../identity.js';
import type { Membership } from '../membership.js';
import type { FileSum } from '../state-machine.js';
import { sumFile, sumFileSync, syncSummedFile } from './checksum.js';
import {
  decodeManifest,
  encodeManifest,
  heldName,
  manifestName,
  type Snapshot,
  type SnapshotFile,
  type SnapshotManifest,
} from './manifest.js';

export type { Snapshot, SnapshotFile, SnapshotManifest } from './manifest.js';

export interface SnapshotStoreOptions {
  /** Made when it is missing. */
  readonly directory: string;
  readonly identity: ReplicaIdentity;
  readonly files: Files;
  readonly chance: Pick<Chance, 'bytes'>;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** Something worth a line in the log. */
  readonly onWarning: (message: string) => void;
}

/** What the state machine wrote, and where in the log that is. */
export interface SnapshotHead {
  readonly index: LogIndex;
  readonly term: Term;
  readonly stamp: number;
  readonly membership: Membership;
  /** By name, of the files that the state machine has summed. */
  readonly sums?: ReadonlyMap<string, FileSum>;
}

type Published = (error: Error | undefined, snapshot: Snapshot | undefined) => void;
/** With an error the sum means nothing. */
type Summed = (error: Error | undefined, sum: FileSum) => void;

export class SnapshotStore {
  readonly #options: SnapshotStoreOptions;
  #all: Snapshot[] = [];
  /** By id: how often it is in use. */
  readonly #uses = new Map<string, number>();
  /** As `prune` was told last. */
  #kept: number | undefined;

  /** Synchronous: nothing is served yet. Throws what the files report. */
  static open(options: SnapshotStoreOptions): SnapshotStore {
    const { directory, files } = options;
    files.makeDirectory(directory);
    // A killed process may have left a name that only the page cache has. The log is cut behind it.
    files.syncDirectorySync(directory);
    const store = new SnapshotStore(options);
    for (const name of files.list(directory).toSorted()) {
      if (name.startsWith('tmp-')) files.removeTreeSync(join(directory, name));
      else if (name.startsWith('snapshot-')) store.#load(name);
    }
    return store;
  }

  private constructor(options: SnapshotStoreOptions) {
    this.#options = options;
  }

  // ---------------------------------------------------------------------------- what there is

  /** Ascending by index. One that has no whole manifest is not among them. */
  get all(): readonly Snapshot[] {
    return this.#all;
  }

  get newest(): Snapshot | undefined {
    return this.#all.at(-1);
  }

  /** Whether every file is there as it was published. */
  verify(snapshot: Snapshot, done: Done): void {
    const { files } = this.#options;
    const sum = (path: string, onSummed: Summed): void =>
      sumFile(files, path, { isSynced: false }, onSummed);
    this.#verifyFiles(snapshot.path, snapshot.manifest.files, sum, done);
  }

  /** As `verify`, at a start. */
  verifySync(snapshot: Snapshot): Error | undefined {
    return verifySnapshotSync(this.#options.files, snapshot);
  }

  /** It is in use, and not removed, until what is returned is called. */
  acquire({ manifest: { snapshotId } }: Snapshot): () => void {
    this.#uses.set(snapshotId, (this.#uses.get(snapshotId) ?? 0) + 1);
    let isReleased = false;
    return () => {
      if (isReleased) return;
      isReleased = true;
      const uses = this.#uses.get(snapshotId)! - 1;
      if (uses > 0) this.#uses.set(snapshotId, uses);
      else this.#uses.delete(snapshotId);
      if (uses === 0 && this.#kept !== undefined) this.prune(this.#kept);
    };
  }

  /** Keeps it until somebody removes the file `held` in it. */
  hold(snapshot: Snapshot, done: Done): void {
    if (this.#isHeld(snapshot)) return done(undefined);
    this.#writeFile(join(snapshot.path, heldName), heldText, (error) => {
      if (error !== undefined) return done(diskError('hold a snapshot', error));
      this.#options.files.syncDirectory(snapshot.path, done);
    });
  }

  #isHeld({ path }: Snapshot): boolean {
    return this.#options.files.stat(join(path, heldName)) !== undefined;
  }

  /**
   * It was found damaged: it is not among `all` any more, so that no other relies on it. Its files are left
   * to whoever may still read them, and to be looked at; a start finds it again, behind newer ones.
   */
  disown(snapshot: Snapshot): void {
    this.#all = this.#all.filter((one) => one !== snapshot);
  }

  // ---------------------------------------------------------------------------- making

  /** A fresh empty directory, to be given to `publish` or `abandon`. Throws what the files report. */
  begin(): string {
    const path = this.#temporaryPath();
    this.#options.files.createDirectory(path);
    return path;
  }

  /** Nothing comes of what was begun. */
  abandon(temporary: string): void {
    this.#options.files.removeTree(temporary, (error) => this.#warnIf(error, temporary));
  }

  /**
   * Makes a snapshot of the files in `temporary`: durable, and among `all`, when it is `done` without
   * an error. With one, the files are gone.
   */
  publish(temporary: string, head: SnapshotHead, done: Published): void {
    const { files, identity, chance, clock } = this.#options;
    const fail = (error: Error): void => {
      this.abandon(temporary);
      done(diskError('save a snapshot', error), undefined);
    };
    let names: string[] = [];
    const listError = attempt(() => {
      names = files.list(temporary).toSorted();
    });
    if (listError !== undefined) return fail(listError);
    this.#sum(temporary, names, head.sums ?? new Map(), [], (error, found) => {
      if (error !== undefined) return fail(error);
      const manifest: SnapshotManifest = {
        format: 1,
        snapshotId: chance.bytes(16).toString('hex'),
        clusterId: identity.clusterId,
        group: identity.group,
        index: head.index,
        term: head.term,
        stamp: head.stamp,
        createdMs: clock.wallMs(),
        membership: head.membership,
        files: found,
      };
      this.#complete(temporary, manifest, done);
    });
  }

  /** Syncs the files, one after another, and sums those of which the sum is not known. */
  #sum(
    directory: string,
    names: readonly string[],
    known: ReadonlyMap<string, FileSum>,
    found: readonly SnapshotFile[],
    done: (error: Error | undefined, found: readonly SnapshotFile[]) => void,
  ): void {
    const name = names[found.length];
    if (name === undefined) return done(undefined, found);
    this.#syncAndSum(join(directory, name), known.get(name), (error, sum) => {
      if (error !== undefined) return done(error, found);
      this.#sum(directory, names, known, [...found, { name, ...sum }], done);
    });
  }

  /** `known`: as it was summed by whoever wrote it. */
  #syncAndSum(path: string, known: FileSum | undefined, done: Summed): void {
    const { files } = this.#options;
    if (known === undefined) sumFile(files, path, { isSynced: true }, done);
    else syncSummedFile(files, path, known, (error) => done(error, known));
  }

  /** The files in `directory` are durable: manifest, name, `done`. */
  #complete(directory: string, manifest: SnapshotManifest, done: Published): void {
    const { files } = this.#options;
    const path = join(this.#options.directory, snapshotName(manifest));
    const fail = (error: Error): void => {
      this.#discard(directory);
      done(diskError('save a snapshot', error), undefined);
    };
    let bytes: Buffer;
    try {
      bytes = encodeManifest(manifest);
      // What cannot be read again must not be written: it may have come over the network.
      decodeManifest(bytes, directory);
    } catch (error) {
      return fail(error as Error);
    }
    this.#writeFile(join(directory, manifestName), bytes, (writeError) => {
      if (writeError !== undefined) return fail(writeError);
      files.syncDirectory(directory, (syncError) => {
        if (syncError !== undefined) return fail(syncError);
        const renameError = attempt(() => {
          // One whose manifest rotted: `#load` left it, and a directory is not renamed over another.
          if (files.stat(path) !== undefined) this.#discard(path);
          files.rename(directory, path);
        });
        if (renameError !== undefined) return fail(renameError);
        files.syncDirectory(this.#options.directory, (nameError) => {
          if (nameError !== undefined) {
            this.#remove(path);
            return done(diskError('save a snapshot', nameError), undefined);
          }
          const snapshot: Snapshot = { path, manifest };
          this.#add(snapshot);
          done(undefined, snapshot);
        });
      });
    });
  }

  /** A new file, durable but for its name. */
  #writeFile(path: string, bytes: Buffer, done: Done): void {
    let file: FileHandle;
    try {
      file = this.#options.files.open(path, 'create');
    } catch (error) {
      return done(error as Error);
    }
    const finish: Done = (error) => {
      file.closeSync();
      done(error);
    };
    file.write([bytes], 0, (error) => {
      if (error !== undefined) return finish(error);
      file.sync(finish);
    });
  }

  // ---------------------------------------------------------------------------- receiving

  /**
   * Where the files of another replica's snapshot are gathered, made when it is missing. Of an older
   * one that was not received to its end nothing is needed any more. Throws what the files report.
   */
  receivingDirectory({ snapshotId }: SnapshotManifest): string {
    assert.match(snapshotId, idPattern);
    const { directory, files } = this.#options;
    const wanted = `${receivingPrefix}${snapshotId}`;
    for (const name of files.list(directory)) {
      if (name.startsWith(receivingPrefix) && name !== wanted) this.#discard(join(directory, name));
    }
    const path = join(directory, wanted);
    if (files.stat(path) === undefined) files.createDirectory(path);
    return path;
  }

  /**
   * Makes a snapshot of what was received, when it is what `manifest` says: durable, and among `all`,
   * when it is `done` without an error. With one, what was received is gone. `sums`: by name, of
   * files that were summed as they were written here; the others are read.
   */
  adopt(
    receiving: string,
    manifest: SnapshotManifest,
    sums: ReadonlyMap<string, FileSum>,
    done: Published,
  ): void {
    const fail = (error: Error): void => {
      this.#discard(receiving);
      done(error, undefined);
    };
    const known = this.#all.find((other) => other.manifest.snapshotId === manifest.snapshotId);
    if (known !== undefined) {
      return this.verify(known, (wrong) => {
        if (wrong === undefined) {
          this.#discard(receiving);
          return done(undefined, known);
        }
        // It rotted: what came now takes its place. Its name is free at once.
        this.#options.onWarning(wrong.message);
        this.#all = this.#all.filter((one) => one !== known);
        this.#remove(known.path);
        this.adopt(receiving, manifest, sums, done);
      });
    }
    const error = attempt(() => {
      this.#checkForeign(manifest, receiving);
      this.#removeOthers(receiving, manifest.files);
    });
    if (error !== undefined) return fail(error);
    const sum = (path: string, onSummed: Summed): void =>
      this.#syncAndSum(path, sums.get(basename(path)), onSummed);
    this.#verifyFiles(receiving, manifest.files, sum, (wrong) => {
      if (wrong !== undefined) return fail(wrong);
      this.#complete(receiving, manifest, done);
    });
  }

  /** Notes of whoever received the files are no part of the snapshot. */
  #removeOthers(directory: string, wanted: readonly SnapshotFile[]): void {
    const { files } = this.#options;
    for (const name of files.list(directory)) {
      if (!wanted.some((file) => file.name === name)) files.remove(join(directory, name));
    }
  }

  #verifyFiles(
    directory: string,
    wanted: readonly SnapshotFile[],
    sumOf: (path: string, onSummed: Summed) => void,
    done: Done,
  ): void {
    const next = (at: number): void => {
      const file = wanted[at];
      if (file === undefined) return done(undefined);
      sumOf(join(directory, file.name), (error, sum) => {
        const wrong = whatIsWrongWith(directory, file, error, sum);
        if (wrong !== undefined) return done(wrong);
        next(at + 1);
      });
    };
    next(0);
  }

  // ---------------------------------------------------------------------------- removing

  /** Removes all but the newest `keep`, those that are in use and those that are held. */
  prune(keep: number): void {
    assert(keep >= 1);
    this.#kept = keep;
    const removed = this.#all
      .slice(0, -keep)
      .filter((one) => !this.#uses.has(one.manifest.snapshotId) && !this.#isHeld(one));
    if (removed.length === 0) return;
    this.#all = this.#all.filter((one) => !removed.includes(one));
    for (const { path } of removed) this.#remove(path);
  }

  /** One that loses its name is no snapshot any more, and only then its files go. */
  #remove(path: string): void {
    const { files, directory } = this.#options;
    const temporary = this.#unname(path);
    if (temporary === undefined) return;
    files.syncDirectory(directory, (error) => {
      if (error !== undefined) this.#warnIf(error, path);
      else this.abandon(temporary);
    });
  }

  /** What was received, above all: its name is free at once, for another try. */
  #discard(path: string): void {
    const temporary = this.#unname(path);
    if (temporary !== undefined) this.abandon(temporary);
  }

  /** The new name of what is to go; undefined when it could not be given one. */
  #unname(path: string): string | undefined {
    const temporary = this.#temporaryPath();
    const error = attempt(() => this.#options.files.rename(path, temporary));
    this.#warnIf(error, path);
    return error === undefined ? temporary : undefined;
  }

  #warnIf(error: Error | undefined, path: string): void {
    if (error === undefined) return;
    this.#options.onWarning(`Cannot remove "${path}": ${error.message}`);
  }

  // ---------------------------------------------------------------------------- start

  #load(name: string): void {
    const path = join(this.#options.directory, name);
    const error = attempt(() => {
      const manifest = readManifest(this.#options.files, path);
      this.#checkForeign(manifest, path);
      if (name !== snapshotName(manifest)) {
        const what = `it is the snapshot ${snapshotName(manifest)}`;
        throw new RaftError('DAMAGED', `Cannot use the snapshot "${path}": ${what}`);
      }
      this.#add({ path, manifest });
    });
    if (error !== undefined) this.#options.onWarning(`${error.message}. It is left where it is`);
  }

  #checkForeign(manifest: SnapshotManifest, path: string): void {
    for (const part of ['clusterId', 'group'] as const) {
      const own = this.#options.identity[part];
      if (manifest[part] === own) continue;
      throw new RaftError(
        'FOREIGN',
        `Cannot use the snapshot "${path}": its ${part} is ${manifest[part]}, this replica's is ${own}`,
      );
    }
  }

  #add(snapshot: Snapshot): void {
    this.#all = [...this.#all, snapshot].sort(
      ({ manifest: one }, { manifest: other }) =>
        one.index - other.index || one.createdMs - other.createdMs,
    );
  }

  #temporaryPath(): string {
    const { directory, chance } = this.#options;
    return join(directory, `tmp-${chance.bytes(8).toString('hex')}`);
  }
}

const receivingPrefix = 'receiving-';
const heldText = Buffer.from('Remove this file to let the snapshot go.\n');
const idPattern = /^[0-9a-f]{32}$/;

function snapshotName({ index, snapshotId }: SnapshotManifest): string {
  return `snapshot-${String(index).padStart(20, '0')}-${snapshotId}`;
}

/** Of the snapshot in the directory `path`. Throws `RaftError`, and what the files report. */
export function readManifest(files: Files, path: string): SnapshotManifest {
  const manifestPath = join(path, manifestName);
  const stat = files.stat(manifestPath);
  if (stat === undefined) {
    throw new RaftError('DAMAGED', `Cannot use the snapshot "${path}": it has no manifest`);
  }
  const bytes = Buffer.alloc(stat.byteLength);
  const file = files.open(manifestPath, 'read');
  try {
    return decodeManifest(bytes.subarray(0, file.readSync(bytes, 0)), path);
  } finally {
    file.closeSync();
  }
}

/** Undefined: every file is there as it was published. */
export function verifySnapshotSync(files: Files, { path, manifest }: Snapshot): Error | undefined {
  for (const file of manifest.files) {
    let sum: FileSum | undefined;
    const error = attempt(() => {
      sum = sumFileSync(files, join(path, file.name));
    });
    const wrong = whatIsWrongWith(path, file, error, sum);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Of a file that was summed, or could not be. Undefined: it is as it should be. */
function whatIsWrongWith(
  path: string,
  wanted: SnapshotFile,
  error: Error | undefined,
  sum: FileSum | undefined,
): Error | undefined {
  const damaged = (what: string): Error =>
    new RaftError(
      'DAMAGED',
      `Cannot use the snapshot "${path}": its file "${wanted.name}" ${what}`,
    );
  if (error !== undefined) return damaged(`cannot be read: ${error.message}`);
  if (sum!.byteLength !== wanted.byteLength) {
    return damaged(`has ${sum!.byteLength} bytes, expected ${wanted.byteLength}`);
  }
  if (sum!.crc32 !== wanted.crc32) return damaged('has changed on the disk');
  return undefined;
}

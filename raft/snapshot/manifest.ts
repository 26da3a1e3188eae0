// `manifest.json`: which state a snapshot holds, and what its files must be.
//
//   {
//     "format": 1,
//     "snapshotId": …, "clusterId": …, "group": …,
//     "index": …, "term": …, "stamp": …, "createdMs": …,
//     "membership": { "index": …, … as in a configuration entry },
//     "files": [ { "name": …, "byteLength": …, "crc32": … }, … ],
//     "crc32": "0a1b2c3d"
//   }
//
// JSON, because whoever finds a snapshot years later should be able to read what it is. The last line
// but one is the crc of all bytes before it, so any changed byte shows; the files are as good as their
// crcs here say.

import { crc32 } from 'node:zlib';
import type { LogIndex, Term } from '../core/index.js';
import { attempt, RaftError, shown } from '../errors.js';
import { encodeMembership, type Membership, membershipOf } from '../membership.js';

export const manifestName = 'manifest.json';
/** While a file of this name is in it, a snapshot is not removed. */
export const heldName = 'held';

export interface SnapshotFile {
  /** In the snapshot's directory. */
  readonly name: string;
  readonly byteLength: number;
  readonly crc32: number;
}

export interface SnapshotManifest {
  readonly format: 1;
  /** 32 hexadecimal digits, random. */
  readonly snapshotId: string;
  readonly clusterId: string;
  readonly group: number;
  /** The last entry whose effects are in it. */
  readonly index: LogIndex;
  readonly term: Term;
  /** Of that entry, milliseconds since the epoch. */
  readonly stamp: number;
  /** Wall clock of the replica that took it, milliseconds since the epoch. */
  readonly createdMs: number;
  /** In effect at that entry. */
  readonly membership: Membership;
  readonly files: readonly SnapshotFile[];
}

/** A snapshot on the disk. */
export interface Snapshot {
  /** Its directory. */
  readonly path: string;
  readonly manifest: SnapshotManifest;
}

/** Bytes of the state machine's files. */
export function snapshotBytes({ files }: SnapshotManifest): number {
  return files.reduce((sum, { byteLength }) => sum + byteLength, 0);
}

export function encodeManifest(manifest: SnapshotManifest): Buffer {
  const { membership, files, ...rest } = manifest;
  const payload = JSON.parse(encodeMembership(membership).toString('utf8'));
  const fields = { ...rest, membership: { index: membership.index, ...payload }, files };
  const text = JSON.stringify(fields, undefined, 2).slice(0, -'\n}'.length);
  const head = Buffer.from(`${text},\n`);
  return Buffer.concat([head, crcLine(head)]);
}

/** `path`: the snapshot, as it is called in the error. Throws `RaftError`. */
export function decodeManifest(bytes: Buffer, path: string): SnapshotManifest {
  const head = bytes.subarray(0, Math.max(0, bytes.length - crcLineBytes));
  if (!bytes.subarray(head.length).equals(crcLine(head))) {
    throw new RaftError('DAMAGED', `Cannot use the snapshot "${path}": its manifest is damaged`);
  }
  // The sum says that these are the bytes that were written, not that they make sense.
  let found: unknown;
  attempt(() => {
    found = JSON.parse(bytes.toString('utf8'));
  });
  const wrong = whatIsWrongWith(found);
  if (wrong !== undefined) {
    const code = wrong.startsWith('its format') ? 'VERSION' : 'DAMAGED';
    throw new RaftError(code, `Cannot use the snapshot "${path}": ${wrong}`);
  }
  const { crc32: _crc, membership, ...rest } = found as SnapshotManifest & { crc32: unknown };
  return { ...rest, membership: membershipOf(membership, membership.index) };
}

function crcLine(head: Buffer): Buffer {
  return Buffer.from(`  "crc32": "${crc32(head).toString(16).padStart(8, '0')}"\n}\n`);
}

const crcLineBytes = crcLine(Buffer.alloc(0)).length;

/** As the end of a sentence; undefined: nothing is, but for the members. */
function whatIsWrongWith(found: unknown): string | undefined {
  if (!isRecord(found)) return 'its manifest is no object';
  if (found.format !== 1) return `its format is ${shown(found.format)}, expected 1`;
  if (!isId(found.snapshotId)) return 'it has no id';
  if (!isId(found.clusterId)) return 'it is of no cluster';
  for (const name of ['group', 'index', 'term', 'stamp', 'createdMs'] as const) {
    const value = found[name];
    if (!isNatural(value)) return `its ${name} is ${shown(value)}`;
  }
  if (!isRecord(found.membership)) return 'it has no membership';
  const { index } = found.membership;
  if (!isNatural(index)) return `the index of its membership is ${shown(index)}`;
  if (!Array.isArray(found.files)) return 'it has no list of files';
  for (const file of found.files) {
    if (!isRecord(file)) return `it cannot have the file ${shown(file)}`;
    const { name, byteLength, crc32: sum } = file;
    if (!isFileName(name)) return `it cannot have a file "${shown(name)}"`;
    if (!isNatural(byteLength)) return `its file "${name}" has ${shown(byteLength)} bytes`;
    if (!isNatural(sum) || sum > 0xffff_ffff) return `its file "${name}" has no sum`;
  }
  return undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value);
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A manifest may come from another replica: its names must not lead out of the directory. */
function isFileName(name: unknown): name is string {
  if (typeof name !== 'string' || name === manifestName || name === heldName) return false;
  return /^\w[\w.-]*$/.test(name);
}

// The manifest that a peer offers, before it is believed: its names become file names here, its
// lengths and numbers decide what is read, written and replaced.

import { attempt, shown } from '../../errors.js';
import type { ReplicaIdentity } from '../../identity.js';
import { type Membership, membershipOf } from '../../membership.js';
import type { SnapshotFile, SnapshotManifest } from '../store.js';

const fileCountMax = 1024;

/** What is wrong with it, as a sentence's end, or the manifest. */
export function decodeOfferedManifest(
  bytes: Buffer,
  self: ReplicaIdentity,
): SnapshotManifest | string {
  let manifest: Partial<SnapshotManifest>;
  try {
    manifest = JSON.parse(bytes.toString()) as Partial<SnapshotManifest>;
  } catch {
    return 'its manifest is no JSON';
  }
  if (manifest === null || typeof manifest !== 'object') return 'its manifest is no object';
  if (manifest.format !== 1)
    return `its format is ${shown(manifest.format)}, which is unknown here`;
  if (manifest.clusterId !== self.clusterId) {
    return `it is of cluster ${shown(manifest.clusterId)}, not ${self.clusterId}`;
  }
  if (manifest.group !== self.group) {
    return `it is of group ${shown(manifest.group)}, not ${self.group}`;
  }
  const wrong = wrongField(manifest);
  if (wrong !== undefined) return `its manifest has a wrong ${wrong}`;
  const { membership } = manifest as SnapshotManifest;
  return { ...(manifest as SnapshotManifest), membership: plainMembership(membership) };
}

function wrongField(manifest: Partial<SnapshotManifest>): string | undefined {
  const { snapshotId, index, term, stamp, createdMs, membership, files } = manifest;
  if (typeof snapshotId !== 'string' || !/^[0-9a-f]{32}$/.test(snapshotId)) return 'snapshotId';
  if (!isNatural(index) || index === 0) return 'index';
  if (!isNatural(term) || term === 0) return 'term';
  if (!isNatural(stamp)) return 'stamp';
  if (!isNatural(createdMs)) return 'createdMs';
  if (!isMembership(membership)) return 'membership';
  if (!Array.isArray(files) || files.length === 0 || files.length > fileCountMax) return 'files';
  if (!files.every(isFile)) return 'file';
  if (new Set(files.map(({ name }) => name)).size !== files.length) return 'file';
  return undefined;
}

function isNatural(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** A plain name, which cannot lead out of a directory and is not the manifest's own. */
function isFile(file: SnapshotFile | null): boolean {
  if (file === null || typeof file.name !== 'string') return false;
  const isName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(file.name);
  if (!isName || file.name === 'manifest.json' || file.name === 'held') return false;
  return isNatural(file.byteLength) && isNatural(file.crc32) && file.crc32 <= 0xffff_ffff;
}

/** Else what came would be refused only when all of it is here and is to be saved. */
function isMembership(membership: Membership | null | undefined): boolean {
  if (membership === undefined || membership === null || !isNatural(membership.index)) return false;
  return attempt(() => plainMembership(membership)) === undefined;
}

/** As the configuration entry has it. Throws `RaftError`. */
function plainMembership({ index, voters, learners }: Membership): Membership {
  return membershipOf({ format: 1, voters, learners }, index);
}

// `manifest.json` of a snapshot on the disk, or in a backup from anywhere: its names become the names
// of files that are read, and its numbers decide what is replaced.
//
// Checked: it is taken or refused with a `RaftError`; what is taken names files of its own directory,
// and is the same when it is written and read again.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import { RaftError } from '../../../raft/errors.js';
import {
  decodeManifest,
  encodeManifest,
  type SnapshotManifest,
} from '../../../raft/snapshot/index.js';
import { changedJson } from '../json.js';
import { mutated, type Random } from '../mutate.js';
import { raftResultOf } from '../raft-result.js';
import { manifestFrom } from '../snapshots.js';
import type { FuzzTarget, Verdict } from '../target.js';

function make(random: Random): Buffer {
  const valid = encodeManifest(manifestFrom(random));
  const action = random();
  if (action < 0.1) return valid;
  if (action < 0.4) return mutated(random, valid);
  if (action < 0.6) return summed(mutated(random, valid));
  const { crc32: _crc, ...fields } = JSON.parse(valid.toString()) as Record<string, unknown>;
  return summed(changedJson(random, fields));
}

/** Somebody wrote it on purpose. What was its end goes. */
function summed(text: Buffer): Buffer {
  const end = Math.max(text.lastIndexOf(',\n  "crc32"'), text.lastIndexOf('\n}'), 0);
  const head = Buffer.concat([text.subarray(0, end), Buffer.from(',\n')]);
  const crc = crc32(head).toString(16).padStart(8, '0');
  return Buffer.concat([head, Buffer.from(`  "crc32": "${crc}"\n}\n`)]);
}

function check(input: Buffer): Verdict {
  const manifest = raftResultOf(() => decodeManifest(input, '/snapshots/one'));
  if (manifest instanceof RaftError) {
    assert.match(manifest.message, /\/snapshots\/one|the membership in entry/);
    return 'refused';
  }
  assertBelieved(manifest);
  return 'accepted';
}

/** What whoever goes on with it relies on. */
export function assertBelieved(manifest: SnapshotManifest): void {
  const { snapshotId, clusterId, index, term, stamp, createdMs, membership, files } = manifest;
  assert.match(snapshotId, /^[0-9a-f]{32}$/);
  assert.match(clusterId, /^[0-9a-f]{32}$/);
  for (const number of [index, term, stamp, createdMs, membership.index]) {
    assert(Number.isSafeInteger(number) && number >= 0);
  }
  for (const { name, byteLength, crc32: sum } of files) {
    assert.match(name, /^\w[\w.-]*$/);
    assert(name !== 'manifest.json' && name !== 'held');
    assert(Number.isSafeInteger(byteLength) && byteLength >= 0);
    assert(Number.isSafeInteger(sum) && sum >= 0 && sum <= 0xffff_ffff);
  }
  assert.deepEqual(decodeManifest(encodeManifest(manifest), '/again'), manifest);
}

export const snapshotManifest: FuzzTarget = {
  name: 'snapshot-manifest',
  runsInTest: 3000,
  make,
  check,
};

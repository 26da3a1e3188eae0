// Who a replica is: cluster, group and replica id, all random but the group's number.
//
// They head every file and every conversation, so that a log never continues under another name and
// a message never reaches the wrong cluster. Ids are stored with the data and never used again.

import assert from 'node:assert/strict';
import type { ReplicaId } from './core/index.js';
import { RaftError } from './errors.js';

export interface ReplicaIdentity {
  /** 32 lower-case hexadecimal digits. */
  readonly clusterId: string;
  /** The number of the Raft group, from 0. */
  readonly group: number;
  readonly replicaId: ReplicaId;
}

/** group u32 | cluster id (16) | replica id (20) */
export const identityBytesLength = 40;

export function writeIdentityBytes(
  target: Buffer,
  offset: number,
  identity: ReplicaIdentity,
): void {
  assert.match(identity.clusterId, /^[0-9a-f]{32}$/);
  assert.match(identity.replicaId, /^[0-9a-f]{40}$/);
  target.writeUInt32LE(identity.group, offset);
  target.write(identity.clusterId, offset + 4, 'hex');
  target.write(identity.replicaId, offset + 20, 'hex');
}

export function readIdentityBytes(bytes: Buffer): ReplicaIdentity {
  return {
    group: bytes.readUInt32LE(0),
    clusterId: bytes.toString('hex', 4, 20),
    replicaId: bytes.toString('hex', 20, 40),
  };
}

/** Throws `RaftError` FOREIGN with a sentence that names what differs. */
export function checkIdentityBytes(bytes: Buffer, expected: ReplicaIdentity, path: string): void {
  const found = readIdentityBytes(bytes);
  for (const part of ['clusterId', 'group', 'replicaId'] as const) {
    if (found[part] === expected[part]) continue;
    throw new RaftError(
      'FOREIGN',
      `Cannot use "${path}": its ${part} is ${found[part]}, this replica's is ${expected[part]}`,
    );
  }
}

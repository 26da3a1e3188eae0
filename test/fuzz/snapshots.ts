// Snapshots as they may be, for the targets that read of them.

import type { Member, Membership } from '../../raft/membership.js';
import type { SnapshotManifest } from '../../raft/snapshot/index.js';
import { randomBytes, randomInteger } from '../faults/seeded-random.js';
import { identity } from '../raft/log/journals.js';
import { pick, type Random } from './mutate.js';

/** Of the cluster and group of `identity`. */
export function manifestFrom(random: Random): SnapshotManifest {
  return {
    format: 1,
    snapshotId: randomBytes(random, 16).toString('hex'),
    clusterId: identity.clusterId,
    group: identity.group,
    index: randomInteger(random, 1, 1_000_000),
    term: randomInteger(random, 1, 1000),
    stamp: 1_700_000_000_000 + randomInteger(random, 0, 1_000_000),
    createdMs: 1_700_000_000_000 + randomInteger(random, 0, 1_000_000),
    membership: membershipFrom(random),
    files: pick(random, [['data.db'], ['data.db', 'more'], ['a-b_c.1']]).map((name) => ({
      name,
      byteLength: randomInteger(random, 0, 3_000_000),
      crc32: randomInteger(random, 0, 0xffff_ffff),
    })),
  };
}

export function membershipFrom(random: Random): Membership {
  const members = Array.from({ length: randomInteger(random, 1, 5) }, () => memberFrom(random));
  const voters = randomInteger(random, 1, members.length);
  return {
    index: randomInteger(random, 0, 1000),
    voters: members.slice(0, voters),
    learners: members.slice(voters),
  };
}

function memberFrom(random: Random): Member {
  return {
    replicaId: randomBytes(random, 20).toString('hex'),
    host: pick(random, ['10.0.0.1', 'fd00::1', 'server-1.example']),
    port: randomInteger(random, 1, 65_535),
    attributes: pick<Member['attributes']>(random, [{}, { server: 1 }, { name: 'é', more: [1] }]),
  };
}

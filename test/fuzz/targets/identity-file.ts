// `identity.json`: ids that everything else is compared with, and addresses that are listened on.
//
// Checked: it is taken or refused with a `DirectoryError` that names it; of what is taken there is a
// member for every replica or a sentence, and it is the same when it is written and read again.

import assert from 'node:assert/strict';
import {
  DirectoryError,
  decodeIdentity,
  type GroupMember,
  hostedReplica,
  type Identity,
  newIdentities,
  newJoiningIdentity,
  ownMember,
} from '../../../src/identity.js';
import { changedJson, jsonText } from '../json.js';
import { mutated, pick, type Random } from '../mutate.js';
import type { FuzzTarget, Verdict } from '../target.js';

const path = '/data/identity.json';
const born = { device: 1, inode: 7, birthMs: 1_700_000_000_000.5 };

function make(random: Random): Buffer {
  const identity = identityFrom(random);
  const action = random();
  if (action < 0.1) return jsonText(identity);
  return action < 0.4 ? mutated(random, jsonText(identity)) : changedJson(random, identity);
}

function identityFrom(random: Random): Identity {
  const address = { host: '127.0.0.1', basePort: 7000 };
  const announced = { host: 'example.org', basePort: 9000 };
  const identity = pick(random, [
    newIdentities([address, { ...address, announced }])[1]!,
    newJoiningIdentity({ clusterId: '0'.repeat(32), group: 1, serverNumber: 4, address }),
  ]);
  if (random() < 0.5) return identity;
  return { ...identity, replicas: identity.replicas.map((replica) => ({ ...replica, born })) };
}

function check(input: Buffer): Verdict {
  const identity: Identity | DirectoryError = resultOf(() =>
    decodeIdentity(input.toString(), path),
  );
  if (identity instanceof DirectoryError) {
    assert(identity.message.includes(path));
    return 'refused';
  }
  assert.match(identity.clusterId, /^[0-9a-f]{32}$/);
  for (const { group } of identity.replicas) {
    assert.match(hostedReplica(identity, group).replicaId, /^[0-9a-f]{40}$/);
    const own = ownMemberOf(identity, group);
    if (own instanceof DirectoryError) continue;
    for (const port of [own.clientPort, own.busPort]) assert(Number.isSafeInteger(port));
    assert.equal(typeof own.host, 'string');
  }
  const again = decodeIdentity(jsonText(identity).toString(), path);
  assert.deepEqual(again, identity);
  return 'accepted';
}

function ownMemberOf(identity: Identity, group: number): GroupMember | DirectoryError {
  return resultOf(() => ownMember(identity, group));
}

function resultOf<Result>(read: () => Result): Result | DirectoryError {
  try {
    return read();
  } catch (error) {
    if (error instanceof DirectoryError) return error;
    throw error;
  }
}

export const identityFile: FuzzTarget = { name: 'identity-file', runsInTest: 3000, make, check };

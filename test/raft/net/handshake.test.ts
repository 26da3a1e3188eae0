import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { ReplicaIdentity } from '../../../raft/identity.js';
import {
  decodeHello,
  encodeHello,
  type Hello,
  helloBytes,
  isSameProof,
  proof,
} from '../../../raft/net/handshake.js';
import { randomBytes, seededRandom } from '../../faults/seeded-random.js';

const self: ReplicaIdentity = {
  clusterId: '1'.repeat(32),
  group: 2,
  replicaId: 'a'.repeat(40),
};
const peer: ReplicaIdentity = { ...self, replicaId: 'b'.repeat(40) };
const nonce = randomBytes(seededRandom(1), 32);

function hello(identity = peer, to = self.replicaId): Buffer {
  return encodeHello({ identity, to, purpose: 'messages', nonce });
}

describe('handshake', () => {
  it('says who speaks', () => {
    const bytes = hello();
    assert.equal(bytes.length, helloBytes);
    assert.deepEqual(decodeHello(bytes, self), {
      identity: peer,
      to: self.replicaId,
      purpose: 'messages',
      nonce,
    });
    const snapshot = encodeHello({
      identity: peer,
      to: self.replicaId,
      purpose: 'snapshot',
      nonce,
    });
    assert.equal((decodeHello(snapshot, self) as Hello).purpose, 'snapshot');
  });

  it('tells what is wrong with a greeting', () => {
    const otherVersion = hello();
    otherVersion.writeUInt32LE(9, 8);
    otherVersion.writeUInt32LE(crc32(otherVersion.subarray(0, 124)), 124);
    const otherPurpose = hello();
    otherPurpose.writeUInt8(7, 104);
    otherPurpose.writeUInt32LE(crc32(otherPurpose.subarray(0, 124)), 124);
    const damaged = hello();
    damaged[80]! ^= 1;
    const cases: readonly (readonly [Buffer, RegExp])[] = [
      [Buffer.alloc(helloBytes, 'PING\r\n'), /does not speak the bus protocol/],
      [damaged, /greeting is damaged/],
      [otherVersion, /speaks version 9/],
      [otherPurpose, /for a purpose that is unknown here/],
      [hello({ ...peer, clusterId: '2'.repeat(32) }), /belongs to cluster 2222/],
      [hello({ ...peer, group: 7 }), /is of group 7, not 2/],
      [hello(peer, 'c'.repeat(40)), /looks for replica cccc/],
    ];
    for (const [bytes, sentence] of cases) {
      assert.match(String(decodeHello(bytes, self)), sentence);
    }
  });

  it('has a proof that depends on secret, side, ids and nonces', () => {
    const secret = Buffer.from('secret');
    const dialler = hello();
    const acceptor = encodeHello({
      identity: self,
      to: peer.replicaId,
      purpose: 'messages',
      nonce,
    });
    const otherPurpose = encodeHello({
      identity: self,
      to: peer.replicaId,
      purpose: 'snapshot',
      nonce,
    });
    const right = proof(secret, 'dial', dialler, acceptor);
    assert(isSameProof(right, proof(secret, 'dial', dialler, acceptor)));
    const otherNonce = encodeHello({
      identity: self,
      to: peer.replicaId,
      purpose: 'messages',
      nonce: Buffer.alloc(32, 1),
    });
    for (const wrong of [
      proof(Buffer.from('Secret'), 'dial', dialler, acceptor),
      proof(secret, 'accept', dialler, acceptor),
      proof(secret, 'dial', acceptor, dialler),
      proof(secret, 'dial', dialler, otherNonce),
      proof(secret, 'dial', dialler, otherPurpose),
      right.subarray(1),
    ]) {
      assert(!isSameProof(right, wrong));
    }
  });
});

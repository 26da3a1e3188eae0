// Who is there? Both ends of a new connection prove that they know the cluster's secret.
//
//   dialler  ── hello(ids, purpose, nonce) ──────────────────▶ acceptor
//            ◀─ hello(ids, purpose, nonce), proof("accept") ──
//            ── proof("dial") ────────────────────────────────▶ then comes what it is for
//
// A proof is HMAC-SHA-256 with the secret over the side's name and both hellos. The nonces make a
// recorded proof worthless, the side's name keeps a proof from being played back to its maker. What
// is said here is who speaks, not what is said later: the bus is meant for a network where nobody
// can change packets under way, or for a tunnel.
//
//   hello (128 bytes): magic "HOLTBUS1", version u32, identity (40), to (20), nonce (32),
//   purpose u8 at 104, zero, crc u32 at 124

import { createHmac, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ReplicaId } from '../core/index.js';
import { type ReplicaIdentity, readIdentityBytes, writeIdentityBytes } from '../identity.js';

export const helloBytes = 128;
export const proofBytes = 32;
export const nonceBytes = 32;

const magic = Buffer.from('HOLTBUS1', 'latin1');
const version = 2;
const purposeOffset = 104;
const crcOffset = helloBytes - 4;

/**
 * What a connection is for.
 *
 * - `messages`: Raft's, from the dialler to the acceptor.
 * - `snapshot`: one snapshot, so that its bytes are in nobody's way.
 */
export type Purpose = 'messages' | 'snapshot';

const purposeCodes: Record<Purpose, number> = { messages: 1, snapshot: 2 };

export interface Hello {
  readonly identity: ReplicaIdentity;
  readonly to: ReplicaId;
  readonly purpose: Purpose;
  readonly nonce: Buffer;
}

export function encodeHello(hello: Hello): Buffer {
  const bytes = Buffer.alloc(helloBytes);
  magic.copy(bytes, 0);
  bytes.writeUInt32LE(version, 8);
  writeIdentityBytes(bytes, 12, hello.identity);
  bytes.write(hello.to, 52, 'hex');
  hello.nonce.copy(bytes, 72);
  bytes.writeUInt8(purposeCodes[hello.purpose], purposeOffset);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, crcOffset)), crcOffset);
  return bytes;
}

/** What is wrong with it, as a sentence's end, or who speaks. */
export function decodeHello(bytes: Buffer, self: ReplicaIdentity): Hello | string {
  if (bytes.compare(magic, 0, magic.length, 0, magic.length) !== 0) {
    return 'it does not speak the bus protocol';
  }
  if (crc32(bytes.subarray(0, crcOffset)) !== bytes.readUInt32LE(crcOffset)) {
    return 'its greeting is damaged';
  }
  const found = bytes.readUInt32LE(8);
  if (found !== version) return `it speaks version ${found} of the bus protocol, not ${version}`;
  const identity = readIdentityBytes(bytes.subarray(12, 52));
  const to = bytes.toString('hex', 52, 72);
  if (identity.clusterId !== self.clusterId) {
    return `it belongs to cluster ${identity.clusterId}, not ${self.clusterId}`;
  }
  if (identity.group !== self.group) return `it is of group ${identity.group}, not ${self.group}`;
  if (to !== self.replicaId) return `it looks for replica ${to}, this is ${self.replicaId}`;
  const purpose = purposeOf(bytes.readUInt8(purposeOffset));
  if (purpose === undefined) return 'it is for a purpose that is unknown here';
  return { identity, to, purpose, nonce: Buffer.from(bytes.subarray(72, 72 + nonceBytes)) };
}

function purposeOf(code: number): Purpose | undefined {
  return (Object.keys(purposeCodes) as Purpose[]).find((purpose) => purposeCodes[purpose] === code);
}

export function proof(
  secret: Buffer,
  side: 'dial' | 'accept',
  diallerHello: Buffer,
  acceptorHello: Buffer,
): Buffer {
  return createHmac('sha256', secret)
    .update(side)
    .update(diallerHello)
    .update(acceptorHello)
    .digest();
}

export function isSameProof(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

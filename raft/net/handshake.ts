// Who is there? Both ends of a new connection prove that they know the cluster's secret.
//
//   dialler  ── hello(ids, nonce) ─────────────────────▶ acceptor
//            ◀─ hello(ids, nonce), proof("accept") ─────
//            ── proof("dial") ─────────────────────────▶ messages may follow
//
// A proof is HMAC-SHA-256 with the secret over the side's name and both hellos. The nonces make a
// recorded proof worthless, the side's name keeps a proof from being played back to its maker. What
// is said here is who speaks, not what is said later: the bus is meant for a network where nobody
// can change packets under way, or for a tunnel.
//
//   hello (128 bytes): magic "HOLTBUS1", version u32, identity (40), to (20), nonce (32), zero,
//   crc u32 at 124

import { createHmac, timingSafeEqual } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { ReplicaId } from '../core/index.js';
import { type ReplicaIdentity, readIdentityBytes, writeIdentityBytes } from '../identity.js';

export const helloBytes = 128;
export const proofBytes = 32;
export const nonceBytes = 32;

const magic = Buffer.from('HOLTBUS1', 'latin1');
const version = 1;
const crcOffset = helloBytes - 4;

export interface Hello {
  readonly identity: ReplicaIdentity;
  readonly to: ReplicaId;
  readonly nonce: Buffer;
}

export function encodeHello(hello: Hello): Buffer {
  const bytes = Buffer.alloc(helloBytes);
  magic.copy(bytes, 0);
  bytes.writeUInt32LE(version, 8);
  writeIdentityBytes(bytes, 12, hello.identity);
  bytes.write(hello.to, 52, 'hex');
  hello.nonce.copy(bytes, 72);
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
  return { identity, to, nonce: Buffer.from(bytes.subarray(72, 72 + nonceBytes)) };
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

// How a connection of the bus begins: what whoever answers at a peer's address says.
//
// Checked: the outcome, what goes back and what is left for whoever comes next are the same however the
// stream is cut; a proof goes out only to the peer that was called and that knows the secret; and no more
// is gathered than a greeting.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Connection } from '../../../raft/effects.js';
import type { ReplicaIdentity } from '../../../raft/identity.js';
import { GreetingConnection, greetAcceptor } from '../../../raft/net/greeting.js';
import { encodeHello, helloBytes, proof, proofBytes } from '../../../raft/net/handshake.js';
import { randomBytes, randomInteger } from '../../faults/seeded-random.js';
import { identity as self } from '../../raft/log/journals.js';
import { mutated, pick, type Random } from '../mutate.js';
import { waysToCut } from '../pieces.js';
import type { FuzzTarget, Verdict } from '../target.js';

const peer: ReplicaIdentity = { ...self, replicaId: 'b'.repeat(40) };
const secret = Buffer.alloc(32, 's');
const nonce = Buffer.alloc(32, 'n');
const own = encodeHello({ identity: self, to: peer.replicaId, purpose: 'messages', nonce });
const answerBytes = helloBytes + proofBytes;

function make(random: Random): Buffer {
  const hello = encodeHello({
    identity: pick(random, [peer, peer, peer, { ...peer, replicaId: 'c'.repeat(40) }]),
    to: self.replicaId,
    purpose: pick(random, ['messages', 'snapshot']),
    nonce: randomBytes(random, 32),
  });
  const changed = random() < 0.4 ? hello : resummed(mutated(random, hello));
  const known = pick(random, [secret, secret, secret, Buffer.alloc(32, 'x')]);
  const answer = Buffer.concat([changed, proof(known, 'accept', own, changed)]);
  const bytes = random() < 0.2 ? mutated(random, answer) : answer;
  // What comes behind it is for somebody else, unless it comes before anybody can be there.
  const behind = pick(random, [0, 0, randomInteger(random, 1, 300), 300_000]);
  return Buffer.concat([bytes, randomBytes(random, behind)]);
}

function resummed(hello: Buffer): Buffer {
  const end = Math.min(hello.length, helloBytes) - 4;
  if (end > 0) hello.writeUInt32LE(crc32(hello.subarray(0, end)), end);
  return hello;
}

interface Outcome {
  /** As `done` was called: once, or not yet. */
  readonly results: readonly (string | undefined)[];
  readonly sent: string;
  readonly isClosed: boolean;
}

function check(input: Buffer, random: Random): Verdict {
  const [whole, ...others] = waysToCut(input.subarray(0, answerBytes), random).map(greet);
  for (const other of others) assert.deepEqual(other, whole);
  const { results, sent, isClosed } = greet([input]);
  assert(results.length <= 1, 'It calls back once');
  const isAccepted = results.length === 1 && results[0] === undefined;
  const hello = input.subarray(0, helloBytes);
  const isDue = isAccepted ? proof(secret, 'dial', own, hello).toString('hex') : '';
  assert.equal(sent, own.toString('hex') + isDue);
  assert.equal(isClosed, results.length === 1 && !isAccepted);
  if (!isAccepted) return 'refused';
  const given = input.subarray(helloBytes, answerBytes);
  assert(given.equals(proof(secret, 'accept', own, hello)), 'It does not know the secret');
  assert.equal(hello.toString('hex', 32, 52), peer.replicaId);
  return 'accepted';
}

function greet(pieces: readonly Buffer[]): Outcome {
  const results: (string | undefined)[] = [];
  const sent: Buffer[] = [];
  let isClosed = false;
  let onData: (chunk: Buffer) => void = () => {};
  let onClose: (reason: string) => void = () => {};
  const connection: Connection = {
    write: (buffers) => sent.push(...buffers),
    onData: (callback) => {
      onData = callback;
    },
    onClose: (callback) => {
      onClose = callback;
    },
    destroy: () => {
      if (isClosed) return;
      isClosed = true;
      onClose('destroyed');
    },
  };
  const timers = { after: () => () => {}, every: () => () => {}, atTurnEnd: () => {} };
  const chance = { bytes: () => nonce };
  const greeting = { identity: self, to: peer.replicaId, purpose: 'messages' as const };
  greetAcceptor(
    new GreetingConnection(connection),
    { ...greeting, secret, chance, timers },
    (trouble) => results.push(trouble),
  );
  for (const piece of pieces) if (!isClosed) onData(piece);
  return { results, sent: Buffer.concat(sent).toString('hex'), isClosed };
}

export const greeting: FuzzTarget = { name: 'greeting', runsInTest: 1500, make, check };

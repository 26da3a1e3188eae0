// How two servers get to know each other, over RESP: HOLT IDENTITY.
//
// A server that joins asks a member which cluster this is and who takes part; the leader that is to
// add a server asks it who it is. Whoever answers proves that it knows the bus secret, without which
// the two could never speak on the bus: a wrong secret is noticed here, where there is somebody to
// tell, and not by a replica that never gets a word.
//
// proof = HMAC-SHA-256(bus secret, "holt identity" | nonce of the asker | cluster id)

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { type Address, addressText } from '../address.js';
import { AdminClient } from '../cli/resp-client.js';
import type { GroupMember } from '../identity.js';

/** What a server tells of itself. */
export interface Introduction {
  /** Of this shape. */
  readonly format: 1;
  readonly clusterId: string;
  readonly group: number;
  /** Its own replica. */
  readonly self: GroupMember;
  readonly isMember: boolean;
  /** Who takes part, as far as it knows. */
  readonly members: readonly GroupMember[];
}

/** Why nobody could be made acquainted with. The message is a sentence without a full stop. */
export class IntroductionError extends Error {
  /** There was no answer; otherwise it was one that cannot be trusted. */
  readonly isUnreachable: boolean;

  constructor(message: string, isUnreachable: boolean, cause?: unknown) {
    super(message, { cause });
    this.name = 'IntroductionError';
    this.isUnreachable = isUnreachable;
  }
}

const nonceBytes = 32;
const answerMs = 5000;

export function isNonce(text: string): boolean {
  return text.length === nonceBytes * 2 && /^[0-9a-f]+$/.test(text);
}

/** The text that answers HOLT IDENTITY with this nonce. */
export function introductionText(
  introduction: Introduction,
  secret: string,
  nonce: string,
): string {
  const proof = proofOf(secret, nonce, introduction.clusterId).toString('hex');
  return JSON.stringify({ ...introduction, proof });
}

/** `trouble`, the end of a sentence: the text makes no sense, or its writer has another bus secret. */
export function readIntroduction(
  text: string,
  secret: string,
  nonce: string,
): { readonly introduction: Introduction } | { readonly trouble: string } {
  const parsed = parseObject(text);
  if (parsed === undefined) return { trouble: 'it does not say who it is' };
  const { proof, ...introduction } = parsed;
  if (introduction.format !== 1) {
    return { trouble: `it introduces itself in format ${introduction.format}, expected 1` };
  }
  const expected = proofOf(secret, nonce, String(introduction.clusterId));
  const given = Buffer.from(String(proof), 'hex');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return {
      trouble:
        `it says that it is of cluster ${introduction.clusterId}, and its bus secret is not that of ` +
        'this server (the file `bus-secret` in the directory, bus-secret-file or HOLT_BUS_SECRET)',
    };
  }
  return { introduction: introduction as Introduction };
}

function parseObject(text: string): Partial<Introduction & { proof: unknown }> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return typeof parsed === 'object' && parsed !== null ? parsed : undefined;
}

export interface Credentials {
  /** Of clients; empty: none. */
  readonly password: string;
  readonly busSecret: string;
}

/** Asks the server whose clients connect to `address`. Throws `IntroductionError`. */
export async function askIntroduction(
  address: Address,
  { password, busSecret }: Credentials,
): Promise<Introduction> {
  const nonce = randomBytes(nonceBytes).toString('hex');
  let text: string;
  try {
    const client = await AdminClient.connect(address.host, address.port, password, answerMs);
    try {
      text = String(await client.command('HOLT', 'IDENTITY', nonce));
    } finally {
      client.close();
    }
  } catch (cause) {
    throw new IntroductionError(
      `cannot ask the server at ${addressText(address)}: ${(cause as Error).message}`,
      true,
      cause,
    );
  }
  const read = readIntroduction(text, busSecret, nonce);
  if ('introduction' in read) return read.introduction;
  throw new IntroductionError(
    `cannot trust the server at ${addressText(address)}: ${read.trouble}`,
    false,
  );
}

function proofOf(secret: string, nonce: string, clusterId: string): Buffer {
  return createHmac('sha256', secret).update(`holt identity ${nonce} ${clusterId}`).digest();
}

// Who takes part in a group and where they are: the core's `Configuration` with addresses.
//
// The core counts ids. Connections need addresses, and the owner wants facts of its own about each
// member to travel along (where clients reach it, which server it lives on). All of it is in the
// payload of a `configuration` entry, so whoever has the log can reach everybody in it.

import assert from 'node:assert/strict';
import type { Configuration, LogIndex, ReplicaId } from './core/index.js';
import { RaftError, shown } from './errors.js';

export interface Member {
  readonly replicaId: ReplicaId;
  readonly host: string;
  /** Bus port. */
  readonly port: number;
  /** The owner's own facts about the member, carried along and never looked at. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Who takes part, from the entry at `index` on; 0: the members that the group began with. */
export interface Membership {
  readonly index: LogIndex;
  readonly voters: readonly Member[];
  readonly learners: readonly Member[];
}

const format = 1;

/**
 * The payload of a `configuration` entry: JSON, without the index. Throws an assertion when a member
 * is impossible: every replica would have to refuse the entry.
 */
export function encodeMembership(membership: Membership): Buffer {
  const { voters, learners } = membership;
  assert.equal(whatIsWrongWith({ format, voters, learners }), undefined);
  return Buffer.from(
    JSON.stringify({ format, voters: voters.map(plain), learners: learners.map(plain) }),
  );
}

/** Throws `RaftError` when the payload is no membership. */
export function decodeMembership(payload: Buffer, index: LogIndex): Membership {
  let found: unknown;
  try {
    found = JSON.parse(payload.toString('utf8'));
  } catch {
    found = undefined;
  }
  return membershipOf(found, index);
}

/** As `decodeMembership`, of what JSON became. */
export function membershipOf(found: unknown, index: LogIndex): Membership {
  const wrong = whatIsWrongWith(found);
  if (wrong !== undefined) {
    const code = wrong.startsWith('its format') ? 'VERSION' : 'DAMAGED';
    throw new RaftError(code, `Cannot read the membership in entry ${index}: ${wrong}`);
  }
  const { voters, learners } = found as Membership;
  return { index, voters: voters.map(plain), learners: learners.map(plain) };
}

export function configurationOf(membership: Membership): Configuration {
  return {
    voters: membership.voters.map((member) => member.replicaId),
    learners: membership.learners.map((member) => member.replicaId),
  };
}

function plain({ replicaId, host, port, attributes }: Member): Member {
  return { replicaId, host, port, attributes };
}

/** As the end of a sentence; undefined: it is a membership. */
function whatIsWrongWith(found: unknown): string | undefined {
  if (!isRecord(found)) return 'it is not a JSON object';
  if (found.format !== format) {
    return `its format is ${shown(found.format)}, expected ${format}`;
  }
  const { voters, learners } = found;
  if (!Array.isArray(voters) || !Array.isArray(learners)) return 'it has no lists of members';
  if (voters.length === 0) return 'it has no voter';
  const ids = new Set<unknown>();
  for (const member of [...voters, ...learners]) {
    if (!isMember(member)) return `it has the impossible member ${memberName(member)}`;
    if (ids.has(member.replicaId)) return `it has ${member.replicaId} twice`;
    ids.add(member.replicaId);
  }
  return undefined;
}

function isMember(found: unknown): found is Member {
  if (!isRecord(found)) return false;
  const { replicaId, host, port, attributes } = found;
  if (typeof replicaId !== 'string' || !/^[0-9a-f]{40}$/.test(replicaId)) return false;
  if (typeof host !== 'string' || host === '') return false;
  const isPort = Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536;
  return isPort && isRecord(attributes);
}

function memberName(found: unknown): string {
  return isRecord(found) ? shown(found.replicaId) : shown(found);
}

function isRecord(found: unknown): found is Record<string, unknown> {
  return typeof found === 'object' && found !== null && !Array.isArray(found);
}

// Members as Raft carries them, and as clients and operators know them.
//
// Raft knows an id and where its bus is. What else belongs to a replica of Holt travels with it in
// the attributes, so that every replica that learns of a member can send clients there.

import type { Member, Membership } from '../../raft/index.js';
import { type GroupMember, type Identity, membersOf } from '../identity.js';

interface Attributes {
  readonly serverNumber: number;
  readonly clientPort: number;
  readonly announced?: NonNullable<GroupMember['announced']>;
}

export function memberOf(member: GroupMember): Member {
  const { replicaId, host, busPort, serverNumber, clientPort, announced } = member;
  const attributes: Attributes = {
    serverNumber,
    clientPort,
    ...(announced !== undefined && { announced }),
  };
  return { replicaId, host, port: busPort, attributes: { ...attributes } };
}

export function groupMemberOf({ replicaId, host, port, attributes }: Member): GroupMember {
  const { serverNumber, clientPort, announced } = attributes as unknown as Attributes;
  return {
    replicaId,
    serverNumber,
    host,
    clientPort,
    busPort: port,
    ...(announced !== undefined && { announced }),
  };
}

/** Voters first. */
export function allMembers({ voters, learners }: Membership): readonly Member[] {
  return [...voters, ...learners];
}

/**
 * Who takes part until the log or a snapshot says otherwise. Where the server joined the group that is
 * nobody: it must not campaign before the group has made it a voter.
 */
export function initialMembership(identity: Identity, group: number): Membership {
  return { index: 0, voters: membersOf(identity, group).map(memberOf), learners: [] };
}

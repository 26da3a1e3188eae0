// What operators see of a group's members and can do about them (HOLT MEMBERS), and how this server
// introduces itself to others (HOLT IDENTITY).

import type { Reply } from '../../resp/index.js';
import { introductionText } from './introduction.js';
import {
  MemberOperation,
  type MemberRequest,
  type MemberRole,
  type OperationWorld,
} from './member-operation.js';
import { allMembers, groupMemberOf } from './members.js';

export interface MemberRow {
  readonly replicaId: string;
  readonly serverNumber: number;
  /** `host:port` for clients. */
  readonly address: string;
  readonly role: MemberRole;
  /** Up to where its log is durable and the leader's; undefined: only the leader knows. */
  readonly matchIndex: number | undefined;
  /** Entries of the leader that it lacks. */
  readonly lag: number | undefined;
  /** This replica has a connection to it, or is it. */
  readonly isLinked: boolean;
}

/** `reply` is undefined while it is under way. */
export interface UnderWay {
  readonly reply: Reply | undefined;
}

export class MemberAdministration {
  readonly #world: OperationWorld;
  readonly #busSecret: string;

  constructor(world: OperationWorld, busSecret: string) {
    this.#world = world;
    this.#busSecret = busSecret;
  }

  /** Everybody whom this replica knows of, voters first. */
  list(): MemberRow[] {
    const { topology, log } = this.#world;
    const { leader, selfId, voters } = topology;
    const { peers, lastIndex } = log.status();
    return topology.members.map((member): MemberRow => {
      const { replicaId, serverNumber, host, clientPort } = member;
      const peer = peers.find((candidate) => candidate.replicaId === replicaId);
      const isSelf = replicaId === selfId;
      const matchIndex = isSelf && log.isLeader ? lastIndex : peer?.matchIndex;
      return {
        replicaId,
        serverNumber,
        address: `${host}:${clientPort}`,
        role: member === leader ? 'leader' : voters.includes(member) ? 'voter' : 'learner',
        matchIndex,
        lag: matchIndex === undefined ? undefined : Math.max(0, lastIndex - matchIndex),
        isLinked: isSelf || peer?.isLinked === true,
      };
    });
  }

  start(request: MemberRequest): UnderWay {
    const underWay: { reply: Reply | undefined } = { reply: undefined };
    // It rejects by a mistake of ours only, which then ends the process as any other.
    new MemberOperation(request, this.#world).run().then((reply) => {
      underWay.reply = reply;
    });
    return underWay;
  }

  /** The answer to HOLT IDENTITY. */
  introduce(nonce: string): string {
    // Where servers reach each other; clients may be told of other addresses.
    const { clusterId, topology, self, log } = this.#world;
    const { group, isMember } = topology;
    const members = allMembers(log.membership).map(groupMemberOf);
    return introductionText(
      { format: 1, clusterId, group, self, isMember, members },
      this.#busSecret,
      nonce,
    );
  }
}

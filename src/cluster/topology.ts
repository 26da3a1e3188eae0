// Who is where in a group, for routing and for the answers that cluster clients build their maps
// from. A Redis node is a replica here: its own port, its own id, one role.

import type { ReplicaId } from '../../raft/index.js';
import type { GroupMember } from '../identity.js';

export class Topology {
  readonly group: number;
  readonly self: GroupMember;
  readonly members: readonly GroupMember[];
  /** The last leader known; kept while there is none, so that maps stay complete. */
  #lastLeader: GroupMember;
  #hasLeader = false;
  #term = 0;

  constructor(group: number, members: readonly GroupMember[], selfId: ReplicaId) {
    this.group = group;
    this.members = members;
    const self = members.find((member) => member.replicaId === selfId);
    if (self === undefined) throw new Error(`Replica ${selfId} is no member of group ${group}`);
    this.self = self;
    this.#lastLeader = members[0]!;
  }

  onLeadership(leaderId: ReplicaId | undefined, term: number): void {
    const leader = this.members.find((member) => member.replicaId === leaderId);
    this.#hasLeader = leader !== undefined;
    if (leader !== undefined) this.#lastLeader = leader;
    this.#term = term;
  }

  /** Undefined while there is none, as far as this replica knows. */
  get leader(): GroupMember | undefined {
    return this.#hasLeader ? this.#lastLeader : undefined;
  }

  /** The member that is shown as master. */
  get master(): GroupMember {
    return this.#lastLeader;
  }

  get slaves(): readonly GroupMember[] {
    return this.members.filter((member) => member !== this.#lastLeader);
  }

  /** Serves as the configuration epoch: it rises with every change of leader. */
  get epoch(): number {
    return this.#term;
  }
}

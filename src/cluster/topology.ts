// Who is where in a group, for routing and for the answers that cluster clients build their maps
// from. A Redis node is a replica here: its own port, its own id, one role. Learners are shown as
// replicas: they are no masters, and what else they lack no client can ask for.
//
// Members come and go. A replica that is none, because it waits to be added or was removed, knows of
// nobody for certain: it sends no client anywhere.

import type { ReplicaId } from '../../raft/index.js';
import type { GroupMember } from '../identity.js';

export class Topology {
  readonly group: number;
  readonly selfId: ReplicaId;
  #self: GroupMember;
  #voters: readonly GroupMember[];
  #learners: readonly GroupMember[] = [];
  #members: readonly GroupMember[];
  #leaderId: ReplicaId | undefined;
  /** Kept while there is no leader, so that maps stay complete. */
  #lastLeaderId: ReplicaId | undefined;
  #term = 0;

  /** `voters` has this replica. */
  constructor(group: number, voters: readonly GroupMember[], selfId: ReplicaId) {
    this.group = group;
    this.selfId = selfId;
    this.#voters = voters;
    this.#members = voters;
    const self = voters.find((member) => member.replicaId === selfId);
    if (self === undefined) throw new Error(`Replica ${selfId} is no member of group ${group}`);
    this.#self = self;
  }

  onMembership(voters: readonly GroupMember[], learners: readonly GroupMember[]): void {
    this.#voters = voters;
    this.#learners = learners;
    this.#members = [...voters, ...learners];
    this.#self = this.find(this.selfId) ?? this.#self;
  }

  onLeadership(leaderId: ReplicaId | undefined, term: number): void {
    this.#leaderId = leaderId;
    if (leaderId !== undefined) this.#lastLeaderId = leaderId;
    this.#term = term;
  }

  /** This replica, member or not. */
  get self(): GroupMember {
    return this.#self;
  }

  get isMember(): boolean {
    return this.#members.includes(this.#self);
  }

  /** Voters first. */
  get members(): readonly GroupMember[] {
    return this.#members;
  }

  get voters(): readonly GroupMember[] {
    return this.#voters;
  }

  get learners(): readonly GroupMember[] {
    return this.#learners;
  }

  /** Undefined while there is none, as far as this replica knows. */
  get leader(): GroupMember | undefined {
    return this.#leaderId === undefined ? undefined : this.find(this.#leaderId);
  }

  /** The member that is shown as master: the last leader known. Undefined when nobody can be shown. */
  get master(): GroupMember | undefined {
    if (!this.isMember) return undefined;
    const lastLeader = this.#voters.find(({ replicaId }) => replicaId === this.#lastLeaderId);
    return lastLeader ?? this.#voters[0];
  }

  get slaves(): readonly GroupMember[] {
    const { master } = this;
    return master === undefined ? [] : this.#members.filter((member) => member !== master);
  }

  /** Serves as the configuration epoch: it rises with every change of leader. */
  get epoch(): number {
    return this.#term;
  }

  find(replicaId: ReplicaId): GroupMember | undefined {
    return this.#members.find((member) => member.replicaId === replicaId);
  }
}

// Where a command belongs, as a reason; the dispatcher turns reasons into answers.

import { keySlot } from '../../sqlite-sm/index.js';
import type { GroupMember } from '../identity.js';
import type { Topology } from './topology.js';

export type Route =
  /** This replica leads the group that owns the slot, or answers the read as a follower. */
  | { readonly kind: 'here'; readonly slot: number }
  /** Another replica leads it. */
  | { readonly kind: 'moved'; readonly slot: number; readonly to: GroupMember }
  /** The keys hash to different slots. */
  | { readonly kind: 'crossSlot' }
  /** This replica is no member of its group: it knows neither the data nor the leader. */
  | { readonly kind: 'notMember' }
  /** Nobody leads, or the new leader does not serve yet: worth waiting for. */
  | { readonly kind: 'noLeader' };

const crossSlot: Route = Object.freeze({ kind: 'crossSlot' });
const noLeader = Object.freeze({ kind: 'noLeader' } as const);
const notMember = Object.freeze({ kind: 'notMember' } as const);

/** Group 1 owns all slots. A command without keys belongs to the group's first slot. */
export function routeOf(
  keys: readonly Uint8Array[],
  topology: Topology,
  isServing: boolean,
): Route {
  const slot = keys.length > 0 ? keySlot(keys[0]!) : 0;
  for (let at = 1; at < keys.length; at += 1) {
    if (keySlot(keys[at]!) !== slot) return crossSlot;
  }
  return routeOfSlot(slot, topology, isServing);
}

/**
 * As a read goes: it is answered here although another replica leads, when its client said READONLY
 * and this replica can find out what it must have applied to be as new as the leader.
 */
export function routeOfRead(
  route: Route,
  session: { readonly isReadonly: boolean },
  log: { readonly servesFollowerReads: boolean },
): Route {
  if (route.kind !== 'moved' || !session.isReadonly || !log.servesFollowerReads) return route;
  return { kind: 'here', slot: route.slot };
}

export function routeOfSlot(
  slot: number,
  topology: Topology,
  isServing: boolean,
): Exclude<Route, { kind: 'crossSlot' }> {
  if (isServing) return { kind: 'here', slot };
  if (!topology.isMember) return notMember;
  const { leader, self } = topology;
  if (leader === undefined || leader === self) return noLeader;
  return { kind: 'moved', slot, to: leader };
}

// Where a command belongs, as a reason; the dispatcher turns reasons into answers.

import { keySlot } from '../../sqlite-sm/index.js';
import type { GroupMember } from '../identity.js';
import type { Topology } from './topology.js';

export type Route =
  /** This replica leads the group that owns the slot. */
  | { readonly kind: 'here'; readonly slot: number }
  /** Another replica leads it. */
  | { readonly kind: 'moved'; readonly slot: number; readonly to: GroupMember }
  /** The keys hash to different slots. */
  | { readonly kind: 'crossSlot' }
  /** Nobody leads, or the new leader does not serve yet: worth waiting for. */
  | { readonly kind: 'noLeader' };

const crossSlot: Route = Object.freeze({ kind: 'crossSlot' });
const noLeader = Object.freeze({ kind: 'noLeader' } as const);

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

export function routeOfSlot(
  slot: number,
  topology: Topology,
  isServing: boolean,
): Exclude<Route, { kind: 'crossSlot' }> {
  if (isServing) return { kind: 'here', slot };
  const { leader, self } = topology;
  if (leader === undefined || leader === self) return noLeader;
  return { kind: 'moved', slot, to: leader };
}

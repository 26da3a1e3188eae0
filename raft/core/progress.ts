// A follower's log as the leader believes it to be.
//
// A leader does not know where a follower's log ends. It guesses (probe), one message at a time; a
// confirmed guess lets it stream ahead without waiting (replicate), within a window. When the
// follower needs entries that are compacted away it waits for a snapshot. A follower that lost what
// it had acknowledged is refused until it comes back under a new id.
//
//   probe ──accepted──▶ replicate ──rejected, silent or cut off──▶ probe
//     ├──lacks what is compacted away──▶ snapshot ──accepted──▶ replicate
//     │◀──────────────────installed, or failed──────┘
//     └──its log ends below what it acknowledged──▶ refused
//
// Invariant: match < next.

import assert from 'node:assert/strict';
import type { LogIndex } from './types.js';

/** A message on its way: the last entry in it and its payload bytes. */
interface InFlight {
  readonly lastIndex: LogIndex;
  readonly byteLength: number;
}

export type ProgressState =
  | {
      readonly kind: 'probe';
      /** Entries left with the guess. */
      hasSentEntries: boolean;
      /** The guess is under way. */
      isWaiting: boolean;
      /** Ticks since it left. */
      silentTicks: number;
    }
  | {
      readonly kind: 'replicate';
      readonly inFlight: InFlight[];
      inFlightBytes: number;
      /** Ticks since the window last moved. */
      silentTicks: number;
    }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'refused' };

export class Progress {
  /** Durable on the follower and equal to the leader's log. */
  match: LogIndex = 0;
  /** The next index to send. */
  next: LogIndex;
  state: ProgressState = { kind: 'probe', hasSentEntries: false, isWaiting: false, silentTicks: 0 };
  /** Heard from since the last quorum check. */
  isActive = false;
  /** Ticks since it was heard from. */
  unheardTicks = Number.POSITIVE_INFINITY;
  /** Ticks since its removal was committed. */
  departedTicks = 0;
  /** The latest ReadIndex round that the follower confirmed. */
  round = 0;
  /** The follower's start count when it acknowledged `match`. */
  incarnation = 0;

  constructor(next: LogIndex) {
    this.next = next;
  }

  onHeard(): void {
    this.isActive = true;
    this.unheardTicks = 0;
  }

  becomeProbe(): void {
    this.next = this.match + 1;
    this.state = { kind: 'probe', hasSentEntries: false, isWaiting: false, silentTicks: 0 };
  }

  /** What the follower has received need not be sent again, durable or not. */
  becomeReplicate(receivedIndex: LogIndex): void {
    const isAhead = receivedIndex > this.match;
    this.next = Math.max(this.match, receivedIndex) + 1;
    const inFlight = isAhead ? [{ lastIndex: receivedIndex, byteLength: 0 }] : [];
    this.state = { kind: 'replicate', inFlight, inFlightBytes: 0, silentTicks: 0 };
  }

  becomeSnapshot(): void {
    this.state = { kind: 'snapshot' };
  }

  /** What it acknowledged no longer counts: it is not there. */
  becomeRefused(): void {
    this.match = 0;
    this.next = 1;
    this.state = { kind: 'refused' };
  }

  /** Whether another message with entries may leave. */
  mayAppend(limits: { readonly inFlightMax: number; readonly inFlightBytesMax: number }): boolean {
    switch (this.state.kind) {
      case 'probe':
        return !this.state.isWaiting;
      case 'replicate':
        return (
          this.state.inFlight.length < limits.inFlightMax &&
          this.state.inFlightBytes < limits.inFlightBytesMax
        );
      case 'snapshot':
      case 'refused':
        return false;
    }
  }

  /**
   * Whether the next message is a guess that is made again: without entries, for a follower with a
   * slow disk already has those and a large command would be sent many times over.
   */
  get isRepeat(): boolean {
    return this.state.kind === 'probe' && this.state.hasSentEntries;
  }

  /** A message with the entries next … lastIndex has left (lastIndex = next - 1: none). */
  onSent(lastIndex: LogIndex, byteLength: number): void {
    assert(lastIndex >= this.next - 1);
    if (this.state.kind === 'probe') {
      if (lastIndex >= this.next) this.state.hasSentEntries = true;
      this.state.isWaiting = true;
      this.state.silentTicks = 0;
      return;
    }
    assert(this.state.kind === 'replicate');
    if (lastIndex < this.next) return;
    this.next = lastIndex + 1;
    this.state.inFlight.push({ lastIndex, byteLength });
    this.state.inFlightBytes += byteLength;
  }

  /** True when `match` moved. Late and repeated acknowledgements change nothing. */
  onAccepted(reply: {
    readonly index: LogIndex;
    /** How far the follower has received what is the leader's. */
    readonly hintIndex: LogIndex;
    readonly incarnation: number;
  }): boolean {
    const { index, incarnation } = reply;
    const moved = index > this.match;
    if (moved) {
      this.match = index;
      this.incarnation = incarnation;
    }
    this.next = Math.max(this.next, index + 1);
    if (this.state.kind === 'probe') {
      // Also when nothing moved: the guess was confirmed.
      if (index === this.match) this.becomeReplicate(reply.hintIndex);
    } else if (this.state.kind === 'snapshot') {
      if (moved) this.becomeReplicate(reply.hintIndex);
    } else if (this.state.kind === 'replicate') {
      const { inFlight } = this.state;
      while (inFlight.length > 0 && inFlight[0]!.lastIndex <= index) {
        this.state.inFlightBytes -= inFlight.shift()!.byteLength;
        this.state.silentTicks = 0;
      }
    }
    return moved;
  }

  /** True when the rejection is news and `next` moved back to `hintIndex + 1`. */
  onRejected(rejectedIndex: LogIndex, hintIndex: LogIndex): boolean {
    if (this.state.kind === 'replicate') {
      if (rejectedIndex <= this.match) return false;
      this.becomeProbe();
      return true;
    }
    if (this.state.kind !== 'probe') return false;
    // An answer to an older guess.
    if (this.next - 1 !== rejectedIndex) return false;
    this.next = Math.max(this.match + 1, Math.min(rejectedIndex, hintIndex + 1));
    this.state = { kind: 'probe', hasSentEntries: false, isWaiting: false, silentTicks: 0 };
    return true;
  }

  /** The snapshot arrived, or did not: where the follower's log ends now is to be found out. */
  onSnapshotEnded(isInstalled: boolean): void {
    if (this.state.kind !== 'snapshot') return;
    this.next = this.match + 1;
    // When it failed the guess will most likely be refused: no entries are wasted on it.
    const hasSentEntries = !isInstalled;
    this.state = { kind: 'probe', hasSentEntries, isWaiting: false, silentTicks: 0 };
  }

  /** Time passes. Nothing came back for the window for a whole election timeout: guess again. */
  onTick(silentTicksMax: number): void {
    this.unheardTicks += 1;
    if (this.state.kind === 'probe') this.state.silentTicks += 1;
    if (this.state.kind !== 'replicate' || this.state.inFlight.length === 0) return;
    this.state.silentTicks += 1;
    if (this.state.silentTicks >= silentTicksMax) this.becomeProbe();
  }

  /** It is alive, so a guess without an answer for that long is made again. */
  onAlive(silentTicksMax: number): void {
    if (this.state.kind !== 'probe' || this.state.silentTicks < silentTicksMax) return;
    this.state.isWaiting = false;
  }

  /** Whatever was in flight may be lost. */
  onLinkLost(): void {
    if (this.state.kind === 'replicate') this.becomeProbe();
    else if (this.state.kind === 'probe') {
      this.state.hasSentEntries = false;
      this.state.isWaiting = false;
    }
  }
}

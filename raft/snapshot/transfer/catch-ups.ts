// Keeps the log for followers that have just installed a snapshot.
//
// The log is cut only behind the oldest snapshot that is there, and one that is in use stays. So the
// snapshot that a follower got stays in use until the follower has what the newest one has. Otherwise
// the log could be cut under it before it has read on, and a second snapshot, on its way for as long as
// the first, would leave it as far behind: under a steady load it would never catch up.
//
// A follower that comes no nearer is not waited for: nobody knows whether it comes back.

import type { LogIndex, ReplicaId } from '../../core/index.js';
import type { Timers } from '../../effects.js';
import type { SnapshotStore } from '../store.js';

interface CatchUp {
  readonly release: () => void;
  match: LogIndex;
  /** Checks since `match` moved. */
  idleChecks: number;
}

const checkMs = 1_000;
const idleChecksMax = 10;

export class CatchUps {
  readonly #timers: Timers;
  readonly #store: Pick<SnapshotStore, 'newest'>;
  readonly #matchOf: (to: ReplicaId) => LogIndex | undefined;
  readonly #underWay = new Map<ReplicaId, CatchUp>();
  #cancelChecks: (() => void) | undefined;

  /** `matchOf`: up to where a follower has the leader's log; undefined when that is not known. */
  constructor(
    timers: Timers,
    store: Pick<SnapshotStore, 'newest'>,
    matchOf: (to: ReplicaId) => LogIndex | undefined,
  ) {
    this.#timers = timers;
    this.#store = store;
    this.#matchOf = matchOf;
  }

  /** `to` has installed a snapshot, which `release` lets go of once it has caught up. */
  begin(to: ReplicaId, release: () => void): void {
    this.#end(to);
    this.#underWay.set(to, { release, match: 0, idleChecks: 0 });
    this.#cancelChecks ??= this.#timers.every(checkMs, () => this.#check());
  }

  stop(): void {
    for (const to of [...this.#underWay.keys()]) this.#end(to);
  }

  #check(): void {
    const wanted = this.#store.newest?.manifest.index ?? 0;
    for (const [to, catchUp] of [...this.#underWay]) {
      const match = this.#matchOf(to) ?? 0;
      catchUp.idleChecks = match > catchUp.match ? 0 : catchUp.idleChecks + 1;
      catchUp.match = match;
      if (match >= wanted || catchUp.idleChecks >= idleChecksMax) this.#end(to);
    }
  }

  #end(to: ReplicaId): void {
    this.#underWay.get(to)?.release();
    this.#underWay.delete(to);
    if (this.#underWay.size > 0) return;
    this.#cancelChecks?.();
    this.#cancelChecks = undefined;
  }
}

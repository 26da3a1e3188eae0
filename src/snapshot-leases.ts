// Snapshots that are read from outside, by `holt backup`: kept from removal while they are asked for.
//
// A backup over a slow network takes its time, and whoever takes it may vanish in the middle. So a
// lease ends by itself when nothing was read for a while.

import type { Snapshot, Timers } from '../raft/index.js';

/** A lease that nobody uses ends after this long. Milliseconds. */
export const leaseMs = 60_000;

interface Lease {
  readonly snapshot: Snapshot;
  readonly release: () => void;
  /** Backups that read it. */
  readers: number;
  cancelEnd: () => void;
}

export class SnapshotLeases {
  readonly #acquire: (snapshot: Snapshot) => () => void;
  readonly #timers: Pick<Timers, 'after'>;
  readonly #leases = new Map<string, Lease>();

  constructor(acquire: (snapshot: Snapshot) => () => void, timers: Pick<Timers, 'after'>) {
    this.#acquire = acquire;
    this.#timers = timers;
  }

  begin(snapshot: Snapshot): void {
    const { snapshotId } = snapshot.manifest;
    const known = this.#leases.get(snapshotId);
    if (known !== undefined) {
      known.readers += 1;
      return this.#renew(known);
    }
    const lease = {
      snapshot,
      release: this.#acquire(snapshot),
      readers: 1,
      cancelEnd: this.#endLater(snapshotId),
    };
    this.#leases.set(snapshotId, lease);
  }

  /** The snapshot, whose lease begins anew. Undefined when there is no lease, or not any more. */
  use(snapshotId: string): Snapshot | undefined {
    const lease = this.#leases.get(snapshotId);
    if (lease !== undefined) this.#renew(lease);
    return lease?.snapshot;
  }

  /** False when there was no lease. */
  end(snapshotId: string): boolean {
    const lease = this.#leases.get(snapshotId);
    if (lease === undefined) return false;
    lease.readers -= 1;
    if (lease.readers === 0) this.#drop(lease);
    return true;
  }

  stop(): void {
    for (const lease of this.#leases.values()) this.#drop(lease);
  }

  #renew(lease: Lease): void {
    lease.cancelEnd();
    lease.cancelEnd = this.#endLater(lease.snapshot.manifest.snapshotId);
  }

  #endLater(snapshotId: string): () => void {
    return this.#timers.after(leaseMs, () => {
      const lease = this.#leases.get(snapshotId);
      if (lease !== undefined) this.#drop(lease);
    });
  }

  #drop(lease: Lease): void {
    lease.cancelEnd();
    lease.release();
    this.#leases.delete(lease.snapshot.manifest.snapshotId);
  }
}

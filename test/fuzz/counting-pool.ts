import type { Block } from '../../raft/buffer-pool.js';
import { GarblingPool } from '../faults/garbling-pool.js';

/** A pool that knows the largest block that anybody wanted. */
export class CountingPool extends GarblingPool {
  largestBytes = 0;

  override take(byteLength: number): Block {
    this.largestBytes = Math.max(this.largestBytes, byteLength);
    return super.take(byteLength);
  }
}

import { type Block, BufferPool } from '../../raft/buffer-pool.js';

/**
 * A pool that ruins every buffer it gets back. Whoever still reads from a block that was released
 * finds nonsense at once, instead of somebody else's bytes one day.
 */
export class GarblingPool extends BufferPool {
  /** Blocks that were handed out and that came back. */
  taken = 0;
  given = 0;

  override take(byteLength: number): Block {
    this.taken += 1;
    return super.take(byteLength);
  }

  override give(buffer: Buffer): void {
    this.given += 1;
    buffer.fill(0xdb);
    super.give(buffer);
  }
}

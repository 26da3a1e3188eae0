// The two ends of a byte stream in a simulated world.
//
// Bytes are read from their buffers only when they leave, some time after they were written, so that
// a buffer which was used again too early shows. They arrive in order, after a delay.

import type { Connection } from '../../raft/effects.js';
import type { SimWorld } from './sim-world.js';

/** What becomes of bytes on their way. `cut`: the connection breaks, and they are lost. */
export type Meddle = (bytes: Buffer) => Buffer | 'cut' | 'swallow';

interface Queued {
  readonly buffers: readonly Buffer[];
  readonly sent: () => void;
}

export class SimConnection implements Connection {
  readonly #world: SimWorld;
  #other: SimConnection | undefined;
  #queue: Queued[] = [];
  #arrivesAt = 0;
  #isClosed = false;
  #onData: (chunk: Buffer) => void = () => {};
  #onClose: (reason: string) => void = () => {};
  /** On what this end sends. */
  meddle: Meddle = (bytes) => bytes;
  /** Bytes that left this end. */
  sentBytes = 0;

  static pair(world: SimWorld): [SimConnection, SimConnection] {
    const a = new SimConnection(world);
    const b = new SimConnection(world);
    a.#other = b;
    b.#other = a;
    return [a, b];
  }

  private constructor(world: SimWorld) {
    this.#world = world;
  }

  write(buffers: readonly Buffer[], sent: () => void): void {
    if (this.#isClosed) {
      this.#world.after(0, sent);
      return;
    }
    const queued = { buffers, sent };
    this.#queue.push(queued);
    this.#world.after(this.#world.random(), () => this.#leave(queued));
  }

  onData(callback: (chunk: Buffer) => void): void {
    this.#onData = callback;
  }

  onClose(callback: (reason: string) => void): void {
    this.#onClose = callback;
  }

  /** What has left arrives all the same. */
  destroy(): void {
    if (this.#isClosed) return;
    this.#close('closed from this side');
    const ms = Math.max(0, this.#arrivesAt - this.#world.nowMs) + 0.1;
    this.#world.after(ms, () => this.#other!.#close('the other side closed the connection'));
  }

  /** Both ends lose it, and what is on its way. */
  cut(): void {
    this.#close('it broke');
    this.#other!.#close('it broke');
  }

  /** The process at this end is no more: it hears nothing. */
  forget(): void {
    this.#onData = () => {};
    this.#onClose = () => {};
    this.cut();
  }

  /** Leaves in the order it was written: whatever is before it leaves now, too. */
  #leave(last: Queued): void {
    while (this.#queue.includes(last)) {
      const { buffers, sent } = this.#queue.shift()!;
      const bytes = this.meddle(Buffer.concat(buffers));
      sent();
      if (bytes === 'cut') return this.cut();
      if (bytes === 'swallow') continue;
      this.sentBytes += bytes.length;
      const { nowMs } = this.#world;
      this.#arrivesAt = Math.max(this.#arrivesAt, nowMs + 0.2 + 2 * this.#world.random());
      this.#world.after(this.#arrivesAt - nowMs, () => this.#other!.#arrive(bytes));
    }
  }

  #arrive(bytes: Buffer): void {
    if (!this.#isClosed) this.#onData(bytes);
  }

  #close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const { sent } of this.#queue.splice(0)) sent();
    this.#world.after(0, () => this.#onClose(reason));
  }
}

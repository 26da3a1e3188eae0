// A client's connection to a simulated server: RESP bytes, in order, with a delay each way.
//
// The server's end is as much of a `net.Socket` as `Connection` needs. Whoever dies or is cut off takes
// the bytes on their way along; the other end hears of a death, and of a cut nothing.

import { EventEmitter } from 'node:events';
import type { SimWorld } from '../faults/sim-world.js';

export interface ClientEnd {
  onData(bytes: Buffer): void;
  /** Once. */
  onClose(): void;
}

export class SimSocket extends EventEmitter {
  readonly writableLength = 0;
  readonly #world: SimWorld;
  readonly #client: ClientEnd;
  /** Hands an event to the server's process when it is awake. */
  readonly #toServer: (callback: () => void) => void;
  readonly #delayMsMax: number;
  #isDestroyed = false;
  #isVanishing = false;
  #atServer = 0;
  #atClient = 0;

  constructor(options: {
    readonly world: SimWorld;
    readonly client: ClientEnd;
    readonly toServer: (callback: () => void) => void;
    readonly delayMsMax: number;
  }) {
    super();
    this.#world = options.world;
    this.#client = options.client;
    this.#toServer = options.toServer;
    this.#delayMsMax = options.delayMsMax;
  }

  // ---------------------------------------------------------------------------- the client's end

  send(bytes: Buffer): void {
    this.#atServer = this.#later(this.#atServer, () =>
      this.#toServer(() => {
        if (!this.#isDestroyed) this.emit('data', bytes);
      }),
    );
  }

  /** The client wants no more of it. */
  close(): void {
    this.#atServer = this.#later(this.#atServer, () => this.#toServer(() => this.destroy()));
  }

  /** From now on nothing gets through, and neither end is told. */
  vanish(): void {
    this.#isVanishing = true;
  }

  // ---------------------------------------------------------------------------- the server's end

  write(bytes: Buffer): boolean {
    if (this.#isDestroyed) return false;
    const copy = Buffer.from(bytes);
    this.#atClient = this.#later(this.#atClient, () => this.#client.onData(copy));
    return true;
  }

  cork(): void {}

  uncork(): void {}

  pause(): void {}

  resume(): void {}

  destroySoon(): void {
    this.destroy();
  }

  destroy(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.emit('close');
    this.#atClient = this.#later(this.#atClient, () => this.#client.onClose());
  }

  /** The process is no more: it hears nothing, and its kernel closes the connection. */
  abandon(): void {
    if (this.#isDestroyed) return;
    this.#isDestroyed = true;
    this.removeAllListeners();
    this.#atClient = this.#later(this.#atClient, () => this.#client.onClose());
  }

  /** In order behind what left before; returns when it arrives. */
  #later(behindMs: number, callback: () => void): number {
    const world = this.#world;
    const at = Math.max(behindMs, world.nowMs + 0.1 + world.random() * this.#delayMsMax);
    world.after(at - world.nowMs, () => {
      if (!this.#isVanishing) callback();
    });
    return at;
  }
}

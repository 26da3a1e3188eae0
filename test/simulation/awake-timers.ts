// Timers of a process that can be paused, as SIGSTOP or a virtual machine's host would.
//
// What falls due meanwhile happens when it goes on, in order: sockets, files and timers wait in the
// kernel. A timer that repeats is late once, not as often as it would have been due. When the process is
// gone nothing happens any more.

import type { Timers } from '../../raft/effects.js';
import type { SimWorld } from '../faults/sim-world.js';

export class AwakeTimers implements Timers {
  readonly #world: SimWorld;
  readonly #isAlive: () => boolean;
  #isPaused = false;
  #waiting: (() => void)[] = [];

  constructor(world: SimWorld, isAlive: () => boolean) {
    this.#world = world;
    this.#isAlive = isAlive;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    for (const callback of this.#waiting.splice(0)) this.#world.after(0, () => this.run(callback));
  }

  /** Now, or when the process goes on, or never. */
  run(callback: () => void): void {
    if (this.#isPaused) this.#waiting.push(callback);
    else if (this.#isAlive()) callback();
  }

  after(ms: number, callback: () => void): () => void {
    let isCancelled = false;
    const cancel = this.#world.after(ms, () =>
      this.run(() => {
        if (!isCancelled) callback();
      }),
    );
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  every(ms: number, callback: () => void): () => void {
    let cancel = (): void => {};
    const again = (): void => {
      cancel = this.after(ms, again);
      callback();
    };
    cancel = this.after(ms, again);
    return () => cancel();
  }

  atTurnEnd(callback: () => void): void {
    this.after(0, callback);
  }
}

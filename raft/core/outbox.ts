// Messages, and which of them may leave.
//
// Whatever a replica says rests on its term and vote. If it crashed before these are on its disk, it
// would come back without them, and could vote for somebody else in the same term. So while a change
// is being written everything waits here, in order (dissertation §3.8).

import assert from 'node:assert/strict';
import type { Message } from './types.js';

export class Outbox {
  /** Counts the changes of term and vote. */
  #version = 0;
  #durableVersion = 0;
  #handedOutVersion = 0;
  #messages: Message[] = [];
  #withheld: Message[] = [];

  /** Whether term and vote as they are now are durable. */
  get isHardStateDurable(): boolean {
    return this.#durableVersion === this.#version;
  }

  onHardStateChanged(): void {
    this.#version += 1;
  }

  push(message: Message): void {
    if (this.isHardStateDurable) this.#messages.push(message);
    else this.#withheld.push(message);
  }

  /** Term and vote are durable up to `version`: what waited for that may leave. */
  persisted(version: number): void {
    assert(version <= this.#version);
    this.#durableVersion = Math.max(this.#durableVersion, version);
    if (!this.isHardStateDurable) return;
    this.#messages.push(...this.#withheld.splice(0));
  }

  takeMessages(): readonly Message[] {
    const messages = this.#messages;
    this.#messages = [];
    return messages;
  }

  /** The version to be written; undefined when it has been handed out already. */
  takeVersion(): number | undefined {
    if (this.#handedOutVersion === this.#version) return undefined;
    this.#handedOutVersion = this.#version;
    return this.#version;
  }
}

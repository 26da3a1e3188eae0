// What a replica does of its own accord: it wins back the room of what was flushed, and as the leader
// it has keys deleted that are due.
//
// Neither may be felt. Room is won back on every replica, in slices of a few milliseconds. Keys are
// deleted by entries of a bounded number each, one at a time: the next is proposed when the last is
// applied, so that a million keys that are due at once take their time, and nobody else's.
//
// The leader only finds that something is due by its clock. What is deleted is decided where the entry
// is applied, by its stamp (docs/decisions/0010-expiry-by-the-stamp.md).

import type { Clock, Timers } from '../raft/index.js';
import {
  commandByteLength,
  encodeCommand,
  expireDueCommand,
  writeKind,
} from '../sqlite-sm/index.js';

/** The state machine, as far as it needs housekeeping. */
export interface KeptMachine {
  readonly hasGarbage: boolean;
  reclaim(rowBudget: number): void;
  hasDueKeys(stamp: number): boolean;
}

/** The Raft side of a replica, as far as proposals need it. */
export interface ProposalLog {
  readonly isServing: boolean;
  /** The leader's clock, in milliseconds since the epoch. */
  nowMs(): number;
  reserve(byteLength: number, context: InternalCommand): number;
  readonly batchBuffer: Buffer;
}

/** In the place of a client's command, for one that no client waits for. */
export class InternalCommand {
  /** It was applied, or never will be here. */
  readonly done: () => void;

  constructor(done: () => void) {
    this.done = done;
  }
}

/** How long a key may stay that is due, when there are few. */
const lookMs = 100;
/** Between an entry that is applied and the next one, and between two slices. */
const pauseMs = 5;
const sliceMs = 3;
/** Rows between two looks at the clock: a fraction of a millisecond, when they are short. */
const sliceRows = 20;

const expireDueArgs = [Buffer.from(expireDueCommand.name)];

export class Housekeeping {
  readonly #machine: KeptMachine;
  readonly #log: ProposalLog;
  readonly #timers: Timers;
  readonly #clock: Clock;
  /** A proposal is under way, or the pause after it. */
  #isExpiring = false;
  #isReclaiming = false;
  /** Of the timers that are running. */
  readonly #cancels = new Set<() => void>();

  constructor(options: {
    readonly machine: KeptMachine;
    readonly log: ProposalLog;
    readonly timers: Timers;
    readonly clock: Clock;
  }) {
    this.#machine = options.machine;
    this.#log = options.log;
    this.#timers = options.timers;
    this.#clock = options.clock;
  }

  start(): void {
    const look = (): void => {
      if (!this.#isExpiring) this.#expire();
      if (!this.#isReclaiming) this.#reclaim();
    };
    this.#cancels.add(this.#timers.every(lookMs, look));
  }

  /** Nothing is done or proposed any more. */
  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #expire(): void {
    const log = this.#log;
    this.#isExpiring = log.isServing && this.#machine.hasDueKeys(log.nowMs());
    if (!this.#isExpiring) return;
    const context = new InternalCommand(() => this.#afterPause(() => this.#expire()));
    const offset = log.reserve(commandByteLength(expireDueArgs), context);
    encodeCommand(log.batchBuffer, offset, writeKind, 0, expireDueArgs);
  }

  #reclaim(): void {
    const machine = this.#machine;
    this.#isReclaiming = machine.hasGarbage;
    if (!this.#isReclaiming) return;
    const end = this.#clock.monotonicMs() + sliceMs;
    do machine.reclaim(sliceRows);
    while (machine.hasGarbage && this.#clock.monotonicMs() < end);
    this.#afterPause(() => this.#reclaim());
  }

  #afterPause(callback: () => void): void {
    const cancel = this.#timers.after(pauseMs, () => {
      this.#cancels.delete(cancel);
      callback();
    });
    this.#cancels.add(cancel);
  }
}

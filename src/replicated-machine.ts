// Between Raft and SQLite: entries in, replies to the clients that wait out.
//
// A thin bridge. Raft calls `apply` with what `reserve` was given for each command of the entry;
// the state machine answers by position; the command at that position is settled with the answer.

import type { CommittedEntry, StateMachine } from '../raft/index.js';
import type { Reply } from '../resp/index.js';
import type { ReplySink, SqliteStateMachine } from '../sqlite-sm/index.js';
import type { PendingCommand } from './client/connection.js';
import { InternalCommand } from './housekeeping.js';

/** Whom a command's reply is for. */
export type CommandContext = PendingCommand | InternalCommand;

export class ReplicatedMachine implements StateMachine {
  readonly #machine: SqliteStateMachine;
  readonly #settle: (context: CommandContext, reply: Reply) => void;
  readonly #sink: ReplySink;
  #contexts: readonly CommandContext[] = [];

  /** A monotonic clock, for statistics only: it must not reach what is applied. */
  readonly #nowMicroseconds: () => number;

  constructor(
    machine: SqliteStateMachine,
    settle: (context: CommandContext, reply: Reply) => void,
    nowMicroseconds: () => number,
  ) {
    this.#machine = machine;
    this.#nowMicroseconds = nowMicroseconds;
    this.#settle = settle;
    this.#sink = {
      reply: (position, reply) => this.#settle(this.#contexts[position]!, reply),
    };
  }

  get appliedIndex(): number {
    return this.#machine.appliedIndex;
  }

  get flushedIndex(): number {
    return this.#machine.flushedIndex;
  }

  get lastStamp(): number {
    return this.#machine.lastStamp;
  }

  apply(entry: CommittedEntry, contexts: readonly unknown[] | undefined): void {
    const { kind } = entry;
    if (kind === 'configuration') {
      throw new Error('Cannot apply a configuration entry: this version has fixed members');
    }
    const { index, term, stamp, payload } = entry;
    if (contexts === undefined) {
      this.#machine.apply({ index, term, stamp, kind, payload });
      return;
    }
    this.#contexts = contexts as readonly CommandContext[];
    const startedAt = this.#nowMicroseconds();
    this.#machine.apply({ index, term, stamp, kind, payload }, this.#sink);
    this.#contexts = [];
    if (contexts.length > 0) this.#share(contexts, this.#nowMicroseconds() - startedAt);
  }

  /** One reading of the clock for an entry instead of two for each of its commands. */
  #share(contexts: readonly unknown[], microseconds: number): void {
    const each = microseconds / contexts.length;
    for (const context of contexts as readonly CommandContext[]) {
      if (context instanceof InternalCommand) continue;
      if (context.statistics !== undefined) context.statistics.microseconds += each;
    }
  }
}

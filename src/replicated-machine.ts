// Between Raft and SQLite: entries in, replies to the clients that wait out.
//
// A thin bridge. Raft calls `apply` with what `reserve` was given for each command of the entry;
// the state machine answers by position; the command at that position is settled with the answer.

import type { CommittedEntry, StateMachine } from '../raft/index.js';
import type { Reply } from '../resp/index.js';
import type { ReplySink, SqliteStateMachine } from '../sqlite-sm/index.js';
import type { PendingCommand } from './client/connection.js';
import type { InternalCommand } from './housekeeping.js';

/** Whom a command's reply is for. */
export type CommandContext = PendingCommand | InternalCommand;

export class ReplicatedMachine implements StateMachine {
  readonly #machine: SqliteStateMachine;
  readonly #settle: (context: CommandContext, reply: Reply) => void;
  readonly #sink: ReplySink;
  #contexts: readonly CommandContext[] = [];

  constructor(
    machine: SqliteStateMachine,
    settle: (context: CommandContext, reply: Reply) => void,
  ) {
    this.#machine = machine;
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
    this.#machine.apply({ index, term, stamp, kind, payload }, this.#sink);
    this.#contexts = [];
  }
}

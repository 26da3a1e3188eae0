// Between Raft and SQLite: entries in, replies to the clients that wait out.
//
// A thin bridge. Raft calls `apply` with what `reserve` was given for each command of the entry;
// the state machine answers by position; the command at that position is settled with the answer.

import type { CommittedEntry, StateMachine } from '../raft/index.js';
import type { Reply } from '../resp/index.js';
import { decodeCommand, type ReplySink, type SqliteStateMachine } from '../sqlite-sm/index.js';
import type { PendingCommand } from './client/connection.js';
import type { ExecutionTimes } from './client/execution-times.js';

const noBytes = Buffer.alloc(0);

export class ReplicatedMachine implements StateMachine {
  readonly #machine: SqliteStateMachine;
  readonly #settle: (pending: PendingCommand, reply: Reply) => void;
  readonly #sink: ReplySink;
  readonly #times: ExecutionTimes;
  readonly #monotonicMs: () => number;
  #contexts: readonly PendingCommand[] = [];
  #payload: Buffer = noBytes;
  #index = 0;
  /** When the command that is being executed began: when the one before it was answered. */
  #startedMs = 0;

  constructor(options: {
    readonly machine: SqliteStateMachine;
    readonly settle: (pending: PendingCommand, reply: Reply) => void;
    readonly times: ExecutionTimes;
    readonly monotonicMs: () => number;
  }) {
    this.#machine = options.machine;
    this.#settle = options.settle;
    this.#times = options.times;
    this.#monotonicMs = options.monotonicMs;
    this.#sink = { reply: (position, reply) => this.#onReply(position, reply) };
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
    this.#contexts = contexts as readonly PendingCommand[];
    this.#payload = payload;
    this.#index = index;
    this.#startedMs = this.#monotonicMs();
    this.#machine.apply({ index, term, stamp, kind, payload }, this.#sink);
    this.#contexts = [];
    this.#payload = noBytes;
  }

  #onReply(position: number, reply: Reply): void {
    const pending = this.#contexts[position]!;
    const nowMs = this.#monotonicMs();
    const microseconds = (nowMs - this.#startedMs) * 1000;
    this.#startedMs = nowMs;
    const { command } = pending;
    const { session } = pending.connection;
    if (!pending.isLoggedRead) session.lastWriteIndex = this.#index;
    if (command !== undefined && this.#times.add(command.name, microseconds)) {
      this.#times.addSlow(command, microseconds, session, this.#argumentsAt(position));
    }
    this.#settle(pending, reply);
  }

  /** Of a command of the entry that is being applied, from its start: few are slow. */
  #argumentsAt(position: number): readonly Buffer[] {
    let command = decodeCommand(this.#payload, 0);
    for (let at = 0; at < position; at += 1) command = decodeCommand(this.#payload, command.end);
    return command.args;
  }
}

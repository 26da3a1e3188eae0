// Between Raft and SQLite: entries in, replies to the clients that wait out.
//
// A thin bridge. Raft calls `apply` with what `reserve` was given for each command of the entry;
// the state machine answers by position; the command at that position is settled with the answer,
// unless it was told OK when the entry was committed: then the answer must be no other.

import type { CommittedEntry, StateMachine, WrittenSnapshot } from '../raft/index.js';
import { okReply, type Reply } from '../resp/index.js';
import {
  decodeRecord,
  FatalMachineError,
  type ReplySink,
  type SqliteStateMachine,
} from '../sqlite-sm/index.js';
import type { PendingCommand } from './client/connection.js';
import type { ExecutionTimes } from './client/execution-times.js';
import { InternalCommand } from './housekeeping.js';

/** Whom a command's reply is for. */
export type CommandContext = PendingCommand | InternalCommand;

const noBytes = Buffer.alloc(0);

export class ReplicatedMachine implements StateMachine {
  readonly #machine: SqliteStateMachine;
  readonly #settle: (context: CommandContext, reply: Reply) => void;
  readonly #onBrokenPromise: (pending: PendingCommand, reply: Reply) => void;
  readonly #onFatal: (error: Error) => void;
  readonly #sink: ReplySink;
  readonly #times: ExecutionTimes;
  /** A monotonic clock, for statistics only: it must not reach what is applied. */
  readonly #nowMicroseconds: () => number;
  #contexts: readonly CommandContext[] = [];
  #payload: Buffer = noBytes;
  #index = 0;
  /** When the command that is being executed began: when the one before it was answered. */
  #startedAt = 0;
  /** How far the payload was read for the slow log: so that even logging all reads it only twice. */
  #soughtPosition = 0;
  #soughtOffset = 0;

  constructor(options: {
    readonly machine: SqliteStateMachine;
    readonly settle: (context: CommandContext, reply: Reply) => void;
    /** A command that was answered OK when it was committed came to another reply. */
    readonly onBrokenPromise: (pending: PendingCommand, reply: Reply) => void;
    /** The state is not what was written: this replica cannot go on. */
    readonly onFatal: (error: Error) => void;
    readonly times: ExecutionTimes;
    readonly nowMicroseconds: () => number;
  }) {
    this.#machine = options.machine;
    this.#settle = options.settle;
    this.#onBrokenPromise = options.onBrokenPromise;
    this.#onFatal = options.onFatal;
    this.#times = options.times;
    this.#nowMicroseconds = options.nowMicroseconds;
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
    const { index, term, stamp, kind, payload } = entry;
    if (contexts === undefined) {
      this.#machine.apply({ index, term, stamp, kind, payload });
      return;
    }
    this.#contexts = contexts as readonly CommandContext[];
    this.#payload = payload;
    this.#index = index;
    this.#soughtPosition = 0;
    this.#soughtOffset = 0;
    this.#startedAt = this.#nowMicroseconds();
    this.#machine.apply({ index, term, stamp, kind, payload }, this.#sink);
    this.#contexts = [];
    this.#payload = noBytes;
  }

  writeSnapshot(
    directory: string,
    done: (error: Error | undefined, written: WrittenSnapshot | undefined) => void,
  ): void {
    this.#machine.writeSnapshot(directory, (error, written) => {
      if (error instanceof FatalMachineError) this.#onFatal(error);
      else done(error, written);
    });
  }

  readSnapshot(directory: string, done: (error: Error | undefined) => void): void {
    this.#machine.readSnapshot(directory, done);
  }

  #onReply(position: number, reply: Reply): void {
    const context = this.#contexts[position]!;
    const now = this.#nowMicroseconds();
    const microseconds = now - this.#startedAt;
    this.#startedAt = now;
    if (context instanceof InternalCommand) return this.#settle(context, reply);
    this.#time(context, microseconds, position);
    if (context.isSettled) {
      if (reply !== okReply) this.#onBrokenPromise(context, reply);
      return;
    }
    if (context.isWrite) context.connection.session.lastWriteIndex = this.#index;
    const runsMore = context.connection.hasOpenTransaction;
    this.#settle(context, reply);
    // Its server commands ran while it was answered, and have a time of their own.
    if (runsMore) this.#startedAt = this.#nowMicroseconds();
  }

  #time(pending: PendingCommand, microseconds: number, position: number): void {
    const { command, statistics, connection } = pending;
    if (command === undefined || statistics === undefined) return;
    if (!this.#times.add(statistics, microseconds)) return;
    this.#times.addSlow(command, microseconds, connection.session, this.#argumentsAt(position));
  }

  /** Of a command of the entry that is being applied. Positions only grow within an entry. */
  #argumentsAt(position: number): readonly Buffer[] {
    for (; this.#soughtPosition < position; this.#soughtPosition += 1) {
      this.#soughtOffset = decodeRecord(this.#payload, this.#soughtOffset).end;
    }
    const record = decodeRecord(this.#payload, this.#soughtOffset);
    // The slow log leaves EXEC out.
    return 'args' in record ? record.args : [];
  }
}

// The transactional steps of the gate: queueing after MULTI, WATCH and EXEC.
//
// A command passes the gate up to its route and is queued (`Transaction`); whatever is refused there
// makes EXEC refuse all. EXEC is a write, and WATCH a read, of all their keys together. On a follower,
// for a client that said READONLY, EXEC of reads alone is a read.

import { type ErrorReply, errorReply, queuedReply, type Reply } from '../../resp/index.js';
import {
  type Command,
  commandByteLength,
  encodeTransaction,
  keySlot,
  transactionByteLength,
  watchedByteLength,
} from '../../sqlite-sm/index.js';
import { type Route, routeOf, routeOfRead, routeOfSlot } from '../cluster/route.js';
import type { Topology } from '../cluster/topology.js';
import type { DiskWatch } from '../disk-watch.js';
import { limits } from '../options.js';
import type { CommandStatistics, Statistics } from '../statistics.js';
import type { ClientPause } from './client-pause.js';
import type { CommandLog } from './command-log.js';
import { checkSubcommand, parseDatabase } from './commands/connection.js';
import { findServerCommand } from './commands/index.js';
import type { ServerCommand } from './commands/table.js';
import { type Connection, type HoldReason, noArguments, PendingCommand } from './connection.js';
import {
  crossSlotReply,
  diskLowReply,
  keyTooLong,
  movedReply,
  notMemberReply,
} from './error-replies.js';
import type { Executed, ExecutionTimes } from './execution-times.js';
import type { Transaction } from './transaction.js';
import type { WatchedKeys } from './watched-keys.js';

/** How a step ends. Each returns what `Dispatcher.dispatch` does. */
export interface Gate {
  refuse(connection: Connection, reply: Reply): boolean;
  hold(connection: Connection, reason: HoldReason): false;
  redirect(connection: Connection, route: Exclude<Route, { kind: 'here' }>): boolean;
  /** The command is taken. */
  count(connection: Connection, name: string): CommandStatistics;
  /** The same, of one whose time is counted when it has been executed. */
  timeLater(pending: PendingCommand, command: Executed): void;
}

export class Transactions {
  readonly #gate: Gate;
  readonly #log: CommandLog;
  readonly #topology: Topology;
  readonly #pause: ClientPause;
  readonly #disk: Pick<DiskWatch, 'isLow'>;
  readonly #statistics: Statistics;
  readonly #times: ExecutionTimes;
  readonly #nowMicroseconds: () => number;

  constructor(options: {
    readonly gate: Gate;
    readonly log: CommandLog;
    readonly topology: Topology;
    readonly pause: ClientPause;
    readonly disk: Pick<DiskWatch, 'isLow'>;
    readonly statistics: Statistics;
    readonly times: ExecutionTimes;
    /** A monotonic clock. */
    readonly nowMicroseconds: () => number;
  }) {
    this.#gate = options.gate;
    this.#log = options.log;
    this.#topology = options.topology;
    this.#pause = options.pause;
    this.#disk = options.disk;
    this.#statistics = options.statistics;
    this.#times = options.times;
    this.#nowMicroseconds = options.nowMicroseconds;
  }

  queueServer(
    connection: Connection,
    transaction: Transaction,
    command: ServerCommand,
    args: readonly Buffer[],
  ): boolean {
    if (command.flags.includes('no_multi')) return this.#gate.refuse(connection, notInMulti);
    const refusal = refusalOfSubcommand(command, args);
    if (refusal !== undefined) return this.#gate.refuse(connection, refusal);
    const overflow = this.#overflow(connection, transaction, args);
    if (overflow !== undefined) return this.#gate.refuse(connection, overflow);
    transaction.queueServer(args);
    return this.#answerQueued(connection);
  }

  queueData(
    connection: Connection,
    transaction: Transaction,
    command: Command,
    keys: readonly Buffer[],
    args: readonly Buffer[],
  ): boolean {
    const overflow = this.#overflow(connection, transaction, args);
    if (overflow !== undefined) return this.#gate.refuse(connection, overflow);
    const slot = keys.length > 0 ? keySlot(keys[0]!) : undefined;
    transaction.queueData(command, slot, args);
    return this.#answerQueued(connection);
  }

  /** What is said of a command for which the transaction has no room. */
  #overflow(
    connection: Connection,
    transaction: Transaction,
    args: readonly Buffer[],
  ): Reply | undefined {
    if (transaction.count >= limits.transactionCommandsMax) return tooManyQueued;
    return this.#hasRoom(connection, commandByteLength(args)) ? undefined : transactionTooLong;
  }

  #hasRoom({ session }: Connection, byteLength: number): boolean {
    const queued = session.transaction?.byteLength ?? 0;
    return queued + session.watched.byteLength + byteLength <= limits.transactionBytesMax;
  }

  #answerQueued(connection: Connection): true {
    connection.session.commandCount += 1;
    connection.reply(queuedReply);
    return true;
  }

  watch(connection: Connection, command: ServerCommand, args: readonly Buffer[]): boolean {
    const { session } = connection;
    if (session.transaction !== undefined) {
      // A refusal that leaves the transaction as it is, as in Redis.
      connection.reply(watchInMulti);
      return true;
    }
    const keys = args.slice(1);
    let byteLength = 0;
    for (const key of keys) {
      if (key.length > limits.keyBytesMax) return this.#gate.refuse(connection, keyTooLong);
      byteLength += watchedByteLength(key);
    }
    const log = this.#log;
    const route = routeOfRead(routeOf(keys, this.#topology, log.isServing), session, log);
    if (route.kind !== 'here') return this.#gate.redirect(connection, route);
    const { watched } = session;
    if (watched.slot !== undefined && watched.slot !== route.slot) {
      return this.#gate.refuse(connection, crossSlotReply);
    }
    if (watched.count + keys.length > limits.watchedKeysMax) {
      return this.#gate.refuse(connection, tooManyWatched);
    }
    if (!this.#hasRoom(connection, byteLength)) {
      return this.#gate.refuse(connection, transactionTooLong);
    }
    if (log.pendingBytes > limits.pendingBytesMax) return this.#gate.hold(connection, 'overload');
    // Behind a write of its own it must see it, and its answer must not travel in an entry: the
    // versions are wanted here.
    if (connection.hasPending && !connection.hasPendingRead)
      return this.#gate.hold(connection, 'order');
    const pending = new PendingCommand(connection, true, session.database, route.slot, args);
    pending.watched = watched.add(session.database, keys);
    this.#gate.timeLater(pending, command);
    connection.replyLater(pending);
    log.requestRead(pending);
    return true;
  }

  exec(connection: Connection, command: ServerCommand): boolean {
    const { session } = connection;
    const { transaction, watched } = session;
    if (transaction === undefined) return this.#gate.refuse(connection, execWithoutMulti);
    if (transaction.hasWrites && this.#pause.mode !== 'none') {
      return this.#gate.hold(connection, 'pause');
    }
    // A WATCH under way: only then the versions are known. And as any write behind a read.
    if (connection.hasPendingRead) return this.#gate.hold(connection, 'order');
    const watchedSlot = watched.slot;
    const slot = transaction.slot ?? watchedSlot ?? 0;
    if (transaction.isCrossSlot || (watchedSlot !== undefined && watchedSlot !== slot)) {
      return this.#refuseExec(connection, crossSlotReply);
    }
    if (transaction.isFlawed) return this.#refuseExec(connection, abortReply);
    if (transaction.dataCommandCount === 0 && watched.count === 0) {
      return this.#execHere(connection, command, transaction);
    }
    const log = this.#log;
    const route = routeOfSlot(slot, this.#topology, log.isServing);
    const isFollower = route.kind !== 'here' && routeOfRead(route, session, log).kind === 'here';
    if (isFollower && !transaction.hasWrites) {
      return this.#execReads(connection, command, transaction, slot);
    }
    if (route.kind === 'moved') return this.#refuseExec(connection, movedReply(route));
    if (route.kind === 'notMember') return this.#refuseExec(connection, notMemberReply);
    if (route.kind === 'noLeader') return this.#gate.hold(connection, 'election');
    // They were queued when there was room, or when nobody led.
    if (transaction.isGrowing && this.#disk.isLow) return this.abort(connection, diskLowReply);
    if (log.pendingBytes > limits.pendingBytesMax) return this.#gate.hold(connection, 'overload');
    // Many small ones may follow each other; one that reads more than that goes alone.
    const reads = connection.loggedReadCount + transaction.readCount;
    if (connection.loggedReadCount > 0 && reads > limits.loggedReadsMax) {
      return this.#gate.hold(connection, 'order');
    }

    const pending = new PendingCommand(connection, false, session.database, slot, noArguments);
    pending.loggedReads = transaction.readCount;
    pending.isWrite = transaction.hasWrites;
    this.#take(pending, command, transaction);
    const offset = log.reserve(recordByteLength(transaction, watched), pending);
    writeRecord(log.batchBuffer, offset, transaction, watched);
    this.#endExec(connection, transaction);
    return true;
  }

  /** On a follower, from its state: what was watched and what is read, in one go. */
  #execReads(
    connection: Connection,
    command: ServerCommand,
    transaction: Transaction,
    slot: number,
  ): boolean {
    // Writes of a leadership that was lost.
    if (connection.hasPending) return this.#gate.hold(connection, 'order');
    const { database, watched } = connection.session;
    const pending = new PendingCommand(connection, true, database, slot, noArguments);
    this.#take(pending, command, transaction);
    const record = Buffer.alloc(recordByteLength(transaction, watched));
    writeRecord(record, 0, transaction, watched);
    pending.record = record;
    this.#endExec(connection, transaction);
    this.#log.requestRead(pending);
    return true;
  }

  #take(pending: PendingCommand, command: ServerCommand, transaction: Transaction): void {
    const { connection, database } = pending;
    this.#gate.timeLater(pending, command);
    if (transaction.hasServerCommands) pending.transaction = transaction;
    connection.replyLater(pending);
    transaction.assignDatabases(database, databaseAfter);
  }

  /** Nothing in it concerns the data. */
  #execHere(connection: Connection, command: ServerCommand, transaction: Transaction): boolean {
    if (connection.hasPending) return this.#gate.hold(connection, 'order');
    // As for commands that show the state, of which there may be one in it.
    if (this.#log.appliedIndex < connection.session.lastWriteIndex) {
      return this.#gate.hold(connection, 'apply');
    }
    const pending = new PendingCommand(connection, false, 0, 0, noArguments);
    pending.transaction = transaction;
    const counts = this.#gate.count(connection, command.name);
    this.#endExec(connection, transaction);
    connection.replyLater(pending);
    const startedAt = this.#nowMicroseconds();
    connection.settle(pending, []);
    const microseconds = this.#nowMicroseconds() - startedAt;
    if (this.#times.add(counts, microseconds)) {
      this.#times.addSlow(command, microseconds, connection.session, noArguments);
    }
    return true;
  }

  #endExec(connection: Connection, transaction: Transaction): void {
    connection.session.endTransaction();
    this.#statistics.commandsProcessed += transaction.count;
    for (const name of transaction.names) this.#statistics.of(name).calls += 1;
  }

  #refuseExec(connection: Connection, reply: Reply): boolean {
    connection.session.endTransaction();
    return this.#gate.refuse(connection, reply);
  }

  /** The gate refuses EXEC by itself, and with it the transaction. */
  abort(connection: Connection, refusal: ErrorReply): boolean {
    return this.#refuseExec(connection, abortBecauseOf(refusal));
  }
}

const execWithoutMulti = errorReply('ERR EXEC without MULTI');
const watchInMulti = errorReply('ERR WATCH inside MULTI is not allowed');
const notInMulti = errorReply('ERR Command not allowed inside a transaction');
const abortReply = errorReply('EXECABORT Transaction discarded because of previous errors.');
const transactionTooLong = errorReply(
  `ERR transaction is longer than the limit of ${limits.transactionBytesMax} bytes ` +
    '(transaction-bytes-max)',
);
const tooManyQueued = errorReply(
  `ERR more commands are queued than the limit of ${limits.transactionCommandsMax} ` +
    '(transaction-commands-max)',
);
const tooManyWatched = errorReply(
  `ERR more keys are watched than the limit of ${limits.watchedKeysMax} (watched-keys-max)`,
);

function recordByteLength({ records }: Transaction, watched: WatchedKeys): number {
  return transactionByteLength(watched.list(), records.length);
}

function writeRecord(
  target: Buffer,
  offset: number,
  { dataCommandCount, records }: Transaction,
  watched: WatchedKeys,
): void {
  encodeTransaction(target, offset, watched.list(), dataCommandCount, records);
}

/** The database that a queued server command leaves selected. */
function databaseAfter(args: readonly Buffer[], selected: number): number {
  if (findServerCommand(args[0]!)?.name !== 'select') return selected;
  const chosen = parseDatabase(args[1]!);
  return typeof chosen === 'number' ? chosen : selected;
}

/** What is wrong with the arguments of a container at first sight, so that it need not be queued. */
function refusalOfSubcommand(command: ServerCommand, args: readonly Buffer[]): Reply | undefined {
  const { name, subcommands } = command;
  return subcommands === undefined || args.length === 1
    ? undefined
    : checkSubcommand(name, subcommands, args);
}

/** Redis leaves the general code out, and no other. */
function abortBecauseOf(refusal: ErrorReply): Reply {
  const reason = refusal.text.replace(/^ERR /, '');
  return errorReply(`EXECABORT Transaction discarded because of: ${reason}`);
}

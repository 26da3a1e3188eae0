// The ordered gate that every command of every client passes.
//
// The order is the specification: what a client is told first depends on it. Each step either
// answers, or holds the command until something changes, or lets it pass to the next one.
//
//   known? ─▶ arity? ─▶ authenticated? ─▶ paused? ─▶ MULTI? ─▶ server command: runs here, now
//                                                           └▶ data command: limits? ─▶ route ─▶ write or read
//
// Inside MULTI a command passes the same gate up to the route and is queued; whatever is refused
// there makes EXEC refuse all. EXEC is a write, and WATCH a read, of all their keys together.
//
// Writes become part of the open entry; reads are confirmed by a majority and then answered from the
// state. On one connection a read behind an unfinished write travels in an entry itself, and a write
// behind an unfinished read waits for it: commands of a connection take effect in order.

import {
  type ErrorReply,
  errorReply,
  isErrorReply,
  queuedReply,
  type Reply,
  wrongArity,
} from '../../resp/index.js';
import {
  arityFits,
  type Command,
  commandByteLength,
  commandKeys,
  encodeCommand,
  encodeTransaction,
  findCommand,
  keySlot,
  readKind,
  transactionByteLength,
  watchedByteLength,
  writeKind,
} from '../../sqlite-sm/index.js';
import { type Route, routeOf, routeOfSlot } from '../cluster/route.js';
import type { Topology } from '../cluster/topology.js';
import { limits } from '../options.js';
import type { CommandStatistics, Statistics } from '../statistics.js';
import type { BlockedClients } from './blocked-clients.js';
import type { ClientPause } from './client-pause.js';
import { checkSubcommand, parseDatabase } from './commands/connection.js';
import { findServerCommand } from './commands/index.js';
import { refusalOf } from './commands/refused.js';
import {
  arityAllows,
  type Blocking,
  lowerCase,
  type ServerCommand,
  type ServerContext,
} from './commands/table.js';
import { type Connection, type HoldReason, noArguments, PendingCommand } from './connection.js';
import type { Executed, ExecutionTimes } from './execution-times.js';
import { isQueuedInMulti, type Transaction } from './transaction.js';

/** The Raft side of a replica, as far as commands need it. */
export interface CommandLog {
  /** Whether commands are taken here. */
  readonly isServing: boolean;
  /** Bytes of commands taken and not applied yet. */
  readonly pendingBytes: number;
  /** Room in the open entry; returns the offset in `batchBuffer`. */
  reserve(byteLength: number, context: PendingCommand): number;
  readonly batchBuffer: Buffer;
  requestRead(context: PendingCommand): void;
}

export interface Holds {
  readonly pause: ClientPause;
  hold(connection: Connection, reason: HoldReason): void;
}

export class Dispatcher {
  readonly #log: CommandLog;
  readonly #topology: Topology;
  readonly #holds: Holds;
  readonly #context: ServerContext;
  readonly #statistics: Statistics;
  readonly #times: ExecutionTimes;
  readonly #blocked: BlockedClients;
  readonly #nowMs: () => number;
  readonly #nowMicroseconds: () => number;
  /** The command at the gate; undefined: nobody knows it. */
  #commandName: string | undefined;

  constructor(options: {
    readonly log: CommandLog;
    readonly topology: Topology;
    readonly holds: Holds;
    readonly context: ServerContext;
    readonly statistics: Statistics;
    readonly times: ExecutionTimes;
    readonly blocked: BlockedClients;
    readonly nowMs: () => number;
    /** A monotonic clock. */
    readonly nowMicroseconds: () => number;
  }) {
    this.#log = options.log;
    this.#topology = options.topology;
    this.#holds = options.holds;
    this.#context = options.context;
    this.#statistics = options.statistics;
    this.#times = options.times;
    this.#blocked = options.blocked;
    this.#nowMs = options.nowMs;
    this.#nowMicroseconds = options.nowMicroseconds;
  }

  /** False when the command has to be given again later (see `Holds`). */
  dispatch(connection: Connection, args: Buffer[]): boolean {
    if (connection.hasOpenTransaction) return this.#hold(connection, 'order');
    const name = args[0]!;
    const command = findCommand(name);
    if (command === undefined) {
      const serverCommand = findServerCommand(name);
      if (serverCommand === undefined) {
        this.#commandName = undefined;
        return this.#refuse(connection, this.#refusal(connection, args));
      }
      this.#commandName = fullName(serverCommand, args);
      return this.#runServerCommand(connection, serverCommand, args);
    }
    this.#commandName = command.name;
    if (!arityFits(command, args.length)) {
      return this.#refuse(connection, wrongArity(command.name));
    }
    if (!connection.session.isAuthenticated) return this.#refuse(connection, notAuthenticated);
    return this.#dispatchData(connection, command, args);
  }

  #refusal({ session }: Connection, args: readonly Buffer[]): Reply {
    const known = refusalOf(args[0]!);
    if (known === undefined) return unknownCommand(args);
    return session.isAuthenticated ? known : notAuthenticated;
  }

  #runServerCommand(connection: Connection, command: ServerCommand, args: Buffer[]): boolean {
    const { session } = connection;
    if (!arityAllows(command.arity, args.length)) {
      const refusal = wrongArity(command.name);
      return command.name === 'exec'
        ? this.#refuseExec(connection, abortBecauseOf(refusal))
        : this.#refuse(connection, refusal);
    }
    if (!session.isAuthenticated && !command.flags.includes('no_auth')) {
      return command.name === 'exec'
        ? this.#refuseExec(connection, abortBecauseOf(notAuthenticated))
        : this.#refuse(connection, notAuthenticated);
    }
    if (this.#holds.pause.mode === 'all') return this.#hold(connection, 'pause');
    const data = command.findData?.(args);
    if (data !== undefined) return this.#runDataSubcommand(connection, data, args);
    if (session.transaction !== undefined && isQueuedInMulti(command.name)) {
      return this.#queueServer(connection, session.transaction, command, args);
    }
    if (command.name === 'exec') return this.#exec(connection, command);
    if (command.name === 'watch') return this.#watch(connection, command, args);
    // It changes how replies look, or ends the connection: earlier replies come first.
    if (command.isBarrier && connection.hasPending) {
      return this.#hold(connection, 'order');
    }
    const counts = this.#count(connection, this.#commandName!);
    if (command.block !== undefined) return this.#runBlocking(connection, command, counts, args);
    connection.reply(this.#runNow(connection, command, counts, args));
    return true;
  }

  /** Runs a server command of a transaction, in its turn when EXEC is answered. */
  runQueued(connection: Connection, args: readonly Buffer[]): Reply {
    const command = findServerCommand(args[0]!)!;
    const counts = this.#statistics.of(fullName(command, args));
    counts.calls += 1;
    return this.#runNow(connection, command, counts, args);
  }

  #runNow(
    connection: Connection,
    command: ServerCommand,
    counts: CommandStatistics,
    args: readonly Buffer[],
  ): Reply {
    const { session } = connection;
    const startedAt = this.#nowMicroseconds();
    const reply = command.run(this.#context, session, args);
    const microseconds = this.#nowMicroseconds() - startedAt;
    if (this.#times.add(counts, microseconds)) {
      this.#times.addSlow(command, microseconds, session, args);
    }
    connection.parser.authenticated = session.isAuthenticated;
    this.#countIfFailed(counts, reply);
    return reply;
  }

  /** Its time is spent waiting, not executing, and is not counted. */
  #runBlocking(
    connection: Connection,
    command: ServerCommand,
    counts: CommandStatistics,
    args: readonly Buffer[],
  ): boolean {
    const outcome = command.block!(this.#context, connection.session, args);
    if (isBlocking(outcome)) {
      this.#blocked.block(new PendingCommand(connection, false, 0, 0, noArguments), outcome);
      return true;
    }
    this.#countIfFailed(counts, outcome);
    connection.reply(outcome);
    return true;
  }

  #countIfFailed(counts: CommandStatistics, reply: Reply): void {
    if (!isErrorReply(reply)) return;
    counts.failedCalls += 1;
    this.#statistics.countError(reply.text);
  }

  /** The row is found by its own name from here on, `memory|usage` for MEMORY USAGE. */
  #runDataSubcommand(connection: Connection, command: Command, args: readonly Buffer[]): boolean {
    this.#commandName = command.name;
    if (!arityFits(command, args.length)) return this.#refuse(connection, wrongArity(command.name));
    return this.#dispatchData(connection, command, [Buffer.from(command.name), ...args.slice(1)]);
  }

  #dispatchData(connection: Connection, command: Command, args: Buffer[]): boolean {
    const { mode } = this.#holds.pause;
    if (mode !== 'none' && (mode === 'all' || command.isWrite)) {
      return this.#hold(connection, 'pause');
    }
    const keys = commandKeys(command, args);
    for (const key of keys) {
      if (key.length > limits.keyBytesMax) return this.#refuse(connection, keyTooLong);
    }
    const log = this.#log;
    const route = routeOf(keys, this.#topology, log.isServing);
    const { transaction } = connection.session;
    // Without a leader EXEC will wait for one; nothing depends on it before.
    if (transaction !== undefined && (route.kind === 'here' || route.kind === 'noLeader')) {
      return this.#queueData(connection, transaction, command, keys, args);
    }
    if (route.kind !== 'here') return this.#redirect(connection, route);
    if (log.pendingBytes > limits.pendingBytesMax) {
      return this.#hold(connection, 'overload');
    }
    if (command.isWrite && connection.hasPendingRead) {
      return this.#hold(connection, 'order');
    }
    if (!command.isWrite && connection.loggedReadCount >= limits.loggedReadsMax) {
      return this.#hold(connection, 'order');
    }
    // A long read comes in slices, which an entry has not.
    if (command.begin !== undefined && connection.hasPending && !connection.hasPendingRead) {
      return this.#hold(connection, 'order');
    }
    // Reads may follow reads. Behind an unfinished write a read travels in an entry, as the write.
    if (command.isWrite || (connection.hasPending && !connection.hasPendingRead)) {
      this.#append(connection, command, route.slot, args);
    } else {
      const { database } = connection.session;
      const pending = new PendingCommand(connection, true, database, route.slot, args);
      this.#timeLater(pending, command);
      connection.replyLater(pending);
      log.requestRead(pending);
    }
    return true;
  }

  /** The one copy of a command's bytes, from where they were parsed to the open entry. */
  #append(connection: Connection, command: Command, slot: number, args: Buffer[]): void {
    const { database } = connection.session;
    const pending = new PendingCommand(connection, false, database, slot, noArguments);
    if (command.isWrite) pending.isWrite = true;
    else pending.loggedReads = 1;
    this.#timeLater(pending, command);
    connection.replyLater(pending);
    const offset = this.#log.reserve(commandByteLength(args), pending);
    const kind = command.isWrite ? writeKind : readKind;
    encodeCommand(this.#log.batchBuffer, offset, kind, database, args);
  }

  // ---------------------------------------------------------------------------- transactions

  #queueServer(
    connection: Connection,
    transaction: Transaction,
    command: ServerCommand,
    args: readonly Buffer[],
  ): boolean {
    if (command.flags.includes('no_multi')) return this.#refuse(connection, notInMulti);
    const refusal = refusalOfSubcommand(command, args);
    if (refusal !== undefined) return this.#refuse(connection, refusal);
    const overflow = this.#overflow(connection, transaction, args);
    if (overflow !== undefined) return this.#refuse(connection, overflow);
    transaction.queueServer(args);
    return this.#answerQueued(connection);
  }

  #queueData(
    connection: Connection,
    transaction: Transaction,
    command: Command,
    keys: readonly Buffer[],
    args: readonly Buffer[],
  ): boolean {
    const overflow = this.#overflow(connection, transaction, args);
    if (overflow !== undefined) return this.#refuse(connection, overflow);
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

  #watch(connection: Connection, command: ServerCommand, args: readonly Buffer[]): boolean {
    const { session } = connection;
    if (session.transaction !== undefined) {
      // A refusal that leaves the transaction as it is, as in Redis.
      connection.reply(watchInMulti);
      return true;
    }
    const keys = args.slice(1);
    let byteLength = 0;
    for (const key of keys) {
      if (key.length > limits.keyBytesMax) return this.#refuse(connection, keyTooLong);
      byteLength += watchedByteLength(key);
    }
    const log = this.#log;
    const route = routeOf(keys, this.#topology, log.isServing);
    if (route.kind !== 'here') return this.#redirect(connection, route);
    const { watched } = session;
    if (watched.slot !== undefined && watched.slot !== route.slot) {
      return this.#refuse(connection, crossSlotReply);
    }
    if (watched.count + keys.length > limits.watchedKeysMax) {
      return this.#refuse(connection, tooManyWatched);
    }
    if (!this.#hasRoom(connection, byteLength)) {
      return this.#refuse(connection, transactionTooLong);
    }
    if (log.pendingBytes > limits.pendingBytesMax) return this.#hold(connection, 'overload');
    // Behind a write of its own it must see it, and its answer must not travel in an entry: the
    // versions are wanted here.
    if (connection.hasPending && !connection.hasPendingRead) return this.#hold(connection, 'order');
    const pending = new PendingCommand(connection, true, session.database, route.slot, noArguments);
    pending.watched = watched.add(session.database, keys);
    this.#timeLater(pending, command);
    connection.replyLater(pending);
    log.requestRead(pending);
    return true;
  }

  #exec(connection: Connection, command: ServerCommand): boolean {
    const { session } = connection;
    const { transaction, watched } = session;
    if (transaction === undefined) return this.#refuse(connection, execWithoutMulti);
    if (transaction.hasWrites && this.#holds.pause.mode !== 'none') {
      return this.#hold(connection, 'pause');
    }
    // A WATCH under way: only then the versions are known. And as any write behind a read.
    if (connection.hasPendingRead) return this.#hold(connection, 'order');
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
    if (route.kind === 'moved') return this.#refuseExec(connection, movedReply(route));
    if (route.kind === 'noLeader') return this.#hold(connection, 'election');
    if (log.pendingBytes > limits.pendingBytesMax) return this.#hold(connection, 'overload');
    // Many small ones may follow each other; one that reads more than that goes alone.
    const reads = connection.loggedReadCount + transaction.readCount;
    if (connection.loggedReadCount > 0 && reads > limits.loggedReadsMax) {
      return this.#hold(connection, 'order');
    }

    const pending = new PendingCommand(connection, false, session.database, slot, noArguments);
    pending.loggedReads = transaction.readCount;
    pending.isWrite = transaction.hasWrites;
    this.#timeLater(pending, command);
    if (transaction.hasServerCommands) pending.transaction = transaction;
    connection.replyLater(pending);
    transaction.assignDatabases(session.database, databaseAfter);
    const { records } = transaction;
    const keys = watched.list();
    const offset = log.reserve(transactionByteLength(keys, records.length), pending);
    encodeTransaction(log.batchBuffer, offset, keys, transaction.dataCommandCount, records);
    this.#endExec(connection, transaction);
    return true;
  }

  /** Nothing in it concerns the data. */
  #execHere(connection: Connection, command: ServerCommand, transaction: Transaction): boolean {
    if (connection.hasPending) return this.#hold(connection, 'order');
    const pending = new PendingCommand(connection, false, 0, 0, noArguments);
    pending.transaction = transaction;
    const counts = this.#count(connection, command.name);
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
    return this.#refuse(connection, reply);
  }

  #redirect(connection: Connection, route: Exclude<Route, { kind: 'here' }>): boolean {
    switch (route.kind) {
      case 'moved':
        return this.#refuse(connection, movedReply(route));
      case 'crossSlot':
        return this.#refuse(connection, crossSlotReply);
      case 'noLeader':
        return this.#hold(connection, 'election');
    }
  }

  #hold(connection: Connection, reason: HoldReason): false {
    this.#holds.hold(connection, reason);
    return false;
  }

  #refuse(connection: Connection, reply: Reply): boolean {
    const { session } = connection;
    if (session.transaction !== undefined) session.transaction.isFlawed = true;
    session.commandCount += 1;
    if (this.#commandName !== undefined) this.#statistics.of(this.#commandName).rejectedCalls += 1;
    if (isErrorReply(reply)) this.#statistics.countError(reply.text);
    connection.reply(reply);
    return true;
  }

  /** It is taken, and its time is counted when it has been executed. */
  #timeLater(pending: PendingCommand, command: Executed): void {
    pending.command = command;
    pending.statistics = this.#count(pending.connection, command.name);
  }

  #count(connection: Connection, name: string): CommandStatistics {
    const { session } = connection;
    session.commandCount += 1;
    session.lastCommand = name;
    session.lastCommandAtMs = this.#nowMs();
    this.#statistics.commandsProcessed += 1;
    const counts = this.#statistics.of(name);
    counts.calls += 1;
    return counts;
  }
}

/** With the subcommand of a container, as Redis counts and shows it. */
function fullName(command: ServerCommand, args: readonly Buffer[]): string {
  const { name, subcommands } = command;
  if (subcommands === undefined || args.length < 2) return name;
  const subcommand = lowerCase(args[1]!);
  return Object.hasOwn(subcommands, subcommand) ? `${name}|${subcommand}` : name;
}

function isBlocking(outcome: Blocking | Reply): outcome is Blocking {
  return typeof outcome === 'object' && outcome !== null && 'isDone' in outcome;
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

const notAuthenticated = errorReply('NOAUTH Authentication required.');
export const crossSlotReply = errorReply("CROSSSLOT Keys in request don't hash to the same slot");
export const clusterDownReply = errorReply('CLUSTERDOWN The cluster is down');
/** A prefix that no client retries by itself. */
export const uncertainReply = errorReply(
  'UNCERTAIN The leadership was lost while the command was being stored: it may have taken ' +
    'effect, or may take effect later, or never. Read before you send it again',
);
const keyTooLong = errorReply(
  `ERR key is longer than the limit of ${limits.keyBytesMax} bytes (key-bytes-max)`,
);

export function movedReply(route: Extract<Route, { kind: 'moved' }>): Reply {
  return errorReply(`MOVED ${route.slot} ${route.to.host}:${route.to.clientPort}`);
}

/** Redis' text, with up to 128 bytes of the name and of all arguments together. */
function unknownCommand(args: readonly Buffer[]): Reply {
  const textMax = 128;
  const name = args[0]!.toString('latin1', 0, textMax);
  let preview = '';
  for (const arg of args.slice(1)) {
    if (preview.length >= textMax) break;
    preview += `'${arg.toString('latin1', 0, textMax - preview.length)}' `;
  }
  return errorReply(`ERR unknown command '${name}', with args beginning with: ${preview}`);
}

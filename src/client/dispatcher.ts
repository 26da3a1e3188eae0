// The ordered gate that every command of every client passes.
//
// The order is the specification: what a client is told first depends on it. Each step either
// answers, or holds the command until something changes, or lets it pass to the next one.
//
//   known? ─▶ arity? ─▶ authenticated? ─▶ paused? ─▶ MULTI? ─▶ server command: runs here, now
//                                                           └▶ data command: limits? ─▶ route ─▶ write or read
//
// Inside MULTI a command passes the same gate up to the route and is queued (`transactions.ts`).
//
// Writes become part of the open entry; reads are confirmed, by a majority or on a follower by its
// leader, and then answered from the state. On one connection a read behind an unfinished write travels in an entry itself, and a write
// behind an unfinished read waits for it: commands of a connection take effect in order.

import { isErrorReply, type Reply, wrongArity } from '../../resp/index.js';
import {
  arityFits,
  type Command,
  commandByteLength,
  commandKeys,
  containerRefusal,
  encodeCommand,
  findCommand,
  readKind,
  writeKind,
} from '../../sqlite-sm/index.js';
import { type Route, routeOf, routeOfRead } from '../cluster/route.js';
import type { Topology } from '../cluster/topology.js';
import type { DiskWatch } from '../disk-watch.js';
import { limits } from '../options.js';
import type { CommandStatistics, Statistics } from '../statistics.js';
import type { BlockedClients } from './blocked-clients.js';
import type { ClientPause } from './client-pause.js';
import type { CommandLog } from './command-log.js';
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
import {
  crossSlotReply,
  diskLowReply,
  keyTooLong,
  movedReply,
  notAuthenticated,
  notMemberReply,
  unknownCommand,
} from './error-replies.js';
import type { Executed, ExecutionTimes } from './execution-times.js';
import { isQueuedInMulti } from './transaction.js';
import { Transactions } from './transactions.js';

export interface Holds {
  readonly pause: ClientPause;
  hold(connection: Connection, reason: HoldReason): void;
}

export class Dispatcher {
  readonly #log: CommandLog;
  readonly #topology: Topology;
  readonly #holds: Holds;
  readonly #disk: Pick<DiskWatch, 'isLow'>;
  readonly #context: ServerContext;
  readonly #statistics: Statistics;
  readonly #times: ExecutionTimes;
  readonly #blocked: BlockedClients;
  readonly #transactions: Transactions;
  readonly #nowMs: () => number;
  readonly #nowMicroseconds: () => number;
  /** The command at the gate; undefined: nobody knows it. */
  #commandName: string | undefined;

  constructor(options: {
    readonly log: CommandLog;
    readonly topology: Topology;
    readonly holds: Holds;
    readonly disk: Pick<DiskWatch, 'isLow'>;
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
    this.#disk = options.disk;
    this.#context = options.context;
    this.#statistics = options.statistics;
    this.#times = options.times;
    this.#blocked = options.blocked;
    this.#nowMs = options.nowMs;
    this.#nowMicroseconds = options.nowMicroseconds;
    this.#transactions = new Transactions({
      ...options,
      pause: options.holds.pause,
      gate: {
        refuse: (connection, reply) => this.#refuse(connection, reply),
        hold: (connection, reason) => this.#hold(connection, reason),
        redirect: (connection, route) => this.#redirect(connection, route),
        count: (connection, name) => this.#count(connection, name),
        timeLater: (pending, command) => this.#timeLater(pending, command),
      },
    });
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
    // Here and not where it runs: inside MULTI it must not be queued.
    const refusal = command.subcommands === undefined ? undefined : containerRefusal(command, args);
    if (refusal !== undefined) return this.#refuse(connection, refusal);
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
        ? this.#transactions.abort(connection, refusal)
        : this.#refuse(connection, refusal);
    }
    if (!session.isAuthenticated && !command.flags.includes('no_auth')) {
      return command.name === 'exec'
        ? this.#transactions.abort(connection, notAuthenticated)
        : this.#refuse(connection, notAuthenticated);
    }
    if (this.#holds.pause.mode === 'all') return this.#hold(connection, 'pause');
    const data = command.findData?.(args);
    if (data !== undefined) return this.#runDataSubcommand(connection, data, args);
    if (session.transaction !== undefined && isQueuedInMulti(command.name)) {
      return this.#transactions.queueServer(connection, session.transaction, command, args);
    }
    if (command.name === 'exec') return this.#transactions.exec(connection, command);
    if (command.name === 'watch') return this.#transactions.watch(connection, command, args);
    // What it tells of the state must not lack what this client was told is done.
    if (command.showsState === true && this.#log.appliedIndex < session.lastWriteIndex) {
      return this.#hold(connection, 'apply');
    }
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
    let route = routeOf(keys, this.#topology, log.isServing);
    if (!command.isWrite) route = routeOfRead(route, connection.session, log);
    if (route.kind === 'here' && this.#disk.isLow && command.flags.includes('denyoom')) {
      return this.#refuse(connection, diskLowReply);
    }
    const { transaction } = connection.session;
    // Without a leader EXEC will wait for one; nothing depends on it before.
    if (transaction !== undefined && (route.kind === 'here' || route.kind === 'noLeader')) {
      return this.#transactions.queueData(connection, transaction, command, keys, args);
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
    const isBehindWrite = connection.hasPending && !connection.hasPendingRead;
    if (command.begin !== undefined && isBehindWrite) return this.#hold(connection, 'order');
    // Reads may follow reads. Behind an unfinished write a read travels in an entry, as the write; a
    // follower, where it can only be a write of a leadership that was lost, has no entries.
    if (isBehindWrite && !log.isServing) return this.#hold(connection, 'order');
    if (command.isWrite || isBehindWrite) this.#append(connection, command, route.slot, args);
    else this.#read(connection, command, route.slot, args);
    return true;
  }

  #read(connection: Connection, command: Command, slot: number, args: readonly Buffer[]): void {
    const { database } = connection.session;
    const pending = new PendingCommand(connection, true, database, slot, args);
    this.#timeLater(pending, command);
    connection.replyLater(pending);
    this.#log.requestRead(pending);
  }

  /** The one copy of a command's bytes, from where they were parsed to the open entry. */
  #append(connection: Connection, command: Command, slot: number, args: Buffer[]): void {
    const { database } = connection.session;
    const pending = new PendingCommand(connection, false, database, slot, noArguments);
    if (command.isWrite) {
      pending.isWrite = true;
      pending.repliesAtCommit = command.replyAtCommit?.(args) === true;
    } else pending.loggedReads = 1;
    this.#timeLater(pending, command);
    connection.replyLater(pending);
    const offset = this.#log.reserve(commandByteLength(args), pending);
    const kind = command.isWrite ? writeKind : readKind;
    encodeCommand(this.#log.batchBuffer, offset, kind, database, args);
  }

  #redirect(connection: Connection, route: Exclude<Route, { kind: 'here' }>): boolean {
    switch (route.kind) {
      case 'moved':
        return this.#refuse(connection, movedReply(route));
      case 'crossSlot':
        return this.#refuse(connection, crossSlotReply);
      case 'notMember':
        return this.#refuse(connection, notMemberReply);
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

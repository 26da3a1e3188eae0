// The ordered gate that every command of every client passes.
//
// The order is the specification: what a client is told first depends on it. Each step either
// answers, or holds the command until something changes, or lets it pass to the next one.
//
//   known? ─▶ arity? ─▶ authenticated? ─▶ paused? ─▶ server command: runs here, now
//                                                 └▶ data command: limits? ─▶ route ─▶ write or read
//
// Writes become part of the open entry; reads are confirmed by a majority and then answered from the
// state. On one connection a read behind an unfinished write travels in an entry itself, and a write
// behind an unfinished read waits for it: commands of a connection take effect in order.

import { errorReply, isErrorReply, type Reply, wrongArity } from '../../resp/index.js';
import {
  arityFits,
  type Command,
  commandByteLength,
  commandKeys,
  encodeCommand,
  findCommand,
  readKind,
  writeKind,
} from '../../sqlite-sm/index.js';
import { type Route, routeOf } from '../cluster/route.js';
import type { Topology } from '../cluster/topology.js';
import { limits } from '../options.js';
import type { Statistics } from '../statistics.js';
import type { BlockedClients } from './blocked-clients.js';
import type { ClientPause } from './client-pause.js';
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
  readonly #blocked: BlockedClients;
  readonly #nowMs: () => number;
  readonly #monotonicMs: () => number;

  constructor(options: {
    readonly log: CommandLog;
    readonly topology: Topology;
    readonly holds: Holds;
    readonly context: ServerContext;
    readonly statistics: Statistics;
    readonly blocked: BlockedClients;
    readonly nowMs: () => number;
    readonly monotonicMs: () => number;
  }) {
    this.#log = options.log;
    this.#topology = options.topology;
    this.#holds = options.holds;
    this.#context = options.context;
    this.#statistics = options.statistics;
    this.#blocked = options.blocked;
    this.#nowMs = options.nowMs;
    this.#monotonicMs = options.monotonicMs;
  }

  /** False when the command has to be given again later (see `Holds`). */
  dispatch(connection: Connection, args: Buffer[]): boolean {
    const name = args[0]!;
    const command = findCommand(name);
    if (command === undefined) {
      const serverCommand = findServerCommand(name);
      if (serverCommand === undefined)
        return this.#refuse(connection, this.#refusal(connection, args));
      return this.#runServerCommand(connection, serverCommand, args);
    }
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
      return this.#refuse(connection, wrongArity(command.name));
    }
    if (!session.isAuthenticated && !command.flags.includes('no_auth')) {
      return this.#refuse(connection, notAuthenticated);
    }
    if (this.#holds.pause.mode === 'all') {
      this.#holds.hold(connection, 'pause');
      return false;
    }
    const data = command.findData?.(args);
    if (data !== undefined) return this.#runDataSubcommand(connection, data, args);
    // It changes how replies look, or ends the connection: earlier replies come first.
    if (command.isBarrier && connection.hasPending) {
      this.#holds.hold(connection, 'order');
      return false;
    }
    const name = fullName(command, args);
    this.#count(connection, name);
    if (command.block !== undefined) return this.#runBlocking(connection, command, args);
    const startedMs = this.#monotonicMs();
    const reply = command.run(this.#context, session, args);
    const microseconds = (this.#monotonicMs() - startedMs) * 1000;
    if (this.#context.times.add(name, microseconds)) {
      this.#context.times.addSlow(command, microseconds, session, args);
    }
    connection.parser.authenticated = session.isAuthenticated;
    if (isErrorReply(reply)) this.#statistics.errorReplies += 1;
    connection.reply(reply);
    return true;
  }

  /** Its time is spent waiting, not executing, and is not counted. */
  #runBlocking(connection: Connection, command: ServerCommand, args: readonly Buffer[]): boolean {
    const outcome = command.block!(this.#context, connection.session, args);
    if (isBlocking(outcome)) {
      this.#blocked.block(new PendingCommand(connection, false, 0, 0, noArguments), outcome);
      return true;
    }
    if (isErrorReply(outcome)) this.#statistics.errorReplies += 1;
    connection.reply(outcome);
    return true;
  }

  /** The row is found by its own name from here on, `memory|usage` for MEMORY USAGE. */
  #runDataSubcommand(connection: Connection, command: Command, args: readonly Buffer[]): boolean {
    if (!arityFits(command, args.length)) return this.#refuse(connection, wrongArity(command.name));
    return this.#dispatchData(connection, command, [Buffer.from(command.name), ...args.slice(1)]);
  }

  #dispatchData(connection: Connection, command: Command, args: Buffer[]): boolean {
    const { mode } = this.#holds.pause;
    if (mode !== 'none' && (mode === 'all' || command.isWrite)) {
      this.#holds.hold(connection, 'pause');
      return false;
    }
    const keys = commandKeys(command, args);
    for (const key of keys) {
      if (key.length > limits.keyBytesMax) return this.#refuse(connection, keyTooLong);
    }
    const log = this.#log;
    const route = routeOf(keys, this.#topology, log.isServing);
    if (route.kind !== 'here') return this.#redirect(connection, route);
    if (log.pendingBytes > limits.pendingBytesMax) {
      this.#holds.hold(connection, 'overload');
      return false;
    }
    if (command.isWrite && connection.hasPendingRead) {
      this.#holds.hold(connection, 'order');
      return false;
    }
    if (!command.isWrite && connection.loggedReadCount >= limits.loggedReadsMax) {
      this.#holds.hold(connection, 'order');
      return false;
    }
    // Reads may follow reads. Behind an unfinished write a read travels in an entry, as the write.
    if (command.isWrite || (connection.hasPending && !connection.hasPendingRead)) {
      this.#append(connection, command, route.slot, args);
    } else {
      const { database } = connection.session;
      const pending = new PendingCommand(connection, true, database, route.slot, args);
      pending.command = command;
      connection.replyLater(pending);
      log.requestRead(pending);
    }
    this.#count(connection, command.name);
    return true;
  }

  /** The one copy of a command's bytes, from where they were parsed to the open entry. */
  #append(connection: Connection, command: Command, slot: number, args: Buffer[]): void {
    const { database } = connection.session;
    const pending = new PendingCommand(connection, false, database, slot, noArguments);
    pending.command = command;
    pending.isLoggedRead = !command.isWrite;
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
      case 'noLeader':
        this.#holds.hold(connection, 'election');
        return false;
    }
  }

  #refuse(connection: Connection, reply: Reply): boolean {
    connection.session.commandCount += 1;
    this.#statistics.errorReplies += 1;
    connection.reply(reply);
    return true;
  }

  #count(connection: Connection, name: string): void {
    const { session } = connection;
    session.commandCount += 1;
    session.lastCommand = name;
    session.lastCommandAtMs = this.#nowMs();
    this.#statistics.commandsProcessed += 1;
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

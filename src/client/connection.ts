// One client's socket: bytes in, commands one at a time, replies out in the order of the commands.
//
//   socket ─▶ RequestParser ─▶ process() ─▶ dispatcher ─▶ a reply at once, or a PendingCommand
//   socket ◀─ ReplyBuffer   ◀─ settled commands at the head of the queue ◀─ … later, from anywhere
//
// Commands take effect in order, too. Most may follow each other while earlier ones are under way;
// one that may not is *held*: it waits at the head of the parsed commands, everything behind it
// waits with it, and `resume` tries it again. The socket pauses when much piles up, on either side:
// a client that never reads its replies gets no more commands done, and in the end is closed.

import type { Socket } from 'node:net';
import { errorReply, okReply, type Reply, ReplyBuffer, RequestParser } from '../../resp/index.js';
import { limits } from '../options.js';
import type { CommandStatistics } from '../statistics.js';
import type { Executed } from './execution-times.js';
import type { Session } from './session.js';
import type { Transaction } from './transaction.js';
import type { WatchedKey } from './watched-keys.js';

/** A command whose reply is not known yet. Created per command: kept small. */
export class PendingCommand {
  readonly connection: Connection;
  /** A read, answered from the state; else it travels in an entry. */
  readonly isRead: boolean;
  /** Reads in it that travel in an entry: behind a write of its connection, or in a transaction. */
  loggedReads = 0;
  readonly database: number;
  /** Of its keys, in case it has to be sent elsewhere. */
  readonly slot: number;
  /** Of a read: views of what arrived. */
  readonly args: readonly Buffer[];
  /** What is timed when it is executed, and where that is counted; undefined: nothing. */
  command: Executed | undefined = undefined;
  statistics: CommandStatistics | undefined = undefined;
  /** Microseconds that were spent on it before, when it is executed in several goes. */
  microseconds = 0;
  /** Something in it may change the data. */
  isWrite = false;
  /** Its client asked for no reply. */
  isSilent = false;
  /** Its reply is OK, as soon as its entry is committed. */
  repliesAtCommit = false;
  /** Of a confirmed read: the leader's clock, in milliseconds since the epoch. */
  clockMs = 0;
  /** Of WATCH: the keys whose versions are to be read. */
  watched: readonly WatchedKey[] | undefined;
  /** Of a transaction that is read outside the log: as an entry would hold it. */
  record: Buffer | undefined;
  /** Of EXEC: with server commands that run when it is answered. */
  transaction: Transaction | undefined;
  isSettled = false;
  reply: Reply = null;

  constructor(
    connection: Connection,
    isRead: boolean,
    database: number,
    slot: number,
    args: readonly Buffer[],
  ) {
    this.connection = connection;
    this.isRead = isRead;
    this.database = database;
    this.slot = slot;
    this.args = args;
  }
}

/** Why a command waits. */
export type HoldReason =
  /** For a leader; not longer than `election-hold-ms`. */
  | 'election'
  /** For earlier commands of its connection. */
  | 'order'
  /** For writes of its connection, answered already, to be applied here. */
  | 'apply'
  /** For commands of everybody to be applied. */
  | 'overload'
  /** For the end of CLIENT PAUSE. */
  | 'pause';

export interface ConnectionOwner {
  /** Runs the command or queues it; false when it must be held. */
  dispatch(connection: Connection, args: Buffer[]): boolean;
  /** Runs a server command of a transaction. */
  runQueued(connection: Connection, args: readonly Buffer[]): Reply;
  /** Parked reads, oldest first: there is room for answers again. */
  runReads(reads: readonly PendingCommand[]): void;
  onClosed(connection: Connection): void;
  /** A command was cut off by a broken protocol. */
  onProtocolError(connection: Connection, error: string): void;
  onBytesIn(count: number): void;
  onBytesOut(count: number): void;
}

export class Connection {
  readonly session: Session;
  readonly parser = new RequestParser();
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #output = new ReplyBuffer();
  /** Commands under way, oldest first, from #head on. */
  #queue: PendingCommand[] = [];
  #head = 0;
  #pendingReads = 0;
  #loggedReads = 0;
  #openTransactions = 0;
  /** Reads whose answers would only pile up, oldest first. */
  #parked: PendingCommand[] = [];
  #held: Buffer[] | undefined;
  #isBlocked = false;
  #isOutputFull = false;
  #isPaused = false;
  #isProcessing = false;
  #isClosed = false;
  #hasEnded = false;
  /** Why the held command waits; set by whoever has it wait. */
  holdReason: HoldReason = 'order';
  /** Checks of the owner for idle clients that have passed since anything arrived. */
  idleChecks = 0;
  /** In the owner's list of connections to be flushed. */
  isDirty = false;

  constructor(socket: Socket, session: Session, owner: ConnectionOwner) {
    this.#socket = socket;
    this.session = session;
    this.#owner = owner;
    this.parser.authenticated = session.isAuthenticated;
    socket.on('data', (chunk) => this.#onData(chunk));
    socket.on('drain', () => this.#onDrain());
    // The client has said all it will; what it is owed still goes out.
    socket.on('end', () => this.#onEnd());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#onClose());
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Its last command waits for something to happen: none behind it runs. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  get hasPending(): boolean {
    return this.#head < this.#queue.length;
  }

  get hasPendingRead(): boolean {
    return this.#pendingReads > 0;
  }

  /** Reads under way in entries: their answers come all at once, whether there is room or not. */
  get loggedReadCount(): number {
    return this.#loggedReads;
  }

  /** A command of it is under way or held. */
  get isWaiting(): boolean {
    return this.hasPending || this.#held !== undefined;
  }

  /** An EXEC under way whose server commands may change what commands behind it mean. */
  get hasOpenTransaction(): boolean {
    return this.#openTransactions > 0;
  }

  get pendingCount(): number {
    return this.#queue.length - this.#head;
  }

  get outputBytes(): number {
    return this.#output.byteLength + this.#socket.writableLength;
  }

  get inputBytes(): number {
    return this.parser.bufferedBytes;
  }

  // ---------------------------------------------------------------------------- replies

  /** Answers the command that is being dispatched. */
  reply(reply: Reply): void {
    if (this.session.silentReplies > 0) return this.#skipReply();
    if (!this.hasPending) {
      this.#output.append(reply, this.session.protocol);
      return;
    }
    const done = new PendingCommand(this, false, 0, 0, noArguments);
    done.isSettled = true;
    done.reply = reply;
    this.#queue.push(done);
  }

  /** The command that is being dispatched will be answered later, by `settle`. */
  replyLater(pending: PendingCommand): void {
    if (this.session.silentReplies > 0) {
      this.#skipReply();
      pending.isSilent = true;
    }
    this.#queue.push(pending);
    if (pending.isRead) this.#pendingReads += 1;
    this.#loggedReads += pending.loggedReads;
    if (pending.transaction !== undefined) this.#openTransactions += 1;
  }

  #skipReply(): void {
    this.session.silentReplies -= 1;
  }

  /** The command that is being dispatched, and everything behind it, waits for `unblock`. */
  block(pending: PendingCommand): void {
    this.replyLater(pending);
    this.#isBlocked = true;
    this.#endIfNobodyWaits();
  }

  unblock(pending: PendingCommand, reply: Reply): void {
    this.#isBlocked = false;
    this.settle(pending, reply);
    this.flush();
    this.resume();
  }

  /** False when the client has not taken the answers there are; the read is then to be parked. */
  get hasRoom(): boolean {
    return this.#parked.length === 0 && this.outputBytes <= limits.outputPauseBytes;
  }

  /** Keeps a read until the client has taken what there is; reads run in order, so all behind it too. */
  park(read: PendingCommand): void {
    this.#parked.push(read);
  }

  /** The caller sees to it that `flush` follows. */
  settle(pending: PendingCommand, reply: Reply): void {
    pending.isSettled = true;
    pending.reply = reply;
    if (pending.isRead) this.#pendingReads -= 1;
    this.#loggedReads -= pending.loggedReads;
    if (pending.watched !== undefined && reply !== okReply) {
      this.session.watched.remove(pending.watched);
    }
    if (this.#isClosed) return;
    while (this.#head < this.#queue.length) {
      const next = this.#queue[this.#head]!;
      if (!next.isSettled) return this.#forgetAnswered();
      if (next.transaction !== undefined) this.#answerTransaction(next, next.transaction);
      else if (!next.isSilent) this.#output.append(next.reply, this.session.protocol);
      this.#head += 1;
      if (this.outputBytes > limits.outputBytesMax) return this.destroy();
    }
    this.#queue.length = 0;
    this.#head = 0;
  }

  /** Its server commands run, whether it is heard or not. Its own HELLO changes how replies look. */
  #answerTransaction({ reply, isSilent }: PendingCommand, transaction: Transaction): void {
    this.#openTransactions -= 1;
    if (!Array.isArray(reply)) {
      if (!isSilent) this.#output.append(reply, this.session.protocol);
      return;
    }
    if (!isSilent) this.#output.appendArrayHeader(transaction.count);
    const run = (args: readonly Buffer[]): Reply => this.#owner.runQueued(this, args);
    for (const each of transaction.replies(reply as readonly Reply[], run)) {
      if (!isSilent) this.#output.append(each, this.session.protocol);
    }
    // A CLIENT REPLY SKIP in it counts EXEC as the command that it came with.
    if (this.session.silentReplies > 0) this.#skipReply();
  }

  /** A connection that always has commands under way must not keep all it ever had. */
  #forgetAnswered(): void {
    if (this.#head < forgetCountMin || this.#head * 2 < this.#queue.length) return;
    this.#queue = this.#queue.slice(this.#head);
    this.#head = 0;
  }

  /** Sends what there is, in one write. Goes on with a held command that was waiting for it. */
  flush(): void {
    this.isDirty = false;
    if (this.#isClosed) return;
    this.#write();
    if (this.#held !== undefined && !this.#isProcessing) this.resume();
    this.#maybeEnd();
  }

  #write(): void {
    const pieces = this.#output.take();
    if (pieces.length === 0) return;
    let byteLength = 0;
    if (pieces.length === 1) {
      byteLength = pieces[0]!.length;
      this.#socket.write(pieces[0]!);
    } else {
      this.#socket.cork();
      for (const piece of pieces) {
        byteLength += piece.length;
        this.#socket.write(piece);
      }
      this.#socket.uncork();
    }
    this.#owner.onBytesOut(byteLength);
    if (this.#socket.writableLength <= limits.outputPauseBytes) return;
    this.#isOutputFull = true;
    if (this.#socket.writableLength > limits.outputBytesMax) this.destroy();
  }

  // ---------------------------------------------------------------------------- commands

  #onData(chunk: Buffer): void {
    this.#owner.onBytesIn(chunk.length);
    this.idleChecks = 0;
    if (this.session.isClosing) return;
    this.parser.feed(chunk);
    this.#process();
    this.flush();
  }

  get #mayDispatch(): boolean {
    return !this.#isClosed && !this.#isOutputFull && !this.#isBlocked && !this.session.isClosing;
  }

  /** The held command waits for nothing but this connection's earlier ones. */
  get #waitsForItself(): boolean {
    return this.holdReason === 'order' || this.holdReason === 'apply';
  }

  #process(): void {
    if (this.#isProcessing) return;
    this.#isProcessing = true;
    while (this.#mayDispatch) {
      const args = this.#held ?? this.parser.next();
      if (args === undefined) {
        this.#checkProtocol();
        if (this.#hasEnded) this.session.isClosing = true;
        break;
      }
      this.#held = undefined;
      if (!this.#owner.dispatch(this, args)) {
        this.#held = args;
        if (this.#hasEnded && !this.#waitsForItself) this.#drop();
        break;
      }
      if (this.#output.byteLength > limits.outputPauseBytes) this.#write();
    }
    this.#isProcessing = false;
    this.#pauseOrResume();
  }

  /** Tries the held command again and goes on behind it. */
  resume(): void {
    if (this.#isClosed) return;
    this.#process();
    if (this.#output.byteLength > 0) this.#write();
    this.#maybeEnd();
  }

  /** Answers the held command instead of running it, and goes on behind it. */
  rejectHeld(reply: Reply): void {
    if (this.#held === undefined || this.#isClosed) return;
    this.#held = undefined;
    // Of a transaction only EXEC waits, and it takes the transaction with it.
    if (this.session.transaction !== undefined) this.session.endTransaction();
    this.reply(reply);
    this.resume();
  }

  #checkProtocol(): void {
    const { error } = this.parser;
    if (error === undefined || this.session.isClosing) return;
    this.session.isClosing = true;
    this.reply(errorReply(`ERR ${error}`));
    this.#owner.onProtocolError(this, error);
  }

  #pauseOrResume(): void {
    const isWaiting = this.#held !== undefined || this.#isOutputFull || this.#isBlocked;
    const mustPause = isWaiting && this.parser.bufferedBytes > limits.inputPauseBytes;
    if (mustPause === this.#isPaused || this.#isClosed) return;
    this.#isPaused = mustPause;
    if (mustPause) this.#socket.pause();
    else this.#socket.resume();
  }

  /**
   * Not at once: a fast client's kernel takes each write at once, 'drain' follows in the same turn,
   * and a long pipeline of large answers would keep everybody else waiting until its end.
   */
  #onDrain(): void {
    setImmediate(() => this.#onRoom());
  }

  #onRoom(): void {
    if (this.#isClosed) return;
    this.#isOutputFull = false;
    if (this.#parked.length > 0) {
      const reads = this.#parked;
      this.#parked = [];
      this.#owner.runReads(reads);
    }
    this.resume();
  }

  // ---------------------------------------------------------------------------- the end

  /**
   * The client has said all it will. What was taken is answered, and what only waits for its own
   * earlier commands still runs; a command that waits for a leader or for room is never proposed,
   * for most likely nobody is there any more to hear of it.
   */
  #onEnd(): void {
    this.#hasEnded = true;
    this.#endIfNobodyWaits();
    this.#process();
    if (this.#held !== undefined && !this.#waitsForItself) this.#drop();
    this.flush();
  }

  /** A wait serves nobody when its client has gone. */
  #endIfNobodyWaits(): void {
    if (this.#isBlocked && this.#hasEnded) this.destroy();
  }

  #drop(): void {
    this.#held = undefined;
    this.session.isClosing = true;
  }

  #maybeEnd(): void {
    if (!this.session.isClosing || this.hasPending || this.#isClosed) return;
    if (this.#output.byteLength > 0) this.#write();
    this.#socket.destroySoon();
  }

  /** Ends the connection at once, whatever it is owed. */
  destroy(): void {
    this.#socket.destroy();
  }

  #onClose(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#held = undefined;
    this.#parked = [];
    this.#owner.onClosed(this);
  }
}

export const noArguments: readonly Buffer[] = [];

/** Answered commands that are worth moving the others for. */
const forgetCountMin = 256;

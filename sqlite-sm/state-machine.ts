// The replicated state machine: entries in, replies out, state in SQLite.
//
//   apply(entry) ──▶ decode ──▶ command.run(keyspace) ──▶ rows in the open transaction
//                                                  └────▶ reply to the sink, if there is one
//   every 25 ms or 4 MiB: applied index, term, stamp and counter into `meta`; COMMIT
//
// The same entries give the same state on every replica, whenever they apply them, however often
// they restart, and wherever their commits fall: nothing but the state and the entry goes in.
// Applied index and rows change in one transaction, so that an entry is applied once in whatever
// state the file is found again; entries above the index that the file holds are applied again
// from the log.
//
// The transaction stays open across entries because a commit writes pages, and most pages would be
// written again a moment later. Reads share the connection and see what has been applied.
//
// An exception while applying is ours or the world's, never the client's:
//
// - No disk, no memory, no stack, a damaged file: another replica may have none of these troubles,
//   so this one must not answer. FatalMachineError; the owner ends the process.
// - Anything else is a mistake in a command's code, and happens on every replica. The process must
//   not end, or the entry would end it again after each restart, on all replicas. The transaction is
//   rolled back to the last commit and the entries since are applied again, each command in a
//   savepoint: the one that throws is undone alone and answers `-ERR`.
//
// A transaction is one record of an entry: its commands run one after another with nothing between,
// or none runs when a key that its client watched has another version now. A command in it that
// fails leaves the others alone, as in Redis; one that throws is undone alone, like any other.
//
// It knows nothing of Raft: that indexes come in order and are committed is its caller's promise.

import assert from 'node:assert/strict';
import type { Buffer } from 'node:buffer';
import { errorReply, nullArrayReply, type Reply, wrongArity } from '../resp/index.js';
import {
  type DecodedCommand,
  type DecodedTransaction,
  decodeRecord,
  readKind,
  transactionKind,
} from './command-codec.js';
import { dataCommands, internalCommands } from './commands/index.js';
import {
  arityFits,
  type Command,
  CommandTable,
  type DataCommand,
  SlicedRead,
} from './commands/table.js';
import { type Database, sqliteErrorCode, type WriteStatement } from './database.js';
import { stateDigest } from './digest.js';
import type {
  CopyProgress,
  FileDone,
  MachineClock,
  MachineFiles,
  MachineTimers,
} from './effects.js';
import { FatalMachineError } from './errors.js';
import { Keyspace } from './keyspace.js';
import { KeyspaceCounts } from './keyspace-counts.js';
import { createEmptyDatabase, LiveDatabase, removeDatabaseFiles } from './live-database.js';
import { checkMarker, removeMarker, writeMarker } from './marker.js';
import { readMeta } from './schema.js';
import { checkSnapshot, snapshotFileName, snapshotPath, type WrittenSnapshot } from './snapshot.js';
import { SnapshotWriter } from './snapshot-writer.js';

/** How long applied entries may wait for their commit to SQLite. */
export const transactionMillisecondsMax = 25;
/** Payload after which they wait no longer. With 4 KiB values, about what one checkpoint moves. */
export const transactionBytesMax = 4 * 1024 * 1024;

/**
 * Bytes of the replies of one transaction. Beyond it only its writes go on, and are answered with an
 * error: a transaction of a megabyte may ask for a terabyte.
 */
export const transactionReplyBytesMax = 256 * 1024 * 1024;

const cacheBytesDefault = 64 * 1024 * 1024;

/** What `read` returns when the applied stamp must first catch up with the reader's clock. */
export const needsTick: unique symbol = Symbol('needsTick');

/** One committed entry of the log. */
export interface MachineEntry {
  /** One above the entry before it. */
  readonly index: number;
  readonly term: number;
  /** The leader's clock in milliseconds since the epoch; never below the entry before it. */
  readonly stamp: number;
  /** Only a `command` carries commands; of the others index, term and stamp count all the same. */
  readonly kind: 'noop' | 'command' | 'configuration';
  /** Of a `command`: commands back to back, as command-codec.ts writes them. */
  readonly payload: Buffer;
}

/** Whoever answers clients. It must not call the machine from within. */
export interface ReplySink {
  /** `position` is the 0-based number of the command within its entry. */
  reply(position: number, reply: Reply): void;
}

export interface MachineOptions {
  /** Exists, and belongs to this machine alone. */
  readonly directory: string;
  /** Names the current boot of the operating system, as in Linux' `random/boot_id`. */
  readonly bootId: string;
  readonly files: MachineFiles;
  readonly timers: MachineTimers;
  readonly clock: MachineClock;
  /** Uniform in [0, 1), for RANDOMKEY. */
  readonly random: () => number;
  /** SQLite's page cache in bytes. Default 64 MiB. */
  readonly cacheBytes?: number;
  /** Default `transactionReplyBytesMax`. No result depends on it, only what a client is told. */
  readonly transactionReplyBytesMax?: number;
  /** Commands besides the built-in ones. The same on every replica, as all commands must be. */
  readonly commands?: readonly DataCommand[];
  /** Where the lookups of answered commands are counted; its owner may reset it. */
  readonly counts?: KeyspaceCounts;
  /**
   * Told of a mistake in a command's code, after the command was undone; for a log line. Without a
   * name: the command threw once, and not when it was run again.
   */
  readonly onCommandFailure?: (error: unknown, commandName: string | undefined) => void;
  /**
   * Asked when what an earlier run left cannot be trusted: the directory of a snapshot that is known to
   * be whole, to start from. Without one the machine starts empty.
   */
  readonly restoreFrom?: () => string | undefined;
  /** How far the copy of that snapshot is; for a log line. */
  readonly onRestoreProgress?: CopyProgress;
}

interface Start {
  readonly from: 'live' | 'snapshot' | 'empty';
  readonly reason: string;
}

/** What every transaction begins and ends with. */
interface TransactionStatements {
  readonly begin: WriteStatement;
  readonly commit: WriteStatement;
  readonly saveMeta: WriteStatement;
}

export class SqliteStateMachine {
  /**
   * `live`: the file of an earlier run was whole. `snapshot`: it was not, and the machine goes on from
   * `restoreFrom`. `empty`: it starts at index 0.
   */
  readonly startedFrom: 'live' | 'snapshot' | 'empty';
  /** Why, as a phrase for a log line: `the marker is of another boot`. */
  readonly startReason: string;

  readonly #options: MachineOptions;
  readonly #databasePath: string;
  readonly #commands: CommandTable;
  readonly #counts: KeyspaceCounts;
  /** This and what is made from it: another one after `readSnapshot`. */
  #live: LiveDatabase;
  #keyspace: Keyspace;
  #statements: TransactionStatements;

  /** Of the last entry applied, whether or not it is committed to SQLite. */
  #appliedIndex = 0;
  #appliedTerm = 0;
  #lastStamp = 0;
  #applyVersion = 0;
  /** Applied since the last commit and needed should that part be rolled back. */
  readonly #unflushed: MachineEntry[] = [];
  #unflushedBytes = 0;
  /** Of all payloads since the start. What is applied again after a rollback counts again. */
  #appliedBytes = 0;
  #flushedIndex = 0;
  #cancelFlush: (() => void) | undefined;
  /** Commands of the running entry whose turn is over: executed, and answered if there is a sink. */
  #position = 0;
  /** The running command is answered: what it looks up counts. Its twin on another replica does not. */
  #isHeard = false;
  #sinkFailure: { readonly error: unknown } | undefined;
  /** The one that is being written. */
  #snapshot: SnapshotWriter | undefined;
  #state: 'open' | 'installing' | 'failed' | 'closed' = 'open';

  /**
   * Opens what an earlier run left, if it can be trusted; otherwise goes on from `restoreFrom`, or starts
   * empty. Throws `FatalMachineError` when the file or the snapshot was written by a newer program, or
   * the snapshot by one too old, and whatever the files or SQLite report.
   */
  static open(options: MachineOptions): SqliteStateMachine {
    const { files } = options;
    const path = `${options.directory}/live.db`;
    const verdict = checkMarker(files, path, options.bootId);
    let { reason } = verdict;
    if (verdict.isTrusted) {
      try {
        return SqliteStateMachine.#load(options, path, { from: 'live', reason });
      } catch (error) {
        if (isDamage(error) || isOfOtherTables(error)) reason = 'the database is damaged';
        else if (isOutdated(error)) reason = 'the database is of an older version';
        else throw error;
      }
    }

    const directory = options.restoreFrom?.();
    const snapshot = directory === undefined ? undefined : snapshotPath(directory);
    if (snapshot !== undefined) checkSnapshot(snapshot);
    // The marker goes first and comes last: see marker.ts.
    removeMarker(files, path);
    removeDatabaseFiles(files, path);
    if (snapshot === undefined) createEmptyDatabase(path, cacheBytes(options));
    else files.copySync(snapshot, path, options.onRestoreProgress ?? (() => {}));
    const from = snapshot === undefined ? 'empty' : 'snapshot';
    return SqliteStateMachine.#load(options, path, { from, reason });
  }

  static #load(options: MachineOptions, path: string, start: Start): SqliteStateMachine {
    const live = LiveDatabase.open(options.files, path, cacheBytes(options));
    try {
      const machine = new SqliteStateMachine(options, path, live, start);
      if (start.from !== 'live') writeMarker(options.files, path, options.bootId);
      return machine;
    } catch (error) {
      live.close();
      throw error;
    }
  }

  private constructor(
    options: MachineOptions,
    databasePath: string,
    live: LiveDatabase,
    start: Start,
  ) {
    this.startedFrom = start.from;
    this.startReason = start.reason;
    this.#options = options;
    this.#databasePath = databasePath;
    this.#counts = options.counts ?? new KeyspaceCounts();
    this.#commands = new CommandTable([
      ...dataCommands,
      ...internalCommands,
      ...(options.commands ?? []),
    ]);
    this.#live = live;
    this.#statements = prepareStatements(live.database);
    this.#keyspace = new Keyspace(live.database, options.random);
    this.#reload();
  }

  /** Index of the last entry applied; 0 before the first. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Term of that entry. */
  get appliedTerm(): number {
    return this.#appliedTerm;
  }

  /**
   * Index of the last entry that is committed to SQLite, hence survives the end of the process.
   * Payloads of entries above it must stay as they are: they may be applied again.
   */
  get flushedIndex(): number {
    return this.#flushedIndex;
  }

  /** Stamp of the last entry applied, in milliseconds since the epoch; 0 before the first. */
  get lastStamp(): number {
    return this.#lastStamp;
  }

  /** The group's agreement on what commands mean. */
  get applyVersion(): number {
    return this.#applyVersion;
  }

  /** A snapshot takes the place of the state: nothing may be applied or read until it has. */
  get isInstalling(): boolean {
    return this.#state === 'installing';
  }

  /** Keys of a database, those that are due but not yet deleted included. */
  keyCount(db: number): number {
    return this.#keyspace.counters.keys(db);
  }

  /** Keys of a database that have an expiry. */
  expiresCount(db: number): number {
    return this.#keyspace.counters.expires(db);
  }

  keysInSlot(db: number, slot: number): number {
    return this.#keyspace.counters.keysInSlot(db, slot);
  }

  /** Up to `limit` names of keys in a slot, those that are due but not yet deleted included. */
  namesInSlot(db: number, slot: number, limit: number): Buffer[] {
    if (this.isInstalling) return [];
    return this.#look(() => this.#keyspace.readNamesInSlot(db, slot, limit));
  }

  /** Whether an entry of this stamp with `expireDueCommand` would delete keys. */
  hasDueKeys(stamp: number): boolean {
    if (this.isInstalling) return false;
    return this.#look(() => this.#keyspace.hasDue(stamp));
  }

  /**
   * Applies the next entry. Each command's reply goes to the sink; without one, reads are skipped
   * and replies dropped. Throws `FatalMachineError`; also rethrows what the sink threw, when the
   * entry has been applied to its end.
   */
  apply(entry: MachineEntry, sink?: ReplySink): void {
    this.#assertOpen();
    assert(entry.index === this.#appliedIndex + 1, 'Entries are applied in order');
    assert(entry.term >= this.#appliedTerm, 'Terms never go back');
    assert(entry.stamp >= this.#lastStamp, 'Stamps never go back');
    this.#beginIfNeeded();
    try {
      this.#run(entry, sink);
      this.#advance(entry);
    } catch (error) {
      this.#failIfFatal(error);
      this.#redo(entry, sink, error);
    }
    if (this.#unflushedBytes >= transactionBytesMax) this.flush();
    this.#rethrowSinkFailure();
  }

  /**
   * Runs a read outside the log, on what has been applied. `nowMs` is the leader's clock that came
   * with the read index. `needsTick` means that a key in question is due by that clock but not by
   * the applied stamp: the caller has the leader commit an entry with a stamp of at least `nowMs`,
   * waits until it is applied and calls again. A `SlicedRead` is the beginning of a long one, to be
   * continued by `readSlice`.
   */
  read(db: number, args: readonly Buffer[], nowMs: number): Reply | typeof needsTick | SlicedRead {
    this.#assertOpen();
    const command = this.#commands.find(args[0] as Buffer);
    assert(command !== undefined && !command.isWrite, 'Only known reads may bypass the log');
    if (!arityFits(command, args.length)) return wrongArity(command.name);
    if (command.begin !== undefined) return command.begin(args);
    return this.#runRead(db, nowMs, command.name, (keyspace) => command.run(keyspace, args));
  }

  /** The next slice of a long read: `undefined` when it is not the last. Otherwise as `read`. */
  readSlice(db: number, read: SlicedRead, nowMs: number): Reply | typeof needsTick | undefined {
    this.#assertOpen();
    return this.#runRead(db, nowMs, read.commandName, (keyspace) => read.step(keyspace));
  }

  #runRead<Result>(
    db: number,
    nowMs: number,
    commandName: string,
    run: (keyspace: Keyspace) => Result,
  ): Result | Reply | typeof needsTick {
    // The reader's clock may lag behind the entries that were applied while it waited.
    this.#keyspace.enter(db, this.#lastStamp, Math.max(nowMs, this.#lastStamp));
    try {
      const reply = run(this.#keyspace);
      // It will come again, and be counted then.
      if (this.#keyspace.needsTick) return needsTick;
      this.#counts.add(this.#keyspace.counts);
      return reply;
    } catch (error) {
      this.#failIfFatal(error);
      this.#options.onCommandFailure?.(error, commandName);
      return internalError(commandName);
    }
  }

  /**
   * The versions of keys, for `WatchedVersion`. `nowMs` and `needsTick` as with `read`. Two equal
   * versions of a key mean that nothing changed it between, save that 0 is every absence.
   */
  readVersions(
    db: number,
    names: readonly Buffer[],
    nowMs: number,
  ): readonly number[] | typeof needsTick {
    this.#assertOpen();
    this.#keyspace.enter(db, this.#lastStamp, Math.max(nowMs, this.#lastStamp));
    try {
      const versions = names.map((name) => this.#keyspace.readVersion(name));
      return this.#keyspace.needsTick ? needsTick : versions;
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * Runs a transaction of reads outside the log, in one go: its replies, or a null array when a
   * watched key has another version. `record` is one of `encodeTransaction`; `nowMs` and `needsTick`
   * as with `read`.
   */
  readTransaction(record: Buffer, nowMs: number): Reply | typeof needsTick {
    const transaction = decodeRecord(record, 0);
    assert(transaction.kind === transactionKind, 'A transaction is expected');
    for (const { db, name, version } of transaction.watched) {
      const versions = this.readVersions(db, [name], nowMs);
      if (versions === needsTick) return needsTick;
      if (versions[0] !== version) return nullArrayReply;
    }
    const replies: Reply[] = [];
    let bytesLeft = this.#options.transactionReplyBytesMax ?? transactionReplyBytesMax;
    for (const { db, args } of transaction.commands) {
      const reply = bytesLeft > 0 ? this.#readWhole(db, args, nowMs) : replyTooLong;
      if (reply === needsTick) return needsTick;
      bytesLeft -= replyBytes(reply);
      replies.push(bytesLeft > 0 ? reply : replyTooLong);
    }
    return replies;
  }

  /** As `read`, without slices. */
  #readWhole(db: number, args: readonly Buffer[], nowMs: number): Reply | typeof needsTick {
    const reply = this.read(db, args, nowMs);
    if (!(reply instanceof SlicedRead)) return reply;
    for (;;) {
      const slice = this.readSlice(db, reply, nowMs);
      if (slice !== undefined) return slice;
    }
  }

  /** Commits the open transaction, if there is one. */
  flush(): void {
    this.#assertOpen();
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    if (!this.#database.inTransaction) return;
    try {
      this.#statements.saveMeta.run(
        this.#appliedIndex,
        this.#appliedTerm,
        this.#lastStamp,
        this.#keyspace.counter,
      );
      this.#statements.commit.run();
    } catch (error) {
      throw this.#fail(error);
    }
    this.#flushedIndex = this.#appliedIndex;
    this.#unflushed.length = 0;
    this.#unflushedBytes = 0;
    this.#snapshot?.onCommit();
  }

  /** Whether rows that no command can reach wait for `reclaim`. */
  get hasGarbage(): boolean {
    return !this.isInstalling && this.#keyspace.hasDeadRows;
  }

  /**
   * Deletes up to `rowBudget` unreachable rows, fewer when they are long: a slice of a larger work.
   * Changes no state.
   */
  reclaim(rowBudget: number): void {
    this.#assertOpen();
    assert(rowBudget > 0);
    if (!this.hasGarbage) return;
    this.#beginIfNeeded();
    try {
      this.#keyspace.reclaim(rowBudget);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  /**
   * SHA-256 over the state, in hexadecimal: equal on replicas that applied the same entries. Reads
   * everything; for tests and audits.
   */
  digest(): string {
    this.#assertOpen();
    return stateDigest(this.#database, {
      stamp: this.#lastStamp,
      counter: this.#keyspace.counter,
      applyVersion: this.#applyVersion,
    });
  }

  /**
   * Writes the state into `directory`, which exists and is empty, while entries go on being applied:
   * `written` has the last entry that it includes, one between the call and `done`, and the sums of its
   * files. Nothing is durable then.
   *
   * One at a time. After an error the machine goes on as if nothing had been, unless it is a
   * `FatalMachineError`: then live.db itself is not what was written, and the owner ends the process.
   */
  writeSnapshot(
    directory: string,
    done: (error: Error | undefined, written: WrittenSnapshot | undefined) => void,
  ): void {
    this.#assertOpen();
    assert(this.#snapshot === undefined, 'One snapshot at a time');
    this.#snapshot = new SnapshotWriter({
      files: this.#options.files,
      timers: this.#options.timers,
      clock: this.#options.clock,
      database: this.#database,
      databasePath: this.#databasePath,
      databaseFile: this.#live.file,
      targetPath: snapshotPath(directory),
      commit: () => {
        this.flush();
        return { index: this.#appliedIndex, term: this.#appliedTerm, stamp: this.#lastStamp };
      },
      appliedBytes: () => this.#appliedBytes,
      onSyncFailure: (error) => this.#onSyncFailure(error),
      done: (error, at, sum) => {
        this.#snapshot = undefined;
        if (at === undefined || sum === undefined) return done(error, undefined);
        done(undefined, { ...at, sums: new Map([[snapshotFileName, sum]]) });
      },
    });
  }

  /**
   * Replaces the state by that of a directory that `writeSnapshot` filled; the directory stays as it is.
   * Until `done`, nothing may be called but `close`, and what tells numbers. Then the applied index and
   * all the rest are the snapshot's.
   *
   * A snapshot that this program cannot read is refused before anything is touched. After any other
   * error the state is gone; the next start begins with a snapshot, as after a power loss.
   */
  readSnapshot(directory: string, done: FileDone): void {
    this.#assertOpen();
    const source = snapshotPath(directory);
    try {
      checkSnapshot(source);
    } catch (error) {
      queueMicrotask(() => done(error as Error));
      return;
    }
    this.#state = 'installing';
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    const replace = (): void => this.#replaceState(source, done);
    if (this.#snapshot === undefined) replace();
    else this.#snapshot.stop(new Error('another snapshot is being installed'), replace);
  }

  #replaceState(source: string, done: FileDone): void {
    const { files } = this.#options;
    const path = this.#databasePath;
    const failure = this.#tryInstall(() => {
      // The marker goes first and comes last: see marker.ts.
      removeMarker(files, path);
      this.#live.close();
      removeDatabaseFiles(files, path);
    });
    if (failure !== undefined) {
      queueMicrotask(() => done(failure));
      return;
    }
    files.copy(source, path, (error) => {
      const result = this.#tryInstall(() => {
        if (error !== undefined) throw error;
        this.#openInstalled();
      });
      done(result);
    });
  }

  /** A step from which there is no way back. Returns what went wrong. */
  #tryInstall(step: () => void): Error | undefined {
    if (this.#state === 'closed')
      return new Error('Cannot install a snapshot: the machine was closed');
    try {
      step();
      return undefined;
    } catch (error) {
      return this.#fail(error, 'install a snapshot');
    }
  }

  #openInstalled(): void {
    const options = this.#options;
    this.#live = LiveDatabase.open(options.files, this.#databasePath, cacheBytes(options));
    this.#statements = prepareStatements(this.#database);
    this.#keyspace = new Keyspace(this.#database, options.random);
    this.#reload();
    writeMarker(options.files, this.#databasePath, options.bootId);
    this.#state = 'open';
  }

  /** The kernel could not write what SQLite gave it: what it shows of the file may be older. */
  #onSyncFailure(error: Error): Error {
    removeMarker(this.#options.files, this.#databasePath);
    // Closed, or about to be replaced: nobody goes on with the file.
    return this.#state === 'open' ? this.#fail(error, 'trust live.db') : error;
  }

  /** Commits and closes. The marker stays: the next open trusts the file. */
  close(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'open') this.flush();
    this.#state = 'closed';
    if (this.#snapshot === undefined) return this.#live.close();
    const live = this.#live;
    // What is under way in the descriptor ends later.
    this.#snapshot.stop(new Error('the state machine was closed'), () => live.closeFile());
    live.closeDatabase();
  }

  get #database(): Database {
    return this.#live.database;
  }

  /** For what reads the tables and is no command. */
  #look<Result>(read: () => Result): Result {
    this.#assertOpen();
    try {
      return read();
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #run(entry: MachineEntry, sink: ReplySink | undefined): void {
    const { stamp } = entry;
    const payload = commandsOf(entry);
    let offset = 0;
    this.#position = 0;
    this.#isHeard = sink !== undefined;
    while (offset < payload.length) {
      const record = decodeRecord(payload, offset);
      offset = record.end;
      const isSilent = sink === undefined;
      if (record.kind === transactionKind) {
        const reply = this.#transact(record, stamp, isSilent, this.#execute);
        if (!isSilent) this.#answer(sink, reply);
      } else if (record.kind !== readKind || !isSilent) {
        const reply = this.#execute(record, stamp);
        if (!isSilent) this.#answer(sink, reply);
      }
      this.#position++;
    }
  }

  /** `execute` runs one command. Reads that nobody waits for are left out, their replies too. */
  #transact(
    transaction: DecodedTransaction,
    stamp: number,
    isSilent: boolean,
    execute: (command: DecodedCommand, stamp: number) => Reply,
  ): Reply {
    for (const watched of transaction.watched) {
      if (!this.#isUnchanged(watched, stamp)) return nullArrayReply;
    }
    const replies: Reply[] = [];
    let bytesLeft = this.#options.transactionReplyBytesMax ?? transactionReplyBytesMax;
    for (const command of transaction.commands) {
      if (command.kind === readKind && (isSilent || bytesLeft <= 0)) {
        replies.push(replyTooLong);
        continue;
      }
      const reply = execute(command, stamp);
      bytesLeft -= replyBytes(reply);
      replies.push(bytesLeft > 0 ? reply : replyTooLong);
    }
    return replies;
  }

  #isUnchanged(watched: DecodedTransaction['watched'][number], stamp: number): boolean {
    this.#keyspace.enter(watched.db, stamp, stamp);
    return this.#keyspace.readVersion(watched.name) === watched.version;
  }

  readonly #execute = (decoded: DecodedCommand, stamp: number): Reply => {
    const { args } = decoded;
    const command = this.#find(args[0]);
    if (!arityFits(command, args.length)) return wrongArity(command.name);
    // Replicas without a sink skip reads, so a write in their guise would make them differ.
    if (decoded.kind === readKind && command.isWrite) return disguisedWrite;
    this.#keyspace.enter(decoded.db, stamp, stamp);
    const reply = command.run(this.#keyspace, args);
    if (this.#isHeard) this.#counts.add(this.#keyspace.counts);
    return reply;
  };

  #find(name: Buffer | undefined): Command {
    assert(name !== undefined, 'A command has a name');
    const command = this.#commands.find(name);
    if (command !== undefined) return command;
    throw new FatalMachineError(
      'unknownCommand',
      `Cannot apply the command "${name.toString('latin1')}": this program does not know it`,
    );
  }

  /** A sink that throws is its owner's trouble, and must not be taken for a failed command. */
  #answer(sink: ReplySink, reply: Reply): void {
    try {
      sink.reply(this.#position, reply);
    } catch (error) {
      this.#sinkFailure ??= { error };
    }
  }

  #rethrowSinkFailure(): void {
    const failure = this.#sinkFailure;
    if (failure === undefined) return;
    this.#sinkFailure = undefined;
    throw failure.error;
  }

  #advance(entry: MachineEntry): void {
    this.#appliedIndex = entry.index;
    this.#appliedTerm = entry.term;
    this.#lastStamp = entry.stamp;
    this.#unflushed.push(entry);
    this.#unflushedBytes += entry.payload.length;
    this.#appliedBytes += entry.payload.length;
  }

  #beginIfNeeded(): void {
    if (this.#database.inTransaction) return;
    try {
      this.#statements.begin.run();
    } catch (error) {
      throw this.#fail(error);
    }
    this.#cancelFlush = this.#options.timers.after(transactionMillisecondsMax, this.#onFlushTimer);
  }

  readonly #onFlushTimer = (): void => {
    this.#cancelFlush = undefined;
    if (this.#state === 'open') this.flush();
  };

  /**
   * After a command of `failed` threw: back to the last commit, and forward again with a savepoint
   * around every command. Ends with a commit, so that the next failure finds little to redo.
   */
  #redo(failed: MachineEntry, sink: ReplySink | undefined, cause: unknown): void {
    const answered = this.#position;
    const entries = [...this.#unflushed];
    let failures = 0;
    try {
      this.#database.execute('ROLLBACK');
      this.#reload();
      this.#statements.begin.run();
      for (const entry of entries) {
        failures += this.#runGuarded(entry, undefined, 0);
        this.#advance(entry);
      }
      failures += this.#runGuarded(failed, sink, answered);
      this.#advance(failed);
    } catch (error) {
      throw this.#fail(error);
    }
    // It did not happen again; the result is that of a replica where it never happened.
    if (failures === 0) this.#options.onCommandFailure?.(cause, undefined);
    this.flush();
  }

  /** The first `answered` replies are out already. Returns how many commands failed. */
  #runGuarded(entry: MachineEntry, sink: ReplySink | undefined, answered: number): number {
    const { stamp } = entry;
    const payload = commandsOf(entry);
    let offset = 0;
    let failures = 0;
    for (this.#position = 0; offset < payload.length; this.#position++) {
      const record = decodeRecord(payload, offset);
      offset = record.end;
      const isSilent = sink === undefined || this.#position < answered;
      if (record.kind === readKind && isSilent) continue;
      this.#isHeard = !isSilent;
      const execute = (command: DecodedCommand): Reply => {
        const reply = this.#executeGuarded(command, stamp);
        if (reply !== undefined) return reply;
        failures++;
        return internalError(this.#find(command.args[0]).name);
      };
      const reply =
        record.kind === transactionKind
          ? this.#transact(record, stamp, isSilent, execute)
          : execute(record);
      if (!isSilent) this.#answer(sink, reply);
    }
    return failures;
  }

  /** `undefined`: the command threw and left no trace. */
  #executeGuarded(decoded: DecodedCommand, stamp: number): Reply | undefined {
    // Copied, not reloaded: a batch may hold a thousand commands that fail, and reloading walks all keys.
    const memory = this.#keyspace.remember();
    this.#database.execute('SAVEPOINT command');
    try {
      const reply = this.#execute(decoded, stamp);
      this.#database.execute('RELEASE command');
      return reply;
    } catch (error) {
      this.#failIfFatal(error);
      this.#database.execute('ROLLBACK TO command; RELEASE command');
      this.#keyspace.recall(memory);
      this.#options.onCommandFailure?.(error, this.#find(decoded.args[0]).name);
      return undefined;
    }
  }

  /** Everything kept in memory, from the tables as of the last commit. */
  #reload(): void {
    const meta = readMeta(this.#database);
    this.#appliedIndex = meta.appliedIndex;
    this.#flushedIndex = meta.appliedIndex;
    this.#appliedTerm = meta.appliedTerm;
    this.#lastStamp = meta.stamp;
    this.#applyVersion = meta.applyVersion;
    this.#unflushed.length = 0;
    this.#unflushedBytes = 0;
    this.#keyspace.reload(meta.counter);
  }

  #assertOpen(): void {
    if (this.#state === 'failed') {
      throw new FatalMachineError('failed', 'Cannot use the state machine: it failed before');
    }
    assert(!this.isInstalling, 'The state is being replaced by a snapshot');
    assert(this.#state === 'open', 'The state machine is closed');
  }

  #failIfFatal(error: unknown): void {
    if (error instanceof FatalMachineError || isResourceError(error)) throw this.#fail(error);
  }

  /** From here on nothing is committed: what the tables hold beyond the last commit is unknown. */
  #fail(error: unknown, action?: string): FatalMachineError {
    this.#state = 'failed';
    this.#cancelFlush?.();
    this.#cancelFlush = undefined;
    // A damaged file is still damaged after a restart; without a marker it is not opened again.
    if (isDamage(error)) removeMarker(this.#options.files, this.#databasePath);
    const failure =
      error instanceof FatalMachineError
        ? error
        : new FatalMachineError(
            'resource',
            `Cannot ${action ?? `apply entries after index ${this.#appliedIndex}`}: ${String(error)}`,
            { cause: error },
          );
    this.#snapshot?.stop(failure);
    return failure;
  }
}

const disguisedWrite = errorReply('ERR internal error: a write was logged as a read');

const replyTooLong = errorReply(
  'ERR the replies of the transaction are too long: the command took effect if it is a write',
);

/** Of bulk strings, which are what makes a reply long. */
function replyBytes(reply: Reply): number {
  if (typeof reply === 'string') return reply.length;
  if (reply instanceof Uint8Array) return reply.length;
  if (!Array.isArray(reply)) return 0;
  let sum = 0;
  for (const element of reply as readonly Reply[]) sum += replyBytes(element);
  return sum;
}

/** Of other kinds the payload is not for the state machine. */
function commandsOf({ kind, payload }: MachineEntry): Buffer {
  return kind === 'command' ? payload : payload.subarray(0, 0);
}

function internalError(commandName: string): Reply {
  return errorReply(`ERR internal error in '${commandName}' command`);
}

function cacheBytes(options: MachineOptions): number {
  return options.cacheBytes ?? cacheBytesDefault;
}

function prepareStatements(database: Database): TransactionStatements {
  return {
    begin: database.prepareWrite('BEGIN IMMEDIATE'),
    commit: database.prepareWrite('COMMIT'),
    saveMeta: database.prepareWrite(
      'UPDATE meta SET applied_index = ?, applied_term = ?, stamp = ?, counter = ? WHERE id = 1',
    ),
  };
}

/** SQLite's errors that follow from the statement and the state, the same on every replica. */
const deterministicCodes = /^SQLITE_(?:ERROR|CONSTRAINT|TOOBIG|MISMATCH|RANGE)(?:_|$)/;

/** V8 has no classes for these, only texts. */
const exhaustion = /^Maximum call stack size exceeded|allocation failed/;

/** Whether another replica, with more disk, memory or luck, may not see this error. */
function isResourceError(error: unknown): boolean {
  const sqliteCode = sqliteErrorCode(error);
  if (sqliteCode !== undefined) return !deterministicCodes.test(sqliteCode);
  if (!(error instanceof Error)) return false;
  if ('code' in error && error.code === 'ERR_MEMORY_ALLOCATION_FAILED') return true;
  return error instanceof RangeError && exhaustion.test(error.message);
}

/** The log brings everything again, into tables of this version. */
function isOutdated(error: unknown): boolean {
  return error instanceof FatalMachineError && error.code === 'outdated';
}

/**
 * The file was opened, and does not hold what this program prepares for or has to find: it was cut to
 * nothing, say. It is a cache: nothing is lost by making it anew.
 */
function isOfOtherTables(error: unknown): boolean {
  const hasNoMeta = error instanceof FatalMachineError && error.code === 'resource';
  return hasNoMeta || sqliteErrorCode(error) === 'SQLITE_ERROR';
}

function isDamage(error: unknown): boolean {
  return /^SQLITE_(?:CORRUPT|NOTADB)/.test(sqliteErrorCode(error) ?? '');
}

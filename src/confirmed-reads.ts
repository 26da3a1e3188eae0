// Runs reads whose time has come: this replica's state is as new as they need, whether it leads or
// follows. They are answered at once, unless
//
//   the client has not taken its earlier answers    parked at the connection, run when it has
//   a long read is not done                         its next slice follows in another turn
//   a key is due by the leader's clock, but not     a tick: an entry with a newer stamp is applied
//   yet by the stamp that is applied                first, and the read comes again
//   the state is being replaced by a snapshot's     its client is sent elsewhere
//
// A read may run later than it could: it then sees newer state, of which it may see any.

import { okReply, type Reply } from '../resp/index.js';
import { needsTick, SlicedRead, type SqliteStateMachine } from '../sqlite-sm/index.js';
import type { PendingCommand } from './client/connection.js';
import type { ExecutionTimes } from './client/execution-times.js';
import type { WatchedKey } from './client/watched-keys.js';
import type { Statistics } from './statistics.js';

export interface ConfirmedReadsOptions {
  readonly machine: Pick<
    SqliteStateMachine,
    'read' | 'readSlice' | 'readTransaction' | 'readVersions'
  >;
  readonly statistics: Statistics;
  readonly times: ExecutionTimes;
  /** A monotonic clock. */
  readonly nowMicroseconds: () => number;
  /** False while there is no state to be read. */
  readonly isReadable: () => boolean;
  /** Sends the client elsewhere. */
  readonly redirect: (pending: PendingCommand) => void;
  readonly settle: (pending: PendingCommand, reply: Reply) => void;
  /** Has the read come again after a tick, or sends its client elsewhere. */
  readonly requestTick: (pending: PendingCommand) => void;
  /** Runs `callback` in another turn, and lets others have theirs. */
  readonly later: (callback: () => void) => void;
  /** What was answered is sent. */
  readonly flush: () => void;
}

export class ConfirmedReads {
  readonly #options: ConfirmedReadsOptions;
  /** Long reads between two slices. */
  readonly #sliced = new WeakMap<PendingCommand, SlicedRead>();

  constructor(options: ConfirmedReadsOptions) {
    this.#options = options;
  }

  /** Each has its `clockMs`. */
  run(reads: readonly PendingCommand[]): void {
    for (const pending of reads) this.#run(pending);
    this.#options.flush();
  }

  #run(pending: PendingCommand): void {
    const { connection } = pending;
    const { nowMicroseconds, settle, requestTick, later, statistics } = this.#options;
    if (connection.isClosed) return settle(pending, null);
    if (!connection.hasRoom) return connection.park(pending);
    // It was parked, or is in the middle of its slices.
    if (!this.#options.isReadable()) return this.#options.redirect(pending);
    const startedAt = nowMicroseconds();
    const reply = this.#read(pending);
    const microseconds = pending.microseconds + nowMicroseconds() - startedAt;
    if (reply === undefined || reply === needsTick) pending.microseconds = microseconds;
    if (reply === undefined) return later(() => this.run([pending]));
    // Expiry must not be seen here before every replica agrees on it.
    if (reply === needsTick) return requestTick(pending);
    statistics.keyspaceReads += 1;
    this.#time(pending, microseconds);
    settle(pending, reply);
  }

  #time(pending: PendingCommand, microseconds: number): void {
    const { command, statistics, connection, args } = pending;
    if (command === undefined || statistics === undefined) return;
    if (!this.#options.times.add(statistics, microseconds)) return;
    this.#options.times.addSlow(command, microseconds, connection.session, args);
  }

  /** Undefined: there is more to do, in another turn. */
  #read(pending: PendingCommand): Reply | typeof needsTick | undefined {
    const { machine } = this.#options;
    const { database, args, watched, record, clockMs } = pending;
    if (watched !== undefined) return this.#readWatched(database, watched, clockMs);
    if (record !== undefined) return machine.readTransaction(record, clockMs);
    const reply = machine.read(database, args, clockMs);
    if (!(reply instanceof SlicedRead)) return reply;
    const read = this.#sliced.get(pending) ?? reply;
    const slice = machine.readSlice(database, read, clockMs);
    if (slice === undefined || slice === needsTick) this.#sliced.set(pending, read);
    return slice;
  }

  #readWatched(
    database: number,
    watched: readonly WatchedKey[],
    clockMs: number,
  ): Reply | typeof needsTick {
    const names = watched.map(({ name }) => name);
    const versions = this.#options.machine.readVersions(database, names, clockMs);
    if (versions === needsTick) return needsTick;
    for (const [at, key] of watched.entries()) key.version = versions[at]!;
    return okReply;
  }
}

// Server commands: those that need no data. Their rows have the same columns as the data commands'
// (`sqlite-sm/commands/table.ts`), so COMMAND can show both.

import type { RaftStatus, Snapshot, SnapshotStatus, SnapshotTaken } from '../../../raft/index.js';
import type { ErrorReply, Reply } from '../../../resp/index.js';
import type { AclCategory, Command } from '../../../sqlite-sm/index.js';
import type { MemberAdministration } from '../../cluster/member-administration.js';
import type { Topology } from '../../cluster/topology.js';
import type { DiskWatch } from '../../disk-watch.js';
import type { Settings } from '../../settings.js';
import type { SnapshotLeases } from '../../snapshot-leases.js';
import type { Statistics } from '../../statistics.js';
import type { ClientPause } from '../client-pause.js';
import type { LatencyMonitor } from '../latency-monitor.js';
import type { Session } from '../session.js';
import type { SlowLog } from '../slow-log.js';

export type ServerCommandFlag =
  | 'admin'
  | 'allow_busy'
  | 'blocking'
  | 'fast'
  | 'loading'
  | 'no_async_loading'
  | 'no_auth'
  | 'no_multi'
  | 'noscript'
  | 'readonly'
  | 'sentinel'
  | 'skip_slowlog'
  | 'stale';

export type ServerCategory = '@admin' | '@blocking' | '@connection' | '@transaction';

export type CommandKeys = Pick<
  Command,
  'keySpecs' | 'keyFlags' | 'firstKey' | 'lastKey' | 'keyStep'
>;

/** What server commands may know of the replica they run on. */
export interface ServerContext {
  readonly topology: Topology;
  readonly statistics: Statistics;
  readonly process: {
    readonly version: string;
    readonly runId: string;
    readonly pid: number;
    readonly startedAtMs: number;
    readonly memoryBytes: () => number;
    /** Operating system and processor, as INFO shows them. */
    readonly system: string;
    readonly systemMemoryBytes: number;
    readonly usage: () => {
      readonly userMicroseconds: number;
      readonly systemMicroseconds: number;
      readonly memoryPeakBytes: number;
    };
  };
  /** What CONFIG shows and changes. `settings.values` are the options as they are now. */
  readonly settings: Settings;
  /** Where this replica listens for clients; what they are told may differ. */
  readonly clientPort: number;
  readonly nowMs: () => number;
  readonly disk: Pick<DiskWatch, 'isLow' | 'freeBytes'>;
  readonly raft: () => RaftStatus & { readonly isServing: boolean };
  /** Keys and keys with an expiry of a database. */
  readonly keyspace: (database: number) => { readonly keys: number; readonly expires: number };
  /** Of the last entry whose effects SQLite has committed. */
  readonly committedIndex: () => number;
  readonly keysInSlot: (slot: number) => number;
  readonly namesInSlot: (slot: number, limit: number) => readonly Buffer[];
  readonly clients: () => readonly ClientView[];
  readonly pause: ClientPause;
  readonly blocked: {
    readonly count: number;
    /** By the id of its session; false when it is not blocked. See `BlockedClients`. */
    readonly unblock: (sessionId: number, error: ErrorReply | undefined) => boolean;
  };
  readonly slowLog: SlowLog;
  readonly latency: LatencyMonitor;
  readonly members: MemberAdministration;
  /** This replica's own. */
  readonly snapshots: {
    readonly status: () => SnapshotStatus;
    /** See `RaftNode.takeSnapshot`. */
    readonly take: (done: SnapshotTaken) => void;
    /** See `SnapshotStore.hold`. */
    readonly hold: (snapshot: Snapshot, done: (error: Error | undefined) => void) => void;
  };
  /** Of snapshots that are being read from outside. */
  readonly leases: SnapshotLeases;
  /** Holds the whole process. Milliseconds. */
  readonly sleep: (milliseconds: number) => void;
  /** All server commands, for COMMAND. */
  readonly serverCommands: readonly ServerCommand[];
}

/** A connection, as CLIENT LIST shows it. */
export interface ClientView {
  readonly session: Session;
  readonly pendingCount: number;
  readonly inputBytes: number;
  readonly outputBytes: number;
  /** Its command waits for something to happen. */
  readonly isBlocked: boolean;
  /** Ends the connection at once, whatever it is owed. */
  destroy(): void;
}

/** What a command waits for. */
export interface Blocking {
  readonly isDone: () => boolean;
  /** The reply when it is done, and when the time is up. */
  readonly reply: () => Reply;
  /** Milliseconds; 0 is for ever. */
  readonly timeoutMs: number;
  /** It is ended by what it waits for, also when this replica leads no more. */
  readonly outlivesLeadership?: true;
}

export interface ServerCommand {
  /** Lower case. */
  readonly name: string;
  /** Number of arguments with the name; negative: at least that many. */
  readonly arity: number;
  readonly flags: readonly ServerCommandFlag[];
  readonly categories: readonly (AclCategory | ServerCategory)[];
  /** Where its keys are; without it there are none. */
  readonly keys?: CommandKeys;
  readonly tips: readonly string[];
  readonly group: 'connection' | 'cluster' | 'generic' | 'server' | 'transactions';
  readonly since: string;
  readonly summary: string;
  readonly complexity: string;
  /** It changes how replies look, or ends the connection: it waits for all earlier replies. */
  readonly isBarrier: boolean;
  /** It tells of keys without being a read: it waits for what its client has written to be there. */
  readonly showsState?: true;
  readonly run: (context: ServerContext, session: Session, args: readonly Buffer[]) => Reply;
  /** Of a container. */
  readonly subcommands?: Subcommands;
  /**
   * Of a command that may wait: what for, or the reply at once. `run` is the form that never waits.
   */
  readonly block?: (
    context: ServerContext,
    session: Session,
    args: readonly Buffer[],
  ) => Blocking | Reply;
  /** Of a container with a subcommand that needs data: its row, when these arguments name it. */
  readonly findData?: (args: readonly Buffer[]) => Command | undefined;
}

/** By lower-case name. The arity counts from the container's name. */
export type Subcommands = Readonly<
  Record<string, { readonly arity: number; readonly run: Subcommand }>
>;

export type Subcommand = (
  context: ServerContext,
  session: Session,
  args: readonly Buffer[],
) => Reply;

/** Words of the protocol are ASCII in any case. */
export function lowerCase(arg: Buffer): string {
  return arg.toString('latin1').toLowerCase();
}

/** Whether `count` arguments, with the name, fit an arity as Redis writes it. */
export function arityAllows(arity: number, count: number): boolean {
  return arity < 0 ? count >= -arity : count === arity;
}

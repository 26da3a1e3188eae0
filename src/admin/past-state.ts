// The state as it was at some entry: a snapshot, and the log behind it up to there.
//
//   snapshots:   ──── S1 ───────── S2 ────        the newest that is not too new
//   log:              └─ entry, entry, …, until ─┘  applied to it, in a scratch directory
//
// It only reads what it is given, so a mistake in the bound can be made good by trying again.

import { join } from 'node:path';
import {
  type LogIndex,
  LogView,
  nodeChance,
  nodeClock,
  nodeFiles,
  nodeTimers,
  type ReplicaIdentity,
  type Snapshot,
  type Term,
} from '../../raft/index.js';
import { SqliteStateMachine } from '../../sqlite-sm/index.js';
import { machineFiles } from '../files.js';
import { DirectoryError } from '../identity.js';

/** Up to which entry, that one included. */
export type Bound =
  | { readonly kind: 'index'; readonly index: LogIndex }
  /** Entries with a stamp up to here. Milliseconds since the epoch. */
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'all' };

export interface PastState {
  readonly index: LogIndex;
  readonly term: Term;
  readonly stamp: number;
}

type Log = Pick<LogView, 'baseIndex' | 'lastIndex' | 'termAt' | 'entries' | 'membership'>;

export interface Source {
  /** Ascending by index. */
  readonly snapshots: readonly Snapshot[];
  /** Undefined where there is only a snapshot. */
  readonly log: Log | undefined;
}

/** `123`, or a date as in `2026-03-01T12:00:00Z`. Throws `DirectoryError`. */
export function parseBound(text: string | undefined): Bound {
  if (text === undefined) return { kind: 'all' };
  if (/^\d{1,15}$/.test(text)) return { kind: 'index', index: Number(text) };
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return { kind: 'time', ms };
  throw new DirectoryError(
    `Cannot read "${text}": expected the index of an entry, or a time as in 2026-03-01T12:00:00Z`,
  );
}

/** Opens the log of a replica's directory, when it has one. Throws `RaftError` when it is damaged. */
export function logOf(directory: string, identity: ReplicaIdentity): LogView | undefined {
  const path = join(directory, 'log');
  if (nodeFiles.stat(path) === undefined) return undefined;
  return LogView.open({ directory: path, identity, files: nodeFiles });
}

/**
 * Writes the state at `bound` into the files of `target`, as a snapshot has them, using `scratch`;
 * both exist and are empty. Throws `DirectoryError` when the sources do not reach back that far.
 */
export async function writePastState(
  { snapshots, log }: Source,
  bound: Bound,
  scratch: string,
  target: string,
): Promise<PastState> {
  const start = newestWithin(snapshots, bound);
  if (start === undefined && (log === undefined || log.baseIndex > 0)) {
    throw new DirectoryError(tooFarBack(snapshots));
  }
  if (start !== undefined && log !== undefined) checkGap(start, log, bound);
  const rest = start === undefined || joins(start, log) ? log : undefined;
  const machine = SqliteStateMachine.open({
    directory: scratch,
    // Nobody trusts this database later.
    bootId: nodeChance.bytes(16).toString('hex'),
    files: machineFiles,
    timers: nodeTimers,
    clock: nodeClock,
    random: () => nodeChance.random(),
    ...(start !== undefined && { restoreFrom: () => start.path }),
  });
  try {
    if (rest !== undefined) applyWithin(machine, rest, bound);
    if (bound.kind === 'index' && machine.appliedIndex < bound.index) {
      throw new DirectoryError(
        `Cannot go to index ${bound.index}: what is there ends at index ${machine.appliedIndex}`,
      );
    }
    return await writeSnapshot(machine, target);
  } finally {
    machine.close();
  }
}

function newestWithin(snapshots: readonly Snapshot[], bound: Bound): Snapshot | undefined {
  return snapshots.findLast(({ manifest }) => isWithin(manifest, bound));
}

function isWithin(
  entry: { readonly index: LogIndex; readonly stamp: number },
  bound: Bound,
): boolean {
  switch (bound.kind) {
    case 'index':
      return entry.index <= bound.index;
    case 'time':
      return entry.stamp <= bound.ms;
    case 'all':
      return true;
  }
}

/** A snapshot that was held may be older than the log: what came between is gone. */
function checkGap({ manifest }: Snapshot, log: Log, bound: Bound): void {
  const { index } = manifest;
  if (index >= log.baseIndex || (bound.kind === 'index' && bound.index === index)) return;
  throw new DirectoryError(
    `Cannot go there: the entries between the snapshot at index ${index} and the log, which begins ` +
      `behind ${log.baseIndex}, are gone. --until ${index} gives the snapshot`,
  );
}

/**
 * Whether the log goes on from the snapshot. One that a leader sent stands for all of the log that it
 * found here, when that ends earlier or has another entry there, which was never committed.
 */
function joins({ manifest: { index, term } }: Snapshot, log: Log | undefined): boolean {
  if (log === undefined || index < log.baseIndex || index >= log.lastIndex) return false;
  return index === log.baseIndex || log.termAt(index) === term;
}

function applyWithin(machine: SqliteStateMachine, log: Log, bound: Bound): void {
  for (const { index, term, stamp, kind, payload } of log.entries(machine.appliedIndex + 1)) {
    if (!isWithin({ index, stamp }, bound)) return;
    machine.apply({ index, term, stamp, kind, payload });
  }
}

function writeSnapshot(machine: SqliteStateMachine, target: string): Promise<PastState> {
  return new Promise((resolve, reject) => {
    machine.writeSnapshot(target, (error, written) => {
      if (written === undefined) return reject(error);
      // Without the sums: what is made of the files is a copy, and is to be read.
      const { index, term, stamp } = written;
      resolve({ index, term, stamp });
    });
  });
}

function tooFarBack(snapshots: readonly Snapshot[]): string {
  const [oldest] = snapshots;
  if (oldest === undefined) return 'Cannot restore: there is no snapshot, and the log begins later';
  const { index, stamp } = oldest.manifest;
  return (
    `Cannot go back that far: the oldest snapshot is at index ${index}, ` +
    `of ${new Date(stamp).toISOString()}`
  );
}

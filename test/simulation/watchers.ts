// Whoever looks into the servers of a simulation: each event goes to the checkers that it concerns.

import { crc32 } from 'node:zlib';
import type { CommittedEntry, RaftNode, Storage } from '../../raft/index.js';
import type { SqliteStateMachine } from '../../sqlite-sm/index.js';
import { AcknowledgedEntries } from '../checkers/acknowledged-entries.js';
import { CommitIndex } from '../checkers/commit-index.js';
import { CommittedEntries } from '../checkers/committed-entries.js';
import { ElectionSafety } from '../checkers/election-safety.js';
import { LeaderCompleteness } from '../checkers/leader-completeness.js';
import { type LogEntry, LogMatching } from '../checkers/log-matching.js';
import { StateMachineSafety } from '../checkers/state-machine-safety.js';
import type { SimProcess } from './sim-process.js';
import type { SimServer, Watcher } from './sim-server.js';
import type { Coverage } from './simulation.js';

/** A digest walks the whole state: every so many entries. */
const digestEvery = 16;
/** Turns of a server between two looks at its log, and how far back these go. */
const logEvery = 50;
const logEntriesMax = 60;

export class Watchers implements Watcher {
  readonly electionSafety = new ElectionSafety();
  readonly logMatching = new LogMatching();
  readonly stateMachineSafety = new StateMachineSafety();
  readonly commitIndex = new CommitIndex();
  readonly committedEntries = new CommittedEntries();
  readonly leaderCompleteness = new LeaderCompleteness();
  readonly acknowledged = new AcknowledgedEntries();
  /** Of each server, in its present life: its committed entries were looked at up to here. */
  readonly #looked = new Map<string, number>();
  #turns = 0;

  get coverage(): Pick<Coverage, 'terms' | 'entries' | 'comparedStates'> {
    return {
      terms: this.electionSafety.termCount,
      entries: this.committedEntries.count,
      comparedStates: this.stateMachineSafety.comparedCount,
    };
  }

  onStarted(server: SimServer): void {
    const { storage, machine, node } = server.process;
    this.commitIndex.onStart(server.name);
    this.#looked.set(server.name, 0);
    this.#lookAtLog(server.name, storage.journal, Number.POSITIVE_INFINITY);
    if (machine.appliedIndex === 0 || node.isInstalling) return;
    this.stateMachineSafety.onState(server.name, machine.appliedIndex, machine.digest());
  }

  onLeadershipChange(server: SimServer, node: RaftNode): void {
    const { term, isLeader, isServing, appliedIndex } = node;
    if (isLeader) this.electionSafety.onLeader(server.name, term);
    if (isServing) this.leaderCompleteness.onServing(server.name, term, appliedIndex);
  }

  onOwnCommitted(_server: SimServer, index: number): void {
    this.acknowledged.onCommitted(index);
  }

  onApplied(
    server: SimServer,
    entry: CommittedEntry,
    machine: SqliteStateMachine,
    isOwn: boolean,
  ): void {
    const { index, term, kind, stamp, payload } = entry;
    const contents = contentsOf({ term, kind, stamp, checksum: crc32(payload) });
    this.committedEntries.onEntry(server.name, index, contents);
    if (isOwn) this.acknowledged.onAnswered(index, term);
    else this.acknowledged.onApplied(server.name, index, term);
    if (index % digestEvery === 0) {
      this.stateMachineSafety.onState(server.name, index, machine.digest());
    }
  }

  onTurn(server: SimServer, { node, storage }: SimProcess): void {
    const { journal } = storage;
    const { commitIndex, lastIndex, durableIndex, role, term } = node.status();
    this.commitIndex.onCommitIndex(server.name, commitIndex, lastIndex);
    if (role === 'leader') this.leaderCompleteness.onCommitted(term, commitIndex);
    // Above `durableIndex` the files may still have entries that others are about to replace.
    const until = Math.min(commitIndex, durableIndex);
    const from = Math.max(this.#looked.get(server.name) ?? 0, journal.baseIndex);
    for (let index = from + 1; index <= until; index += 1) {
      this.committedEntries.onEntry(server.name, index, contentsOf(journal.at(index)));
    }
    this.#looked.set(server.name, Math.max(from, until));
    this.#turns += 1;
    if (this.#turns % logEvery === 0) this.#lookAtLog(server.name, journal, logEntriesMax);
  }

  /** Nothing is under way any more. */
  onEnd(server: SimServer): void {
    const { storage, machine } = server.process;
    this.#lookAtLog(server.name, storage.journal, Number.POSITIVE_INFINITY);
    this.stateMachineSafety.onState(server.name, machine.appliedIndex, machine.digest());
    this.acknowledged.onEnd(server.name, machine.appliedIndex);
  }

  #lookAtLog(name: string, journal: Storage['journal'], entriesMax: number): void {
    // What is being written is in its place when the write is over.
    const before = Math.max(journal.baseIndex, journal.lastIndex - entriesMax);
    this.logMatching.onLog(name, journal.termAt(before)!, entriesOf(journal, before));
  }
}

function* entriesOf(journal: Storage['journal'], before: number): Generator<LogEntry> {
  for (let index = before + 1; index <= journal.lastIndex; index += 1) {
    const location = journal.at(index);
    yield { index, term: location.term, contents: contentsOf(location) };
  }
}

function contentsOf(entry: {
  readonly term: number;
  readonly kind: string;
  readonly stamp: number;
  readonly checksum: number;
}): string {
  const { term, kind, stamp, checksum } = entry;
  return `${kind} of term ${term}, stamp ${stamp}, checksum ${checksum}`;
}

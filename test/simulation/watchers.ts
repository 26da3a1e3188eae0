// Whoever looks into the servers of a simulation: each event goes to the checkers that it concerns.

import { crc32 } from 'node:zlib';
import type { CommittedEntry, RaftNode } from '../../raft/index.js';
import type { SqliteStateMachine } from '../../sqlite-sm/index.js';
import { AcknowledgedEntries } from '../checkers/acknowledged-entries.js';
import { CommitIndex } from '../checkers/commit-index.js';
import { ElectionSafety } from '../checkers/election-safety.js';
import { LeaderCompleteness } from '../checkers/leader-completeness.js';
import { LogMatching } from '../checkers/log-matching.js';
import { StateMachineSafety } from '../checkers/state-machine-safety.js';
import type { SimProcess } from './sim-process.js';
import type { SimServer, Watcher } from './sim-server.js';

/** A digest walks the whole state: every so many entries. */
const digestEvery = 16;

export class Watchers implements Watcher {
  readonly electionSafety = new ElectionSafety();
  readonly logMatching = new LogMatching();
  readonly stateMachineSafety = new StateMachineSafety();
  readonly commitIndex = new CommitIndex();
  readonly leaderCompleteness = new LeaderCompleteness();
  readonly acknowledged = new AcknowledgedEntries();

  onStarted(server: SimServer): void {
    this.commitIndex.onStart(server.name);
  }

  onLeadershipChange(server: SimServer, node: RaftNode): void {
    const { term, isLeader, isServing, appliedIndex } = node;
    if (isLeader) this.electionSafety.onLeader(server.name, term);
    if (isServing) this.leaderCompleteness.onServing(server.name, term, appliedIndex);
  }

  onMembershipChange(): void {}

  onApplied(server: SimServer, entry: CommittedEntry, machine: SqliteStateMachine): void {
    const { index, term, kind, stamp, payload } = entry;
    const contents = `${term}/${kind}/${stamp}/${crc32(payload)}`;
    this.stateMachineSafety.onApplied(server.name, index, contents);
    this.acknowledged.onApplied(server.name, index, term);
    if (index % digestEvery === 0) {
      this.stateMachineSafety.onState(server.name, index, machine.digest());
    }
  }

  onTurn(server: SimServer, { node }: SimProcess): void {
    const { commitIndex, lastIndex, role, term } = node.status();
    this.commitIndex.onCommitIndex(server.name, commitIndex, lastIndex);
    if (role === 'leader') this.leaderCompleteness.onCommitted(term, commitIndex);
  }
}

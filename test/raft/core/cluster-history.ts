// Everything that ever happened to a cluster of cores, held against the safety of Raft.
//
// A violation of Raft is rarely visible in one replica at one moment: two leaders of one term may
// live an hour apart, a commit is wrong because of what a third one forgets later. So the history
// remembers, over crashes and restarts, and asks again after every input:
//
//   Election Safety       one leader per term, ever, and only with the durable votes of a majority
//   Leader Append-Only    what a leader has in its log in its term stays there
//   Log Matching          an entry (index, term) has one predecessor, in every log (so by induction
//                         the same index and term mean the same log up to there)
//   Leader Completeness   what was committed in earlier terms is in the log of every new leader
//   Commitment            an entry of the leader's own term, on the disks of a majority
//   State Machine Safety  nobody commits or applies anything else at an index, or before it is durable
//   Durable words         no vote, term or acknowledgement leaves before the disk holds it
//   Linearizable reads    a confirmed read sees all that was committed anywhere when it was asked for,
//                         on the leader and on followers
//   Configurations        the newest in a log is in effect; in a log at most one is not committed, and
//                         neighbours differ by one voter; none before the leader's term has a commit
//
// A majority is one of the configuration in effect where something is counted.
//
// It believes nothing that a core says about itself, except its term, role and log in memory: what
// is durable is read from the simulated disks. What it does not check is progress.

import assert from 'node:assert/strict';
import {
  type AnsweredQuestion,
  type Append,
  type AppendReply,
  type Configuration,
  type ConfigurationAt,
  type ConfirmedRound,
  type CoreFacts,
  checkCore,
  type HardState,
  type Heartbeat,
  type LogIndex,
  type Message,
  majority,
  type RaftCore,
  type ReplicaId,
  type Term,
} from '../../../raft/core/index.js';
import { commonIndex, NaiveLog } from './naive-log.js';

/** A replica as it stands between two inputs. */
export interface ReplicaView {
  readonly id: ReplicaId;
  readonly core: RaftCore;
  readonly disk: DiskView;
}

export interface DiskView {
  readonly hardState: HardState;
  readonly log: NaiveLog;
  /** The smallest index of an entry that waits to be written: from there the disk may change. */
  readonly firstWaitingIndex: LogIndex;
}

interface ConfigurationEntry extends ConfigurationAt {
  readonly term: Term;
}

/** A log, of which the beginning may be compacted away. */
interface LogView {
  readonly lastIndex: LogIndex;
  termAt(index: LogIndex): Term | undefined;
}

interface CommittedEntry {
  readonly term: Term;
  /** The term of the leader that committed it. */
  readonly committedIn: Term;
}

interface PendingRead {
  readonly replica: ReplicaId;
  readonly term: Term;
  readonly round: number;
  /** Everything up to here was committed, so perhaps known to a client, when it was asked for. */
  readonly mustSee: LogIndex;
}

/** A read on a follower. */
interface AskedRead {
  readonly replica: ReplicaId;
  readonly question: number;
  /** Everything up to here was committed when it was asked for; for a tick, one entry more. */
  readonly mustSee: LogIndex;
}

/** How much really happened: a schedule that elects nobody proves nothing. */
export interface Coverage {
  leaders: number;
  commits: number;
  /** Entries of earlier terms that a later leader committed. */
  inheritedCommits: number;
  truncations: number;
  reads: number;
  followerReads: number;
  /** Committed before the leader itself had it on disk. */
  earlyCommits: number;
  /** Configurations that were committed. */
  changes: number;
  /** Committed by a leader that they leave out. */
  ownRemovals: number;
  /** Logs that a snapshot replaced. */
  installs: number;
}

export class ClusterHistory {
  readonly coverage: Coverage = {
    leaders: 0,
    commits: 0,
    inheritedCommits: 0,
    truncations: 0,
    reads: 0,
    followerReads: 0,
    earlyCommits: 0,
    changes: 0,
    ownRemovals: 0,
    installs: 0,
  };

  /** What a replica begins with. */
  readonly #initialOf: (replica: ReplicaId) => Configuration;
  /** What the group began with, where a snapshot brought it to a replica that knew of no members. */
  readonly #installedOn = new Map<ReplicaId, Configuration>();
  /** Every one that was ever appended, ascending by index. */
  readonly #configurations: ConfigurationEntry[] = [];
  readonly #leaders = new Map<Term, ReplicaId>();
  /** The longest log that the leader of a term had in that term. */
  readonly #leaderLogs = new Map<Term, NaiveLog>();
  /** `index/term` of an entry → the term of the entry before it. */
  readonly #predecessors = new Map<string, Term>();
  /** `voter/term` → whom it voted for, once that left the voter. */
  readonly #votes = new Map<string, ReplicaId>();
  /** `replica/term` → up to where its disk was seen equal to that term's leader, in that term. */
  readonly #stored = new Map<string, LogIndex>();
  /** Position 0 stands for the index before the log. */
  readonly #committed: CommittedEntry[] = [{ term: 0, committedIn: 0 }];
  readonly #facts = new Map<ReplicaId, CoreFacts>();
  readonly #applied = new Map<ReplicaId, LogIndex>();
  #reads: PendingRead[] = [];
  #askedReads: AskedRead[] = [];
  /** `replica` → the latest question that left in its present life. */
  readonly #questionsLeft = new Map<ReplicaId, number>();
  /** `term` → the latest ReadIndex round that left its leader. */
  readonly #roundsLeft = new Map<Term, number>();
  /** `term/replica` → the latest round whose answer reached the leader. */
  readonly #roundsAnswered = new Map<string, number>();

  constructor(initialOf: (replica: ReplicaId) => Configuration) {
    this.#initialOf = initialOf;
  }

  /** The highest index that any replica ever knew to be committed. */
  get committedIndex(): LogIndex {
    return this.#committed.length - 1;
  }

  leaderOf(term: Term): ReplicaId | undefined {
    return this.#leaders.get(term);
  }

  appliedIndexOf(replica: ReplicaId): LogIndex {
    return this.#applied.get(replica) ?? 0;
  }

  /** The configurations in a log of `replica`, ascending; first the one that it began with. */
  configurationsIn(replica: ReplicaId, log: LogView): ConfigurationAt[] {
    const inLog = this.#configurations.filter(({ index, term }) => {
      // What is compacted away was committed.
      const found = log.termAt(index) ?? this.#committed[index]?.term;
      return index <= log.lastIndex && found === term;
    });
    const configuration = this.#installedOn.get(replica) ?? this.#initialOf(replica);
    return [{ index: 0, configuration }, ...inLog];
  }

  /** A leader appended a configuration. */
  onConfiguration({ id, core }: ReplicaView, { index, configuration }: ConfigurationAt): void {
    const { term } = core;
    const before = this.configurationsIn(id, core).at(-1)!;
    assert(before.index <= this.committedIndex, 'One change at a time');
    assert(
      this.#committed.some((entry) => entry.term === term),
      'A change before an entry of the term is committed',
    );
    const [old, next] = [new Set(before.configuration.voters), new Set(configuration.voters)];
    const moved = [...old, ...next].filter((voter) => old.has(voter) !== next.has(voter));
    assert(moved.length <= 1, `Voters ${moved.join(' and ')} change at once`);
    this.#configurations.push({ index, term, configuration });
    this.#configurations.sort((a, b) => a.index - b.index);
  }

  /** A replica starts from its disk; what its memory knew may be forgotten. */
  onStart(view: ReplicaView, appliedIndex: LogIndex): void {
    assert(appliedIndex <= this.appliedIndexOf(view.id));
    this.#facts.delete(view.id);
    this.#applied.set(view.id, appliedIndex);
    this.#reads = this.#reads.filter((read) => read.replica !== view.id);
    this.#askedReads = this.#askedReads.filter((read) => read.replica !== view.id);
    this.#questionsLeft.delete(view.id);
    this.observe(view);
  }

  /** After every input. */
  observe(view: ReplicaView): void {
    const { id, core } = view;
    const previous = this.#facts.get(id);
    this.#facts.set(id, checkCore(core, previous));
    const newest = this.configurationsIn(id, core).at(-1)!;
    assert.equal(core.configurationIndex, newest.index, `${id} counts by another configuration`);
    assert.equal(core.configuration, newest.configuration);
    if (core.role === 'leader') this.#checkLeader(view);
    this.#checkStored(view);
    this.#checkCommitted(view, previous?.commitIndex ?? 0);
  }

  /** An entry joined a log in memory. */
  onEntry(index: LogIndex, term: Term, previousTerm: Term): void {
    const key = `${index}/${term}`;
    const known = this.#predecessors.get(key) ?? previousTerm;
    assert.equal(previousTerm, known, `Log Matching: two different logs end in ${key}`);
    this.#predecessors.set(key, previousTerm);
  }

  /** A message leaves its sender. */
  onMessage(message: Message, view: ReplicaView): void {
    const { hardState } = view.disk;
    if (speaksForItsTerm(message)) {
      assert(hardState.term >= message.term, `${message.kind} leaves before its term is durable`);
    }
    switch (message.kind) {
      case 'vote':
        return this.#onVote(message.term, message.from, message.from, hardState);
      case 'voteReply':
        if (message.granted) this.#onVote(message.term, message.from, message.to, hardState);
        return;
      case 'append':
        return this.#onAppend(message);
      case 'appendReply':
        return this.#onAppendReply(message);
      case 'heartbeat':
        return this.#onHeartbeat(message);
      case 'readIndex':
        this.#questionsLeft.set(message.from, message.sequence);
        return;
      case 'readIndexReply':
        assert.equal(message.from, this.#leaders.get(message.term), 'only a leader answers');
        return;
      default:
        return;
    }
  }

  /** A message reaches a replica that is up. */
  onDelivered(message: Message): void {
    if (message.kind !== 'heartbeatReply') return;
    const key = `${message.term}/${message.from}`;
    const known = this.#roundsAnswered.get(key) ?? 0;
    this.#roundsAnswered.set(key, Math.max(known, message.round));
  }

  /** The state of a replica became that of a snapshot. */
  onInstalled(view: ReplicaView, index: LogIndex): void {
    const { id } = view;
    assert(index > this.appliedIndexOf(id), `${id} goes back to a snapshot of ${index}`);
    assert(index <= this.committedIndex, `${id} installs ${index}, which nobody committed`);
    this.#applied.set(id, index);
    this.coverage.installs += 1;
  }

  /** What a snapshot of `index` that `replica` took has: in effect behind that entry. */
  configurationAt(index: LogIndex, replica: ReplicaId): ConfigurationAt {
    const committed = this.#configurations.filter(
      (entry) => entry.index <= index && this.#committed[entry.index]?.term === entry.term,
    );
    return committed.at(-1) ?? { index: 0, configuration: this.#initialOf(replica) };
  }

  /** A snapshot brings `replica` this. */
  onConfigurationInstalled(replica: ReplicaId, { index, configuration }: ConfigurationAt): void {
    if (index === 0) this.#installedOn.set(replica, configuration);
  }

  /** The term of an entry that somebody knew to be committed. */
  committedTermOf(index: LogIndex): Term {
    return this.#committed[index]!.term;
  }

  onApplicable(view: ReplicaView): void {
    const { id, core, disk } = view;
    for (let index = this.appliedIndexOf(id) + 1; index <= core.applicableIndex; index += 1) {
      const committed = this.#committed[index];
      assert(committed !== undefined, `${id} applies ${index}, which nobody committed`);
      assert(index < disk.firstWaitingIndex, `${id} applies ${index} before it is durable`);
      assert.equal(disk.log.termAt(index), committed.term, `${id} applies another entry ${index}`);
      this.#applied.set(id, index);
    }
  }

  onReadRequested(view: ReplicaView, round: number): void {
    const { term } = view.core;
    assert(round > (this.#roundsLeft.get(term) ?? 0), 'a read joins a round that has left');
    this.#reads.push({ replica: view.id, term, round, mustSee: this.committedIndex });
  }

  onReadsConfirmed(view: ReplicaView, { round, index }: ConfirmedRound): void {
    const { id, core } = view;
    // What a lost leadership still confirms has nobody to be told to.
    if (core.role !== 'leader') return;
    const { voters } = core.configuration;
    const answered = voters.filter((voter) => {
      const latest = this.#roundsAnswered.get(`${core.term}/${voter}`) ?? 0;
      return voter === id || latest >= round;
    });
    assert(answered.length >= majority(voters.length), 'a round without a majority');
    this.#reads = this.#reads.filter((read) => {
      if (read.replica !== id) return true;
      if (read.term !== core.term) return false;
      if (read.round > round) return true;
      assert(index >= read.mustSee, `a read sees up to ${index}, committed was ${read.mustSee}`);
      this.coverage.reads += 1;
      return false;
    });
  }

  onReadAsked(view: ReplicaView, question: number, needsTick: boolean): void {
    const left = this.#questionsLeft.get(view.id) ?? 0;
    assert(question > left, 'a read joins a question that has left');
    const mustSee = this.committedIndex + (needsTick ? 1 : 0);
    this.#askedReads.push({ replica: view.id, question, mustSee });
  }

  onReadAnswered({ id }: ReplicaView, { sequence, index }: AnsweredQuestion): void {
    this.#askedReads = this.#askedReads.filter(({ replica, question, mustSee }) => {
      if (replica !== id || question > sequence) return true;
      assert(index >= mustSee, `${id} reads at ${index}, committed was ${mustSee}`);
      this.coverage.followerReads += 1;
      return false;
    });
  }

  // ---------------------------------------------------------------------------- leaders

  #checkLeader(view: ReplicaView): void {
    const { id, core, disk } = view;
    const { term } = core;
    const known = this.#leaders.get(term);
    if (known === undefined) this.#onNewLeader(view);
    else assert.equal(known, id, `Election Safety: two leaders in term ${term}`);
    const log = this.#leaderLogs.get(term)!;
    assert(core.lastIndex >= log.lastIndex, 'Leader Append-Only: its log became shorter');
    assert.equal(
      core.termAt(log.lastIndex),
      log.lastTerm,
      'Leader Append-Only: its last entry was replaced',
    );
    for (let index = log.lastIndex + 1; index <= core.lastIndex; index += 1) {
      log.put(index, [core.termAt(index)!]);
    }
    assert(disk.hardState.term >= term, 'a leader whose term is not durable');
  }

  #onNewLeader(view: ReplicaView): void {
    const { id, core } = view;
    const { term } = core;
    const { voters } = core.configuration;
    const electors = voters.filter((voter) => this.#votes.get(`${voter}/${term}`) === id);
    const isSole = voters.join() === id && view.disk.hardState.votedFor === id;
    assert(
      isSole || electors.length >= majority(voters.length),
      `${id} leads term ${term} with the votes of ${electors.join(' ') || 'nobody'}`,
    );
    for (const [index, entry] of this.#committed.entries()) {
      // A candidate may win late, when a leader of a later term has committed already.
      if (entry.committedIn >= term || index < view.disk.log.baseIndex) continue;
      assert.equal(core.termAt(index), entry.term, missing(id, term, index));
    }
    this.#leaders.set(term, id);
    this.#leaderLogs.set(term, this.#wholeLogOf(core));
    this.coverage.leaders += 1;
  }

  /** What is compacted away was committed, so it is known all the same. */
  #wholeLogOf(core: RaftCore): NaiveLog {
    const log = new NaiveLog();
    for (let index = 1; index <= core.lastIndex; index += 1) {
      const term = core.termAt(index) ?? this.#committed[index]!.term;
      log.put(index, [term]);
    }
    return log;
  }

  #onVote(term: Term, voter: ReplicaId, candidate: ReplicaId, durable: HardState): void {
    assert(
      durable.term > term || durable.votedFor === candidate,
      `the vote of ${voter} for ${candidate} in term ${term} leaves before it is durable`,
    );
    const key = `${voter}/${term}`;
    const known = this.#votes.get(key) ?? candidate;
    assert.equal(candidate, known, `${voter} votes twice in term ${term}`);
    this.#votes.set(key, candidate);
  }

  // ---------------------------------------------------------------------------- logs

  #onAppend(message: Append): void {
    assert.equal(message.from, this.#leaders.get(message.term), 'only a leader appends');
    const log = this.#leaderLogs.get(message.term)!;
    assert.equal(log.termAt(message.prevIndex), message.prevTerm);
    for (const [offset, entry] of message.entries.entries()) {
      const index = message.prevIndex + 1 + offset;
      assert.equal(log.termAt(index), entry.term);
      const known = this.#configurations.find((c) => c.index === index && c.term === entry.term);
      assert.equal(entry.configuration, known?.configuration, 'an append changes a configuration');
    }
  }

  #onAppendReply(message: AppendReply): void {
    if (message.rejected) return;
    const stored = this.#storedIndex(message.from, message.term);
    assert(
      message.index <= stored,
      `${message.from} acknowledges ${message.index} in term ${message.term}, its disk has ${stored}`,
    );
  }

  #onHeartbeat(message: Heartbeat): void {
    assert.equal(message.from, this.#leaders.get(message.term), 'only a leader has a heartbeat');
    const stored = this.#storedIndex(message.to, message.term);
    assert(message.commit <= stored, 'a heartbeat commits what its receiver does not have');
    const left = this.#roundsLeft.get(message.term) ?? 0;
    this.#roundsLeft.set(message.term, Math.max(left, message.round));
  }

  #storedIndex(replica: ReplicaId, term: Term): LogIndex {
    return this.#stored.get(`${replica}/${term}`) ?? 0;
  }

  #checkStored({ id, core, disk }: ReplicaView): void {
    const leaderLog = this.#leaderLogs.get(core.term);
    if (leaderLog === undefined) return;
    // What waits to be written voids what is above it, so only what is below is there to stay.
    const index = commonIndex(disk.log, leaderLog, disk.firstWaitingIndex - 1);
    if (index > this.#storedIndex(id, core.term)) this.#stored.set(`${id}/${core.term}`, index);
  }

  #checkCommitted({ id, core }: ReplicaView, previousIndex: LogIndex): void {
    const { commitIndex, term } = core;
    if (commitIndex > this.committedIndex) {
      // With its own removal committed it may not lead any more.
      assert.equal(this.#leaders.get(term), id, `${id} commits ${commitIndex} and does not lead`);
      assert.equal(core.termAt(commitIndex), term, 'entries of earlier terms are not counted');
      const { voters } = core.configuration;
      const holders = voters.filter((voter) => this.#storedIndex(voter, term) >= commitIndex);
      assert(
        holders.length >= majority(voters.length),
        `${commitIndex} is committed on the disks of ${holders.join(' ') || 'nobody'}`,
      );
      if (this.#storedIndex(id, term) < commitIndex) this.coverage.earlyCommits += 1;
      if (!voters.includes(id)) this.coverage.ownRemovals += 1;
    }
    for (let index = previousIndex + 1; index <= commitIndex; index += 1) {
      const entryTerm = core.termAt(index);
      if (entryTerm === undefined) continue;
      this.#committed[index] ??= this.#newlyCommitted(index, entryTerm, term);
      const known = this.#committed[index]!.term;
      assert.equal(entryTerm, known, `State Machine Safety: ${id} commits another ${index}`);
    }
  }

  #newlyCommitted(index: LogIndex, entryTerm: Term, committedIn: Term): CommittedEntry {
    this.coverage.commits += 1;
    const isChange = this.#configurations.some((c) => c.index === index && c.term === entryTerm);
    if (isChange) this.coverage.changes += 1;
    if (entryTerm < committedIn) this.coverage.inheritedCommits += 1;
    return { term: entryTerm, committedIn };
  }
}

/** A pre-vote, and a granted one, speak of a term that nobody has yet. */
function speaksForItsTerm(message: Message): boolean {
  if (message.kind === 'preVote') return false;
  return message.kind !== 'preVoteReply' || !message.granted;
}

function missing(leader: ReplicaId, term: Term, index: LogIndex): string {
  return `Leader Completeness: ${leader} leads term ${term} without the committed entry ${index}`;
}

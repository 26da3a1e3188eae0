// Linearizable reads on followers and learners (dissertation §6.4).
//
// A follower may not have applied yet what a client was told elsewhere, so before it answers reads it
// asks its leader up to where it must have applied. Reads share these questions as those of a leader
// share its rounds (`read-index.ts`): all that arrived before a question left are answered by it, and
// while one is under way the next ones gather.
//
//     reads       r1 r2 │ r3 r4 r5                │ r6
//     question          1 ──▶ leader: a round ──▶ 2 ──▶
//                       r1 and r2 are answered by question 1; r3, r4, r5 came after it left: question 2
//
// A question may get lost: the leader falls, a link breaks, nothing is heard. Then the next one, with a
// number of its own, also stands for the reads of the lost one. So an answer, however late, answers
// all reads of its question and of those before it, and never one that came after it left.
//
// A read that meets a key whose time has come, but not yet on the clock of the log, needs a *tick*: an
// entry that is appended after the question. Committing it proves that the leader leads; there is no
// round.

import assert from 'node:assert/strict';
import type { LogIndex, ReadIndex, ReadIndexReply, ReplicaId, Term } from './types.js';

export interface AnsweredQuestion {
  /** The reads of this question, and of those before it, are answered. */
  readonly sequence: number;
  /** A replica that has applied up to here may answer them. */
  readonly index: LogIndex;
  /**
   * The leader's clock, in milliseconds since the epoch: a key that is due by it is gone. 0 after a
   * tick: the stamp of the applied entry is new enough, and no newer clock may ask for another tick.
   */
  readonly clockMs: number;
}

/** Whom a question was asked. */
interface Addressee {
  readonly leaderId: ReplicaId;
  readonly term: Term;
}

/** The side that asks. */
export class LeaderQuestions {
  /** Numbers of the latest question that left, and of the latest that was answered. */
  #asked = 0;
  #answered = 0;
  /** Of the one under way; undefined: none is. */
  #addressee: Addressee | undefined;
  #isTick = false;
  #silentTicks = 0;
  /** Of the next one. */
  #isWanted = false;
  #isTickWanted = false;

  /** Registers a read and returns the question that will answer it: never one that has left. */
  want(needsTick: boolean): number {
    this.#isWanted = true;
    if (needsTick) this.#isTickWanted = true;
    return this.#asked + 1;
  }

  /** The next question, if one is due; it leaves now. */
  maybeAsk(leaderId: ReplicaId, term: Term): Pick<ReadIndex, 'sequence' | 'needsTick'> | undefined {
    const asked = this.#addressee;
    // That leadership is over, and its answer is not taken any more.
    if (asked?.leaderId !== leaderId || asked.term !== term) this.onLost();
    if (this.#addressee !== undefined || !this.#isWanted) return undefined;
    this.#asked += 1;
    this.#addressee = { leaderId, term };
    this.#isTick = this.#isTickWanted;
    this.#silentTicks = 0;
    this.#isWanted = false;
    this.#isTickWanted = false;
    return { sequence: this.#asked, needsTick: this.#isTick };
  }

  /** The question under way, or its answer, may be lost: another one is due. */
  onLost(): void {
    if (this.#addressee === undefined) return;
    this.#addressee = undefined;
    this.#isWanted = true;
    if (this.#isTick) this.#isTickWanted = true;
  }

  onTick(silentTicksMax: number): void {
    if (this.#addressee === undefined) return;
    this.#silentTicks += 1;
    if (this.#silentTicks >= silentTicksMax) this.onLost();
  }

  /** An answer to this life of ours, in the term in which it was asked. Undefined: no news. */
  onReply({ sequence, needsTick, index, clockMs }: ReadIndexReply): AnsweredQuestion | undefined {
    assert(sequence <= this.#asked, 'Nobody can answer a question that has not left');
    if (sequence <= this.#answered) return undefined;
    this.#answered = sequence;
    if (sequence === this.#asked) this.#addressee = undefined;
    return { sequence, index, clockMs: needsTick ? 0 : clockMs };
  }

  /** Nobody waits for an answer any more. */
  forget(): void {
    this.#addressee = undefined;
    this.#isWanted = false;
    this.#isTickWanted = false;
  }
}

interface Question {
  readonly message: ReadIndex;
  /** The round that confirms it; undefined for a tick. */
  readonly round: number | undefined;
  /** For a tick: an entry above this one must be committed. */
  readonly afterIndex: LogIndex;
}

/** The leader's side. It dies with the leadership, and the askers ask the next leader. */
export class FollowerQuestions {
  #questions: Question[] = [];

  /** `wantRound` registers a read with the leader's rounds; `lastIndex` is where its log ends now. */
  add(message: ReadIndex, wantRound: () => number, lastIndex: LogIndex): void {
    const round = message.needsTick ? undefined : wantRound();
    this.#questions.push({ message, round, afterIndex: lastIndex });
  }

  /** Whether somebody waits for an entry and none has been appended since. */
  wantsEntryAfter(lastIndex: LogIndex): boolean {
    return this.#questions.some((each) => each.round === undefined && each.afterIndex >= lastIndex);
  }

  /** Those that `round`, or one before it, confirms. */
  takeConfirmed(round: number): readonly ReadIndex[] {
    return this.#take((each) => each.round !== undefined && each.round <= round);
  }

  /** Ticks for which an entry that was appended after them is committed. */
  takeTicked(commitIndex: LogIndex): readonly ReadIndex[] {
    return this.#take((each) => each.round === undefined && each.afterIndex < commitIndex);
  }

  #take(isAnswered: (question: Question) => boolean): readonly ReadIndex[] {
    const taken = this.#questions.filter(isAnswered);
    if (taken.length > 0) this.#questions = this.#questions.filter((each) => !isAnswered(each));
    return taken.map(({ message }) => message);
  }
}

// The words of the Raft paper as types: what replicas say to each other and what they agree on.
//
// Nothing here has behaviour. Messages are plain data, so that a test can write one down, the
// simulator can delay it, and `raft/net/` can give it bytes.

/** 40 lower-case hexadecimal digits, random, never reused. Doubles as the Redis Cluster node id. */
export type ReplicaId = string;

/** Raft's logical clock. Starts at 0 (no election yet), never decreases on one replica. */
export type Term = number;

/** Position in the log. The first entry has index 1; 0 stands for "before the log". */
export type LogIndex = number;

/**
 * - `noop`: appended by every new leader (Raft §5.4.2), and whenever the state machine's clock must
 *   move without a command.
 * - `command`: a batch of the state machine's commands, opaque to Raft.
 * - `configuration`: a `Configuration`, in effect from the moment the entry is appended.
 */
export type EntryKind = 'noop' | 'command' | 'configuration';

/** Who takes part. Voters count for quorums; learners only receive the log. */
export interface Configuration {
  readonly voters: readonly ReplicaId[];
  readonly learners: readonly ReplicaId[];
}

/** What the core knows of an entry. Its payload stays outside. */
export interface EntryHead {
  readonly term: Term;
  /** Payload bytes, for flow control. */
  readonly byteLength: number;
  /** Of a configuration entry: what takes effect when the entry is appended (dissertation §4.1). */
  readonly configuration?: Configuration;
}

/** What must survive a crash beside the log (Raft figure 2: currentTerm, votedFor). */
export interface HardState {
  readonly term: Term;
  readonly votedFor: ReplicaId | undefined;
}

interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  /** The sender's term; in a pre-vote and a granted pre-vote reply, the term campaigned for. */
  readonly term: Term;
}

/** Would you vote for me in `term`? Changes nobody's state (Raft dissertation §9.6). */
export interface PreVote extends Envelope {
  readonly kind: 'preVote';
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

export interface PreVoteReply extends Envelope {
  readonly kind: 'preVoteReply';
  readonly granted: boolean;
}

export interface Vote extends Envelope {
  readonly kind: 'vote';
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** Asked for by the leader itself: voters skip leader stickiness (dissertation §3.10). */
  readonly isTransfer: boolean;
}

export interface VoteReply extends Envelope {
  readonly kind: 'voteReply';
  readonly granted: boolean;
}

/** Entries `prevIndex + 1` … `prevIndex + entries.length`. Without entries it is a probe. */
export interface Append extends Envelope {
  readonly kind: 'append';
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly commit: LogIndex;
  readonly entries: readonly EntryHead[];
}

export interface AppendReply extends Envelope {
  readonly kind: 'appendReply';
  readonly rejected: boolean;
  /** Accepted: the log is durable and equal to the leader's up to here. Rejected: the `prevIndex`. */
  readonly index: LogIndex;
  /**
   * Rejected: where the leader may look next, the largest index ≤ prevIndex whose term ≤ prevTerm.
   * Accepted: received up to here, though perhaps not durable yet.
   */
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
  /** Where this log ends on disk. */
  readonly lastIndex: LogIndex;
  /** Rises with every start of the sender: tells a log that lost its end from an old message. */
  readonly incarnation: number;
}

export interface Heartbeat extends Envelope {
  readonly kind: 'heartbeat';
  /** Never beyond what the follower has acknowledged to this leader. */
  readonly commit: LogIndex;
  /** The latest ReadIndex round. */
  readonly round: number;
}

export interface HeartbeatReply extends Envelope {
  readonly kind: 'heartbeatReply';
  readonly round: number;
}

/** Campaign now: the leader hands over (dissertation §3.10). */
export interface TimeoutNow extends Envelope {
  readonly kind: 'timeoutNow';
}

/**
 * Up to where must I have applied to answer reads that were asked before now? From a follower or
 * learner to its leader (dissertation §6.4).
 */
export interface ReadIndex extends Envelope {
  readonly kind: 'readIndex';
  /** The asker's own number: it rises with each question. */
  readonly sequence: number;
  /** Rises with every start of the asker: an answer to its earlier life is none. */
  readonly incarnation: number;
  /** An entry that is appended after the question is to be committed first, for its stamp. */
  readonly needsTick: boolean;
}

/** From a leader that still leads and has committed an entry of its term. Repeats the question. */
export interface ReadIndexReply extends Envelope {
  readonly kind: 'readIndexReply';
  readonly sequence: number;
  readonly incarnation: number;
  readonly needsTick: boolean;
  /** Everything that was acknowledged before the question is at or below this. */
  readonly index: LogIndex;
  /**
   * The leader's clock for stamps, in milliseconds since the epoch. The core has no clock: whoever
   * sends the message puts it in.
   */
  readonly clockMs: number;
}

export type Message =
  | PreVote
  | PreVoteReply
  | Vote
  | VoteReply
  | Append
  | AppendReply
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow
  | ReadIndex
  | ReadIndexReply;

export type MessageKind = Message['kind'];

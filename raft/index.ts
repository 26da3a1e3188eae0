/**
 * Raft consensus: a log that a majority of replicas agrees on and keeps on disk, and a state machine
 * that every replica applies it to.
 *
 * There are two faces. `foundCluster` and `openRaft` are for a program that wants a replicated state
 * machine and no more: it gives a directory and gets promises (`raft/README.md` is the way in).
 * `RaftNode` is the loop below it, for an owner who counts microseconds, as Holt's server does: it is
 * handed its storage (`createStorage`, `openStorage`), its connections (`Bus`), the state machine,
 * and the effects (`nodeFiles`, `nodeClock`, …). Nothing in this folder reaches for the outside by
 * itself.
 */

export { Block, BufferPool } from './buffer-pool.js';
export type {
  Configuration,
  EntryKind,
  LogIndex,
  ReplicaId,
  RoleKind,
  Term,
} from './core/index.js';
export type {
  Chance,
  Clock,
  Connection,
  FileHandle,
  FileIdentity,
  FileStat,
  Files,
  Listener,
  Network,
  OpenMode,
  Timers,
} from './effects.js';
export {
  adoptDirectory,
  BusyError,
  commandBytesMax,
  foundCluster,
  joinCluster,
  type Leadership,
  MembershipError,
  type NewReplica,
  NotLeaderError,
  nodeEffects,
  openRaft,
  type Raft,
  type RaftConfig,
  type RaftEffects,
  type RaftEvents,
  type ReplicaStatus,
  type ReplicatedCommand,
  type ReplicatedStateMachine,
  SetupError,
  StoppedError,
  UncertainError,
} from './embedding/index.js';
export { RaftError, type RaftErrorCode } from './errors.js';
export type { ReplicaIdentity } from './identity.js';
export { inspectStorage, type SnapshotsContents, type StorageContents } from './inspection.js';
export { isSameFile, type LogContents, LogView, type VoteFileContents } from './log/index.js';
export type { Member, Membership } from './membership.js';
export type {
  MembershipChange,
  MembershipChangeResult,
  MembershipRefusal,
  MembershipRefusalCode,
} from './membership-changes.js';
export { Bus, type BusEvent, type BusOptions } from './net/index.js';
export {
  type Fate,
  type PeerStatus,
  RaftNode,
  type RaftNodeConfig,
  type RaftNodeEvents,
  type RaftStatus,
} from './node.js';
export { nodeChance, nodeClock, nodeNetwork, nodeTimers } from './node-effects.js';
export { nodeFiles } from './node-files.js';
export { defaultRaftOptions, type RaftOptions, resolveRaftOptions } from './options.js';
export {
  findRestorable,
  openLoneSnapshot,
  openSnapshotsToRead,
  type Snapshot,
  type SnapshotEvent,
  type SnapshotManifest,
  type SnapshotStatus,
  SnapshotStore,
  type SnapshotTaken,
  type SnapshotTransfer,
  snapshotBytes,
} from './snapshot/index.js';
export type {
  CommittedEntry,
  FileSum,
  SnapshotEnd,
  StateMachine,
  WrittenSnapshot,
} from './state-machine.js';
export {
  createStorage,
  openStorage,
  type Storage,
  type StorageOptions,
  voteFileIdentity,
} from './storage.js';
export type {
  IncomingMessage,
  OutgoingMessage,
  PeerAddress,
  Transport,
  TransportEvents,
} from './transport.js';

/**
 * Raft consensus: a log that a majority of replicas agrees on and keeps on disk, and a state machine
 * that every replica applies it to.
 *
 * `RaftNode` is one replica. It is handed its storage (`createStorage`, `openStorage`), its
 * connections (`Bus`), the state machine, and the effects (`nodeFiles`, `nodeClock`, …); nothing in
 * this folder reaches for the outside by itself.
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
export { RaftError, type RaftErrorCode } from './errors.js';
export type { ReplicaIdentity } from './identity.js';
export { isSameFile } from './log/index.js';
export { Bus, type BusEvent, type BusOptions, type PeerAddress } from './net/index.js';
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
export type { CommittedEntry, StateMachine } from './state-machine.js';
export {
  createStorage,
  openStorage,
  type Storage,
  type StorageOptions,
  voteFileIdentity,
} from './storage.js';
export type { IncomingMessage, OutgoingMessage, Transport, TransportEvents } from './transport.js';

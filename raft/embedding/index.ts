/**
 * Raft for a program that wants only that: promises instead of contexts and buffers, around the loop
 * that Holt's own server runs on.
 */

export { nodeEffects, type RaftEffects } from './effects.js';
export {
  BusyError,
  MembershipError,
  NotLeaderError,
  SetupError,
  StoppedError,
  UncertainError,
} from './errors.js';
export { openRaft, type RaftConfig } from './open-raft.js';
export type { Leadership, Raft, RaftEvents, ReplicaStatus } from './raft.js';
export { commandBytesMax } from './replicated-commands.js';
export { adoptDirectory, foundCluster, joinCluster, type NewReplica } from './setup.js';
export type { ReplicatedCommand, ReplicatedStateMachine } from './state-machine.js';

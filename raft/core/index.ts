// The decisions of Raft, without effects. Entered through this file.

export type { ConfigurationRefusal } from './configuration-change.js';
export { type ConfigurationAt, Configurations, isMember, membersOf } from './configurations.js';
export { type CoreOptions, RaftCore, type Ready, type RoleKind } from './core.js';
export type { AnsweredQuestion } from './follower-reads.js';
export { type CoreFacts, checkCore } from './invariants.js';
export type { AppendedEntries } from './local-log.js';
export { LogTerms } from './log-terms.js';
export { Progress, type ProgressState } from './progress.js';
export { electionResult, majority, majorityValue } from './quorum.js';
export type { ConfirmedRound } from './read-index.js';
export type * from './types.js';

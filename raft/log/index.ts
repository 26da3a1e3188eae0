// What a replica must not forget: its log, and its term and vote. Entered through this file.

export { frameAlignment, frameBytes, frameHeaderBytes, writeEntryRows } from './frame.js';
export { inspectLog, type LogContents } from './inspect.js';
export { Journal, type JournalOptions } from './journal.js';
export type { EntryLocation } from './log-index.js';
export { LogView } from './log-view.js';
export {
  inspectVoteFile,
  isSameFile,
  VoteFile,
  type VoteFileContents,
  type VoteFileOptions,
} from './vote-file.js';

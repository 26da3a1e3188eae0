// What a replica must not forget: its log, and its term and vote. Entered through this file.

export { frameAlignment, frameBytes, frameHeaderBytes, writeEntryRows } from './frame.js';
export { Journal, type JournalOptions } from './journal.js';
export type { EntryLocation } from './log-index.js';
export { isSameFile, VoteFile, type VoteFileOptions } from './vote-file.js';

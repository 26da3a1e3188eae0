// The replicated state machine of Holt: Redis commands over SQLite. See DESIGN.md.

export {
  type CommandKind,
  commandByteLength,
  type DecodedCommand,
  type DecodedTransaction,
  databaseCount,
  decodeCommand,
  decodeRecord,
  encodeCommand,
  encodeTransaction,
  readKind,
  setCommandDatabase,
  transactionByteLength,
  type WatchedVersion,
  watchedByteLength,
  writeKind,
} from './command-codec.js';
export { expireDueCommand } from './commands/expire-due.js';
export { commandTable, dataCommands, findCommand } from './commands/index.js';
export {
  type AclCategory,
  arityFits,
  type Command,
  type CommandFlag,
  type CommandGroup,
  commandKeys,
  type DataCommand,
  type KeySpec,
  type KeySpecFlag,
  keysInRange,
  SlicedRead,
} from './commands/table.js';
export type { FileIdentity, MachineFiles, MachineTimers } from './effects.js';
export { type FatalMachineCode, FatalMachineError } from './errors.js';
export { isMatchAll, matchesGlob } from './glob.js';
export { keySlot, slotCount } from './slot.js';
export {
  type MachineEntry,
  type MachineOptions,
  needsTick,
  type ReplySink,
  SqliteStateMachine,
  transactionBytesMax,
  transactionMillisecondsMax,
  transactionReplyBytesMax,
} from './state-machine.js';

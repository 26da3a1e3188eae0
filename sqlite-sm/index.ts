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
  containerRefusal,
  type DataCommand,
  type KeySpec,
  type KeySpecFlag,
  keysInRange,
  SlicedRead,
} from './commands/table.js';
export type {
  CopyProgress,
  FileDone,
  FileIdentity,
  MachineClock,
  MachineFile,
  MachineFileStat,
  MachineFiles,
  MachineTimers,
} from './effects.js';
export { type FatalMachineCode, FatalMachineError } from './errors.js';
export { isMatchAll, matchesGlob } from './glob.js';
export { checkDatabaseCopy, type DatabaseContents, inspectMarker } from './inspect.js';
export { KeyspaceCounts } from './keyspace-counts.js';
export type { MarkerVerdict } from './marker.js';
export { keySlot, slotCount } from './slot.js';
export type { FileSum, SnapshotPoint, WrittenSnapshot } from './snapshot.js';
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

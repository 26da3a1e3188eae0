// Snapshots of the state machine on this replica's disk. Entered through this file.

export { SnapshotInstall } from './install.js';
export {
  decodeManifest,
  encodeManifest,
  type Snapshot,
  type SnapshotFile,
  type SnapshotManifest,
  snapshotBytes,
} from './manifest.js';
export { openLoneSnapshot, openSnapshotsToRead } from './reading.js';
export { repairInstallation } from './repair.js';
export { checkStateJoinsLog, findRestorable, membershipAtStart } from './restart.js';
export {
  type SnapshotEvent,
  type SnapshotStatus,
  type SnapshotTaken,
  Snapshotter,
} from './snapshotter.js';
export { type SnapshotHead, SnapshotStore, type SnapshotStoreOptions } from './store.js';
export { type SnapshotTransfer, SnapshotTransfers } from './transfer/transfers.js';

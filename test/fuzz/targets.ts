import type { FuzzTarget } from './target.js';
import { bus } from './targets/bus.js';
import { entry } from './targets/entry.js';
import { greeting } from './targets/greeting.js';
import { identityFile } from './targets/identity-file.js';
import { log } from './targets/log.js';
import { machine } from './targets/machine.js';
import { requestParser } from './targets/request-parser.js';
import { snapshotManifest } from './targets/snapshot-manifest.js';
import { transfer } from './targets/transfer.js';
import { voteFile } from './targets/vote-file.js';

export const targets: readonly FuzzTarget[] = [
  requestParser,
  log,
  voteFile,
  identityFile,
  greeting,
  bus,
  transfer,
  snapshotManifest,
  entry,
  machine,
];

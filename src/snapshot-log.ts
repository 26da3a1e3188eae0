// What is logged of snapshots: a line when one is begun, and one when it is done or has failed.

import type { SnapshotEvent } from '../raft/index.js';

/** The replica's logger, as far as it is needed. */
interface Log {
  info(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export function logSnapshot(log: Log, event: SnapshotEvent): void {
  switch (event.kind) {
    case 'begun': {
      const { reason, appliedIndex } = event;
      log.info({ reason, appliedIndex }, 'snapshot begun');
      return;
    }
    case 'taken': {
      const { index } = event.snapshot.manifest;
      const { byteLength: bytes, milliseconds } = event;
      log.info({ index, bytes, milliseconds: Math.round(milliseconds) }, 'snapshot taken');
      return;
    }
    case 'failed': {
      const { error, retryMs } = event;
      log.error({ retrySeconds: retryMs / 1000 }, `snapshot failed: ${error.message}`);
    }
  }
}

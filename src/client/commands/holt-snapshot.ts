// HOLT SNAPSHOT: has this replica take a snapshot now, and tells which it is.

import type { Snapshot } from '../../../raft/index.js';
import { snapshotBytes } from '../../../raft/index.js';
import { errorReply, errors, mapReply, type Reply } from '../../../resp/index.js';
import { type Blocking, lowerCase, type ServerContext } from './table.js';

export const snapshotHelp = [
  'SNAPSHOT [HOLD]',
  '    Take a snapshot of this replica, and return its index, bytes and directory. One that is held',
  '    is kept until the file `held` in its directory is removed.',
];

const goesOn = errorReply('ERR the snapshot goes on in the background');

function described({ path, manifest }: Snapshot): Reply {
  return mapReply([
    ['index', manifest.index],
    ['bytes', snapshotBytes(manifest)],
    ['directory', path],
  ]);
}

/** Answers when the snapshot is durable. */
export function blockOnSnapshot(context: ServerContext, args: readonly Buffer[]): Blocking | Reply {
  const [, , option] = args;
  if (args.length > 3 || (option !== undefined && lowerCase(option) !== 'hold')) {
    return errors.syntax;
  }
  const { snapshots } = context;
  let outcome: Reply | undefined;
  const finish = (error: Error | undefined, snapshot: Snapshot | undefined): void => {
    outcome = error === undefined ? described(snapshot!) : errorReply(`ERR ${error.message}`);
  };
  const take = (): void =>
    snapshots.take((error, snapshot) => {
      if (error !== undefined || option === undefined) return finish(error, snapshot);
      snapshots.hold(snapshot!, (holdError) => finish(holdError, snapshot));
    });
  // One that is under way may be of a moment before what its client has just written.
  if (snapshots.status().isTaking) snapshots.take(take);
  else take();
  return (
    outcome ?? {
      isDone: () => outcome !== undefined,
      reply: () => outcome ?? goesOn,
      timeoutMs: 0,
      outlivesLeadership: true,
    }
  );
}

// `holt adopt`: says that a directory was moved on purpose.
//
// A copied or restored directory may be older than what its replica acknowledged, so a server
// refuses one whose vote file is not the file it was born with. Only a person can know that the
// directory is the newest there is and that no other copy of it runs.

import { nodeFiles, voteFileIdentity } from '../../raft/index.js';
import { lockDirectory } from '../directory-lock.js';
import { DirectoryError, readIdentity, recordBirth } from '../identity.js';
import { groupDirectory } from '../server.js';

export function runAdopt(args: { readonly dir: string }): void {
  let identity = readIdentity(args.dir);
  const unlock = lockDirectory(args.dir);
  try {
    for (const { group, born } of identity.replicas) {
      if (born === null) continue;
      const found = voteFileIdentity(nodeFiles, groupDirectory(args.dir, group));
      if (found === undefined) {
        throw new DirectoryError(`Cannot adopt "${args.dir}": group ${group} has no vote file`);
      }
      identity = recordBirth(args.dir, identity, group, found);
      process.stdout.write(`adopted the replica of group ${group} in ${args.dir}\n`);
    }
  } finally {
    unlock();
  }
}

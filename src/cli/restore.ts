// `holt restore`: a new cluster that begins with the data of a backup or of a stopped server.
//
// With `--until` it goes back in time: from a server's directory, a snapshot and the log behind it
// give the state as it was at an entry or at a moment, which is how a FLUSHALL by mistake is undone.
// Nothing that exists is changed: the new cluster gets directories and ids of its own.

import fs from 'node:fs';
import { join } from 'node:path';
import { giveSnapshot } from '../admin/new-cluster.js';
import { type PastState, parseBound, writePastState } from '../admin/past-state.js';
import { makeScratch, openSource } from '../admin/source.js';
import { DirectoryError } from '../identity.js';
import { groupDirectory } from '../server.js';
import {
  type InitArguments,
  makeServers,
  type PlannedServer,
  planCluster,
  serverAddresses,
} from './init.js';

export interface RestoreArguments extends InitArguments {
  readonly from: string;
  /** The index of an entry, or a time. */
  readonly until?: string | undefined;
}

const group = 1;

/** Throws `DirectoryError` or `RaftError`, each with what is wrong. */
export async function runRestore(args: RestoreArguments): Promise<void> {
  const bound = parseBound(args.until);
  const addresses = serverAddresses(args);
  const servers = planCluster(args.dir, addresses);
  for (const { directory } of servers) checkIsFree(groupDirectory(directory, group));
  const source = openSource(args.from, group);
  const scratch = makeScratch(join(args.dir, 'server-1'));
  try {
    const files = join(scratch, 'files');
    const work = join(scratch, 'work');
    for (const path of [files, work]) fs.mkdirSync(path);
    const at = await writePastState(source, bound, work, files);
    await giveSnapshots(servers, files, at);
    // Last: a server that could be started without its snapshot would begin empty.
    makeServers(servers);
    for (const { directory } of servers) process.stdout.write(`${directory}\n`);
    process.stdout.write(
      `a new cluster with the state of ${source.title} at index ${at.index}, ` +
        `${new Date(at.stamp).toISOString()}\n`,
    );
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
    source.close();
  }
}

/** What an earlier attempt left, when nothing else. */
function checkIsFree(directory: string): void {
  if (!fs.existsSync(directory)) return;
  throw new DirectoryError(`Cannot restore: "${directory}" exists, and nothing is overwritten`);
}

async function giveSnapshots(
  servers: readonly PlannedServer[],
  files: string,
  at: PastState,
): Promise<void> {
  const directories = servers.map(({ directory }) => groupDirectory(directory, group));
  try {
    for (const [server, { identity }] of servers.entries()) {
      await giveSnapshot(directories[server]!, identity, group, files, at);
    }
  } catch (error) {
    for (const directory of directories) fs.rmSync(directory, { recursive: true, force: true });
    throw error;
  }
}

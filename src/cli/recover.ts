// `holt recover`: one surviving replica becomes a new cluster of one server.
//
// For the day on which a majority is lost for good. What the survivor has in its log counts from then
// on, whether or not it was ever acknowledged, and what it has not is gone, even if it was. So a
// person has to confirm it, and the old files stay beside the new ones.
//
//   group-1/                →  group-1.before-recovery-TIME/     the files as they were
//   identity.json           →  the same, inside
//   new ids, group-1/ with a snapshot of the whole log           in their place

import fs from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { nodeFiles } from '../../raft/index.js';
import { addressText } from '../address.js';
import { giveSnapshot } from '../admin/new-cluster.js';
import { type Source, writePastState } from '../admin/past-state.js';
import { newestMembership, openOwnSource } from '../admin/source.js';
import { allMembers, groupMemberOf } from '../cluster/members.js';
import {
  DirectoryError,
  type GroupMember,
  hostedReplica,
  type Identity,
  identityPath,
  newIdentities,
  ownMember,
  readIdentity,
  writeIdentity,
} from '../identity.js';
import { groupDirectory } from '../server.js';

export interface RecoverArguments {
  /** Of the server. */
  readonly dir: string;
  /** It is confirmed already. */
  readonly yes: boolean;
}

const group = 1;
const confirmation = 'recover';
/** Between the name that the old files had and the time of the recovery. */
const keptInfix = '.before-recovery-';

/** Throws `DirectoryError` or `RaftError`. */
export async function runRecover(args: RecoverArguments): Promise<void> {
  const identity = readIdentity(args.dir);
  checkNotCutShort(args.dir);
  const source = openOwnSource(args.dir, group);
  try {
    const ofSnapshot = source.snapshots.at(-1)?.manifest.index ?? 0;
    const lastIndex = Math.max(source.log?.lastIndex ?? 0, ofSnapshot);
    const own = ownMember(identity, group);
    const others = allMembers(newestMembership(source, identity, group))
      .filter(({ replicaId }) => replicaId !== own.replicaId)
      .map(groupMemberOf);
    process.stdout.write(warningText(args.dir, others, lastIndex));
    if (!args.yes && !(await isConfirmed())) {
      throw new DirectoryError('Not recovered: not confirmed');
    }
    const successor = successorOf(own);
    const { index, kept } = await replaceReplica(args.dir, source, successor);
    process.stdout.write(
      `recovered at index ${index} as cluster ${successor.clusterId}; the old files are in ${kept}\n`,
    );
  } finally {
    source.close();
  }
}

/** A recovery that ended between its renames has moved the old files and put nothing in their place. */
function checkNotCutShort(directory: string): void {
  const wanted = groupDirectory(directory, group);
  if (fs.existsSync(wanted)) return;
  const kept = fs
    .readdirSync(directory)
    .filter((name) => name.startsWith(`${basename(wanted)}${keptInfix}`))
    .sort()
    .at(-1);
  if (kept === undefined) return;
  throw new DirectoryError(
    `Cannot recover: an earlier recovery was cut short. Rename "${join(directory, kept)}" back to ` +
      `"${wanted}", and try again`,
  );
}

/** Returns the index of the state, and where the old files are. */
async function replaceReplica(
  directory: string,
  source: Source,
  successor: Identity,
): Promise<{ readonly index: number; readonly kept: string }> {
  const next = join(directory, `group-${group}.recovering`);
  fs.rmSync(next, { recursive: true, force: true });
  try {
    for (const name of ['work', 'files']) fs.mkdirSync(join(next, name), { recursive: true });
    const files = join(next, 'files');
    const at = await writePastState(source, { kind: 'all' }, join(next, 'work'), files);
    await giveSnapshot(join(next, 'group'), successor, group, files, at);
    const kept = keepOldFiles(directory);
    fs.renameSync(join(next, 'group'), groupDirectory(directory, group));
    nodeFiles.syncDirectorySync(directory);
    // Last: until then the directory has no replica that could be started.
    writeIdentity(directory, successor);
    return { index: at.index, kept };
  } finally {
    fs.rmSync(next, { recursive: true, force: true });
  }
}

function warningText(directory: string, others: readonly GroupMember[], lastIndex: number): string {
  const addresses = others.map(({ host, clientPort }) => addressText({ host, port: clientPort }));
  return [
    `The replica in "${directory}" becomes a new cluster of one server. Its log ends at index ${lastIndex}.`,
    '- Writes that the others acknowledged and that never reached it are lost.',
    '- Writes in its log that were never acknowledged take effect.',
    `- The other servers (${addresses.join(', ') || 'none'}) must never serve again: their data are another history from here on.`,
    'If a majority of them can still be started, do that instead.',
    '',
  ].join('\n');
}

async function isConfirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return (await terminal.question(`Type "${confirmation}" to go on: `)) === confirmation;
  } finally {
    terminal.close();
  }
}

/** The same server at the same addresses, alone, with new ids. */
function successorOf(own: GroupMember): Identity {
  const { host, serverNumber } = own;
  const [fresh] = newIdentities([{ host, basePort: own.clientPort - group }]);
  const { replicaId } = hostedReplica(fresh!, group);
  return { ...fresh!, serverNumber, groups: [{ group, members: [{ ...own, replicaId }] }] };
}

/** Returns where they are. */
function keepOldFiles(directory: string): string {
  const time = new Date().toISOString().replaceAll(/[:.]/g, '-');
  const kept = `${groupDirectory(directory, group)}${keptInfix}${time}`;
  fs.copyFileSync(identityPath(directory), join(groupDirectory(directory, group), 'identity.json'));
  fs.renameSync(groupDirectory(directory, group), kept);
  return kept;
}

// `holt server --join`: a directory that is new becomes that of a server of a running cluster.
//
//   ask a member ─▶ identity.json, durable ─▶ born, as any replica ─▶ waits until it is added
//
// From then on the option only guards against the wrong directory: what the server is stands in
// `identity.json`, and who takes part in the log.

import fs from 'node:fs';
import { basename, resolve } from 'node:path';
import { parseAddress, parseServerAddress } from './address.js';
import { askIntroduction, type Introduction, IntroductionError } from './cluster/introduction.js';
import {
  DirectoryError,
  type Identity,
  identityPath,
  newJoiningIdentity,
  readIdentity,
  type ServerAddress,
  writeIdentity,
} from './identity.js';
import type { ServerOptions } from './options.js';

/** Where it says what it does. */
interface JoinLog {
  info(fields: object, text: string): void;
  warn(text: string): void;
}

export type JoinOptions = Pick<
  ServerOptions,
  'dir' | 'join' | 'joinAs' | 'announceHost' | 'announceBasePort' | 'busSecret' | 'requirepass'
>;

/**
 * The identity in the directory, which is made there when there is none. The caller holds the
 * directory's lock. Throws `DirectoryError`.
 */
export async function joinCluster(options: JoinOptions, log: JoinLog): Promise<Identity> {
  const { dir } = options;
  const known = fs.existsSync(identityPath(dir)) ? readIdentity(dir) : undefined;
  if (known === undefined) assertUnused(dir);
  let member: Introduction;
  try {
    member = await askMember(options);
  } catch (error) {
    if (!(error instanceof IntroductionError)) throw error;
    // It knows who it is, and must be able to start when the one it once asked is gone.
    if (known === undefined || !error.isUnreachable) {
      throw new DirectoryError(`Cannot join: ${error.message}`, { cause: error });
    }
    log.warn(`starting with the identity that is there: ${error.message}`);
    return known;
  }
  if (known === undefined) return makeIdentity(options, member, log);
  if (known.clusterId === member.clusterId) return known;
  throw new DirectoryError(
    `Cannot join the cluster of ${options.join} with "${dir}": it holds server ` +
      `${known.serverNumber} of cluster ${known.clusterId}, and that one is ${member.clusterId}. ` +
      'Give an empty directory',
  );
}

function makeIdentity(options: JoinOptions, member: Introduction, log: JoinLog): Identity {
  if (!member.isMember) {
    throw new DirectoryError(
      `Cannot join by ${options.join}: that server is no member of its cluster itself. ` +
        'Give the address of one that is',
    );
  }
  const { clusterId, group, members } = member;
  const serverNumber = numberOf(options.dir) ?? nextNumber(members);
  const address = ownAddress(options);
  const identity = newJoiningIdentity({ clusterId, group, serverNumber, address });
  writeIdentity(options.dir, identity);
  log.info({ clusterId, serverNumber }, 'joined: waiting to be added to the group');
  return identity;
}

async function askMember({ join, requirepass, busSecret }: JoinOptions): Promise<Introduction> {
  const address = parseAddress(join);
  if (address === undefined) {
    throw new DirectoryError(
      `Option join is "${join}", expected host:port where clients reach a member`,
    );
  }
  return askIntroduction(address, { password: requirepass, busSecret });
}

/** Where the other servers reach this one, and clients unless told otherwise. */
function ownAddress({ joinAs, announceHost, announceBasePort }: JoinOptions): ServerAddress {
  if (joinAs === '') {
    throw new DirectoryError(
      'Option join-as is missing: host:port of this server, its base port, where the others reach it',
    );
  }
  const address = parseServerAddress(joinAs);
  if (announceHost === '' && announceBasePort === 0) return address;
  return {
    ...address,
    announced: {
      host: announceHost === '' ? address.host : announceHost,
      basePort: announceBasePort === 0 ? address.basePort : announceBasePort,
    },
  };
}

/** A directory called `server-4` is meant to be that of server 4. */
function numberOf(directory: string): number | undefined {
  const match = /^server-([1-9]\d{0,4})$/.exec(basename(resolve(directory)));
  return match === null ? undefined : Number(match[1]);
}

function nextNumber(members: Introduction['members']): number {
  return 1 + Math.max(0, ...members.map(({ serverNumber }) => serverNumber));
}

/** What may be there before a server is: left by whoever starts it, or by a start that failed. */
const harmlessName = /^(bus-secret|log|pid|lock.*|identity\.json\..*\.tmp)$/;

function assertUnused(directory: string): void {
  const found = fs.readdirSync(directory).filter((name) => !harmlessName.test(name));
  if (found.length === 0) return;
  throw new DirectoryError(
    `Cannot join with "${directory}": it has no identity.json, but ${found.slice(0, 3).join(', ')}. ` +
      'Give an empty directory: a replica that lost its identity comes back under a new one',
  );
}

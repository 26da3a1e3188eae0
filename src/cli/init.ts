// `holt init`: makes the directories of a new cluster's servers, with ids of their own.
//
// The one explicit act that creates a cluster. Each directory is then moved to its server, and
// never made again.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { parseServerAddress } from '../address.js';
import {
  DirectoryError,
  type Identity,
  identityPath,
  newIdentities,
  type ServerAddress,
  writeIdentity,
} from '../identity.js';

export interface InitArguments {
  readonly dir: string;
  /** `host:basePort`, one per server. */
  readonly server: readonly string[];
  /** `host:basePort` that clients are told, one per server in the same order; or none. */
  readonly announce?: readonly string[] | undefined;
}

export function runInit(args: InitArguments): void {
  for (const directory of initCluster(args.dir, serverAddresses(args))) {
    process.stdout.write(`${directory}\n`);
  }
}

/** Throws `DirectoryError`. */
export function serverAddresses(args: Omit<InitArguments, 'dir'>): ServerAddress[] {
  const announced = args.announce ?? [];
  if (announced.length > 0 && announced.length !== args.server.length) {
    throw new DirectoryError(
      `Cannot announce ${announced.length} of ${args.server.length} servers: give --announce once ` +
        'per --server, in the same order, or not at all',
    );
  }
  return args.server.map((text, at): ServerAddress => {
    const told = announced[at];
    return {
      ...parseServerAddress(text),
      ...(told !== undefined && { announced: parseServerAddress(told) }),
    };
  });
}

/** Returns the directories made. Throws `DirectoryError` when one of them is there already. */
export function initCluster(parent: string, addresses: readonly ServerAddress[]): string[] {
  const servers = planCluster(parent, addresses);
  makeServers(servers);
  return servers.map(({ directory }) => directory);
}

/** A server that has no directory yet. */
export interface PlannedServer {
  readonly directory: string;
  readonly identity: Identity;
}

/** Makes nothing. Throws `DirectoryError` when one of the servers is there already. */
export function planCluster(
  parent: string,
  addresses: readonly ServerAddress[],
): readonly PlannedServer[] {
  return newIdentities(addresses).map((identity) => {
    const directory = join(parent, `server-${identity.serverNumber}`);
    if (fs.existsSync(identityPath(directory))) {
      throw new DirectoryError(`Cannot make a new cluster: "${directory}" has a server already`);
    }
    return { directory, identity };
  });
}

/** From here on they can be started. */
export function makeServers(servers: readonly PlannedServer[]): void {
  const secret = `${randomBytes(32).toString('hex')}\n`;
  for (const { directory, identity } of servers) {
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(join(directory, 'bus-secret'), secret, { mode: 0o600 });
    writeIdentity(directory, identity);
  }
}

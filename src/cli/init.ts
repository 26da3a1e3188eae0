// `holt init`: makes the directories of a new cluster's servers, with ids of their own.
//
// The one explicit act that creates a cluster. Each directory is then moved to its server, and
// never made again.

import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import {
  DirectoryError,
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
    return { ...parseAddress(text), ...(told !== undefined && { announced: parseAddress(told) }) };
  });
}

/** Returns the directories made. Throws `DirectoryError` when one of them is there already. */
export function initCluster(parent: string, addresses: readonly ServerAddress[]): string[] {
  const secret = `${randomBytes(32).toString('hex')}\n`;
  const identities = newIdentities(addresses);
  const directories = identities.map(({ serverNumber }) => join(parent, `server-${serverNumber}`));
  for (const directory of directories) {
    if (fs.existsSync(identityPath(directory))) {
      throw new DirectoryError(`Cannot make a new cluster: "${directory}" has a server already`);
    }
  }
  for (const [at, directory] of directories.entries()) {
    fs.mkdirSync(directory, { recursive: true });
    fs.writeFileSync(join(directory, 'bus-secret'), secret, { mode: 0o600 });
    writeIdentity(directory, identities[at]!);
  }
  return directories;
}

function parseAddress(text: string): { host: string; basePort: number } {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  const basePort = Number(match?.[2]);
  if (match === null || basePort < 1 || basePort > 55_000) {
    throw new DirectoryError(`Cannot read "${text}": expected host:port with a port up to 55000`);
  }
  return { host: match[1]!, basePort };
}

// `holt snapshot`: has one replica take a snapshot now, and says where it is when it is done.

import { parseAddress } from '../address.js';
import { DirectoryError } from '../identity.js';
import { adminPassword } from './admin-password.js';
import { AdminClient, type AdminReply, AdminReplyError } from './resp-client.js';

export interface SnapshotArguments {
  /** `host:port` for clients. */
  readonly connect: string;
  readonly hold: boolean;
  readonly passwordFile?: string | undefined;
}

export async function runSnapshot(args: SnapshotArguments): Promise<void> {
  const words = ['HOLT', 'SNAPSHOT', ...(args.hold ? ['HOLD'] : [])];
  const reply = await withReplica(args, (client) => client.command(...words));
  process.stdout.write(`${snapshotLine(reply, args.hold)}\n`);
}

/**
 * Connects to one replica for what takes as long as it takes: a snapshot copies all data. Throws
 * `DirectoryError`, also for what `use` meets on the connection.
 */
export async function withReplica<Result>(
  args: Pick<SnapshotArguments, 'connect' | 'passwordFile'>,
  use: (client: AdminClient) => Promise<Result>,
): Promise<Result> {
  const address = parseAddress(args.connect);
  if (address === undefined) throw new DirectoryError(`"${args.connect}" is no host:port`);
  const password = adminPassword(args.passwordFile);
  let client: AdminClient | undefined;
  try {
    client = await AdminClient.connect(address.host, address.port, password);
    return await use(client);
  } catch (cause) {
    if (cause instanceof DirectoryError) throw cause;
    const { message } = cause as Error;
    const text =
      cause instanceof AdminReplyError
        ? message.replace(/^ERR /, '')
        : `no answer from ${args.connect}: ${message}`;
    throw new DirectoryError(text, { cause });
  } finally {
    client?.close();
  }
}

/** Of a reply in RESP2, where a map is a list of names and values. */
export function snapshotLine(reply: AdminReply, isHeld: boolean): string {
  const [, index, , bytes, , directory] = reply as readonly AdminReply[];
  const held = isHeld ? ', held' : '';
  return `snapshot of index ${index}, ${bytes} bytes${held}: ${directory}`;
}

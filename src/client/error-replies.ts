// What the gate, and those who wait behind it, are told when a command does not run.

import { errorReply, type Reply } from '../../resp/index.js';
import type { Route } from '../cluster/route.js';
import { limits } from '../options.js';

export const notAuthenticated = errorReply('NOAUTH Authentication required.');
export const crossSlotReply = errorReply("CROSSSLOT Keys in request don't hash to the same slot");
export const clusterDownReply = errorReply('CLUSTERDOWN The cluster is down');
/** Of a replica that waits to be added, or that was removed. */
export const notMemberReply = errorReply(
  'CLUSTERDOWN This server is not a member of its cluster: ask another one, or add it with ' +
    '`holt members add`',
);
/** A prefix that no client retries by itself. */
export const uncertainReply = errorReply(
  'UNCERTAIN The leadership was lost while the command was being stored: it may have taken ' +
    'effect, or may take effect later, or never. Read before you send it again',
);
export const diskLowReply = errorReply(
  'MISCONF The disk has less free space than min-free-disk: commands that need more are refused, ' +
    'deletes and reads go on. Delete keys or make room on the disk',
);
export const keyTooLong = errorReply(
  `ERR key is longer than the limit of ${limits.keyBytesMax} bytes (key-bytes-max)`,
);

export function movedReply(route: Extract<Route, { kind: 'moved' }>): Reply {
  return errorReply(`MOVED ${route.slot} ${route.to.host}:${route.to.clientPort}`);
}

/** Redis' text, with up to 128 bytes of the name and of all arguments together. */
export function unknownCommand(args: readonly Buffer[]): Reply {
  const textMax = 128;
  const name = args[0]!.toString('latin1', 0, textMax);
  let preview = '';
  for (const arg of args.slice(1)) {
    if (preview.length >= textMax) break;
    preview += `'${arg.toString('latin1', 0, textMax - preview.length)}' `;
  }
  return errorReply(`ERR unknown command '${name}', with args beginning with: ${preview}`);
}

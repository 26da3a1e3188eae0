// Behind NAT or in a container, clients reach a server elsewhere than it listens.

import type { GroupMember, HostedReplica } from '../identity.js';
import type { ServerOptions } from '../options.js';

/**
 * The members at the addresses that clients are told: those recorded by `holt init --announce`, and
 * of this server what its options say. The ports on which it listens stay in `members`.
 */
export function announcedMembers(
  members: readonly GroupMember[],
  self: Pick<HostedReplica, 'group' | 'replicaId'>,
  options: Pick<ServerOptions, 'announceHost' | 'announceBasePort'>,
): readonly GroupMember[] {
  return members.map((member) => {
    const told = { ...member, ...member.announced };
    if (member.replicaId !== self.replicaId) return told;
    return {
      ...told,
      ...(options.announceHost !== '' && { host: options.announceHost }),
      ...(options.announceBasePort !== 0 && {
        clientPort: options.announceBasePort + self.group,
      }),
    };
  });
}

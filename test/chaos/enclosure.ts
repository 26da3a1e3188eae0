// A machine of its own for a run, where this one allows it: namespaces of the kernel for network, mounts and
// processes. Whatever is made in there, bridges, mounts, servers, is gone with the last of its processes,
// and those die with the first: nothing is left to be cleaned up, however a run ends.
//
// Root may do so, and others where the kernel has user namespaces for them.

import { spawnSync } from 'node:child_process';

const unshare = [
  'unshare',
  ...['--net', '--mount', '--pid', '--mount-proc'],
  // Processes are seen by those inside only when they are children; they end with `unshare`.
  ...['--fork', '--kill-child'],
];
const asRoot = ['--user', '--map-root-user'];

/** All that is used later. */
const probe = [
  'mount -t tmpfs tmpfs /run',
  'mkdir /run/netns',
  'ip netns add probe',
  'ip link add bridge0 type bridge',
  'ip link add probe0 type veth peer name eth0 netns probe',
  'nsenter --net=/run/netns/probe true',
].join(' && ');

export type Enclosure =
  /** What a command begins with that is to run in there. */
  | { readonly prefix: readonly string[] }
  /** Why there is none. */
  | { readonly reason: string };

export function findEnclosure(): Enclosure {
  let reason = '';
  for (const more of [[], asRoot]) {
    const prefix = [...unshare, ...more];
    const [program, ...args] = [...prefix, 'sh', '-c', probe];
    const { status, stderr, error } = spawnSync(program!, args, { encoding: 'utf8' });
    if (status === 0) return { prefix };
    reason ||= error?.message ?? stderr.trim().split('\n')[0]!;
  }
  return { reason };
}

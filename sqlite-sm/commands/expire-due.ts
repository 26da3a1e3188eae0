// Active expiry: what the leader proposes while keys are due. No client can send it.
//
// Which keys go is decided where the entry is applied, from the state and the entry's own stamp: all
// replicas delete the same ones, and a key that was given more time before this entry is not due in
// it. https://redis.io/docs/latest/commands/expire/#how-redis-expires-keys

import type { Reply } from '../../resp/index.js';
import type { Keyspace } from '../keyspace.js';
import type { DataCommand } from './table.js';

/** Keys of one entry: about two milliseconds. Part of what the entry means, hence no option. */
export const dueKeysMax = 200;

/** Replies how many keys it deleted. */
function expireDue(keyspace: Keyspace): Reply {
  return keyspace.removeDue(dueKeysMax);
}

export const expireDueCommand: DataCommand = {
  name: 'holt|expire-due',
  arity: 1,
  flags: ['write'],
  categories: [],
  keySpecs: [],
  tips: [],
  group: 'server',
  since: '7.2.0',
  summary: 'Deletes some of the keys that are due.',
  complexity: 'O(1)',
  run: expireDue,
};

// Parameters of Redis that clients and tools ask for and that cannot be chosen here: CONFIG GET answers
// with what is true of Holt. redis-benchmark asks for `save` and `appendonly` before it begins,
// StackExchange.Redis for `databases` and `replica-read-only`.

import { defaultRequestLimits } from '../resp/index.js';
import { databaseCount } from '../sqlite-sm/index.js';

export interface Fact {
  readonly name: string;
  /** Undefined: the replica's own client port. */
  readonly value: string | undefined;
  /** Why it is so, in a sentence without a full stop. */
  readonly meaning: string;
}

export const facts: readonly Fact[] = [
  {
    name: 'appendfsync',
    value: 'always',
    meaning: 'An acknowledged write is on the disks of a majority',
  },
  { name: 'appendonly', value: 'yes', meaning: 'The Raft log holds every write' },
  {
    name: 'client-query-buffer-limit',
    value: String(defaultRequestLimits.commandBytesMax),
    meaning: 'Bytes of one command with all its arguments',
  },
  { name: 'cluster-enabled', value: 'yes', meaning: 'Every replica speaks the cluster protocol' },
  { name: 'databases', value: String(databaseCount), meaning: 'What SELECT can choose from' },
  { name: 'maxmemory', value: '0', meaning: 'Data is on disk: memory does not bound it' },
  { name: 'maxmemory-policy', value: 'noeviction', meaning: 'No key is ever evicted' },
  { name: 'notify-keyspace-events', value: '', meaning: 'There are no keyspace notifications' },
  { name: 'port', value: undefined, meaning: 'Client port of this replica' },
  {
    name: 'proto-max-bulk-len',
    value: String(defaultRequestLimits.commandBytesMax),
    meaning: 'Bytes of one argument, which is bounded by the whole command',
  },
  { name: 'replica-read-only', value: 'yes', meaning: 'Writes go through the leader' },
  { name: 'save', value: '', meaning: 'There are no snapshots in the format of Redis' },
  { name: 'slave-read-only', value: 'yes', meaning: 'The older name of `replica-read-only`' },
];

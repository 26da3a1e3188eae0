// Commands of Redis that Holt does not have by design, each with the sentence that says so. They are
// in no table: COMMAND does not tell of them.

import { type ErrorReply, errorReply } from '../../../resp/index.js';
import { lowerCase } from './table.js';

const replication = 'replicas agree by Raft and are not attached by clients';

const sentences: Readonly<Record<string, string>> = {
  bgrewriteaof: 'the log is not an append-only file of commands',
  failover: 'a leader that is stopped hands over by itself',
  migrate: 'keys cannot be moved by clients',
  psync: replication,
  replconf: replication,
  replicaof: replication,
  shutdown: 'stop the process of the server with SIGTERM',
  slaveof: replication,
  sync: replication,
};

const replies = new Map(
  Object.entries(sentences).map(([name, sentence]) => [
    name,
    errorReply(`ERR ${name.toUpperCase()} is not supported: ${sentence}`),
  ]),
);

export function refusalOf(name: Buffer): ErrorReply | undefined {
  // A longer name need not become a string.
  return name.length > 16 ? undefined : replies.get(lowerCase(name));
}

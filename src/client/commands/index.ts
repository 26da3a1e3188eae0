// All server commands by name.

import { aclCommands } from './acl.js';
import { clientCommands } from './client.js';
import { clusterCommands } from './cluster.js';
import { connectionCommands } from './connection.js';
import { debugCommands } from './debug.js';
import { holtCommands } from './holt.js';
import { introspectionCommands } from './introspection.js';
import { latencyCommands } from './latency.js';
import { memoryCommands } from './memory.js';
import { persistenceCommands } from './persistence.js';
import { adminCommands } from './server.js';
import { slowlogCommands } from './slowlog.js';
import { lowerCase, type ServerCommand } from './table.js';
import { transactionCommands } from './transaction.js';
import { waitCommands } from './wait.js';

export const serverCommands: readonly ServerCommand[] = [
  ...connectionCommands,
  ...clusterCommands,
  ...introspectionCommands,
  ...adminCommands,
  ...transactionCommands,
  ...aclCommands,
  ...clientCommands,
  ...debugCommands,
  ...holtCommands,
  ...latencyCommands,
  ...memoryCommands,
  ...persistenceCommands,
  ...slowlogCommands,
  ...waitCommands,
];

const byName = new Map(serverCommands.map((command) => [command.name, command]));

export function findServerCommand(name: Buffer): ServerCommand | undefined {
  // No server command has a longer name; a longer one need not become a string.
  return name.length > 16 ? undefined : byName.get(lowerCase(name));
}

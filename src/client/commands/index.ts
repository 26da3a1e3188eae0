// All server commands by name.

import { clusterCommands } from './cluster.js';
import { connectionCommands } from './connection.js';
import { introspectionCommands } from './introspection.js';
import { adminCommands } from './server.js';
import { lowerCase, type ServerCommand } from './table.js';
import { transactionCommands } from './transaction.js';

export const serverCommands: readonly ServerCommand[] = [
  ...connectionCommands,
  ...clusterCommands,
  ...introspectionCommands,
  ...adminCommands,
  ...transactionCommands,
];

const byName = new Map(serverCommands.map((command) => [command.name, command]));

export function findServerCommand(name: Buffer): ServerCommand | undefined {
  // No server command has a longer name; a longer one need not become a string.
  return name.length > 16 ? undefined : byName.get(lowerCase(name));
}

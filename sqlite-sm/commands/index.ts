// All data commands in one table.

import { expiryCommands } from './expiry.js';
import { keyCommands } from './keys.js';
import { serverCommands } from './server.js';
import { stringCommands } from './strings.js';
import { type Command, CommandTable, type DataCommand } from './table.js';

export const dataCommands: readonly DataCommand[] = [
  ...stringCommands,
  ...keyCommands,
  ...expiryCommands,
  ...serverCommands,
];

export const commandTable = new CommandTable(dataCommands);

/** The command of this name, in whatever case; `undefined` when no data command is called so. */
export function findCommand(name: Uint8Array): Command | undefined {
  return commandTable.find(name);
}

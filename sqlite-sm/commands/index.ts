// All data commands in one table.

import { expireDueCommand } from './expire-due.js';
import { expiryCommands } from './expiry.js';
import { floatCommands } from './floats.js';
import { keyCommands } from './keys.js';
import { lcsCommands } from './lcs.js';
import { objectCommands } from './object.js';
import { scanCommands } from './scan.js';
import { serverCommands } from './server.js';
import { stringRangeCommands } from './string-ranges.js';
import { stringVariantCommands } from './string-variants.js';
import { stringCommands } from './strings.js';
import { type Command, CommandTable, type DataCommand } from './table.js';

export const dataCommands: readonly DataCommand[] = [
  ...stringCommands,
  ...stringVariantCommands,
  ...stringRangeCommands,
  ...floatCommands,
  ...lcsCommands,
  ...keyCommands,
  ...scanCommands,
  ...objectCommands,
  ...expiryCommands,
  ...serverCommands,
];

export const commandTable = new CommandTable(dataCommands);

/** What only the group's own entries may hold: no client finds, sends or sees these. */
export const internalCommands: readonly DataCommand[] = [expireDueCommand];

/** The command of this name, in whatever case; `undefined` when no data command is called so. */
export function findCommand(name: Uint8Array): Command | undefined {
  return commandTable.find(name);
}

import { fieldOf, optionRows, type ServerOptions } from '../../src/options.js';

export const defaultOptions = Object.fromEntries(
  [...optionRows].map(([name, row]) => [fieldOf(name), row.default]),
) as unknown as ServerOptions;

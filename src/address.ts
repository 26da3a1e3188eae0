// Addresses as people write them: `host:port`.

import { DirectoryError } from './identity.js';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The bus port of a server's replicas must stay below 65536. */
const basePortMax = 55_000;
const portMax = 65_535;

/** Undefined when it is none. */
export function parseAddress(text: string): Address | undefined {
  const match = /^(.+):(\d{1,5})$/.exec(text);
  if (match === null) return undefined;
  const port = Number(match[2]);
  return port >= 1 && port <= portMax ? { host: match[1]!, port } : undefined;
}

/** Of a server, by its base port. Throws `DirectoryError`. */
export function parseServerAddress(text: string): { host: string; basePort: number } {
  const address = parseAddress(text);
  if (address === undefined || address.port > basePortMax) {
    throw new DirectoryError(
      `Cannot read "${text}": expected host:port with a port up to ${basePortMax}`,
    );
  }
  return { host: address.host, basePort: address.port };
}

export function addressText({ host, port }: Address): string {
  return `${host}:${port}`;
}

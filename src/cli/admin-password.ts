// The password with which the `holt` program talks to a server: from where the servers have theirs.

import fs from 'node:fs';
import { DirectoryError } from '../identity.js';

/** `passwordFile` before HOLT_REQUIREPASS before HOLT_REQUIREPASS_FILE. Empty: none. Throws `DirectoryError`. */
export function adminPassword(passwordFile: string | undefined): string {
  const { HOLT_REQUIREPASS: given, HOLT_REQUIREPASS_FILE: file } = process.env;
  const path = passwordFile ?? (given === undefined ? file : undefined);
  if (path === undefined) return given ?? '';
  try {
    return fs.readFileSync(path, 'utf8').split('\n', 1)[0]!.trim();
  } catch (cause) {
    throw new DirectoryError(`Cannot read "${path}": ${(cause as Error).message}`, { cause });
  }
}

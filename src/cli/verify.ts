// `holt verify`: says what is whole in the directory of a stopped server, and changes nothing.
//
//   group 1, replica 8f…
//     whole    vote file: term 3, voted for 8f…; both copies are sound
//     damaged  log: …

import { existsSync } from 'node:fs';
import { lockForReading } from '../directory-lock.js';
import { DirectoryError, identityPath, readIdentity } from '../identity.js';
import { verifyReplica } from '../verification.js';

const exitCodes = { whole: 0, damaged: 1, unusable: 2 } as const;

export function runVerify(args: { readonly dir: string }): void {
  process.exitCode = exitCodes[verify(args.dir)];
}

function verify(directory: string): keyof typeof exitCodes {
  if (!existsSync(identityPath(directory))) {
    return refuse(`Cannot verify "${directory}": it is not a directory made by \`holt init\``);
  }
  let unlock: () => void;
  try {
    unlock = lockForReading(directory);
  } catch (error) {
    if (error instanceof DirectoryError) return refuse(error.message);
    throw error;
  }
  try {
    const isWhole = sayFindings(directory);
    say(isWhole ? 'whole' : 'damaged: docs/operations.md has what to do');
    return isWhole ? 'whole' : 'damaged';
  } finally {
    unlock();
  }
}

/** Returns whether all is whole. */
function sayFindings(directory: string): boolean {
  try {
    const identity = readIdentity(directory);
    let isWhole = true;
    for (const replica of identity.replicas) {
      say(`group ${replica.group}, replica ${replica.replicaId}`);
      for (const { verdict, about, text } of verifyReplica(directory, identity, replica)) {
        if (verdict === 'damaged') isWhole = false;
        say(`  ${verdict.padEnd('damaged'.length)}  ${about}: ${text}`);
      }
    }
    return isWhole;
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error;
    say(`  damaged  identity: ${error.message}`);
    return false;
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function refuse(reason: string): 'unusable' {
  process.stderr.write(`holt: ${reason}\n`);
  return 'unusable';
}

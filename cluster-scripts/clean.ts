// `cluster clean`: removes the data of a cluster that does not run.
//
// Only directories called server-N with an `identity.json` inside are removed, and DIR itself when
// nothing is left in it; a mistaken --dir costs nothing.

import fs from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { recognisedServers, requireCluster } from './local-cluster.js';
import { findProcess } from './server-process.js';
import { Trouble, UsageError } from './trouble.js';

export async function clean(args: { readonly dir: string; readonly yes: boolean }): Promise<void> {
  const { dir } = args;
  const running = requireCluster(dir).servers.filter(
    (server) => findProcess(server).state !== 'stopped',
  );
  if (running.length > 0) {
    const numbers = running.map(({ number }) => number).join(', ');
    throw new Trouble(`server ${numbers} is running in "${dir}": \`cluster stop\` first`);
  }
  const directories = recognisedServers(dir).map((name) => join(dir, name));
  if (!args.yes && !(await isConfirmed(directories))) {
    throw new Trouble('nothing removed');
  }
  for (const directory of directories) fs.rmSync(directory, { recursive: true });
  const isEmpty = fs.readdirSync(dir).length === 0;
  if (isEmpty) fs.rmdirSync(dir);
  process.stdout.write(`removed ${directories.join(', ')}\n`);
}

async function isConfirmed(directories: readonly string[]): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError('nobody to ask: give --yes to remove the data');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    const answer = await terminal.question(`Remove all data in ${directories.join(', ')}? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}

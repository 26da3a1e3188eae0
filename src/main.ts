#!/usr/bin/env node
// The `holt` command. Start reading at `cli/server.ts`.

import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { runAdopt } from './cli/adopt.js';
import { runInit } from './cli/init.js';
import { commandLineOptions } from './cli/resolve-options.js';
import { runServer } from './cli/server.js';
import { holtVersion } from './server.js';

await yargs(hideBin(process.argv))
  .scriptName('holt')
  .usage('$0 <command>: a replicated, durable store for Redis clients')
  .command('server', 'Run a server', (command) => command.options(commandLineOptions()), runServer)
  .command(
    'init',
    'Make the directories of a new cluster, one per server',
    (command) =>
      command
        .option('dir', {
          type: 'string',
          demandOption: true,
          describe: 'Where to make the directories server-1, server-2, …',
        })
        .option('server', {
          type: 'string',
          array: true,
          demandOption: true,
          describe: 'host:port of a server (its base port), once per server',
        })
        .option('announce', {
          type: 'string',
          array: true,
          describe: 'host:port that clients are told instead, once per server in the same order',
        }),
    (args) => runInit(args),
  )
  .command(
    'adopt',
    'Say that a directory was moved on purpose',
    (command) =>
      command.option('dir', {
        type: 'string',
        demandOption: true,
        describe: "The server's directory",
      }),
    (args) => runAdopt(args),
  )
  .demandCommand(1, 'Give a command')
  .strict()
  .version(holtVersion())
  .help()
  .fail((message, error) => {
    process.stderr.write(`holt: ${error?.message ?? message}\n`);
    process.exit(error === undefined ? 2 : 1);
  })
  .parseAsync();

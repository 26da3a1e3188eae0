#!/usr/bin/env node
// The `holt` command. Start reading at `cli/server.ts`.

import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { runAdopt } from './cli/adopt.js';
import { runBackup } from './cli/backup.js';

import { runInit } from './cli/init.js';
import { membersCommands } from './cli/members.js';
import { runRecover } from './cli/recover.js';
import { commandLineOptions } from './cli/resolve-options.js';
import { runRestore } from './cli/restore.js';
import { runServer } from './cli/server.js';
import { runSnapshot } from './cli/snapshot.js';
import { runVerify } from './cli/verify.js';
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
  .command(
    'verify',
    'Say what is whole in the directory of a stopped server: exit code 0 when all is, else 1',
    (command) =>
      command.option('dir', {
        type: 'string',
        demandOption: true,
        describe: "The server's directory",
      }),
    (args) => runVerify(args),
  )
  .command('members', 'Show who takes part in a group, and change it', membersCommands)
  .command(
    'snapshot',
    'Have a replica take a snapshot now',
    (command) =>
      command
        .option('connect', {
          type: 'string',
          demandOption: true,
          describe: 'host:port where clients reach the replica',
        })
        .option('hold', {
          type: 'boolean',
          default: false,
          describe: 'Keep it until the file "held" in its directory is removed',
        })
        .option('password-file', {
          type: 'string',
          describe: 'File whose first line is the password; else HOLT_REQUIREPASS(_FILE)',
        }),
    (args) => runSnapshot(args),
  )
  .command(
    'backup',
    'Copy all data of a replica, while it serves, into a new directory',
    (command) =>
      command
        .option('connect', {
          type: 'string',
          demandOption: true,
          describe: 'host:port where clients reach the replica',
        })
        .option('to', {
          type: 'string',
          demandOption: true,
          describe: 'The directory to make',
        })
        .option('password-file', {
          type: 'string',
          describe: 'File whose first line is the password; else HOLT_REQUIREPASS(_FILE)',
        }),
    (args) => runBackup(args),
  )
  .command(
    'restore',
    'Make the directories of a new cluster that begins with the data of a backup',
    (command) =>
      command
        .option('from', {
          type: 'string',
          demandOption: true,
          describe: 'A backup, or the directory of a stopped server',
        })
        .option('until', {
          type: 'string',
          describe: 'The last entry that counts: its index, or a time as in 2026-03-01T12:00:00Z',
        })
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
    (args) => runRestore(args),
  )
  .command(
    'recover',
    'Make the only replica that survived a new cluster of one server',
    (command) =>
      command
        .option('dir', {
          type: 'string',
          demandOption: true,
          describe: "The server's directory",
        })
        .option('yes', {
          type: 'boolean',
          default: false,
          describe: 'It is confirmed that a majority is lost for good',
        }),
    (args) => runRecover(args),
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

// `cluster-scripts/cluster`: deploys a cluster on this machine, watches it, breaks it.
//
//   start ─▶ launch ─▶ server-process ─▶ process-table      control, clean: the same from the side
//     └────▶ live-view ─▶ status ─▶ resp-client             local-cluster: what is on the disk
//                                                           members: a cluster that grows and shrinks
//
// The servers are ordinary `holt server` processes, and the script knows of them only what anybody
// could: their directories, their processes, and what they answer to INFO.

import { resolve } from 'node:path';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { clean } from './clean.js';
import { kill, pause, restart, resume, stop } from './control.js';
import { showCluster } from './live-view.js';
import { chosenServers, requireCluster } from './local-cluster.js';
import { follow, lastLines } from './log-file.js';
import { add, remove } from './members.js';
import { logPath } from './server-process.js';
import { defaultSize, start } from './start.js';
import { measuredStatus } from './status.js';
import { statusLines } from './status-text.js';
import { Trouble, UsageError } from './trouble.js';

const exitCodes = Object.freeze({ trouble: 1, usage: 2 });

const everyServer = { type: 'number', describe: 'Number of a server; all when left out' } as const;
const oneServer = {
  type: 'number',
  demandOption: true,
  describe: 'Number of a server, from 1',
} as const;

// A reader that is gone (`| head`, a closed terminal) is a hang-up, as without a pipe: `start` stops
// its servers, the other commands just end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  process.kill(process.pid, 'SIGHUP');
});

try {
  await yargs(hideBin(process.argv))
    .scriptName('cluster')
    .usage('$0 <command>: a local cluster to try Holt with')
    .detectLocale(false)
    .parserConfiguration({ 'duplicate-arguments-array': false })
    .option('dir', {
      type: 'string',
      default: 'data',
      describe: 'Where the servers keep their data',
    })
    .command(
      'start',
      'Make a cluster, or start the one that is there, and show it until Ctrl-C',
      (command) =>
        command
          .option('servers', {
            type: 'number',
            defaultDescription: String(defaultSize.servers),
            describe: 'How many, in a new cluster',
          })
          .option('groups', {
            type: 'number',
            default: 1,
            describe: 'Raft groups, in a new cluster',
          })
          .option('port', {
            type: 'number',
            defaultDescription: String(defaultSize.port),
            describe: 'Base port of server 1 in a new cluster; clients connect to the one above',
          })
          .option('detach', {
            type: 'boolean',
            default: false,
            describe: 'Return when the cluster serves, and leave it running',
          }),
      (args) => start(args),
    )
    .command(
      'stop [server]',
      'Stop cleanly',
      (command) => command.positional('server', everyServer),
      (args) => stop(args),
    )
    .command(
      'restart [server]',
      'Stop cleanly and start again, one after another; start those that do not run',
      (command) => command.positional('server', everyServer),
      (args) => restart(args),
    )
    .command(
      'kill <server>',
      'End a server at once (SIGKILL)',
      (command) => command.positional('server', oneServer),
      (args) => kill(args),
    )
    .command(
      'pause <server>',
      'Let a server stand still (SIGSTOP)',
      (command) => command.positional('server', oneServer),
      (args) => pause(args),
    )
    .command(
      'resume <server>',
      'Let a paused server go on (SIGCONT)',
      (command) => command.positional('server', oneServer),
      (args) => resume(args),
    )
    .command(
      'add',
      'Start one more server and add it to the running group',
      (command) =>
        command.option('learner', {
          type: 'boolean',
          default: false,
          describe: 'It only receives the log, and does not vote',
        }),
      (args) => add(args),
    )
    .command(
      'remove <server>',
      'Remove a server from the group, then stop it',
      (command) =>
        command
          .positional('server', oneServer)
          .option('clean', { type: 'boolean', default: false, describe: 'Remove its data, too' }),
      (args) => remove(args),
    )
    .command(
      'status',
      'Tell how the servers are',
      (command) =>
        command.option('json', { type: 'boolean', default: false, describe: 'For programs' }),
      (args) => status(args),
    )
    .command(
      'watch',
      'Show a running cluster until Ctrl-C, which leaves it running',
      (command) => command,
      (args) => watch(args),
    )
    .command(
      'logs <server>',
      "Print the end of a server's log and what is added to it",
      (command) =>
        command
          .positional('server', oneServer)
          .option('lines', { type: 'number', default: 100, describe: 'How many to begin with' })
          .option('follow', { type: 'boolean', default: true, describe: 'Wait for more' }),
      (args) => logs(args),
    )
    .command(
      'clean',
      'Remove the data of a stopped cluster',
      (command) =>
        command.option('yes', { type: 'boolean', default: false, describe: 'Do not ask' }),
      (args) => clean(args),
    )
    .demandCommand(1, 'give a command')
    .strict()
    .version(false)
    .help()
    .fail((message, error) => {
      if (error !== undefined && error !== null) throw error;
      const sentence = /^Not enough non-option/.test(message)
        ? 'which server? Give its number'
        : message;
      throw new UsageError(`${sentence}; --help shows what there is`);
    })
    .parseAsync();
} catch (error) {
  const isSentence = error instanceof Trouble || error instanceof UsageError;
  process.stderr.write(`cluster: ${isSentence ? error.message : (error as Error).stack}\n`);
  process.exitCode = error instanceof UsageError ? exitCodes.usage : exitCodes.trouble;
}

async function status(args: { readonly dir: string; readonly json: boolean }): Promise<void> {
  const found = await measuredStatus(requireCluster(args.dir));
  const { columns = Number.POSITIVE_INFINITY } = process.stdout;
  const lines = args.json
    ? [JSON.stringify({ ...found, directory: resolve(args.dir) }, undefined, 2)]
    : statusLines(found, { columns, withPid: true });
  process.stdout.write(`${lines.join('\n')}\n`);
}

async function watch(args: { readonly dir: string }): Promise<void> {
  const cluster = requireCluster(args.dir);
  const ended = new AbortController();
  process.once('SIGINT', () => ended.abort());
  const hints = ['Ctrl-C ends the view; the cluster stays as it is.'];
  await showCluster(cluster, process.stdout, hints, ended.signal);
}

async function logs(args: {
  readonly dir: string;
  readonly server: number;
  readonly lines: number;
  readonly follow: boolean;
}): Promise<void> {
  const [server] = chosenServers(requireCluster(args.dir), args.server);
  if (!Number.isInteger(args.lines) || args.lines < 0) {
    throw new UsageError('--lines takes a number from 0');
  }
  const path = logPath(server!);
  const { lines, end } = lastLines(path, args.lines);
  for (const line of lines) process.stdout.write(`${line}\n`);
  if (args.follow) await follow(path, end, (bytes) => process.stdout.write(bytes));
}

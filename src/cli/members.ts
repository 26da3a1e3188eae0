// `holt members`: who takes part in a group, and changes of it.
//
// Any member may be named by --connect: the leader is found from there.

import type { Argv } from 'yargs';
import { type Address, parseAddress } from '../address.js';
import { adminPassword } from './admin-password.js';
import { AdminError, ask, askLeader } from './ask-leader.js';
import type { AdminReply } from './resp-client.js';

interface ConnectArguments {
  readonly connect: string;
  readonly passwordFile?: string | undefined;
  readonly json: boolean;
}

/** As `members list --json` prints them. */
export interface ListedMember {
  readonly id: string;
  readonly server: number;
  /** `host:port` for clients. */
  readonly address: string;
  readonly role: string;
  /** Null: the server that was asked does not know. */
  readonly match: number | null;
  readonly lag: number | null;
  readonly linked: boolean;
}

const oneMember = {
  type: 'string',
  demandOption: true,
  describe: 'Id of the replica, or number of its server',
} as const;
const newServer = {
  type: 'string',
  demandOption: true,
  describe: 'host:port where clients reach a server that was started with --join',
} as const;

export function membersCommands(command: Argv): Argv {
  return command
    .option('connect', {
      type: 'string',
      demandOption: true,
      describe: 'host:port where clients reach a member',
    })
    .option('password-file', {
      type: 'string',
      describe: 'File whose first line is the password; else HOLT_REQUIREPASS(_FILE)',
    })
    .option('json', { type: 'boolean', default: false, describe: 'For programs' })
    .command(
      'list',
      'Show who takes part, and how far each has got',
      (list) => list,
      (args) => listMembers(connectArguments(args)),
    )
    .command(
      'add <server>',
      'Add a server; once it has caught up it is a voter',
      (add) =>
        add
          .positional('server', newServer)
          .option('learner', { type: 'boolean', default: false, describe: 'Leave it a learner' }),
      (args) =>
        changeMembers(connectArguments(args), [
          'ADD',
          args.server,
          ...(args.learner ? ['LEARNER'] : []),
        ]),
    )
    .command(
      'promote <member>',
      'Make a voter of a learner',
      (promote) => promote.positional('member', oneMember),
      (args) => changeMembers(connectArguments(args), ['PROMOTE', args.member]),
    )
    .command(
      'remove <member>',
      'Remove a member; a leader hands over first',
      (remove) => remove.positional('member', oneMember),
      (args) => changeMembers(connectArguments(args), ['REMOVE', args.member]),
    )
    .command(
      'replace <member> <server>',
      'Add a server as voter, then remove a member',
      (replace) => replace.positional('member', oneMember).positional('server', newServer),
      (args) => changeMembers(connectArguments(args), ['REPLACE', args.member, args.server]),
    )
    .command(
      'transfer-leader [member]',
      'Let another voter lead; by default the one that has most of the log',
      (transfer) => transfer.positional('member', { type: 'string', describe: oneMember.describe }),
      (args) =>
        changeMembers(connectArguments(args), [
          'TRANSFER-LEADER',
          ...(args.member === undefined ? [] : [args.member]),
        ]),
    )
    .demandCommand(1, 'Give a command: list, add, promote, remove, replace or transfer-leader');
}

/** What yargs has found among the options of `members` itself. */
function connectArguments(args: Readonly<Record<string, unknown>>): ConnectArguments {
  return args as unknown as ConnectArguments;
}

// ------------------------------------------------------------------------------ list

async function listMembers(args: ConnectArguments): Promise<void> {
  const { members, isLeaders } = await askForMembers(
    requireAddress(args.connect),
    adminPassword(args.passwordFile),
  );
  const lines = args.json ? [JSON.stringify(members, undefined, 2)] : memberLines(members);
  process.stdout.write(`${lines.join('\n')}\n`);
  if (!isLeaders) {
    process.stderr.write('holt: the leader does not answer: this is what another server knows\n');
  }
}

/** What the leader knows, or where it cannot be had, the server that was asked. */
async function askForMembers(
  address: Address,
  password: string,
): Promise<{ readonly members: readonly ListedMember[]; readonly isLeaders: boolean }> {
  const members = await listAt(address, password);
  const leader = members.find(({ role }) => role === 'leader');
  const isAsked = leader?.match !== null && leader?.match !== undefined;
  if (leader === undefined || isAsked) return { members, isLeaders: isAsked };
  try {
    return { members: await listAt(requireAddress(leader.address), password), isLeaders: true };
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    return { members, isLeaders: false };
  }
}

async function listAt(address: Address, password: string): Promise<ListedMember[]> {
  return readMembers(await ask(address, password, ['HOLT', 'MEMBERS', 'LIST']));
}

/** Of the reply to HOLT MEMBERS LIST in RESP2, where a map is a list of names and values. */
export function readMembers(reply: AdminReply): ListedMember[] {
  return (reply as readonly AdminReply[]).map((row) => {
    const { linked, ...fields } = fieldsOf(row);
    return { ...fields, linked: linked === 1 } as ListedMember;
  });
}

function fieldsOf(reply: AdminReply): Record<string, AdminReply> {
  const items = reply as readonly AdminReply[];
  const fields: Record<string, AdminReply> = {};
  for (let at = 0; at < items.length; at += 2) fields[String(items[at])] = items[at + 1]!;
  return fields;
}

export function memberLines(members: readonly ListedMember[]): string[] {
  const rows = [
    ['server', 'role', 'address', 'match', 'lag', 'linked', 'id'],
    ...members.map(({ server, role, address, match, lag, linked, id }) => [
      String(server),
      role,
      address,
      match === null ? '-' : String(match),
      lag === null ? '-' : String(lag),
      linked ? 'yes' : 'no',
      id,
    ]),
  ];
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows.map((row) =>
    row
      .map((text, at) => text.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  );
}

// ------------------------------------------------------------------------------ changes

async function changeMembers(args: ConnectArguments, words: readonly string[]): Promise<void> {
  const address = requireAddress(args.connect);
  const password = adminPassword(args.passwordFile);
  const { members } = await askForMembers(address, password);
  const leader = members.find(({ role }) => role === 'leader');
  const others = members.filter((member) => member !== leader).map((member) => member.address);
  const addresses = [leader?.address, args.connect, ...others].flatMap((text) =>
    text === undefined ? [] : [requireAddress(text)],
  );
  const answer = await askLeader(addresses, password, ['HOLT', 'MEMBERS', ...words]);
  const fields = 'reply' in answer ? fieldsOf(answer.reply) : fieldsIfDone(answer, words, members);
  process.stdout.write(`${args.json ? JSON.stringify(fields) : changeLine(fields)}\n`);
}

/** A member that an earlier leader has removed is unknown to the next. */
function fieldsIfDone(
  { refusal, mayBeDone }: { readonly refusal: AdminError; readonly mayBeDone: boolean },
  [verb, member]: readonly string[],
  before: readonly ListedMember[],
): Record<string, AdminReply> {
  const isAboutRemoval = verb === 'REMOVE' || verb === 'REPLACE';
  const found = before.find(({ id, server }) => member === id || member === String(server));
  if (refusal.code !== 'NOMEMBER' || !mayBeDone || !isAboutRemoval || found === undefined) {
    throw refusal;
  }
  return { id: found.id, server: found.server, role: 'removed' };
}

function changeLine({ server, role, id }: Record<string, AdminReply>): string {
  const member = `server ${server} (${id})`;
  if (role === 'removed') return `${member} is no member any more`;
  return role === 'leader' ? `${member} leads` : `${member} is a ${role}`;
}

// ------------------------------------------------------------------------------ arguments

function requireAddress(text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new AdminError(`"${text}" is no host:port`);
}

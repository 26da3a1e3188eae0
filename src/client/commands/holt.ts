// HOLT: what Redis has no command for, for operators and for servers among themselves. The `holt`
// program asks by these, and whoever may use admin commands can.
//
// A change of membership is answered when it is done, or cannot be done. Only the leader changes
// anything; others answer MOVED, as for a write.

import {
  type ErrorReply,
  errorReply,
  errors,
  mapReply,
  type Reply,
  wrongArity,
} from '../../../resp/index.js';
import { parseAddress } from '../../address.js';
import { isNonce } from '../../cluster/introduction.js';
import type { MemberRow } from '../../cluster/member-administration.js';
import type { MemberRequest } from '../../cluster/member-operation.js';
import type { Session } from '../session.js';
import { backupHelp, runBackup } from './backup.js';
import { checkSubcommand, helpReply, runSubcommand } from './connection.js';
import { blockOnSnapshot, snapshotHelp } from './holt-snapshot.js';
import {
  type Blocking,
  lowerCase,
  type ServerCommand,
  type ServerContext,
  type Subcommands,
} from './table.js';

const underWayReply = errorReply('UNCERTAIN The change goes on: see HOLT MEMBERS LIST');
const badAddress = errorReply('ERR expected host:port, where clients reach the server');

function row(member: MemberRow): Reply {
  return mapReply([
    ['id', member.replicaId],
    ['server', member.serverNumber],
    ['address', member.address],
    ['role', member.role],
    ['match', member.matchIndex ?? null],
    ['lag', member.lag ?? null],
    ['linked', member.isLinked ? 1 : 0],
  ]);
}

/** Undefined: the words ask for no change. */
function parseChange(words: readonly Buffer[]): MemberRequest | ErrorReply | undefined {
  const [verb, first, second] = words;
  const text = first?.toString('latin1') ?? '';
  switch (lowerCase(verb!)) {
    case 'add': {
      if (words.length < 2 || words.length > 3) return wrongArity('holt|members|add');
      if (second !== undefined && lowerCase(second) !== 'learner') return errors.syntax;
      const address = parseAddress(text);
      if (address === undefined) return badAddress;
      return { kind: 'add', address, staysLearner: second !== undefined };
    }
    case 'promote':
      if (words.length !== 2) return wrongArity('holt|members|promote');
      return { kind: 'promote', member: text };
    case 'remove':
      if (words.length !== 2) return wrongArity('holt|members|remove');
      return { kind: 'remove', member: text };
    case 'replace': {
      if (words.length !== 3) return wrongArity('holt|members|replace');
      const address = parseAddress(second!.toString('latin1'));
      return address === undefined ? badAddress : { kind: 'replace', old: text, address };
    }
    case 'transfer-leader':
      if (words.length > 2) return wrongArity('holt|members|transfer-leader');
      return { kind: 'transferLeader', target: first === undefined ? undefined : text };
    default:
      return undefined;
  }
}

/** Whatever does not change anything. */
function members(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const verb = args[2]!.toString('latin1', 0, 128);
  if (lowerCase(args[2]!) !== 'list') {
    return errorReply(`ERR unknown subcommand '${verb}'. Try HOLT HELP.`);
  }
  if (args.length !== 3) return wrongArity('holt|members|list');
  return context.members.list().map(row);
}

function identity(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const nonce = args[2]!.toString('latin1');
  if (!isNonce(nonce)) return errorReply('ERR expected a nonce of 64 hexadecimal digits');
  return context.members.introduce(nonce);
}

const helpLines = [
  'IDENTITY <nonce>',
  '    Return cluster, group, replica and members, and a proof of the bus secret.',
  'MEMBERS LIST',
  '    Return the members of the group. The leader knows how far each has got.',
  'MEMBERS ADD <host:port> [LEARNER]',
  '    Add a server that was started to join, as a voter once it has caught up.',
  'MEMBERS PROMOTE <member>',
  '    Make a voter of a learner. A member is given by its id or server number.',
  'MEMBERS REMOVE <member>',
  '    Remove a member.',
  'MEMBERS REPLACE <member> <host:port>',
  '    Add a server as voter, then remove the member.',
  'MEMBERS TRANSFER-LEADER [<member>]',
  '    Let another voter lead.',
];

const subcommands: Subcommands = {
  help: { arity: 2, run: () => helpReply('holt', [...helpLines, ...snapshotHelp, ...backupHelp]) },
  // It may wait, and is answered by `block`.
  backup: { arity: -3, run: () => null },
  identity: { arity: 3, run: identity },
  members: { arity: -3, run: members },
  snapshot: { arity: -2, run: () => null },
};

function holt(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('holt', subcommands, context, session, args);
}

function block(
  context: ServerContext,
  session: Session,
  args: readonly Buffer[],
): Blocking | Reply {
  const refusal = checkSubcommand('holt', subcommands, args);
  if (refusal !== undefined) return refusal;
  if (lowerCase(args[1]!) === 'backup') return runBackup(context, args.slice(1));
  if (lowerCase(args[1]!) === 'snapshot') return blockOnSnapshot(context, args);
  const asked = lowerCase(args[1]!) === 'members' ? parseChange(args.slice(2)) : undefined;
  if (asked === undefined) return holt(context, session, args);
  if (asked.kind === 'error') return asked;
  const underWay = context.members.start(asked);
  return {
    isDone: () => underWay.reply !== undefined,
    reply: () => underWay.reply ?? underWayReply,
    timeoutMs: 0,
    // A change of leaders is part of some, and the others say where to go on.
    outlivesLeadership: true,
  };
}

export const holtCommands = [
  {
    name: 'holt',
    arity: -2,
    flags: ['admin', 'blocking', 'no_multi', 'noscript', 'stale'],
    categories: ['@admin', '@slow', '@blocking', '@dangerous'],
    tips: ['nondeterministic_output'],
    group: 'server',
    since: '-',
    summary: 'A container for the commands of Holt that Redis does not have.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    run: holt,
    subcommands,
    block,
  },
] as const satisfies readonly ServerCommand[];

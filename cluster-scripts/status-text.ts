// A cluster's status as text. Pure: the same status gives the same lines.
//
// Two forms. The table is for eyes: it fits 80 columns with indexes of seven digits, and draws
// closer together before it would not. Facts are for a log: only what changes seldom, a sentence
// each, so that "print the facts that differ from before" is a readable history.

import type { ClusterStatus, GroupStatus, ServerStatus } from './status.js';

interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  readonly text: (server: ServerStatus) => string;
}

const left = 'left';
const right = 'right';
const unknown = '-';

const pidColumn: Column = { title: 'pid', align: right, text: ({ pid }) => count(pid) };

const columnsOfTable: readonly Column[] = [
  { title: '#', align: right, text: ({ server }) => String(server) },
  { title: 'state', align: left, text: ({ state }) => state },
  { title: 'port', align: right, text: ({ port }) => String(port) },
  { title: 'role', align: left, text: roleText },
  { title: 'term', align: right, text: ({ term }) => count(term) },
  { title: 'commit', align: right, text: ({ commitIndex }) => count(commitIndex) },
  { title: 'applied', align: right, text: ({ appliedIndex }) => count(appliedIndex) },
  { title: 'ops/s', align: right, text: ({ opsPerSecond }) => count(opsPerSecond) },
  { title: 'log', align: right, text: ({ logBytes }) => bytes(logBytes) },
  { title: 'memory', align: right, text: ({ memoryBytes }) => bytes(memoryBytes) },
];

/** Of one that is no voter, Raft's role says nothing. */
function roleText({ role, membership }: ServerStatus): string {
  if (membership === 'none') return 'no member';
  return membership === 'learner' ? 'learner' : (role ?? unknown);
}

/** A headline, the table, and a line for each server that is not as it should be. */
export function statusLines(
  status: ClusterStatus,
  { columns, withPid }: { readonly columns: number; readonly withPid: boolean },
): string[] {
  const [numberColumn, stateColumn, ...others] = columnsOfTable;
  const chosen = withPid ? [numberColumn!, stateColumn!, pidColumn, ...others] : columnsOfTable;
  const notes = status.servers.flatMap(({ server, note }) =>
    note === null ? [] : [`server ${server}: ${note}`],
  );
  return [headline(status), '', ...tableLines(chosen, status.servers, columns), ...notes];
}

/** What to type to see that it works. */
export function trialLines(status: ClusterStatus): string[] {
  const server = status.servers.find(({ state }) => state === 'running') ?? status.servers[0]!;
  const { host, port } = server;
  const at = host === '127.0.0.1' ? '' : `-h ${host} `;
  // The example looks on port 7001 by itself, and on those of the next two servers.
  const first = status.servers[0]!.port;
  const option = first === 7001 ? '' : `--port ${first} `;
  return [
    `Try it:   redis-cli -c ${at}-p ${port}`,
    `          npm run client -- ${option}set hello world`,
  ];
}

/** By what they are about. */
export function facts(status: ClusterStatus): Map<string, string> {
  const sentences = new Map<string, string>();
  for (const server of status.servers) {
    sentences.set(`server ${server.server}`, serverFact(server));
  }
  for (const groupNow of status.groups) {
    sentences.set(`group ${groupNow.group}`, leaderFact(groupNow, status.servers));
  }
  return sentences;
}

/** The sentences that are new or different. */
export function changedFacts(
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string[] {
  return [...after].filter(([about, text]) => before.get(about) !== text).map(([, text]) => text);
}

function headline(status: ClusterStatus): string {
  const { servers, groups, directory } = status;
  const leaders = groups.map((groupNow) => leaderFact(groupNow, servers)).join(', ');
  const ops = servers.reduce((sum, { opsPerSecond }) => sum + (opsPerSecond ?? 0), 0);
  const size = servers.length === 1 ? '1 server' : `${servers.length} servers`;
  return `Holt, ${size} in ${directory}: ${leaders}, ${ops} ops/s`;
}

function serverFact({ server, state, host, port, pid, note, membership }: ServerStatus): string {
  const remark = note === null ? '' : `; ${note}`;
  if (state === 'stopped') return `server ${server} is stopped${remark}`;
  const place = `server ${server} is ${state} on ${host}:${port} (pid ${pid})`;
  if (membership === 'none') return `${place}, no member of the group${remark}`;
  return membership === 'learner' ? `${place}, a learner${remark}` : `${place}${remark}`;
}

function leaderFact({ leader, term }: GroupStatus, servers: readonly ServerStatus[]): string {
  if (leader !== null) return `server ${leader} leads in term ${term}`;
  const elected = servers.find(({ role }) => role === 'leader');
  if (elected !== undefined) return `server ${elected.server} is elected, not serving yet`;
  return 'nobody leads';
}

function tableLines(
  columns: readonly Column[],
  servers: readonly ServerStatus[],
  width: number,
): string[] {
  const rows = [
    columns.map(({ title }) => title),
    ...servers.map((server) => columns.map(({ text }) => text(server))),
  ];
  const widths = columns.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  const cells = widths.reduce((sum, cell) => sum + cell, 0);
  const gap = ' '.repeat(cells + 2 * (columns.length - 1) < width ? 2 : 1);
  return rows.map((row) =>
    row
      .map((text, at) =>
        columns[at]!.align === left ? text.padEnd(widths[at]!) : text.padStart(widths[at]!),
      )
      .join(gap)
      .trimEnd(),
  );
}

function count(value: number | null): string {
  return value === null ? unknown : String(value);
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Three digits or so: `812 B`, `4.0 KiB`, `64 MiB`, `1.9 GiB`. */
export function bytes(value: number | null): string {
  if (value === null) return unknown;
  let unit = 0;
  // Rounded up to 1024 of a unit is 1 of the next.
  while (unit < units.length - 1 && Math.round(value) >= 1024) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${units[unit]}`;
}

// LATENCY. https://redis.io/docs/latest/commands/latency/

import { errorReply, mapReply, type Reply, verbatim } from '../../../resp/index.js';
import type { LatencyEvent } from '../latency-monitor.js';
import type { Session } from '../session.js';
import { helpReply, runSubcommand } from './connection.js';
import { lowerCase, type ServerCommand, type ServerContext, type Subcommands } from './table.js';

/** Of each event: name, when it was last seen, how long that took, the longest of all time. */
function latest({ latency }: ServerContext): Reply {
  return latency.events.map(({ name, samples, max }) => {
    const last = samples.at(-1)!;
    return [name, last.at, last.milliseconds, max];
  });
}

function history({ latency }: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const event = latency.find(args[2]!.toString('latin1'));
  return event?.samples.map(({ at, milliseconds }) => [at, milliseconds]) ?? [];
}

function reset({ latency }: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  return latency.reset(args.slice(2).map((arg) => arg.toString('latin1')));
}

/** `client` stands for its subcommands, too. */
function histogram(
  { statistics }: ServerContext,
  _session: Session,
  args: readonly Buffer[],
): Reply {
  const wanted = args.slice(2).map(lowerCase);
  const chosen = [...statistics.commands]
    .filter(
      ([name]) =>
        wanted.length === 0 ||
        wanted.some((each) => each === name || each === name.replace(/\|.*/, '')),
    )
    .map(([name, { histogram }]) => [name, histogram.cumulative()] as const)
    .filter(([, rows]) => rows.length > 0);
  return mapReply(
    chosen.map(([name, rows]) => [
      name,
      mapReply([
        ['calls', rows.at(-1)![1]],
        ['histogram_usec', mapReply(rows)],
      ]),
    ]),
  );
}

function doctor({ latency }: ServerContext): Reply {
  if (!latency.isEnabled) {
    return verbatim(
      "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this Redis instance. You " +
        'may use "CONFIG SET latency-monitor-threshold <milliseconds>." in order to enable it. If ' +
        "we weren't in a deep space mission I'd suggest to take a look at " +
        'https://redis.io/topics/latency-monitor.\n',
    );
  }
  if (latency.events.length === 0) {
    return verbatim(
      'Dave, no latency spike was observed during the lifetime of this Redis instance, not in the ' +
        'slightest bit. I honestly think you ought to sit down calmly, take a stress pill, and ' +
        'think things over.\n',
    );
  }
  return verbatim(latency.events.map((event) => `${diagnosis(event)}\n`).join(''));
}

const advice: Readonly<Record<LatencyEvent['name'], string>> = {
  'aof-fsync-always': 'the disk was slow to store the Raft log: see what else uses it',
  command: 'a slow command held the server: see SLOWLOG GET',
  'fast-command': 'a fast command took long, so the machine was busy or swapping',
  'event-loop': 'something held the server: a slow command, a garbage collection, a busy machine',
};

function diagnosis({ name, samples, max }: LatencyEvent): string {
  const sum = samples.reduce((total, { milliseconds }) => total + milliseconds, 0);
  const average = Math.round(sum / samples.length);
  return (
    `${name}: ${samples.length} latency spikes (average ${average}ms). Worst all time event ` +
    `${max}ms. ${advice[name]}.`
  );
}

// ------------------------------------------------------------------------------ GRAPH

function graph(context: ServerContext, _session: Session, args: readonly Buffer[]): Reply {
  const name = args[2]!.toString('latin1');
  const event = context.latency.find(name);
  if (event === undefined) return errorReply(`ERR No samples available for event '${name}'`);
  return verbatim(drawEvent(event, Math.floor(context.nowMs() / 1000)));
}

const graphRows = 4;
/** The three heights that a line of text can show, and what is filled below them. */
const marks = '_o#';

/** A column per sample, with its age written downwards under it, as Redis draws it. */
function drawEvent({ name, samples, max }: LatencyEvent, now: number): string {
  const values = samples.map(({ milliseconds }) => milliseconds);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const steps = marks.length * graphRows;
  const heights = values.map((value) =>
    Math.min(Math.floor(((value - low) * steps) / (high - low || 1)), steps - 1),
  );
  const lines: string[] = [];
  for (let row = graphRows - 1; row >= 0; row -= 1) {
    lines.push(heights.map((height) => markAt(height - row * marks.length)).join(''));
  }
  lines.push(' '.repeat(values.length));
  const labels = samples.map(({ at }) => ageLabel(now - at));
  const labelRows = Math.max(...labels.map(({ length }) => length));
  for (let row = 0; row < labelRows; row += 1) {
    lines.push(labels.map((label) => label[row] ?? ' ').join(''));
  }
  return (
    `${name} - high ${high} ms, low ${low} ms (all time high ${max} ms)\n${'-'.repeat(80)}\n` +
    `${lines.join('\n')}\n`
  );
}

function markAt(height: number): string {
  if (height < 0) return ' ';
  return height < marks.length ? marks[height]! : '|';
}

function ageLabel(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}

// ------------------------------------------------------------------------------ the table

const helpLines = [
  'DOCTOR',
  '    Return a human readable latency analysis report.',
  'GRAPH <event>',
  '    Return an ASCII latency graph for the <event> class.',
  'HISTORY <event>',
  '    Return time-latency samples for the <event> class.',
  'LATEST',
  '    Return the latest latency samples for all events.',
  'RESET [<event> ...]',
  '    Reset latency data of one or more <event> classes.',
  '    (default: reset all data for all event classes)',
  'HISTOGRAM [COMMAND ...]',
  '    Return a cumulative distribution of latencies in the format of a histogram for the specified command names.',
  '    If no commands are specified then all histograms are replied.',
];

const subcommands: Subcommands = {
  doctor: { arity: 2, run: doctor },
  graph: { arity: 3, run: graph },
  help: { arity: 2, run: () => helpReply('latency', helpLines) },
  histogram: { arity: -2, run: histogram },
  history: { arity: 3, run: history },
  latest: { arity: 2, run: latest },
  reset: { arity: -2, run: reset },
};

function latency(context: ServerContext, session: Session, args: readonly Buffer[]): Reply {
  return runSubcommand('latency', subcommands, context, session, args);
}

export const latencyCommands = [
  {
    name: 'latency',
    arity: -2,
    flags: [],
    categories: ['@slow'],
    tips: [],
    group: 'server',
    since: '2.8.13',
    summary: 'A container for latency diagnostics commands.',
    complexity: 'Depends on subcommand.',
    isBarrier: false,
    run: latency,
    subcommands,
  },
] as const satisfies readonly ServerCommand[];

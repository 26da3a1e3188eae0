// From measurements to the text of docs/benchmarks.md. Nothing here touches the world.

import type { Driven, Settings } from './drive.js';
import type { MachineSpeed } from './machine.js';
import { median } from './median.js';
import type { MemoryFigures } from './memory.js';
import { idleConnections, keyCount, type Row, type ThroughputRow } from './rows.js';

/** One round of one row at one peer. */
export interface Measurement extends Driven {
  readonly row: ThroughputRow;
  /** The peer's title. */
  readonly peer: string;
}

export interface MemoryMeasurement extends MemoryFigures {
  readonly peer: string;
}

export interface Report {
  readonly settings: Settings;
  /** The others are compared with the first. */
  readonly peers: readonly { readonly title: string; readonly note: string }[];
  readonly rows: readonly Row[];
  /** Of one row and peer in the order of the rounds. */
  readonly measurements: readonly Measurement[];
  /** Empty when it was not measured. */
  readonly memory: readonly MemoryMeasurement[];
  readonly machine: string;
  readonly versions: readonly string[];
  readonly speed: { readonly before: MachineSpeed; readonly after: MachineSpeed };
  /** YYYY-MM-DD */
  readonly date: string;
}

export function reportText(report: Report): string {
  const parts = [preamble(report)];
  if (report.measurements.length > 0) parts.push(throughputTable(report));
  if (report.memory.length > 0) parts.push(memoryTable(report));
  return `${parts.join('\n\n')}\n`;
}

/** `page` with `report` between the marks of `which`. Throws when it has none. */
export function withReport(page: string, report: string, which = 'figures'): string {
  const beginMark = `<!-- begin ${which} -->\n`;
  const endMark = `<!-- end ${which} -->`;
  const from = page.indexOf(beginMark) + beginMark.length;
  const to = page.indexOf(endMark);
  if (from < beginMark.length || to < from) {
    throw new Error(`the page has no ${beginMark.trim()} and ${endMark} in this order`);
  }
  return page.slice(0, from) + report + page.slice(to);
}

function preamble({
  settings,
  peers,
  versions,
  machine,
  speed,
  measurements,
  date,
}: Report): string {
  const shortest = Math.min(...measurements.map(({ seconds }) => seconds));
  const duration = measurements.length > 0 ? `, the shortest of ${shortest.toFixed(1)} s` : '';
  return [
    `Measured on ${date}: ${settings.rounds} round${settings.rounds === 1 ? '' : 's'}${duration}.`,
    '',
    `- ${versions.join(', ')}.`,
    `- ${machine}.`,
    `- Speed of the machine, before → after: a system call ${beforeAndAfter(speed, 'systemCallNs', 'ns')}; ` +
      `a synchronous write of 4 KiB ${beforeAndAfter(speed, 'syncWriteUs', 'µs')}.`,
    ...peers.map(({ title, note }) => `- **${title}**: ${note}.`),
  ].join('\n');
}

function beforeAndAfter(
  speed: Report['speed'],
  what: 'systemCallNs' | 'syncWriteUs',
  unit: string,
): string {
  return `${speed.before[what].toFixed(0)} → ${speed.after[what].toFixed(0)} ${unit}`;
}

function throughputTable({ rows, peers, measurements }: Report): string {
  const lines = rows.flatMap((row) =>
    peers.flatMap(({ title }) => {
      const its = measurements.filter((one) => one.row.name === row.name && one.peer === title);
      if (its.length === 0) return [];
      const compared = measurements.filter(
        (one) => one.row.name === row.name && one.peer === peers[0]!.title,
      );
      return [tableLine(cells(row.name, title, its, title === peers[0]!.title ? [] : compared))];
    }),
  );
  const first = peers[0]!.title.replace(/,.*/, '');
  return [
    `| work | peer | requests/s | p50 ms | p99 ms | max ms | CPU s per 100,000 | ${first} ÷ it |`,
    '|---|---|--:|--:|--:|--:|--:|--:|',
    ...lines,
  ].join('\n');
}

function cells(
  name: string,
  title: string,
  its: readonly Measurement[],
  compared: readonly Measurement[],
): string[] {
  const middle = (figure: (one: Measurement) => number): number => median(its.map(figure));
  return [
    name,
    title,
    grouped(middle((one) => one.requestsPerSecond)),
    threeDigits(middle((one) => one.p50Ms)),
    threeDigits(middle((one) => one.p99Ms)),
    threeDigits(Math.max(...its.map((one) => one.maxMs))),
    middle((one) => one.cpuSecondsPer100k).toFixed(2),
    compared.length === 0 ? '' : ratioText(compared, its),
  ];
}

/** `0.93 (0.88–0.97)`: of the medians, and the least and the largest of the rounds. */
export function ratioText(
  ours: readonly { readonly requestsPerSecond: number }[],
  its: readonly { readonly requestsPerSecond: number }[],
): string {
  const speed = (one: { readonly requestsPerSecond: number }): number => one.requestsPerSecond;
  const ratio = median(ours.map(speed)) / median(its.map(speed));
  const rounds = its.map((one, at) => ours[at]!.requestsPerSecond / one.requestsPerSecond);
  if (rounds.length === 1) return ratio.toFixed(2);
  const [least, largest] = [Math.min(...rounds), Math.max(...rounds)];
  return `${ratio.toFixed(2)} (${least.toFixed(2)}–${largest.toFixed(2)})`;
}

function memoryTable({ memory, settings }: Report): string {
  return [
    `| peer | idle, MB | with ${grouped(idleConnections)} idle connections, MB more ` +
      `| with ${grouped(keyCount)} keys of 64 B, MB ` +
      `| after ${grouped(settings.memoryRequests)} more SETs of them, MB |`,
    '|---|--:|--:|--:|--:|',
    ...memory.map((one) =>
      tableLine([
        one.peer,
        megabytes(one.idleBytes),
        megabytes(one.connectionsBytes),
        megabytes(one.filledBytes),
        megabytes(one.lateBytes),
      ]),
    ),
  ].join('\n');
}

function tableLine(texts: readonly string[]): string {
  return `| ${texts.join(' | ')} |`.replaceAll('|  |', '| |');
}

/** `22,333` */
function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `0.52`, `7.3`, `152` */
function threeDigits(value: number): string {
  if (value >= 99.95) return value.toFixed(0);
  return value.toFixed(value >= 9.995 ? 1 : 2);
}

/** Of a million bytes. */
function megabytes(bytes: number): string {
  return String(Math.round(bytes / 1_000_000));
}

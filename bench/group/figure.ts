// What the measurements of a group return, and the table made of it.

import type { RunningGroup } from './running-group.js';

export interface Figure {
  readonly work: string;
  /** Without a unit it is a ratio. */
  readonly measured: string;
  readonly wanted: string;
}

export interface Measurement {
  readonly name: string;
  /** Environment of the servers, beyond the default options. */
  readonly environment?: Readonly<Record<string, string>>;
  /** On a new cluster without data. */
  run(group: RunningGroup, size: Size): Promise<Figure[]>;
}

export interface Size {
  /** Of the database that is copied, sent and opened again. */
  readonly bytes: number;
  readonly rounds: number;
  /** Of one run of the load. */
  readonly seconds: number;
}

export function figureTable(figures: readonly Figure[]): string {
  return [
    '| work | measured | wanted |',
    '|---|--:|--:|',
    ...figures.map(({ work, measured, wanted }) => `| ${work} | ${measured} | ${wanted} |`),
    '',
  ].join('\n');
}

// The rows of the table: what is asked of every peer.

import { UsageError } from '../cluster-scripts/trouble.js';

export type Row =
  | {
      readonly kind: 'throughput';
      readonly name: string;
      readonly command: 'SET' | 'GET';
      readonly valueBytes: number;
      /** Connections that wait for replies at the same time. */
      readonly clients: number;
      /** Commands that a connection sends before it waits. */
      readonly pipeline: number;
    }
  | { readonly kind: 'memory'; readonly name: string };

export type ThroughputRow = Row & { readonly kind: 'throughput' };

/** SETs go to as many keys, at random, and GETs find each of them. */
export const keyCount = 100_000;
export const idleConnections = 10_000;

const sizes = [
  { valueBytes: 64, size: '64 B' },
  { valueBytes: 4096, size: '4 KiB' },
];
const loads = [
  { clients: 1, pipeline: 1 },
  { clients: 50, pipeline: 1 },
  { clients: 200, pipeline: 1 },
  { clients: 500, pipeline: 1 },
  { clients: 200, pipeline: 16 },
];

export const rows: readonly Row[] = [
  ...(['SET', 'GET'] as const).flatMap((command) =>
    sizes.flatMap(({ valueBytes, size }) =>
      loads.map(({ clients, pipeline }): Row => {
        const name =
          `${command} ${size}, ${clients} client${clients === 1 ? '' : 's'}` +
          (pipeline === 1 ? '' : ` x${pipeline}`);
        return { kind: 'throughput', name, command, valueBytes, clients, pipeline };
      }),
    ),
  ),
  { kind: 'memory', name: 'memory' },
];

/** Those whose name matches, in any case. Throws `UsageError` when there is none. */
export function chosenRows(pattern: string): readonly Row[] {
  let expression: RegExp;
  try {
    expression = new RegExp(pattern, 'i');
  } catch (error) {
    throw new UsageError(`--rows: ${(error as Error).message}`);
  }
  const chosen = rows.filter(({ name }) => expression.test(name));
  if (chosen.length > 0) return chosen;
  const names = rows.map(({ name }) => `  ${name}`).join('\n');
  throw new UsageError(`no row matches "${pattern}"; there are\n${names}`);
}

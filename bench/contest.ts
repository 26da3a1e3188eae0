// Every row at every peer, round by round: the peers take turns within a round, and each turn begins
// with new processes and no data.

import fs from 'node:fs';
import { join } from 'node:path';
import { Trouble } from '../cluster-scripts/trouble.js';
import { cpuSeconds } from './cpu-time.js';
import { type Driven, drive, type Settings } from './drive.js';
import { loadKeys } from './load-keys.js';
import type { Measured, MeasuredFile } from './measured.js';
import { type MemoryFigures, measureMemory } from './memory.js';
import type { Peer, RunningPeer } from './peers/peer.js';
import { type Progress, roundsOf } from './progress.js';
import type { Measurement, MemoryMeasurement } from './report.js';
import type { Row, ThroughputRow } from './rows.js';

export interface Results {
  readonly measurements: readonly Measurement[];
  readonly memory: readonly MemoryMeasurement[];
  readonly versions: readonly string[];
}

/** Where the servers' data come and go. */
export interface Place {
  readonly directory: string;
  readonly basePort: number;
}

/** What `file` has already is not measured again. Throws at the first thing that fails. */
export async function contest(
  rows: readonly Row[],
  peers: readonly Peer[],
  settings: Settings,
  place: Place,
  file: MeasuredFile,
  progress: Progress,
): Promise<Results> {
  const measurements: Measurement[] = [];
  const memory: MemoryMeasurement[] = [];
  const versions = new Set<string>();
  for (const row of rows) {
    for (let round = 1; round <= roundsOf(row, settings); round += 1) {
      for (const peer of peers) {
        const known = file.find(row.name, peer.title, round);
        if (known === undefined) progress.begin(row, peer.title, round);
        else progress.skip(row);
        const measured = known ?? (await turn(row, round, peer, settings, place));
        if (known === undefined) {
          file.add(measured);
          progress.done(row, figuresText(measured));
        }
        versions.add(measured.version);
        if (row.kind === 'memory') {
          memory.push({ peer: peer.title, ...(measured.figures as MemoryFigures) });
        } else {
          measurements.push({ row, peer: peer.title, ...(measured.figures as Driven) });
        }
      }
    }
  }
  return { measurements, memory, versions: [...versions] };
}

/** One measurement, with new processes and no data. */
async function turn(
  row: Row,
  round: number,
  peer: Peer,
  settings: Settings,
  { directory, basePort }: Place,
): Promise<Measured> {
  const own = fs.mkdtempSync(join(directory, 'peer-'));
  const running = await peer.start(own, basePort);
  try {
    const figures =
      row.kind === 'memory'
        ? await measureMemory(running, settings)
        : await measure(running, row, settings.seconds);
    return { row: row.name, peer: peer.title, round, version: running.version, figures };
  } catch (cause) {
    // Its directory is about to be removed, and the reason may stand in its logs.
    const what = cause instanceof Trouble ? cause.message : (cause as Error).stack;
    const text = `${peer.title}, ${row.name}: ${what}\n${running.lastLogLines()}`;
    throw new Trouble(text, { cause });
  } finally {
    await running.dispose();
  }
}

/** Undefined of memory: the table has it soon enough. */
function figuresText({ figures }: Measured): string | undefined {
  if (!('requestsPerSecond' in figures)) return undefined;
  const { requestsPerSecond, p50Ms, p99Ms, maxMs, cpuSecondsPer100k } = figures;
  return (
    `${Math.round(requestsPerSecond)} requests/s, p50 ${p50Ms} ms, p99 ${p99Ms} ms, ` +
    `max ${maxMs} ms, CPU ${cpuSecondsPer100k.toFixed(2)} s per 100,000`
  );
}

async function measure(running: RunningPeer, row: ThroughputRow, seconds: number): Promise<Driven> {
  if (row.command === 'GET') await loadKeys(running.port, row.valueBytes);
  return drive(running.port, row, seconds, () => cpuSeconds(running.pids));
}

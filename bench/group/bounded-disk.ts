// What a server needs on its disk while the same keys are written over and over.

import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Measurement } from './figure.js';
import { fill, keysOf, load, loadUntil, valueBytes } from './load.js';

const mebibyte = 1024 ** 2;
const dataBytes = 256 * mebibyte;
const loadSeconds = 120;
const lookMs = 250;
const runRequests = 50_000;

export const boundedDisk: Measurement = {
  name: 'disk',
  async run(group) {
    const keys = keysOf(dataBytes);
    await fill(group, keys);
    let isOver = false;
    let mostBytes = 0;
    const looking = (async () => {
      while (!isOver) {
        for (const server of group.servers) {
          mostBytes = Math.max(mostBytes, diskBytes(group.groupDirectory(server)));
        }
        await sleep(lookMs);
      }
    })();
    const began = performance.now();
    await load(group, keys, runRequests);
    const runs = await loadUntil(
      group,
      keys,
      runRequests,
      () => performance.now() - began > loadSeconds * 1000,
    );
    isOver = true;
    await looking;
    const written = (runs.length + 1) * runRequests * valueBytes;
    const bound = 3 * dataBytes + 1024 * mebibyte;
    return [
      {
        work:
          `most on the disk of a server: log, snapshots and database together, while ` +
          `${Math.round(written / mebibyte)} MiB are written over ${dataBytes / mebibyte} MiB`,
        measured: `${Math.round(mostBytes / mebibyte)} MiB`,
        wanted: `≤ ${bound / mebibyte} MiB`,
      },
    ];
  },
};

/** What is allocated. A file may go while it is looked at. */
function diskBytes(directory: string): number {
  const output = execFileSync(
    'sh',
    ['-c', 'du -s --block-size=1 "$0" 2>/dev/null || true', directory],
    {
      encoding: 'utf8',
    },
  );
  return Number(output.split('\t')[0]);
}

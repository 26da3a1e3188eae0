// How long a replica with a large database is away: after kill -9, and when its live database cannot
// be trusted any more, as after a loss of power.

import fs from 'node:fs';
import { join } from 'node:path';
import type { LocalServer } from '../../cluster-scripts/local-cluster.js';
import type { Figure, Measurement } from './figure.js';
import { fill, keysOf } from './load.js';
import type { RunningGroup } from './running-group.js';

export const restart: Measurement = {
  name: 'restart',
  async run(group, { bytes }) {
    await fill(group, keysOf(bytes));
    const [follower] = (await group.followers()) as [LocalServer];
    await group.snapshot([follower]);
    const size = `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
    const killed = await restartFigure(group, follower, `kill -9 with ${size}`, '≤ 5 s', () => {});
    // What a loss of power leaves is a live database that nobody can vouch for.
    const lost = await restartFigure(group, follower, `loss of power with ${size}`, '', () => {
      fs.rmSync(join(group.groupDirectory(follower), 'live.db.marker'));
    });
    return [killed, lost];
  },
};

async function restartFigure(
  group: RunningGroup,
  follower: LocalServer,
  what: string,
  wanted: string,
  meanwhile: () => void,
): Promise<Figure> {
  await group.killServer(follower);
  meanwhile();
  const began = performance.now();
  await group.startServer(follower);
  await group.untilCaughtUp(follower);
  const seconds = (performance.now() - began) / 1000;
  return {
    work: `from the start of the process to everything applied, after ${what}`,
    measured: `${seconds.toFixed(1)} s`,
    wanted,
  };
}

// The world that an embedded replica lives in: by default the real one.

import type { Chance, Clock, Files, Network, Timers } from '../effects.js';
import { nodeChance, nodeClock, nodeNetwork, nodeTimers } from '../node-effects.js';
import { nodeFiles } from '../node-files.js';

export interface RaftEffects {
  readonly files: Files;
  readonly network: Network;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly chance: Chance;
}

export const nodeEffects: RaftEffects = {
  files: nodeFiles,
  network: nodeNetwork,
  timers: nodeTimers,
  clock: nodeClock,
  chance: nodeChance,
};

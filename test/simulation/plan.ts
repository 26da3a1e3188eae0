// What one run is like, drawn from its seed.
//
// "Swarm testing": were all troubles present in every run at an average rate, states that take a long
// calm or one kind of trouble alone would never be reached. So each run draws its own: most troubles are
// absent from it, and the others come as rarely or as often as it was drawn.

import type { RaftOptions } from '../../raft/index.js';
import { randomInteger } from '../faults/seeded-random.js';
import type { CommandMix } from './commands.js';

/** In the order in which they are drawn. */
export const troubleNames = [
  'crash',
  'power',
  'torn',
  'blackout',
  'stop',
  'partition',
  'isolation',
  'oneWay',
  'linkBreak',
  'pause',
  'clock',
  'transfer',
  'membership',
  'snapshot',
  'diskError',
  'fullDisk',
  'slowDisk',
  'clientCut',
  'deposition',
] as const;

export type TroubleName = (typeof troubleNames)[number];

export interface Plan {
  /** Voters at the beginning. */
  readonly servers: number;
  /** Servers that may join later; ids are never used again. */
  readonly sparesMax: number;
  /** For how long there is trouble, in milliseconds. */
  readonly safetyMs: number;
  readonly writers: number;
  /** Clients that read at any replica. */
  readonly readers: number;
  readonly clientPauseMsMax: number;
  /** Of those that only read. A leader that was deposed without knowing it gives them little time. */
  readonly readerPauseMsMax: number;
  readonly clientDepthMax: number;
  readonly mix: CommandMix;
  readonly raft: Partial<RaftOptions>;
  readonly maxSegmentFileSize: number;
  readonly diskMsMax: number;
  readonly delayMsMax: number;
  readonly loss: number;
  readonly doubling: number;
  readonly overtaking: number;
  /** How long a server stays down, at most. */
  readonly downMsMax: number;
  /** How often each comes, in a second. */
  readonly rates: Readonly<Record<TroubleName, number>>;
}

/** What whoever starts a run wants otherwise than it was drawn. */
export interface PlanChanges {
  readonly without?: readonly TroubleName[];
  readonly safetyMs?: number;
  readonly clientsMax?: number;
}

/** Per second, when it is among the troubles of a run. */
const rateMin = 0.05;
const rateMax = 1.5;
/** Those that end a run's progress for long, when they come often. */
const rareRateMax: Partial<Record<TroubleName, number>> = {
  blackout: 0.3,
  membership: 5,
  snapshot: 5,
};

const KiB = 1024;

export function drawPlan(random: () => number, changes: PlanChanges = {}): Plan {
  const pick = <Item>(items: readonly Item[]): Item =>
    items[randomInteger(random, 0, items.length - 1)]!;
  /** Many small ones and few large ones. */
  const skewed = (least: number, most: number): number => least * (most / least) ** random();
  const orNothing = (share: number, value: () => number): number => {
    const drawn = value();
    return random() < share ? drawn : 0;
  };
  const electionTimeoutMilliseconds = pick([150, 300, 300, 1000]);
  const hasTroubles = pick([0.2, 0.4, 0.6, 0.8]);
  const rates = Object.fromEntries(
    troubleNames.map((name) => [
      name,
      orNothing(hasTroubles, () => skewed(rateMin, rareRateMax[name] ?? rateMax)),
    ]),
  ) as Record<TroubleName, number>;
  const drawn: Plan = {
    servers: pick([3, 3, 3, 3, 5, 5, 1]),
    sparesMax: pick([0, 2, 4]),
    safetyMs: pick([5_000, 10_000, 20_000]),
    writers: randomInteger(random, 1, 4),
    readers: randomInteger(random, 0, 3),
    clientPauseMsMax: pick([50, 200, 600]),
    readerPauseMsMax: pick([10, 50, 600]),
    clientDepthMax: pick([1, 1, 3]),
    mix: {
      groups: randomInteger(random, 1, 3),
      expiring: pick([0, 0.2, 0.5]),
      liveMsMax: pick([100, 3_000]),
      reads: pick([0.2, 0.5]),
      valueBytesMax: pick([0, 0, 2_000, 40_000]),
    },
    raft: {
      electionTimeoutMilliseconds,
      heartbeatPeriodMilliseconds: electionTimeoutMilliseconds / 6,
      entryBytesMax: pick([4, 64]) * KiB,
      entryCommandsMax: pick([1, 4, 1024]),
      inFlightAppendsMax: pick([1, 2, 4]),
      catchupMargin: pick([0, 10, 100]),
      uncertainAfterMilliseconds: pick([0, 500, 1500]),
      followerReadTimeoutMilliseconds: pick([50, 500]),
      readMode: pick(['readIndex', 'readIndex', 'lease']),
      snapshotMinLogSize: pick([0, 0, 64 * KiB, 1024 * KiB]),
      snapshotPeriodSeconds: pick([1, 5, 3600]),
      snapshotsKept: pick([1, 1, 3]),
    },
    maxSegmentFileSize: pick([32, 64, 256]) * KiB,
    diskMsMax: pick([0.5, 2, 10]),
    delayMsMax: pick([1, 3, 30]),
    loss: orNothing(0.3, () => skewed(0.001, 0.2)),
    doubling: orNothing(0.3, () => skewed(0.001, 0.2)),
    overtaking: orNothing(0.3, () => skewed(0.001, 0.5)),
    downMsMax: pick([200, 1_000, 5_000]),
    rates,
  };
  return changed(drawn, changes);
}

function changed(drawn: Plan, { without = [], safetyMs, clientsMax }: PlanChanges): Plan {
  const rates = { ...drawn.rates };
  for (const name of without) rates[name] = 0;
  const writers = Math.min(drawn.writers, clientsMax ?? drawn.writers);
  return {
    ...drawn,
    safetyMs: Math.min(drawn.safetyMs, safetyMs ?? drawn.safetyMs),
    writers,
    readers: Math.min(drawn.readers, (clientsMax ?? Number.POSITIVE_INFINITY) - writers),
    rates,
  };
}

/** As words of a command line. */
export function changeWords({ without = [], safetyMs, clientsMax }: PlanChanges): string[] {
  const words: string[] = [];
  if (without.length > 0) words.push(`--without ${without.join(',')}`);
  if (safetyMs !== undefined) words.push(`--safety-ms ${safetyMs}`);
  if (clientsMax !== undefined) words.push(`--clients ${clientsMax}`);
  return words;
}

/** Those that a run has, with how often they come in a second. */
export function describeRates(rates: Plan['rates']): string {
  const present = Object.entries(rates).filter(([, rate]) => rate > 0);
  return present.map(([name, rate]) => `${name} ${rounded(rate)}`).join(', ') || 'none';
}

/** As lines that fit a screen. */
export function describePlan(plan: Plan): string[] {
  const { rates, raft, mix, ...rest } = plan;
  const words = (fields: object): string =>
    Object.entries(fields)
      .map(([name, value]) => `${name} ${typeof value === 'number' ? rounded(value) : value}`)
      .join(', ');
  return [
    words(rest),
    `commands: ${words(mix)}`,
    `raft: ${words(raft)}`,
    `troubles in a second: ${describeRates(rates)}`,
  ];
}

function rounded(value: number): string {
  return String(Number(value.toPrecision(3)));
}

// Every replica loses power at the same moment, again and again, and nothing acknowledged is lost.
//
// What it breaks: at a random moment, or in the middle of a random file operation of one replica,
// the power of all three goes. Un-synced sectors and names are decided one by one (`faulty-files.ts`).
// Before that, single replicas may have been killed and started again, so that unconfirmed bytes of
// a former process lie in the page cache. Segments are small: rotations, spares and votes are under
// way at every moment.
//
// What it checks: `sim-cluster.ts`, and that each replica opens its files again.
//
// Checklist: 2, 16–18, 24, 25, 58, 59, 62, 64, 66. HOLT_SEED=n runs one seed, HOLT_SEEDS=n the first n.

import assert from 'node:assert/strict';
import { seedsToRun } from '../../faults/seeded-random.js';
import { SimCluster } from '../../faults/sim-cluster.js';
import { SimWorld } from '../../faults/sim-world.js';

const KiB = 1024;
const rounds = 3;

interface Load {
  /** Between two commands of a client, at most. */
  readonly pauseMs: number;
  /** Share of commands that are larger than some segments. */
  readonly largeShare: number;
}

const fullLoad: Load = { pauseMs: 30, largeShare: 0.05 };

describe('RaftNode: power cut of all replicas', () => {
  it('loses nothing that was acknowledged', function () {
    this.timeout(120_000);
    let acknowledged = 0;
    for (const seed of seedsToRun(200)) {
      const cluster = runSeed(seed, { forgetsDsync: false });
      acknowledged += cluster.commands.filter(({ fate }) => fate === 'acknowledged').length;
    }
    assert(acknowledged > 0);
  });

  it('would be caught if O_DSYNC were forgotten', () => {
    const caught: string[] = [];
    for (let seed = 1; seed <= 10; seed += 1) {
      try {
        runSeed(seed, { forgetsDsync: true });
      } catch (error) {
        caught.push((error as Error).message);
      }
    }
    const isLoss = /Acknowledged v\d+ is lost|Index \d+ was applied before/;
    assert(
      caught.some((message) => isLoss.test(message)),
      `Caught only: ${caught.join('; ')}`,
    );
  });
});

function runSeed(seed: number, options: { readonly forgetsDsync: boolean }): SimCluster {
  const world = new SimWorld(seed);
  const segmentKiB = options.forgetsDsync ? 1024 : [32, 64, 128][world.integer(0, 2)]!;
  const cluster = new SimCluster(world, {
    maxSegmentFileSize: segmentKiB * KiB,
    raft: { electionTimeoutMilliseconds: 300, heartbeatPeriodMilliseconds: 50 },
  });
  try {
    if (options.forgetsDsync) {
      for (const { files } of cluster.replicas) files.ignoresDurableOpens = isFirstSegment;
    }
    cluster.boot();
    for (let round = 0; round < rounds; round += 1) {
      // Without rotation a segment header cannot give the loss away before the values are missed.
      runRound(cluster, options.forgetsDsync ? { pauseMs: 200, largeShare: 0 } : fullLoad);
      for (const replica of cluster.replicas) {
        replica.powerCut(options.forgetsDsync ? 'none' : undefined);
      }
      for (const replica of cluster.replicas) replica.boot();
      cluster.untilLeader();
      cluster.settle();
      cluster.assertNothingLost();
    }
  } catch (error) {
    throw new Error(`Seed ${seed}: ${(error as Error).message}`, { cause: error });
  }
  return cluster;
}

/** It is opened again as a file that has its name already; so its header is as durable as ever. */
function isFirstSegment(path: string): boolean {
  return path.endsWith('0000000000000001.log');
}

/** Clients propose, a replica may die and come back, until the power goes. */
function runRound(cluster: SimCluster, load: Load): void {
  const { world } = cluster;
  let isOver = false;
  world.after(world.integer(0, 1_800), () => {
    isOver = true;
  });
  if (world.random() < 0.7) {
    const victim = cluster.replicas[world.integer(0, 2)]!;
    victim.files.cutAt(world.integer(1, 400));
  }
  if (world.random() < 0.5) {
    const victim = cluster.replicas[world.integer(0, 2)]!;
    world.after(world.integer(100, 1_500), () => {
      if (isOver || !victim.isRunning) return;
      victim.kill();
      victim.boot();
    });
  }
  const propose = (): void => {
    if (isOver) return;
    const { leader } = cluster;
    if (leader !== undefined && !leader.files.isDead) {
      const isLarge = world.random() < load.largeShare;
      cluster.propose(leader, isLarge ? world.integer(10, 64) * KiB : world.integer(0, 2_000));
    }
    world.after(world.random() * load.pauseMs, propose);
  };
  for (let client = 0; client < 3; client += 1) propose();
  world.run(1_800, () => isOver || cluster.replicas.some((replica) => replica.files.isDead));
  isOver = true;
}

// One run: a cluster, its clients and its troubles, all drawn from one seed.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { memberOf } from '../../src/cluster/members.js';
import type { GroupMember } from '../../src/identity.js';
import { seededRandom } from '../faults/seeded-random.js';
import { SimNetwork } from '../faults/sim-network.js';
import { SimWorld } from '../faults/sim-world.js';
import { CommandSource } from './commands.js';
import { History } from './history.js';
import { SimClient } from './sim-client.js';
import { SimServer } from './sim-server.js';
import { Transcript } from './transcript.js';
import { Watchers } from './watchers.js';

export function simulate(seed: number): {
  hash: string;
  completed: number;
  events: number;
  lines: readonly string[];
} {
  const world = new SimWorld(seed);
  const transcript = new Transcript(world);
  const base = fs.existsSync('/dev/shm') ? '/dev/shm' : os.tmpdir();
  const scratch = fs.mkdtempSync(join(base, 'holt-simulation-'));
  const network = new SimNetwork(world);
  const watchers = new Watchers();
  try {
    const members: GroupMember[] = [1, 2, 3].map((serverNumber) => ({
      replicaId: String.fromCharCode(96 + serverNumber).repeat(40),
      serverNumber,
      host: `10.0.0.${serverNumber}`,
      clientPort: 7001,
      busPort: 17001,
    }));
    const initial = { index: 0, voters: members.map(memberOf), learners: [] };
    const servers = members.map(
      (member) =>
        new SimServer({
          world,
          network,
          transcript,
          watcher: watchers,
          raft: {
            electionTimeoutMilliseconds: 300,
            heartbeatPeriodMilliseconds: 50,
            entryBytesMax: 65536,
          },
          maxSegmentFileSize: 65536,
          diskMsMax: 2,
          scratch,
          member,
          initial,
        }),
    );
    for (const server of servers) server.boot();
    const history = new History();
    const client = new SimClient({
      number: 1,
      world,
      transcript,
      history,
      source: new CommandSource(seededRandom(seed), { groups: 2, reads: 0.4, valueBytesMax: 1000 }),
      servers: () => servers,
      isReader: false,
      pauseMsMax: 20,
      depthMax: 3,
      delayMsMax: 2,
    });
    client.start();
    for (let round = 0; round < 5; round += 1) {
      world.run(2000);
      const victim = servers[world.integer(0, 2)]!;
      if (world.random() < 0.3) network.isolate(victim.id);
      else if (victim.isRunning) {
        if (world.random() < 0.5) victim.kill();
        else victim.losePower();
      }
      world.run(1000);
      network.heal();
      for (const server of servers) if (!server.isRunning) server.boot();
    }
    world.run(3000);
    client.stop();
    assert(world.run(10000, () => client.isIdle));
    const { completed } = client;
    for (const server of servers) if (server.isRunning) server.kill();
    return {
      hash: transcript.digest,
      completed,
      events: world.eventCount,
      lines: transcript.lastLines,
    };
  } catch (error) {
    console.log(transcript.lastLines.slice(-100).join('\n'));
    throw error;
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

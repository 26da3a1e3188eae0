// Commands that are not idempotent, while leaders are killed.
//
// A client that sends each command once can tell three outcomes apart: acknowledged, refused for
// certain, unknown. The state must agree with all of them: once, never, at most once.

import assert from 'node:assert/strict';
import { ClusterUnderTest } from './cluster-under-test.js';
import { pause } from './eventually.js';
import { InsistentClient, type Outcome } from './insistent-client.js';

const clientCount = 8;
const killCount = 3;

describe('Commands take effect at most once', () => {
  let cluster: ClusterUnderTest;

  beforeEach(async () => {
    cluster = await ClusterUnderTest.start();
  });
  afterEach(() => cluster.dispose());

  /** Runs `step` in all clients, over and over, while leaders are killed and come back. */
  async function underKills(
    step: (client: InsistentClient, clientNumber: number, at: number) => Promise<void>,
  ): Promise<void> {
    let isOver = false;
    const clients = Array.from({ length: clientCount }, () => new InsistentClient(cluster));
    const running = Promise.all(
      clients.map(async (client, clientNumber) => {
        for (let at = 0; !isOver; at += 1) await step(client, clientNumber, at);
      }),
    );
    // A failure in a client is heard below, after the kills.
    running.catch(() => undefined);
    try {
      for (let kill = 0; kill < killCount; kill += 1) {
        await pause(500);
        const leader = await cluster.leader();
        await leader.kill9();
        await cluster.leader();
        await leader.start();
      }
      await pause(500);
      isOver = true;
      await running;
    } finally {
      isOver = true;
      for (const client of clients) client.close();
    }
    await cluster.converged();
  }

  it('INCR: acknowledged ≤ value ≤ acknowledged + unknown', async () => {
    const counts: Record<Outcome, number> = { acknowledged: 0, unknown: 0 };
    await underKills(async (client) => {
      counts[await client.write('INCR', 'counter')] += 1;
    });
    const value = Number(await (await cluster.leader()).call('GET', 'counter'));
    const { acknowledged, unknown } = counts;
    assert(acknowledged > 100, `only ${acknowledged} were acknowledged`);
    const account = `${acknowledged} acknowledged, ${unknown} unknown, value ${value}`;
    assert(value >= acknowledged && value <= acknowledged + unknown, account);
  });

  it('APPEND: each acknowledged token once and in order, each unknown one at most once', async () => {
    const outcomes = new Map<string, Outcome>();
    await underKills(async (client, clientNumber, at) => {
      const token = `${clientNumber}-${at}`;
      outcomes.set(token, await client.write('APPEND', 'tokens', `${token},`));
      // The value is copied by every APPEND: it must not become large.
      await pause(5);
    });
    const value = await (await cluster.leader()).call('GET', 'tokens');
    const found = String(value).split(',').slice(0, -1);
    const times = new Map<string, number>();
    for (const token of found) times.set(token, (times.get(token) ?? 0) + 1);
    for (const [token, outcome] of outcomes) {
      const count = times.get(token) ?? 0;
      if (outcome === 'acknowledged') assert.equal(count, 1, `${token} was acknowledged`);
      else assert(count <= 1, `${token} is there ${count} times`);
    }
    for (const token of times.keys()) assert(outcomes.has(token), `${token} was never written`);
    for (let clientNumber = 0; clientNumber < clientCount; clientNumber += 1) {
      const own = found
        .filter((token) => token.startsWith(`${clientNumber}-`))
        .map((token) => Number(token.split('-')[1]));
      assert.deepEqual(
        own,
        own.toSorted((a, b) => a - b),
      );
    }
  });
});

// Servers join, are replaced and removed while clients write. Nothing acknowledged is lost, writing
// goes on, and who must not take part is told so in a sentence.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { ListedMember } from '../../src/cli/members.js';
import {
  type ClusterOptions,
  ClusterUnderTest,
  runHolt,
  type ServerUnderTest,
} from './cluster-under-test.js';
import { eventually, pause } from './eventually.js';
import { WriteLoad } from './insistent-client.js';
import type { ProgramResult } from './run-program.js';

/** Long enough that all parts of a server are under way. */
const loadMs = 500;
const deadlineMs = 20_000;
const notMember = /^-CLUSTERDOWN This server is not a member of its cluster: /;

describe('Membership', function () {
  // Up to five servers and a load on whatever the machine has.
  this.timeout(240_000);

  let cluster: ClusterUnderTest;
  let load: WriteLoad | undefined;

  afterEach(() => {
    load?.abort();
    load = undefined;
    cluster.dispose();
  });

  async function start(options: ClusterOptions = {}): Promise<void> {
    cluster = await ClusterUnderTest.start(options);
  }

  function startLoad(): WriteLoad {
    load = new WriteLoad(cluster, { clientCount: 4 });
    return load;
  }

  /** By any server that runs; the first one unless another is named. */
  async function members(...args: string[]): Promise<ProgramResult> {
    const server = cluster.servers.find(({ isAsleep }) => !isAsleep)!;
    return runHolt(['members', ...args, '--connect', server.address]);
  }

  async function change(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await members(...args);
    assert.equal(code, 0, `members ${args.join(' ')}: ${stdout}${stderr}\n${cluster.logText()}`);
    return stdout;
  }

  async function refusal(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await members(...args);
    assert.equal(code, 1, stdout);
    assert.doesNotMatch(stderr, /\n {4}at /);
    return stderr;
  }

  async function list(): Promise<ListedMember[]> {
    return JSON.parse(await change('list', '--json'));
  }

  async function roles(): Promise<string[]> {
    const rows = (await list()).map(({ server, role }) => `${server} ${role}`);
    return rows.map((row) => row.replace('leader', 'voter')).toSorted();
  }

  /** A server that runs and waits to be added. */
  async function joined(number?: number): Promise<ServerUnderTest> {
    const server = await cluster.newServer(number);
    await server.startJoining(await cluster.leader());
    return server;
  }

  async function grow(): Promise<ServerUnderTest> {
    const server = await joined();
    const said = await change('add', server.address);
    assert.match(said, new RegExp(`^server ${server.number} \\([0-9a-f]{40}\\) is a voter\n$`));
    return server;
  }

  /** Every acknowledged write is there, at the leader and, by their number, at all that take part. */
  async function verify(writes: WriteLoad, servers: readonly ServerUnderTest[]): Promise<void> {
    await writes.stop();
    const acknowledged = writes.writes.filter(({ outcome }) => outcome === 'acknowledged');
    assert(acknowledged.length > 100, `only ${acknowledged.length} writes were acknowledged`);
    const connection = await (await cluster.leader()).connect();
    try {
      const found = await connection.pipeline(acknowledged.map(({ key }) => ['GET', key]));
      const missing = acknowledged.filter(({ value }, at) => found[at] !== value);
      assert.deepEqual(missing, [], 'acknowledged, and not there');
    } finally {
      connection.close();
    }
    await cluster.converged(deadlineMs, servers);
  }

  async function goesOn(writes: WriteLoad): Promise<void> {
    const sinceMs = performance.now();
    await eventually('writes go on', deadlineMs, () => writes.firstAcknowledgedSince(sinceMs));
  }

  it('1 → 3 → 5 → 3 under load, and the leader among those that go', async () => {
    await start({ serverCount: 1 });
    const writes = startLoad();
    await pause(loadMs);
    const first = cluster.server(1);
    const second = await grow();
    const third = await grow();
    assert.deepEqual(await roles(), ['1 voter', '2 voter', '3 voter']);

    // Three that decide: one of them may go.
    await first.kill9();
    await goesOn(writes);
    await first.start();

    const fourth = await grow();
    const fifth = await grow();
    assert.equal((await list()).length, 5);
    for (const server of cluster.servers) {
      const [range] = (await server.call('CLUSTER', 'SLOTS')) as unknown[][];
      assert.equal(range!.length, 2 + 5);
    }

    const leader = await cluster.leader();
    const another = [fourth, fifth].find((server) => server !== leader)!;
    for (const server of [leader, another]) {
      const said = await change('remove', `${server.number}`);
      assert.match(said, new RegExp(`^server ${server.number} .* is no member any more\n$`));
      await server.stop();
    }
    const left = [first, second, third, fourth, fifth].filter(({ isRunning }) => isRunning);
    assert.deepEqual(await roles(), left.map(({ number }) => `${number} voter`).toSorted());
    await goesOn(writes);
    await verify(writes, left);
  });

  it('a dead server is replaced under load, and does not disturb when it comes back', async () => {
    await start();
    const writes = startLoad();
    await pause(loadMs);
    const [dead] = await cluster.followers();
    await dead!.kill9();
    const fresh = await joined();
    await change('replace', `${dead!.number}`, fresh.address);
    const left = cluster.servers.filter((server) => server !== dead);
    assert.deepEqual(await roles(), left.map(({ number }) => `${number} voter`).toSorted());
    await pause(loadMs);

    const leader = await cluster.leader();
    const term = (await leader.info('raft')).get('raft_term');
    await dead!.start();
    // Longer than it takes to campaign.
    await pause(3000);
    assert.equal(await cluster.leader(), leader);
    assert.equal((await leader.info('raft')).get('raft_term'), term);
    assert.match(String(await dead!.call('SET', 'a', '1')), /^-CLUSTERDOWN /);
    await dead!.stop();
    await goesOn(writes);
    await verify(writes, left);
  });

  it('a server that lost its disk comes back under a new id, with its old number', async () => {
    await start();
    const writes = startLoad();
    await pause(loadMs);
    const [lost] = await cluster.followers();
    const before = (await list()).find(({ server }) => server === lost!.number)!;
    await lost!.kill9();
    fs.rmSync(lost!.directory, { recursive: true });
    const fresh = await joined(lost!.number);
    assert.match(await refusal('add', fresh.address), /is that of server \d: remove it first, or/);
    await change('replace', `${lost!.number}`, fresh.address);
    const after = (await list()).find(({ server }) => server === lost!.number)!;
    assert.notEqual(after.id, before.id);
    assert.equal(after.role, 'voter');
    await verify(
      writes,
      cluster.servers.filter(({ isRunning }) => isRunning),
    );
  });

  it('the leader is removed: another takes over, and it says that it is out', async () => {
    await start();
    const leader = await cluster.leader();
    assert.equal(await leader.call('SET', 'a', '1'), 'OK');
    const said = await runHolt([
      'members',
      'remove',
      `${leader.number}`,
      '--connect',
      leader.address,
    ]);
    assert.equal(said.code, 0, said.stderr);
    const next = await cluster.leader();
    assert.notEqual(next, leader);
    assert.equal(await next.call('GET', 'a'), '1');
    await eventually('the removed server knows', deadlineMs, async () =>
      notMember.test(String(await leader.call('GET', 'a'))),
    );
    assert.match(leader.log, /removed from the group/);
    assert.match(String(await leader.call('CLUSTER', 'SLOTS')), notMember);
    assert.match(String(await leader.call('ROLE')), notMember);
    const info = await leader.info();
    assert.deepEqual([info.get('role'), info.get('raft_membership')], ['none', 'none']);
    // With its directory as it is, it can be taken in again.
    await change('add', leader.address);
    assert.equal((await list()).length, 3);
    await cluster.converged();
  });

  it('a learner gets everything and decides nothing, until it is promoted', async () => {
    await start({ serverCount: 1 });
    const only = cluster.server(1);
    await only.call('SET', 'a', '1');
    const learner = await joined();
    assert.match(String(await learner.call('GET', 'a')), notMember);
    await change('add', '--learner', learner.address);
    assert.deepEqual(await roles(), ['1 voter', '2 learner']);
    await cluster.converged();
    assert.match(String(await learner.call('GET', 'a')), /^-MOVED /);
    assert.match(String(await learner.call('CLUSTER', 'NODES')), /myself,slave/);
    // One voter is a majority of one.
    await learner.kill9();
    assert.equal(await only.call('SET', 'a', '2'), 'OK');
    await learner.start();
    await change('promote', '2');
    assert.deepEqual(await roles(), ['1 voter', '2 voter']);
    assert.match(await change('list'), /^server {2}role +address +match +lag +linked {2}id\n/);
  });

  it('the leadership goes where it is sent', async () => {
    await start();
    const [target] = await cluster.followers();
    const said = await change('transfer-leader', `${target!.number}`);
    assert.match(said, new RegExp(`^server ${target!.number} .* leads\n$`));
    assert.equal(await cluster.leader(), target);
    await change('transfer-leader');
    assert.notEqual(await cluster.leader(), target);
  });

  it('who takes part by mistake is refused', async () => {
    await start({ serverCount: 1 });
    const only = cluster.server(1);
    assert.match(await refusal('remove', '9'), /^holt: 9 is neither the id of a member nor/);
    assert.match(await refusal('promote', 'f'.repeat(40)), /is neither the id of a member/);
    assert.match(await refusal('remove', '1'), /last voter/);
    assert.match(await refusal('transfer-leader'), /nobody to hand the leadership to/);
    assert.match(await refusal('add', '127.0.0.1:1'), /^holt: cannot ask the server at 127/);
    assert.match(await refusal('add', 'nowhere'), /expected host:port/);

    const other = await ClusterUnderTest.start({ serverCount: 1 });
    try {
      const stranger = other.server(1);
      // With the same secret only the ids tell them apart.
      const secret = fs.readFileSync(join(only.directory, 'bus-secret'));
      assert.match(await refusal('add', stranger.address), /its bus secret is not that of/);
      await stranger.stop();
      fs.writeFileSync(join(stranger.directory, 'bus-secret'), secret);
      await stranger.start();
      assert.match(
        await refusal('add', stranger.address),
        /^holt: the server at \S+ is of group 1 of cluster \w+, this is group 1 of cluster \w+\n$/,
      );
      await stranger.stop();
      const sentence = await stranger.refusal(stranger.joinArguments(only));
      assert.match(
        sentence,
        /^cannot start: Cannot join the cluster of \S+ with .* it holds server 1/,
      );
    } finally {
      other.dispose();
    }

    const wrong = await cluster.newServer();
    fs.writeFileSync(join(wrong.directory, 'bus-secret'), 'another secret\n');
    const sentence = await wrong.refusal(wrong.joinArguments(only));
    assert.match(sentence, /^cannot start: Cannot join: cannot trust the server .* bus secret/);
    assert(!fs.existsSync(join(wrong.directory, 'identity.json')));
    assert.deepEqual(await roles(), ['1 voter']);
    assert.equal(await only.call('SET', 'a', '1'), 'OK');
  });

  it('a group that has lost its majority is listed all the same, and not changed', async () => {
    await start();
    const [one, two] = await cluster.followers();
    await one!.kill9();
    await two!.kill9();
    const left = cluster.servers.find(({ isRunning }) => isRunning)!;
    await eventually('the leader notices that it is alone', deadlineMs, async () => {
      return (await left.info('raft')).get('raft_role') !== 'leader';
    });
    const { code, stdout, stderr } = await members('list');
    assert.equal(code, 0);
    assert.equal(stdout.trimEnd().split('\n').length, 4);
    assert.match(stderr, /the leader does not answer/);
    const answer = await left.call('HOLT', 'MEMBERS', 'REMOVE', `${one!.number}`);
    assert.match(String(answer), /^-CLUSTERDOWN /);
  });

  it('with a password, administration and servers that join need it, too', async () => {
    const password = 'correct horse';
    await start({ serverCount: 1, environment: { HOLT_REQUIREPASS: password }, password });
    const path = join(cluster.directory, 'password');
    fs.writeFileSync(path, `${password}\n`);
    assert.match(await refusal('list'), /^holt: NOAUTH /);
    const second = await joined();
    await change('add', second.address, '--password-file', path);
    const { address } = cluster.server(1);
    const listed = await runHolt(['members', 'list', '--json', '--connect', address], {
      HOLT_REQUIREPASS: password,
    });
    assert.equal(JSON.parse(listed.stdout).length, 2);
  });
});

// Two of three servers are gone. Nothing can be agreed on: every command is answered, none with
// success, and the answers are true: CLUSTERDOWN never happens, UNCERTAIN may.

import assert from 'node:assert/strict';
import { ClusterUnderTest, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';
import { ConnectionLost, type RespConnection } from './resp-connection.js';

const MiB = 1024 * 1024;

describe('Without a majority', () => {
  let cluster: ClusterUnderTest;
  let survivor: ServerUnderTest;
  let connections: RespConnection[];

  beforeEach(async () => {
    connections = [];
    cluster = await ClusterUnderTest.start();
    survivor = await cluster.leader();
    assert.equal(await survivor.call('SET', 'before', 'x'), 'OK');
    for (const follower of await cluster.followers()) await follower.kill9();
  });
  afterEach(() => {
    for (const connection of connections) connection.close();
    cluster.dispose();
  });

  async function connect(): Promise<RespConnection> {
    const connection = await survivor.connect();
    connections.push(connection);
    return connection;
  }

  async function stepDown(): Promise<void> {
    await eventually('the leader notices that it is alone', 10_000, async () => {
      return (await survivor.info('raft')).get('raft_role') !== 'leader';
    });
  }

  async function bringBack(): Promise<void> {
    for (const server of cluster.servers) if (!server.isRunning) await server.start();
    await cluster.converged();
  }

  async function stored(key: string): Promise<unknown> {
    return (await cluster.leader()).call('GET', key);
  }

  it('answers UNCERTAIN to what was appended, and CLUSTERDOWN to what never was', async () => {
    const connection = await connect();
    const first = await connection.call('SET', 'appended', '1');
    assert.match(String(first), /^-UNCERTAIN /);
    await stepDown();
    const second = await connection.call('SET', 'refused', '2');
    assert.equal(second, '-CLUSTERDOWN The cluster is down');
    assert.equal(await connection.call('GET', 'before'), '-CLUSTERDOWN The cluster is down');
    assert.equal(await connection.call('PING'), 'PONG');
    assert.match(String(await connection.call('CLUSTER', 'INFO')), /cluster_state:fail/);
    await bringBack();
    assert.equal(await stored('before'), 'x');
    assert.equal(await stored('refused'), null);
    assert.equal(await (await cluster.leader()).call('SET', 'after', '3'), 'OK');
  });

  it('never answers a read from a state that may be old', async () => {
    const connection = await connect();
    const answers = await connection.pipeline(Array.from({ length: 20 }, () => ['GET', 'before']));
    for (const answer of answers) assert.equal(answer, '-CLUSTERDOWN The cluster is down');
  });

  it('refuses a whole pipeline at once instead of holding each command in turn', async () => {
    await stepDown();
    const connection = await connect();
    const commands = Array.from({ length: 200 }, (_, at) => ['SET', `pipelined:${at}`, '1']);
    // Held one after the other they would take five minutes; the timeout of the test is shorter.
    const answers = await connection.pipeline(commands);
    for (const answer of answers) assert.equal(answer, '-CLUSTERDOWN The cluster is down');
    await bringBack();
    assert.equal(await stored('pipelined:0'), null);
    assert.equal(await stored('pipelined:199'), null);
  });

  it('answers everybody also when more has gathered than may wait', async () => {
    const value = Buffer.alloc(MiB, 'x');
    const writers = await Promise.all(Array.from({ length: 120 }, connect));
    const answers = await Promise.all(
      writers.map((writer, at) => writer.call('SET', `gathered:${at}`, value)),
    );
    for (const answer of answers) assert.match(String(answer), /^-(UNCERTAIN|CLUSTERDOWN) /);
    await bringBack();
    for (const [at, answer] of answers.entries()) {
      if (!String(answer).startsWith('-CLUSTERDOWN')) continue;
      assert.equal(await stored(`gathered:${at}`), null);
    }
  });

  it('never proposes the command of a client that has gone meanwhile', async () => {
    await stepDown();
    const connection = await connect();
    // Answered at once: the connection is known to the server before it is gone.
    await connection.call('PING');
    const answer = connection.call('SET', 'gone', '1');
    await eventually('the command is held', 1000, async () => {
      return /qbuf=[1-9].*cmd=ping/.test(String(await survivor.call('CLIENT', 'LIST')));
    });
    connection.close();
    await assert.rejects(answer, ConnectionLost);
    await bringBack();
    assert.equal(await stored('gone'), null);
  });

  it('goes on with a held command as soon as there is a leader', async () => {
    await stepDown();
    const other = cluster.servers.find((server) => !server.isRunning)!;
    await other.start();
    // Whoever leads next: the command waits, or is sent there.
    const answer = await (await connect()).call('SET', 'held', '1');
    if (answer !== 'OK') assert.match(String(answer), /^-(MOVED|CLUSTERDOWN) /);
    assert.equal(await (await cluster.leader()).call('SET', 'held', '2'), 'OK');
    await bringBack();
    assert.equal(await stored('held'), '2');
  });
});

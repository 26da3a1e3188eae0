// A server's directory is damaged, copied, mixed up or used twice. The server that has it refuses,
// with a sentence that says what to do; the other two go on; and when the fault is undone it takes
// part again.
//
// All faults hit server 3 of one cluster, one after the other. Files are changed in place and moved
// by renaming, because a copy is itself a fault.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { ClusterUnderTest, runHolt, type ServerUnderTest } from './cluster-under-test.js';
import { eventually } from './eventually.js';
import { InsistentClient } from './insistent-client.js';
import { runProgram } from './run-program.js';

const needle = Buffer.from('a value that is found again in the log');
const advice = /replace the replica by one with an empty directory and a new id/;

describe('Faults of a data directory', () => {
  let cluster: ClusterUnderTest;
  let server: ServerUnderTest;
  let votePath: string;
  let logPath: string;

  before(async () => {
    cluster = await ClusterUnderTest.start();
    server = cluster.server(3);
    votePath = join(server.groupDirectory, 'vote');
    logPath = join(server.groupDirectory, 'log');
    const client = new InsistentClient(cluster);
    await client.write('SET', 'needle', needle);
    for (let at = 0; at < 50; at += 1) await client.write('SET', `after:${at}`, 'x');
    client.close();
    await cluster.converged();
  });
  beforeEach(async () => {
    if (server.isRunning) await server.stop();
  });
  afterEach(async () => {
    if (!server.isRunning) await server.start();
    await cluster.converged();
  });
  after(() => cluster.dispose());

  async function othersGoOn(): Promise<void> {
    const client = new InsistentClient(cluster);
    assert.equal(await client.write('INCR', 'others'), 'acknowledged');
    client.close();
  }

  it('a second server on the same directory is refused, the first does not notice', async () => {
    await server.start();
    const second = await runHolt(['server', '--dir', server.directory]);
    assert.equal(second.code, 1);
    assert.match(second.stdout, /another server is running on it \(see its pid file\)/);
    assert.equal(await server.call('PING'), 'PONG');
    await othersGoOn();
  });

  it('a directory that was never made is refused', async () => {
    const nowhere = await runHolt(['server', '--dir', join(cluster.directory, 'nowhere')]);
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.stdout, /is \\".*nowhere\\" a directory made by `holt init`\?/);
  });

  it('`holt init` does not touch a directory that has a server', async () => {
    const again = await runHolt([
      ...['init', '--dir', cluster.directory],
      ...['--server', '127.0.0.1:7000', '--server', '127.0.0.1:7001', '--server', '127.0.0.1:7002'],
    ]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /has a server already/);
  });

  it('a missing vote file is refused, with what to do', async () => {
    fs.renameSync(votePath, `${votePath}.away`);
    const sentence = await server.refusal();
    fs.renameSync(`${votePath}.away`, votePath);
    assert.match(sentence, /vote/);
    assert.match(sentence, advice);
    await othersGoOn();
  });

  it('a missing log is refused, with what to do', async () => {
    fs.renameSync(logPath, `${logPath}.away`);
    const sentence = await server.refusal();
    fs.rmSync(logPath, { recursive: true, force: true });
    fs.renameSync(`${logPath}.away`, logPath);
    assert.match(sentence, /log/);
    assert.match(sentence, advice);
    await othersGoOn();
  });

  it('a vote file with one damaged copy is used, with two it is refused', async () => {
    const good = fs.readFileSync(votePath);
    overwrite(votePath, 100, Buffer.of(good[100]! ^ 1));
    await server.start();
    await server.stop();

    const whole = fs.readFileSync(votePath);
    const slotBytes = whole.length / 2;
    overwrite(votePath, 70, Buffer.of(whole[70]! ^ 1));
    overwrite(votePath, slotBytes + 70, Buffer.of(whole[slotBytes + 70]! ^ 1));
    const sentence = await server.refusal();
    overwrite(votePath, 0, whole);
    assert.match(sentence, /both copies are damaged/);
    assert.match(sentence, advice);
    await othersGoOn();
  });

  it('a flipped bit in the middle of the log is refused, with what to do', async () => {
    const { path, offset } = findInLog(needle);
    const [byte] = fs.readFileSync(path).subarray(offset, offset + 1);
    overwrite(path, offset, Buffer.of(byte! ^ 1));
    const sentence = await server.refusal();
    overwrite(path, offset, Buffer.of(byte!));
    assert.match(sentence, advice);
    await othersGoOn();
  });

  it('files of another cluster are refused, also when they were adopted', async () => {
    const foreign = await ClusterUnderTest.start({ serverCount: 1 });
    try {
      await foreign.server(1).stop();
      const identityPath = join(server.directory, 'identity.json');
      const identity = fs.readFileSync(identityPath);
      for (const path of [votePath, logPath]) fs.renameSync(path, `${path}.away`);
      fs.renameSync(join(foreign.server(1).groupDirectory, 'vote'), votePath);
      fs.renameSync(join(foreign.server(1).groupDirectory, 'log'), logPath);
      assert.match(await server.refusal(), /it is not the file that this replica was born with/);
      const adopted = await runHolt(['adopt', '--dir', server.directory]);
      assert.equal(adopted.code, 0, adopted.stderr);
      assert.match(await server.refusal(), /its clusterId is [0-9a-f]{32}, this replica's is/);
      for (const path of [votePath, logPath]) {
        fs.rmSync(path, { recursive: true });
        fs.renameSync(`${path}.away`, path);
      }
      fs.writeFileSync(identityPath, identity);
    } finally {
      foreign.dispose();
    }
    await othersGoOn();
  });

  it('a copied directory is refused and left alone until it is adopted', async () => {
    const original = `${server.directory}.original`;
    fs.renameSync(server.directory, original);
    const copied = await runProgram('cp', ['-a', original, server.directory]);
    assert.equal(copied.code, 0, copied.stderr);
    const databasePath = join(server.groupDirectory, 'live.db');
    const { ino: inode } = fs.statSync(databasePath);
    const sentence = await server.refusal();
    assert.match(sentence, /`holt adopt`/);
    assert.equal(fs.statSync(databasePath).ino, inode, 'the database was replaced');
    await othersGoOn();
    const adopted = await runHolt(['adopt', '--dir', server.directory]);
    assert.equal(adopted.code, 0, adopted.stderr);
    await server.start();
    await cluster.converged();
    fs.rmSync(original, { recursive: true });
  });

  it('a running server is not adopted', async () => {
    await server.start();
    const adopted = await runHolt(['adopt', '--dir', server.directory]);
    assert.equal(adopted.code, 1);
    assert.match(adopted.stderr, /another server is running on it/);
  });

  it('a database that was deleted is made again from the log', async () => {
    for (const name of fs.readdirSync(server.groupDirectory)) {
      if (name.startsWith('live.db')) fs.rmSync(join(server.groupDirectory, name));
    }
    await server.start();
    await cluster.converged();
  });

  it('a server with another bus secret takes no part and says so', async () => {
    const secretPath = join(server.directory, 'bus-secret');
    const secret = fs.readFileSync(secretPath);
    fs.writeFileSync(secretPath, 'a guess\n');
    const logLength = server.log.length;
    await server.start();
    await eventually('it says that it is not let in', 10_000, () => {
      return /secret/.test(server.log.slice(logLength));
    });
    await othersGoOn();
    const info = await server.info('raft');
    assert.equal(info.get('raft_leader_id'), '');
    assert.notEqual(info.get('raft_role'), 'leader');
    await server.stop();
    fs.writeFileSync(secretPath, secret);
  });

  function findInLog(bytes: Buffer): { path: string; offset: number } {
    for (const name of fs.readdirSync(logPath)) {
      const path = join(logPath, name);
      const offset = fs.readFileSync(path).indexOf(bytes);
      if (offset !== -1) return { path, offset };
    }
    throw new Error(`No file in ${logPath} holds "${bytes.toString()}"`);
  }
});

function overwrite(path: string, position: number, bytes: Buffer): void {
  const descriptor = fs.openSync(path, 'r+');
  fs.writeSync(descriptor, bytes, 0, bytes.length, position);
  fs.closeSync(descriptor);
}

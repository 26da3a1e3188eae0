import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import {
  chosenServers,
  makeCluster,
  nextServer,
  readCluster,
  recognisedServers,
} from '../../cluster-scripts/local-cluster.js';
import { Trouble, UsageError } from '../../cluster-scripts/trouble.js';
import { newJoiningIdentity, writeIdentity } from '../../src/identity.js';

describe('local cluster', () => {
  let directory: string;

  beforeEach(() => {
    directory = fs.realpathSync(fs.mkdtempSync(join(os.tmpdir(), 'holt-cluster-')));
  });

  afterEach(() => fs.rmSync(directory, { recursive: true }));

  it('makes a cluster whose servers are a hundred ports apart', () => {
    const made = makeCluster(directory, { servers: 3, port: 7000 });
    assert.deepEqual(
      made.servers.map(({ number, clientPort, busPort }) => [number, clientPort, busPort]),
      [
        [1, 7001, 17001],
        [2, 7101, 17101],
        [3, 7201, 17201],
      ],
    );
    assert.equal(made.servers[2]!.directory, join(directory, 'server-3'));
    assert.deepEqual(readCluster(directory), made);
  });

  it('knows of members whose directories are elsewhere', () => {
    makeCluster(directory, { servers: 3, port: 7000 });
    fs.rmSync(join(directory, 'server-2'), { recursive: true });
    const cluster = readCluster(directory)!;
    assert.deepEqual(
      cluster.servers.map(({ number }) => number),
      [1, 3],
    );
    assert.deepEqual(cluster.missing, [2]);
  });

  it('knows of servers that joined later, and where the next one goes', () => {
    const made = makeCluster(directory, { servers: 1, port: 7000 });
    assert.deepEqual(nextServer(made, []), {
      number: 2,
      directory: join(directory, 'server-2'),
      host: '127.0.0.1',
      clientPort: 7101,
      busPort: 17101,
    });
    const identity = newJoiningIdentity({
      clusterId: made.clusterId,
      group: 1,
      serverNumber: 5,
      address: { host: '127.0.0.1', basePort: 7400 },
    });
    fs.mkdirSync(join(directory, 'server-5'));
    writeIdentity(join(directory, 'server-5'), identity);
    const grown = readCluster(directory)!;
    assert.deepEqual(
      grown.servers.map(({ number, clientPort, busPort }) => [number, clientPort, busPort]),
      [
        [1, 7001, 17001],
        [5, 7401, 17401],
      ],
    );
    assert.deepEqual(grown.missing, []);
    assert.equal(nextServer(grown, []).number, 6);
    assert.equal(nextServer(grown, [7]).clientPort, 7701);
    assert.throws(() => nextServer(grown, [98, 99]), /no room for server 100/);
  });

  it('finds no cluster in an empty directory, or in none', () => {
    assert.equal(readCluster(directory), undefined);
    assert.equal(readCluster(join(directory, 'nowhere')), undefined);
  });

  it('makes none in a directory that holds something else', () => {
    fs.writeFileSync(join(directory, 'thesis.tex'), '');
    assert.throws(() => makeCluster(directory, { servers: 3, port: 7000 }), {
      name: 'Trouble',
      message: /holds something else \(thesis\.tex\)/,
    });
    assert.deepEqual(fs.readdirSync(directory), ['thesis.tex']);
  });

  it('recognises nothing but server directories with an identity', () => {
    for (const name of ['server-1', 'server-2', 'server-x', 'notes']) {
      fs.mkdirSync(join(directory, name));
    }
    for (const name of ['server-1', 'server-x', 'notes']) {
      fs.writeFileSync(join(directory, name, 'identity.json'), '{}');
    }
    assert.deepEqual(recognisedServers(directory), ['server-1']);
  });

  it('refuses directories of two clusters under one roof', () => {
    const other = join(directory, 'other');
    makeCluster(join(directory, 'one'), { servers: 2, port: 7000 });
    makeCluster(other, { servers: 2, port: 7000 });
    fs.rmSync(join(directory, 'one', 'server-2'), { recursive: true });
    fs.renameSync(join(other, 'server-2'), join(directory, 'one', 'server-2'));
    assert.throws(() => readCluster(join(directory, 'one')), /belongs to another cluster/);
  });

  it('refuses a directory under the number of another server', () => {
    makeCluster(directory, { servers: 2, port: 7000 });
    fs.rmSync(join(directory, 'server-2'), { recursive: true });
    fs.renameSync(join(directory, 'server-1'), join(directory, 'server-2'));
    assert.throws(() => readCluster(directory), /rename it to "server-1"/);
  });

  it('refuses an identity of another format', () => {
    fs.mkdirSync(join(directory, 'server-1'));
    fs.writeFileSync(join(directory, 'server-1', 'identity.json'), '{"format":2}');
    assert.throws(() => readCluster(directory), /has format 2, this version reads 1/);
    fs.writeFileSync(join(directory, 'server-1', 'identity.json'), 'nonsense');
    assert.throws(() => readCluster(directory), Trouble);
  });

  it('takes only sizes that fit the range of ports', () => {
    for (const size of [
      { servers: 0, port: 7000 },
      { servers: 1.5, port: 7000 },
      { servers: 100, port: 7000 },
      { servers: 3, port: 0 },
      { servers: 3, port: 54_801 },
      { servers: 3, port: Number.NaN },
    ]) {
      assert.throws(() => makeCluster(directory, size), UsageError);
    }
    assert.deepEqual(fs.readdirSync(directory), []);
  });

  it('names the servers there are when asked for another', () => {
    const cluster = makeCluster(directory, { servers: 2, port: 7000 });
    assert.equal(chosenServers(cluster, 2)[0]!.number, 2);
    assert.equal(chosenServers(cluster, undefined).length, 2);
    assert.throws(
      () => chosenServers(cluster, 3),
      /no server 3 in .*: the servers there are 1, 2$/,
    );
    assert.throws(() => chosenServers(cluster, Number.NaN), UsageError);
  });
});

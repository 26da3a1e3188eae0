// A server that joins, with somebody on the other side who says what a member would say.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { type Introduction, introductionText } from '../../src/cluster/introduction.js';
import {
  DirectoryError,
  type Identity,
  newIdentities,
  ownMember,
  readIdentity,
} from '../../src/identity.js';
import { type JoinOptions, joinCluster } from '../../src/join.js';

const group = 1;
const [member] = newIdentities([
  { host: '127.0.0.1', basePort: 7000 },
  { host: '127.0.0.1', basePort: 7100 },
]);
const introduction: Introduction = {
  format: 1,
  clusterId: member!.clusterId,
  group,
  self: ownMember(member!, group),
  isMember: true,
  members: member!.groups[0]!.members,
};

describe('A server that joins', () => {
  let parent: string;
  let directory: string;
  let server: net.Server;
  let asked: string;
  let told: Introduction;
  let warnings: string[];

  beforeEach(async () => {
    parent = fs.mkdtempSync(join(os.tmpdir(), 'holt-join-'));
    directory = join(parent, 'new');
    fs.mkdirSync(directory);
    asked = '';
    told = introduction;
    warnings = [];
    server = net.createServer((socket) => {
      socket.on('data', (bytes) => {
        asked += bytes.toString();
        const nonce = /[0-9a-f]{64}/.exec(bytes.toString())?.[0];
        if (nonce === undefined) socket.write('+OK\r\n');
        else socket.write(bulk(introductionText(told, 'secret', nonce)));
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
  afterEach(async () => {
    if (server.listening) await stopServer();
    fs.rmSync(parent, { recursive: true });
  });

  async function stopServer(): Promise<void> {
    server.close();
    await once(server, 'close');
  }

  function joinIt(changes: Partial<JoinOptions> = {}): Promise<Identity> {
    const port = server.listening ? (server.address() as net.AddressInfo).port : 1;
    const log = { info: () => {}, warn: (text: string) => warnings.push(text) };
    const options = {
      dir: directory,
      join: `127.0.0.1:${port}`,
      joinAs: '127.0.0.1:7200',
      announceHost: '',
      announceBasePort: 0,
      busSecret: 'secret',
      requirepass: '',
      ...changes,
    };
    return joinCluster(options, log);
  }

  async function refusalOf(changes: Partial<JoinOptions> = {}): Promise<string> {
    const before = fs.readdirSync(directory);
    try {
      await joinIt(changes);
    } catch (error) {
      assert(error instanceof DirectoryError, String(error));
      assert.deepEqual(fs.readdirSync(directory), before);
      return error.message;
    }
    assert.fail('It was not refused');
  }

  it('gets an identity of its own in the cluster that it asked', async () => {
    const identity = await joinIt();
    assert.deepEqual(readIdentity(directory), identity);
    assert.equal(identity.clusterId, member!.clusterId);
    assert.match(identity.serverId, /^[0-9a-f]{32}$/);
    assert.equal(identity.serverNumber, 3);
    assert.deepEqual(identity.groups, [{ group, members: [] }]);
    const own = ownMember(identity, group);
    assert.match(own.replicaId, /^[0-9a-f]{40}$/);
    assert.deepEqual(own, {
      replicaId: own.replicaId,
      serverNumber: 3,
      host: '127.0.0.1',
      clientPort: 7201,
      busPort: 17_201,
    });
  });

  it('has the number that its directory is called by', async () => {
    directory = join(parent, 'server-17');
    fs.mkdirSync(directory);
    assert.equal((await joinIt()).serverNumber, 17);
  });

  it('takes along what clients are to be told', async () => {
    const identity = await joinIt({ announceHost: 'three.example', announceBasePort: 33_000 });
    const { announced } = ownMember(identity, group);
    assert.deepEqual(announced, { host: 'three.example', clientPort: 33_001 });
  });

  it('may find what whoever starts it has left there', async () => {
    for (const name of ['bus-secret', 'log', 'pid', 'lock', 'lock-journal']) {
      fs.writeFileSync(join(directory, name), '');
    }
    assert.equal((await joinIt()).serverNumber, 3);
  });

  it('authenticates with the password of clients', async () => {
    await joinIt({ requirepass: 'open sesame' });
    assert.match(asked, /^\*2\r\n\$4\r\nAUTH\r\n\$11\r\nopen sesame\r\n\*3\r\n\$4\r\nHOLT\r\n/);
  });

  it('goes on with what it has when it is started again', async () => {
    const identity = await joinIt();
    assert.deepEqual(await joinIt(), identity);
    assert.deepEqual(await joinIt({ joinAs: '127.0.0.1:9000' }), identity);
    await stopServer();
    assert.deepEqual(await joinIt(), identity);
    assert.equal(warnings.length, 1);
    assert.match(
      warnings[0]!,
      /^starting with the identity that is there: cannot ask the server at/,
    );
  });

  it('is refused with the directory of another cluster', async () => {
    await joinIt();
    told = { ...introduction, clusterId: 'd'.repeat(32) };
    assert.match(
      await refusalOf(),
      /^Cannot join the cluster of \S+ with "\S+": it holds server 3 of cluster \w+, and that one is d+\./,
    );
  });

  it('is refused when its bus secret is not that of the cluster', async () => {
    assert.match(
      await refusalOf({ busSecret: 'wrong' }),
      /^Cannot join: cannot trust the server at \S+: .* and its bus secret is not that of this server/,
    );
    await joinIt();
    assert.match(await refusalOf({ busSecret: 'wrong' }), /its bus secret is not that of/);
  });

  it('is refused by one that is no member itself', async () => {
    told = { ...introduction, isMember: false };
    assert.match(await refusalOf(), /that server is no member of its cluster itself/);
  });

  it('is refused where a replica has lost its identity', async () => {
    fs.mkdirSync(join(directory, 'group-1'));
    assert.match(await refusalOf(), /it has no identity\.json, but group-1\./);
    assert.equal(asked, '');
  });

  it('is refused without an address, or when nobody is at the one it asks', async () => {
    assert.match(await refusalOf({ joinAs: '' }), /^Option join-as is missing: host:port/);
    assert.match(await refusalOf({ joinAs: 'nowhere' }), /^Cannot read "nowhere": expected/);
    assert.match(await refusalOf({ join: 'nowhere' }), /^Option join is "nowhere", expected/);
    await stopServer();
    assert.match(await refusalOf(), /^Cannot join: cannot ask the server at .*ECONNREFUSED/);
  });
});

function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

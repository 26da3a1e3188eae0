// What `foundCluster` and `adoptDirectory` leave on a disk that forgets.

import assert from 'node:assert/strict';
import { SetupError } from '../../../raft/embedding/errors.js';
import {
  identityPath,
  readIdentityFile,
  writeIdentityFile,
} from '../../../raft/embedding/identity-file.js';
import { adoptDirectory, foundCluster, type NewReplica } from '../../../raft/embedding/setup.js';
import { RaftError } from '../../../raft/errors.js';
import { PowerLost } from '../../faults/faulty-files.js';
import { randomBytes } from '../../faults/seeded-random.js';
import { Disk } from '../log/journals.js';

function effectsOf(disk: Disk) {
  return {
    files: disk.files,
    chance: { bytes: (byteLength: number) => randomBytes(disk.random, byteLength) },
  };
}

const replicas: readonly NewReplica[] = [
  { directory: '/holt/1', host: '127.0.0.1', port: 4001, attributes: { url: 'http://one' } },
  { directory: '/holt/2', host: '127.0.0.1', port: 4002 },
];

/** An expectation for `assert.throws`. */
function setupError(text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert(error instanceof SetupError);
    assert.match(error.message, text);
    return true;
  };
}

describe('foundCluster', () => {
  it('gives each member an id of its own and tells it of all, durably', () => {
    const disk = new Disk();
    const members = foundCluster(replicas, effectsOf(disk));
    disk.powerCut('none');
    const [one, two] = replicas.map(({ directory }) => readIdentityFile(disk.files, directory));
    assert.equal(one!.clusterId, two!.clusterId);
    assert.match(one!.clusterId, /^[0-9a-f]{32}$/);
    assert.notEqual(one!.self.replicaId, two!.self.replicaId);
    assert.match(one!.self.replicaId, /^[0-9a-f]{40}$/);
    assert.deepEqual(one!.self.attributes, { url: 'http://one' });
    for (const { membership, born } of [one!, two!]) {
      assert.deepEqual(membership, { voters: members, learners: [] });
      assert.equal(born, null);
    }
    assert.deepEqual([one!.self, two!.self], members);
  });

  it('refuses a directory that has a replica, and changes none then', () => {
    const disk = new Disk();
    foundCluster([replicas[1]!], effectsOf(disk));
    const before = readIdentityFile(disk.files, '/holt/2');
    assert.throws(
      () => foundCluster(replicas, effectsOf(disk)),
      setupError(/has a replica already/),
    );
    assert.deepEqual(readIdentityFile(disk.files, '/holt/2'), before);
    assert.throws(
      () => readIdentityFile(disk.files, '/holt/1'),
      setupError(/no replica was set up/),
    );
  });

  it('refuses members that cannot live beside each other', () => {
    const [one, two] = replicas as [NewReplica, NewReplica];
    const wrong: [readonly NewReplica[], RegExp][] = [
      [[], /without members/],
      [[one, { ...two, directory: '/holt/1/' }], /share a directory/],
      [[one, { ...two, port: one.port }], /share a directory or an address/],
      [[{ ...one, port: 0 }], /0 is no port/],
      [[{ ...one, port: 65_536 }], /65536 is no port/],
      [[{ ...one, port: Number.NaN }], /NaN is no port/],
    ];
    for (const [given, text] of wrong) {
      const disk = new Disk();
      assert.throws(() => foundCluster(given, effectsOf(disk)), setupError(text));
      assert.equal(disk.files.stat(identityPath('/holt/1')), undefined);
    }
  });
});

describe('identity.json', () => {
  it('is the old one or the new one after a power cut at any moment', () => {
    let cuts = 0;
    for (let nth = 1; ; nth += 1) {
      const disk = new Disk(nth);
      foundCluster([replicas[0]!], effectsOf(disk));
      const before = readIdentityFile(disk.files, '/holt/1');
      const after = { ...before, born: { device: 1, inode: 2, birthMs: 3 } };
      disk.files.cutAt(nth);
      let isCut = false;
      try {
        writeIdentityFile(disk.files, '/holt/1', after);
        isCut = disk.files.isDead;
      } catch (error) {
        assert(error instanceof PowerLost);
        isCut = true;
      }
      disk.powerCut();
      const found = readIdentityFile(disk.files, '/holt/1');
      assert.deepEqual(found, found.born === null ? before : after);
      if (!isCut) break;
      cuts += 1;
      // What is left behind does not stand in the way.
      writeIdentityFile(disk.files, '/holt/1', after);
      disk.powerCut('none');
      assert.deepEqual(readIdentityFile(disk.files, '/holt/1'), after);
    }
    assert(cuts >= 4, `Only ${cuts} operations were cut`);
  });

  it('is refused when it is damaged or of another version', () => {
    const disk = new Disk();
    foundCluster([replicas[0]!], effectsOf(disk));
    const found = readIdentityFile(disk.files, '/holt/1');
    const raftError = (code: string) => (error: unknown) =>
      error instanceof RaftError && error.code === code;
    writeIdentityFile(disk.files, '/holt/1', { ...found, format: 2 as 1 });
    assert.throws(() => readIdentityFile(disk.files, '/holt/1'), raftError('VERSION'));
    disk.files.remove(identityPath('/holt/1'));
    const file = disk.files.open(identityPath('/holt/1'), 'create');
    file.writeSync(Buffer.from('{"format":'), 0);
    assert.throws(() => readIdentityFile(disk.files, '/holt/1'), raftError('DAMAGED'));
  });
});

describe('adoptDirectory', () => {
  it('refuses what never ran: there is nothing to trust', () => {
    const disk = new Disk();
    foundCluster([replicas[0]!], effectsOf(disk));
    assert.throws(() => adoptDirectory('/holt/1', effectsOf(disk)), setupError(/never ran/));
    assert.throws(() => adoptDirectory('/none', effectsOf(disk)), setupError(/no replica/));
  });
});

import assert from 'node:assert/strict';
import type { FileIdentity } from '../../../raft/effects.js';
import {
  createStorage,
  openStorage,
  type StorageOptions,
  voteFileIdentity,
} from '../../../raft/storage.js';
import { PowerLost } from '../../faults/faulty-files.js';
import { randomBytes } from '../../faults/seeded-random.js';
import { append, Disk, entriesOf, identity, raftError, readAll } from './journals.js';

const directory = '/holt';

function optionsFor(disk: Disk): StorageOptions {
  return {
    directory,
    identity,
    files: disk.files,
    chance: { bytes: (byteLength) => randomBytes(disk.random, byteLength) },
    maxSegmentFileSize: 16 * 1024,
    onWarning: () => {},
  };
}

function bornDisk(): { disk: Disk; recorded: FileIdentity } {
  const disk = new Disk();
  const recorded = createStorage(optionsFor(disk));
  return { disk, recorded };
}

describe('storage', () => {
  it('opens what was created, also after a power cut', () => {
    const { disk, recorded } = bornDisk();
    disk.powerCut('none');
    const { journal, voteFile } = openStorage(optionsFor(disk), recorded);
    assert.equal(journal.lastIndex, 0);
    assert.equal(voteFile.hardState.term, 0);
    append(disk, journal, entriesOf(1, 3, 1));
    disk.powerCut('none');
    const again = openStorage(optionsFor(disk), recorded);
    assert.deepEqual(readAll(disk, again.journal), entriesOf(1, 3, 1));
  });

  it('can be created again until somebody recorded that it was', () => {
    for (let nth = 1; ; nth += 1) {
      const disk = new Disk(nth);
      disk.files.cutAt(nth);
      let wasCut = true;
      try {
        createStorage(optionsFor(disk));
        wasCut = disk.files.isDead;
      } catch (error) {
        assert(error instanceof PowerLost);
      }
      disk.powerCut();
      const recorded = createStorage(optionsFor(disk));
      disk.powerCut('none');
      assert.equal(openStorage(optionsFor(disk), recorded).journal.lastIndex, 0);
      if (!wasCut) break;
    }
  });

  it('refuses a copied directory', () => {
    const { disk, recorded } = bornDisk();
    disk.files.replaceByCopy('/holt/vote');
    assert.throws(
      () => openStorage(optionsFor(disk), recorded),
      raftError('FOREIGN', /not the file that this replica was born with.*holt adopt/s),
    );
    // Whoever adopts it records the file that is there now.
    openStorage(optionsFor(disk), voteFileIdentity(disk.files, directory)!);
  });

  it('never makes a vote file or a log for a born replica', () => {
    const withoutVote = bornDisk();
    withoutVote.disk.files.remove('/holt/vote');
    assert.equal(voteFileIdentity(withoutVote.disk.files, directory), undefined);
    assert.throws(
      () => openStorage(optionsFor(withoutVote.disk), withoutVote.recorded),
      raftError('MISSING', /vote/),
    );
    const withoutLog = bornDisk();
    for (const name of withoutLog.disk.files.list('/holt/log')) {
      withoutLog.disk.files.remove(`/holt/log/${name}`);
    }
    assert.throws(
      () => openStorage(optionsFor(withoutLog.disk), withoutLog.recorded),
      raftError('MISSING', /log/),
    );
  });
});

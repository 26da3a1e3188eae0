// What a stopped replica has on its disk, part by part.

import assert from 'node:assert/strict';
import type { FileIdentity } from '../../raft/effects.js';
import { RaftError } from '../../raft/errors.js';
import { inspectStorage, type StorageContents } from '../../raft/inspection.js';
import { createStorage, openStorage, type StorageOptions } from '../../raft/storage.js';
import { randomBytes } from '../faults/seeded-random.js';
import { append, Disk, entriesOf, identity, segmentFile } from './log/journals.js';
import { openStore, publish, storeDirectory, writeFile } from './snapshot/snapshots.js';

const directory = '/holt';

/** A replica that was born, has three entries and was killed. */
function usedDisk(): { readonly disk: Disk; readonly recorded: FileIdentity } {
  const disk = new Disk();
  const options: StorageOptions = {
    directory,
    identity,
    files: disk.files,
    chance: { bytes: (byteLength) => randomBytes(disk.random, byteLength) },
    maxSegmentFileSize: 16 * 1024,
    onWarning: () => {},
  };
  const recorded = createStorage(options);
  append(disk, openStorage(options, recorded).journal, entriesOf(1, 3, 1));
  disk.kill();
  return { disk, recorded };
}

function inspect({ files }: Disk, recorded: FileIdentity): StorageContents {
  return inspectStorage({ directory, identity, files }, recorded);
}

function codeOf(contents: object): string {
  assert(contents instanceof RaftError);
  return contents.code;
}

describe('Looking at the storage of a replica', () => {
  it('tells of vote file and log', () => {
    const { disk, recorded } = usedDisk();
    const { voteFile, isOwnFile, log } = inspect(disk, recorded);
    assert.deepEqual(voteFile, { term: 0, votedFor: undefined, soundCopies: 2 });
    assert.equal(isOwnFile, true);
    assert(!(log instanceof Error));
    assert.deepEqual([log.baseIndex, log.lastIndex], [0, 3]);
  });

  it('tells of each when the other is damaged', () => {
    const withoutVote = usedDisk();
    withoutVote.disk.files.remove('/holt/vote');
    const first = inspect(withoutVote.disk, withoutVote.recorded);
    assert.equal(codeOf(first.voteFile), 'MISSING');
    assert.equal(first.isOwnFile, undefined);
    assert(!(first.log instanceof Error));

    const withoutLog = usedDisk();
    withoutLog.disk.files.flip(segmentFile(1), 80);
    const second = inspect(withoutLog.disk, withoutLog.recorded);
    assert.equal(codeOf(second.log), 'DAMAGED');
    assert(!(second.voteFile instanceof Error));
  });

  it('tells snapshots that are whole from others, and leaves all of them', () => {
    const { disk, recorded } = usedDisk();
    assert.deepEqual(inspect(disk, recorded).snapshots, { whole: [], problems: [] });
    const store = openStore(disk);
    for (const index of [1, 2, 3]) publish(disk, store, index);
    const [first, second] = store.all;
    disk.files.flip(`${first!.path}/data.db`, 7);
    disk.files.flip(`${second!.path}/manifest.json`, 7);
    disk.files.createDirectory(`${storeDirectory}/tmp-0a`);
    writeFile(disk, `${storeDirectory}/tmp-0a/data.db`, Buffer.from('half'));
    const { whole, problems } = inspect(disk, recorded).snapshots;
    assert.deepEqual(
      whole.map(({ index }) => index),
      [3],
    );
    assert.match(problems.join('\n'), /its manifest is damaged.*its file "data\.db" has changed/s);
    assert.equal(problems.length, 2);
    assert(disk.files.contents(`${storeDirectory}/tmp-0a/data.db`).equals(Buffer.from('half')));
  });

  it('notices that the vote file is another one', () => {
    const { disk, recorded } = usedDisk();
    disk.files.replaceByCopy('/holt/vote');
    const { isOwnFile, voteFile } = inspect(disk, recorded);
    assert.equal(isOwnFile, false);
    assert(!(voteFile instanceof Error));
  });
});

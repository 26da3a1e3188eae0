// HOLT BACKUP: a snapshot, read piece by piece.

import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import type { Snapshot, SnapshotTaken } from '../../raft/index.js';
import { type ErrorReply, okReply, type Reply } from '../../resp/index.js';
import { runBackup } from '../../src/client/commands/backup.js';
import type { Blocking, ServerContext } from '../../src/client/commands/table.js';
import { SnapshotLeases } from '../../src/snapshot-leases.js';

const pieceBytes = 256 * 1024;

describe('HOLT BACKUP', () => {
  let directory: string;
  let snapshot: Snapshot;
  let takes: SnapshotTaken[];
  let isTaking: boolean;
  let context: ServerContext;

  beforeEach(() => {
    directory = fs.mkdtempSync(join(os.tmpdir(), 'holt-backup-command-'));
    fs.writeFileSync(join(directory, 'data.db'), Buffer.alloc(pieceBytes + 3, 7));
    fs.writeFileSync(join(directory, 'manifest.json'), 'manifest');
    fs.writeFileSync(join(directory, 'other'), 'secret');
    const files = [{ name: 'data.db', byteLength: pieceBytes + 3, crc32: 0 }];
    snapshot = { path: directory, manifest: { snapshotId: 'a1', files } } as unknown as Snapshot;
    takes = [];
    isTaking = false;
    const snapshots = {
      status: () => ({ isTaking }),
      take: (done: SnapshotTaken) => void takes.push(done),
    };
    const leases = new SnapshotLeases(() => () => {}, { after: () => () => {} });
    context = { snapshots, leases } as unknown as ServerContext;
  });
  afterEach(() => fs.rmSync(directory, { recursive: true }));

  function ask(...words: readonly string[]): Reply | Blocking {
    return runBackup(
      context,
      ['BACKUP', ...words].map((word) => Buffer.from(word)),
    );
  }

  function begin(): Blocking {
    const blocking = ask('begin') as Blocking;
    assert(!blocking.isDone());
    return blocking;
  }

  function errorOf(reply: Reply | Blocking): string {
    return (reply as ErrorReply).text;
  }

  it('gives the manifest when the snapshot is there, then its files, until the end', () => {
    const blocking = begin();
    takes[0]!(undefined, snapshot);
    assert(blocking.isDone());
    assert.deepEqual(JSON.parse(String(blocking.reply())), snapshot.manifest);

    assert.deepEqual(ask('read', 'a1', 'data.db', '0'), Buffer.alloc(pieceBytes, 7));
    assert.deepEqual(ask('read', 'a1', 'data.db', String(pieceBytes)), Buffer.alloc(3, 7));
    assert.deepEqual(ask('read', 'a1', 'data.db', String(pieceBytes + 3)), Buffer.alloc(0));
    assert.deepEqual(ask('read', 'a1', 'manifest.json', '0'), Buffer.from('manifest'));
    assert.equal(ask('end', 'a1'), okReply);
    assert.match(errorOf(ask('read', 'a1', 'data.db', '0')), /no such backup/);
    assert.match(errorOf(ask('end', 'a1')), /no such backup/);
  });

  it('does not take a snapshot that was begun before', () => {
    isTaking = true;
    const blocking = begin();
    takes[0]!(undefined, snapshot);
    assert(!blocking.isDone());
    takes[1]!(undefined, snapshot);
    assert(blocking.isDone());
  });

  it('says why there is no snapshot', () => {
    const blocking = begin();
    takes[0]!(new Error('the disk is full'), undefined);
    assert.match(errorOf(blocking.reply() as Reply), /the disk is full/);
  });

  it('reads what is in the snapshot and nothing else', () => {
    begin();
    takes[0]!(undefined, snapshot);
    for (const name of ['other', '../data.db', '', `${directory}/data.db`]) {
      assert.match(errorOf(ask('read', 'a1', name, '0')), /no such file/);
    }
    for (const offset of ['-1', 'x', '9223372036854775807']) {
      assert.match(errorOf(ask('read', 'a1', 'data.db', offset)), /not an integer/);
    }
    assert.match(errorOf(ask('read', 'a1')), /syntax/);
    assert.match(errorOf(ask('rewind')), /syntax/);
  });
});

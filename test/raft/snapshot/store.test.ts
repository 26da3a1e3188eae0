import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  decodeManifest,
  encodeManifest,
  type SnapshotManifest,
  type SnapshotStore,
} from '../../../raft/snapshot/index.js';
import type { FileSum } from '../../../raft/state-machine.js';
import { Disk, identity, raftError } from '../log/journals.js';
import {
  assertWhole,
  contentOf,
  headAt,
  indexes,
  membership,
  openStore,
  publish,
  receive,
  storeDirectory,
  writeFile,
} from './snapshots.js';

function names(disk: Disk): string[] {
  return disk.files.list(storeDirectory).sort();
}

/** The text of a manifest up to its sum, with other fields. */
function bodyWith(changes: object): string {
  const { crc32: _, ...fields } = JSON.parse(encodeManifest(foreignManifest()).toString());
  return `${JSON.stringify({ ...fields, ...changes }).slice(0, -1)},`;
}

/** Of a snapshot that another replica of the group took. */
function foreignManifest(index = 50): SnapshotManifest {
  const disk = new Disk(99);
  return publish(disk, openStore(disk), index).manifest;
}

function adoptError(disk: Disk, manifest: SnapshotManifest, damage: (path: string) => void): Error {
  const store = openStore(disk);
  const receiving = receive(disk, store, manifest);
  damage(receiving);
  let error: Error | undefined;
  store.adopt(receiving, manifest, new Map(), (given) => {
    error = given;
  });
  disk.drain();
  assert(error !== undefined, 'It was adopted');
  assert.deepEqual(store.all, []);
  assert.deepEqual(names(disk), [], 'What was received is still there');
  return error;
}

describe('SnapshotStore', () => {
  it('has what was published, before and after a power cut', () => {
    const disk = new Disk();
    const store = openStore(disk);
    assert.equal(store.newest, undefined);
    const snapshot = publish(disk, store, 12);
    assert.equal(store.newest, snapshot);
    assert.match(snapshot.path, /\/snapshot-00000000000000000012-[0-9a-f]{32}$/);
    disk.powerCut('none');
    const again = openStore(disk);
    assert.deepEqual(again.all, [snapshot]);
    assertWhole(disk, again);
  });

  it('lists snapshots by index, the newest last', () => {
    const disk = new Disk();
    const store = openStore(disk);
    for (const index of [20, 5, 100]) publish(disk, store, index);
    assert.deepEqual(indexes(store), [5, 20, 100]);
    assert.deepEqual(indexes(openStore(disk)), [5, 20, 100]);
  });

  it('makes a directory for each that is begun', () => {
    const disk = new Disk();
    const store = openStore(disk);
    const [one, other] = [store.begin(), store.begin()];
    assert.notEqual(one, other);
    assert.deepEqual(disk.files.list(one), []);
    store.abandon(one);
    disk.drain();
    assert.equal(names(disk).length, 1);
  });

  it('throws out half-made ones at a start, and leaves what is being received', () => {
    const disk = new Disk();
    const store = openStore(disk);
    writeFile(disk, `${store.begin()}/data.db`, contentOf(1));
    const manifest = foreignManifest();
    receive(disk, store, manifest);
    disk.kill();
    openStore(disk);
    assert.deepEqual(names(disk), [`receiving-${manifest.snapshotId}`]);
  });

  describe('of a file that the state machine has summed', () => {
    const content = contentOf(7);
    const right = { byteLength: content.length, crc32: crc32(content) };

    function publishSummed(disk: Disk, store: SnapshotStore, sum: FileSum): Error | undefined {
      const temporary = store.begin();
      writeFile(disk, `${temporary}/data.db`, content);
      writeFile(disk, `${temporary}/more`, Buffer.from('not summed'));
      let error: Error | undefined;
      store.publish(temporary, { ...headAt(7), sums: new Map([['data.db', sum]]) }, (given) => {
        error = given;
      });
      disk.drain();
      return error;
    }

    it('believes the sum, and makes the file durable', () => {
      const disk = new Disk();
      assert.equal(publishSummed(disk, openStore(disk), right), undefined);
      disk.powerCut('none');
      const again = openStore(disk);
      assert.deepEqual(again.newest!.manifest.files[0], { name: 'data.db', ...right });
      assert.equal(again.verifySync(again.newest!), undefined);
    });

    it('finds out later when the file is not what was summed', () => {
      const disk = new Disk();
      const store = openStore(disk);
      assert.equal(publishSummed(disk, store, { ...right, crc32: 1 }), undefined);
      assert.match(store.verifySync(store.newest!)?.message ?? '', /"data\.db" has changed/);
    });

    it('refuses a file of another length, and leaves nothing of it', () => {
      const disk = new Disk();
      const store = openStore(disk);
      const error = publishSummed(disk, store, { ...right, byteLength: 4000 });
      assert.match(error?.message ?? '', /it has 3000 bytes, expected 4000/);
      assert.deepEqual([store.all, names(disk)], [[], []]);
    });
  });

  it('reports every failure, leaves nothing of it, and the next one succeeds', () => {
    for (const [operation, nth] of [
      ['create', 1],
      ['write', 1],
      ['sync', 1],
      ['rename', 1],
      ['syncDirectory', 1],
      ['syncDirectory', 2],
    ] as const) {
      const disk = new Disk();
      const store = openStore(disk);
      const temporary = store.begin();
      writeFile(disk, `${temporary}/data.db`, contentOf(7));
      disk.files.fail({ operation, nth, code: 'ENOSPC' });
      let error: Error | undefined;
      store.publish(temporary, headAt(7), (given) => {
        error = given;
      });
      disk.drain();
      assert.match(error?.message ?? '', /^Cannot save a snapshot: ENOSPC/, operation);
      assert.deepEqual(store.all, []);
      assert.deepEqual(names(disk), [], operation);
      publish(disk, store, 8);
      assertWhole(disk, store);
    }
  });

  it('gives no name to what could not be read again', () => {
    const disk = new Disk();
    const store = openStore(disk);
    for (const name of ['held', 'a b']) {
      const temporary = store.begin();
      writeFile(disk, `${temporary}/${name}`, contentOf(7));
      let error: Error | undefined;
      store.publish(temporary, headAt(7), (given) => {
        error = given;
      });
      disk.drain();
      assert.match(error?.message ?? '', new RegExp(`it cannot have a file "${name}"`));
    }
    assert.deepEqual(names(disk), []);
  });

  describe('verify', () => {
    function errorsOf(disk: Disk): Error[] {
      const store = openStore(disk);
      const snapshot = store.newest!;
      let error: Error | undefined;
      store.verify(snapshot, (given) => {
        error = given;
      });
      disk.drain();
      return [error, store.verifySync(snapshot)].filter((found) => found !== undefined);
    }

    for (const [what, damage, message] of [
      [
        'a flipped bit',
        (d: Disk, p: string) => d.files.flip(`${p}/data.db`, 2999, 1, 1),
        /changed/,
      ],
      ['a short file', (d: Disk, p: string) => d.files.truncate(`${p}/data.db`, 2999), /has 2999/],
      ['a missing file', (d: Disk, p: string) => d.files.remove(`${p}/more`), /"more" .* missing/],
    ] as const) {
      it(`finds ${what}`, () => {
        const disk = new Disk();
        const { path } = publish(disk, openStore(disk), 4);
        assert.deepEqual(errorsOf(disk), []);
        damage(disk, path);
        const errors = errorsOf(disk);
        assert.equal(errors.length, 2);
        for (const error of errors) assert(raftError('DAMAGED', message)(error));
      });
    }
  });

  describe('manifest', () => {
    it('is JSON that comes back as it was', () => {
      const manifest = foreignManifest();
      const bytes = encodeManifest(manifest);
      assert.deepEqual(decodeManifest(bytes, 'x'), manifest);
      const { format, index, files } = JSON.parse(bytes.toString());
      assert.deepEqual([format, index, files.length], [1, 50, 2]);
    });

    it('shows every changed byte, and every lost end', () => {
      const bytes = encodeManifest(foreignManifest());
      for (let at = 0; at < bytes.length; at += 1) {
        const changed = Buffer.from(bytes);
        changed[at]! ^= 1 << (at % 8);
        assert.throws(() => decodeManifest(changed, 'x'), raftError('DAMAGED', /damaged/));
        assert.throws(
          () => decodeManifest(bytes.subarray(0, at), 'x'),
          raftError('DAMAGED', /damaged/),
        );
      }
    });

    it('of an unknown format, or with names that lead elsewhere, is refused', () => {
      const manifest = foreignManifest();
      const [file] = manifest.files;
      for (const [changed, code, message] of [
        [{ format: 2 }, 'VERSION', /its format is 2, expected 1/],
        [{ index: -1 }, 'DAMAGED', /its index is -1/],
        [{ files: [{ ...file, name: '../vote' }] }, 'DAMAGED', /cannot have a file "\.\.\/vote"/],
        [{ files: [{ ...file, name: 'manifest.json' }] }, 'DAMAGED', /cannot have a file/],
        [{ snapshotId: '../x' }, 'DAMAGED', /it has no id/],
        [{ snapshotId: [manifest.snapshotId] }, 'DAMAGED', /it has no id/],
        [{ format: { toString: 1 } }, 'VERSION', /its format is an object, expected 1/],
        [{ clusterId: { toString: 1 } }, 'DAMAGED', /it is of no cluster/],
        [{ files: [null] }, 'DAMAGED', /it cannot have the file null/],
        [{ files: [{ ...file, byteLength: '3' }] }, 'DAMAGED', /its file "data.db" has 3 bytes/],
        [{ files: [{ ...file, crc32: -1 }] }, 'DAMAGED', /its file "data.db" has no sum/],
      ] as const) {
        const bytes = encodeManifest({ ...manifest, ...changed } as unknown as SnapshotManifest);
        assert.throws(() => decodeManifest(bytes, 'x'), raftError(code, message));
      }
    });

    it('whose sum fits and that is nothing to go by is refused', () => {
      for (const [text, message] of [
        ['{ no JSON', /its manifest is no object/],
        ['[', /its manifest is no object/],
        [bodyWith({ membership: undefined }), /it has no membership/],
        [bodyWith({ membership: [] }), /it has no membership/],
        [bodyWith({ membership: { index: '1' } }), /the index of its membership is 1/],
        [bodyWith({ membership: { index: 1, format: 1, voters: [] } }), /no lists of members/],
      ] as const) {
        const head = Buffer.from(text);
        const sum = crc32(head).toString(16).padStart(8, '0');
        const bytes = Buffer.concat([head, Buffer.from(`  "crc32": "${sum}"\n}\n`)]);
        assert.throws(() => decodeManifest(bytes, 'x'), raftError('DAMAGED', message));
      }
    });

    it('that is damaged, missing, of another cluster or under another name hides its snapshot', () => {
      const other = { ...identity, clusterId: 'f'.repeat(32) };
      for (const [what, spoil, message] of [
        ['damaged', (d: Disk, p: string) => d.files.flip(`${p}/manifest.json`, 30), /is damaged/],
        ['cut', (d: Disk, p: string) => d.files.truncate(`${p}/manifest.json`, 100), /is damaged/],
        [
          'missing',
          (d: Disk, p: string) => d.files.remove(`${p}/manifest.json`),
          /has no manifest/,
        ],
        ['renamed', (d: Disk, p: string) => d.files.rename(p, `${p}0`), /it is the snapshot/],
        ['foreign', () => {}, /its clusterId is 0+, this replica's is f+/],
      ] as const) {
        const disk = new Disk();
        const { path } = publish(disk, openStore(disk), 4);
        spoil(disk, path);
        const warnings: string[] = [];
        const store = openStore(
          disk,
          what === 'foreign' ? { warnings, identity: other } : { warnings },
        );
        assert.deepEqual(store.all, [], what);
        assert.match(warnings.join(), message);
        assert.equal(names(disk).length, 1, 'It was removed');
      }
    });
  });

  it('does not count what was disowned, until the next start', () => {
    const disk = new Disk();
    const store = openStore(disk);
    const [older, newest] = [1, 2].map((index) => publish(disk, store, index));
    store.disown(newest!);
    assert.equal(store.newest, older);
    store.prune(1);
    disk.drain();
    assert.deepEqual(indexes(openStore(disk)), [1, 2]);
  });

  describe('prune', () => {
    it('keeps the newest ones', () => {
      const disk = new Disk();
      const store = openStore(disk);
      for (const index of [1, 2, 3, 4]) publish(disk, store, index);
      store.prune(2);
      assert.deepEqual(indexes(store), [3, 4]);
      disk.drain();
      disk.powerCut('none');
      assert.deepEqual(indexes(openStore(disk)), [3, 4]);
      assert.equal(names(disk).length, 2);
    });

    it('keeps what is in use, until it is not', () => {
      const disk = new Disk();
      const store = openStore(disk);
      const [oldest] = [1, 2, 3].map((index) => publish(disk, store, index));
      const releases = [store.acquire(oldest!), store.acquire(oldest!)];
      store.prune(1);
      assert.deepEqual(indexes(store), [1, 3]);
      releases[0]!();
      releases[0]!();
      assert.deepEqual(indexes(store), [1, 3]);
      releases[1]!();
      assert.deepEqual(indexes(store), [3]);
      disk.drain();
      assert.equal(names(disk).length, 1);
    });

    it('keeps what is held, also after a power cut, until the file is removed', () => {
      const disk = new Disk();
      const store = openStore(disk);
      const held = publish(disk, store, 1);
      store.hold(held, (error) => assert.equal(error, undefined));
      disk.drain();
      store.hold(held, (error) => assert.equal(error, undefined));
      disk.powerCut('none');
      const again = openStore(disk);
      for (const index of [2, 3]) publish(disk, again, index);
      again.prune(1);
      disk.drain();
      assert.deepEqual(indexes(again), [1, 3]);
      assertWhole(disk, again);
      disk.files.remove(`${held.path}/held`);
      disk.files.syncDirectorySync(held.path);
      again.prune(1);
      disk.drain();
      assert.deepEqual(indexes(again), [3]);
    });

    it('warns when one cannot be removed', () => {
      const disk = new Disk();
      const warnings: string[] = [];
      const store = openStore(disk, { warnings });
      for (const index of [1, 2]) publish(disk, store, index);
      disk.files.fail({ operation: 'rename', nth: 1, code: 'EIO' });
      store.prune(1);
      disk.drain();
      assert.match(warnings.join(), /^Cannot remove ".*": EIO/);
      assert.deepEqual(indexes(store), [2]);
    });
  });

  describe('adopt', () => {
    it('makes a snapshot of what was received', () => {
      const disk = new Disk();
      const store = openStore(disk);
      publish(disk, store, 10);
      const manifest = foreignManifest();
      const receiving = receive(disk, store, manifest);
      writeFile(disk, `${receiving}/progress`, Buffer.from('a note of the receiver'));
      let adopted: unknown;
      store.adopt(receiving, manifest, new Map(), (error, snapshot) => {
        assert.equal(error, undefined);
        adopted = snapshot;
      });
      disk.drain();
      assert.equal(store.newest, adopted);
      disk.powerCut('none');
      const again = openStore(disk);
      assert.deepEqual(indexes(again), [10, 50]);
      assert.deepEqual(again.newest!.manifest, manifest);
      assertWhole(disk, again);
      const { path } = again.newest!;
      assert.deepEqual(disk.files.list(path).sort(), ['data.db', 'manifest.json', 'more']);
    });

    it('goes on after a restart with what was received before', () => {
      const disk = new Disk();
      const manifest = foreignManifest();
      const first = receive(disk, openStore(disk), manifest);
      disk.kill();
      const store = openStore(disk);
      assert.equal(store.receivingDirectory(manifest), first);
      assert.deepEqual(disk.files.list(first).sort(), ['data.db', 'more']);
    });

    it('forgets an older one that was not received to its end', () => {
      const disk = new Disk();
      const store = openStore(disk);
      receive(disk, store, { ...foreignManifest(), snapshotId: '1'.repeat(32) });
      const { snapshotId } = foreignManifest();
      receive(disk, store, foreignManifest());
      disk.drain();
      assert.deepEqual(names(disk), [`receiving-${snapshotId}`]);
    });

    it('gives the one that is there when it was received before', () => {
      const disk = new Disk();
      const store = openStore(disk);
      const manifest = foreignManifest();
      const adopted: unknown[] = [];
      for (let time = 1; time <= 2; time += 1) {
        store.adopt(receive(disk, store, manifest), manifest, new Map(), (error, snapshot) => {
          assert.equal(error, undefined);
          adopted.push(snapshot);
        });
        disk.drain();
      }
      assert.equal(adopted[0], adopted[1]);
      assert.equal(names(disk).length, 1);
    });

    it('takes the place of the one that is there when that has rotted', () => {
      const disk = new Disk();
      const store = openStore(disk);
      const manifest = foreignManifest();
      for (let time = 1; time <= 2; time += 1) {
        store.adopt(receive(disk, store, manifest), manifest, new Map(), (error) => {
          assert.equal(error, undefined);
        });
        disk.drain();
        assert.equal(store.verifySync(store.newest!), undefined);
        if (time === 1) disk.files.flip(`${store.newest!.path}/data.db`, 2999, 1, 1);
      }
      assert.equal(store.all.length, 1);
      assert.equal(names(disk).length, 1);
    });

    it('takes the place of one whose manifest has rotted', () => {
      const disk = new Disk();
      const manifest = foreignManifest();
      const adopt = (store: SnapshotStore): void => {
        store.adopt(receive(disk, store, manifest), manifest, new Map(), (error) => {
          assert.equal(error, undefined);
        });
        disk.drain();
        assert.deepEqual(indexes(store), [50]);
      };
      const first = openStore(disk);
      adopt(first);
      disk.files.flip(`${first.newest!.path}/manifest.json`, 30);
      const store = openStore(disk);
      assert.deepEqual(store.all, []);
      adopt(store);
      assertWhole(disk, store);
      assert.equal(names(disk).length, 1);
    });

    it('refuses, and removes, what is not as the manifest says', () => {
      const manifest = foreignManifest();
      for (const [damage, message] of [
        [(d: Disk, p: string) => d.files.flip(`${p}/data.db`, 1000, 1, 4), /has changed/],
        [(d: Disk, p: string) => d.files.truncate(`${p}/data.db`, 1000), /has 1000 bytes/],
        [(d: Disk, p: string) => d.files.remove(`${p}/data.db`), /is missing/],
      ] as const) {
        const disk = new Disk();
        assert.match(adoptError(disk, manifest, (path) => damage(disk, path)).message, message);
      }
    });

    it('takes the word of whoever summed a file as it was written', () => {
      const manifest = foreignManifest();
      const sums = manifest.files.map(({ name, ...sum }) => [name, sum] as const);
      for (const [name, right] of sums) {
        for (const [known, message] of [
          [right, undefined],
          [{ ...right, crc32: right.crc32 ^ 1 }, /has changed/],
          [{ ...right, byteLength: right.byteLength + 1 }, /expected/],
        ] as const) {
          const disk = new Disk();
          const store = openStore(disk);
          let refusal: string | undefined;
          store.adopt(
            receive(disk, store, manifest),
            manifest,
            new Map([[name, known]]),
            (error) => {
              refusal = error?.message;
            },
          );
          disk.drain();
          if (message === undefined) assert.equal(refusal, undefined);
          else assert.match(refusal!, message);
        }
      }
    });

    it('makes durable what was summed as it was written', () => {
      const disk = new Disk();
      const store = openStore(disk);
      const manifest = foreignManifest();
      const sums = new Map(manifest.files.map(({ name, ...sum }) => [name, sum]));
      store.adopt(receive(disk, store, manifest), manifest, sums, (error) => {
        assert.equal(error, undefined);
      });
      disk.drain();
      disk.powerCut('none');
      assertWhole(disk, openStore(disk));
    });

    it('refuses a snapshot of another group, or with a membership that cannot be', () => {
      const manifest = foreignManifest();
      const foreign = adoptError(new Disk(), { ...manifest, group: 2 }, () => {});
      assert(raftError('FOREIGN', /its group is 2, this replica's is 1/)(foreign));
      const empty = { ...membership, voters: [] };
      assert.match(
        adoptError(new Disk(), { ...manifest, membership: empty }, () => {}).message,
        /it has no voter/,
      );
    });
  });
});

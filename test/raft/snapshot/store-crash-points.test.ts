// The power goes in the middle of every file operation of a snapshot's life, one after another. Then
// the store has the old snapshots, or the new one, or both; whatever it has is whole; and what
// somebody was told is durable is there.
//
// Checklist: 32, 35, 61, 62.

import assert from 'node:assert/strict';
import type { SnapshotStore } from '../../../raft/snapshot/index.js';
import { PowerLost } from '../../faults/faulty-files.js';
import { Disk } from '../log/journals.js';
import {
  assertWhole,
  contentOf,
  headAt,
  indexes,
  openStore,
  publish,
  receive,
  storeDirectory,
  writeFile,
} from './snapshots.js';

interface Story {
  /** What the power interrupts. `told` gets the indexes of which somebody was told. */
  readonly during: (disk: Disk, store: SnapshotStore, told: number[]) => void;
  /** What there may be afterwards, besides what was told. */
  readonly possible: readonly (readonly number[])[];
}

/** Runs the story, on a store with snapshots 1 and 2, once for every operation in it. */
function enumerate({ during, possible }: Story): number {
  for (let nth = 1; ; nth += 1) {
    let wasCut = false;
    for (let seed = 1; seed <= 12; seed += 1) {
      const disk = new Disk(seed * 1000 + nth);
      const before = openStore(disk);
      for (const index of [1, 2]) publish(disk, before, index);
      disk.powerCut('none');
      const told: number[] = [];
      disk.files.cutAt(nth);
      try {
        during(disk, openStore(disk), told);
      } catch (error) {
        if (!(error instanceof PowerLost)) throw error;
      }
      wasCut = disk.files.isDead;
      disk.powerCut();
      const store = openStore(disk);
      const what = `operation ${nth}, seed ${seed}: ${indexes(store)}`;
      for (const index of told) assert(indexes(store).includes(index), what);
      assert(
        possible.some((list) => list.join() === indexes(store).join()),
        what,
      );
      assertWhole(disk, store);
      for (const name of disk.files.list(storeDirectory)) {
        assert.match(name, /^(snapshot|receiving)-/, what);
      }
      // And it is of use again.
      publish(disk, store, 9);
      assertWhole(disk, store);
    }
    if (!wasCut) return nth - 1;
  }
}

describe('SnapshotStore with the power cut at every file operation', () => {
  it('publishes', () => {
    const operations = enumerate({
      during: (disk, store, told) => {
        const temporary = store.begin();
        writeFile(disk, `${temporary}/data.db`, contentOf(3));
        writeFile(disk, `${temporary}/more`, Buffer.alloc(0));
        store.publish(temporary, headAt(3), (error) => {
          // Whatever failed, nobody was told that it is durable.
          if (error === undefined) told.push(3);
        });
        disk.drain();
      },
      possible: [
        [1, 2],
        [1, 2, 3],
      ],
    });
    assert(operations >= 12, `${operations} operations`);
  });

  it('adopts what was received', () => {
    const other = new Disk(99);
    const { manifest } = publish(other, openStore(other), 3);
    const operations = enumerate({
      during: (disk, store, told) => {
        store.adopt(receive(disk, store, manifest), manifest, new Map(), (error) => {
          // Whatever failed, nobody was told that it is durable.
          if (error === undefined) told.push(3);
        });
        disk.drain();
      },
      possible: [
        [1, 2],
        [1, 2, 3],
      ],
    });
    assert(operations >= 12, `${operations} operations`);
  });

  it('prunes', () => {
    const operations = enumerate({
      during: (disk, store) => {
        store.prune(1);
        disk.drain();
      },
      possible: [[1, 2], [2]],
    });
    assert(operations >= 6, `${operations} operations`);
  });

  it('replaces the old ones by a new one', () => {
    const operations = enumerate({
      during: (disk, store, told) => {
        const temporary = store.begin();
        writeFile(disk, `${temporary}/data.db`, contentOf(3));
        writeFile(disk, `${temporary}/more`, Buffer.alloc(0));
        store.publish(temporary, headAt(3), (error) => {
          // Whatever failed, nobody was told that it is durable.
          if (error !== undefined) return;
          told.push(3);
          store.prune(1);
        });
        disk.drain();
      },
      possible: [[1, 2], [1, 2, 3], [1, 3], [2, 3], [3]],
    });
    assert(operations >= 20, `${operations} operations`);
  });
});

// The power goes in the middle of every file operation, one after another: creation, rotation,
// compaction, opening. Afterwards the log opens and has everything acknowledged.
//
// Checklist: 32, 58, 61, 62.

import assert from 'node:assert/strict';
import type { Entry } from '../../../raft/entry.js';
import { attempt } from '../../../raft/errors.js';
import type { Journal } from '../../../raft/log/index.js';
import { PowerLost } from '../../faults/faulty-files.js';
import { append, Disk, entriesOf, logDirectory, openJournal, readRange } from './journals.js';

const KiB = 1024;
const segmentBytes = 16 * KiB;

interface Story {
  readonly before: (disk: Disk) => void;
  /** What the power interrupts. Pushes what was acknowledged. */
  readonly during: (disk: Disk, acknowledged: Entry[]) => void;
}

function open(disk: Disk): Journal {
  return openJournal(disk, { maxSegmentFileSize: segmentBytes });
}

/** Appends without waiting for anything that does not come any more. */
function tryAppend(disk: Disk, journal: Journal, entries: Entry[], acknowledged: Entry[]): void {
  journal.append(entries, undefined, (error) => {
    // Whatever failed, it was not acknowledged.
    if (error === undefined) acknowledged.push(...entries);
  });
  disk.drain();
}

/** The nth write from now on gets no further than the page cache. */
function failWrite(disk: Disk, nth: number): void {
  disk.files.fail({ operation: 'write', nth, code: 'EIO' });
}

/** Runs the story `seeds` times for every operation in it; returns how many those were. */
function enumerate(story: Story, seeds = 12): number {
  for (let nth = 1; ; nth += 1) {
    let wasCut = false;
    for (let seed = 1; seed <= seeds; seed += 1) {
      const disk = new Disk(seed * 1000 + nth);
      const acknowledged: Entry[] = [];
      story.before(disk);
      disk.files.cutAt(nth);
      try {
        story.during(disk, acknowledged);
      } catch (error) {
        if (!(error instanceof PowerLost)) throw error;
      }
      wasCut = disk.files.isDead;
      disk.powerCut();
      const journal = open(disk);
      const first = journal.baseIndex + 1;
      const expected = acknowledged.filter(({ index }) => index >= first);
      assert(journal.lastIndex >= (acknowledged.at(-1)?.index ?? 0), `operation ${nth}`);
      const last = expected.at(-1)?.index ?? journal.baseIndex;
      assert.deepEqual(readRange(disk, journal, first, last), expected, `operation ${nth}`);
      // And it is of use again.
      append(disk, journal, entriesOf(journal.lastIndex + 1, journal.lastIndex + 1, 9));
    }
    if (!wasCut) return nth - 1;
  }
}

describe('Journal with the power cut at every file operation', () => {
  it('is created', () => {
    const operations = enumerate({
      before: () => {},
      during: (disk, acknowledged) => {
        tryAppend(disk, open(disk), entriesOf(1, 1, 1), acknowledged);
      },
    });
    assert(operations >= 8, `${operations} operations`);
  });

  it('rotates', () => {
    const operations = enumerate({
      before: (disk) => {
        const journal = open(disk);
        append(disk, journal, entriesOf(1, 1, 1, 3000));
        disk.powerCut();
      },
      during: (disk, acknowledged) => {
        const journal = open(disk);
        acknowledged.push(...entriesOf(1, 1, 1, 3000));
        for (let index = 2; index <= 9 && !disk.files.isDead; index += 1) {
          tryAppend(disk, journal, entriesOf(index, index, 1, 3000), acknowledged);
        }
      },
    });
    assert(operations >= 20, `${operations} operations`);
  });

  it('compacts, and goes on in a recycled segment', () => {
    const before = (disk: Disk): void => {
      const journal = open(disk);
      for (let index = 1; index <= 12; index += 1) {
        append(disk, journal, entriesOf(index, index, 1, 3000));
      }
      disk.powerCut();
    };
    const operations = enumerate({
      before,
      during: (disk, acknowledged) => {
        const journal = open(disk);
        acknowledged.push(...entriesOf(1, 12, 1, 3000));
        journal.compactTo(9);
        for (let index = 13; index <= 20 && !disk.files.isDead; index += 1) {
          tryAppend(disk, journal, entriesOf(index, index, 1, 3000), acknowledged);
        }
      },
    });
    assert(operations >= 25, `${operations} operations`);
  });

  it('opens after a torn write', () => {
    const operations = enumerate({
      before: (disk) => {
        const journal = open(disk);
        append(disk, journal, entriesOf(1, 2, 1));
        journal.append(entriesOf(3, 3, 1, 9000), undefined, () => {});
        disk.kill();
      },
      during: (disk, acknowledged) => {
        acknowledged.push(...entriesOf(1, 2, 1));
        open(disk);
      },
    });
    assert(operations >= 3, `${operations} operations`);
  });

  it('opens after writes that failed, whose bytes only the page cache has', () => {
    let cached = 0;
    // Beside the frame before it, and in a segment that begins with it.
    for (const payloadBytes of [20, 9000]) {
      // Zeros of a segment, its header, or the frame; of the append and of each start after it.
      for (const failing of [[2], [1, 1], [2, 3, 3]]) {
        const operations = enumerate(
          {
            before: (disk) => {
              const journal = open(disk);
              append(disk, journal, entriesOf(1, 2, 1));
              const [first, ...later] = failing;
              failWrite(disk, first!);
              tryAppend(disk, journal, entriesOf(3, 3, 1, payloadBytes), []);
              disk.kill();
              for (const nth of later) {
                failWrite(disk, nth);
                attempt(() => open(disk));
                disk.kill();
              }
            },
            during: (disk, acknowledged) => {
              acknowledged.push(...entriesOf(1, 2, 1));
              const journal = open(disk);
              // What a start shows, the replica builds upon.
              if (journal.lastIndex === 3) {
                acknowledged.push(...entriesOf(3, 3, 1, payloadBytes));
                cached += 1;
              }
              for (let index = acknowledged.length + 1; index <= 6; index += 1) {
                if (disk.files.isDead) return;
                tryAppend(disk, journal, entriesOf(index, index, 1, payloadBytes), acknowledged);
              }
              open(disk);
            },
          },
          3,
        );
        assert(operations >= 7, `${operations} operations`);
      }
    }
    assert(cached > 100, `Only ${cached} starts saw the bytes`);
  });

  it('leaves no spare behind that a later start would keep', () => {
    const disk = new Disk();
    open(disk);
    disk.kill();
    open(disk);
    disk.drain();
    const spares = disk.files.list(logDirectory).filter((name) => name.startsWith('spare-'));
    assert.equal(spares.length, 1);
  });
});

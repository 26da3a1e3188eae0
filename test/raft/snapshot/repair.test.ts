// A start after a crash in the middle of an installation, one case after another, as the table in
// `raft/snapshot/repair.ts` numbers them.
//
// Checklist: 33, 35, 40.

import assert from 'node:assert/strict';
import type { Journal } from '../../../raft/log/index.js';
import { repairInstallation } from '../../../raft/snapshot/repair.js';
import type { Snapshot } from '../../../raft/snapshot/store.js';
import { append, Disk, entriesOf, openJournal } from '../log/journals.js';
import { manifestOf } from './transfer-ends.js';

interface Case {
  readonly name: string;
  readonly log: (disk: Disk, journal: Journal) => void;
  readonly appliedIndex: number;
  /** As index/term, the newest last; with a `!` it does not verify. */
  readonly snapshots: readonly string[];
  /** Base and last index of the log afterwards. */
  readonly expectedLog: readonly [number, number];
  /** Index of the snapshot that the state is to be replaced by. */
  readonly restored?: number;
  readonly isWarned?: boolean;
}

/** Entries 1 … 10 of term 1, then 11 and 12 of term 2. */
function asItWas(disk: Disk, journal: Journal): void {
  append(disk, journal, entriesOf(1, 10, 1));
  append(disk, journal, entriesOf(11, 12, 2));
}

function replaced(disk: Disk, journal: Journal): void {
  asItWas(disk, journal);
  journal.resetSync(50, 3);
}

function replacedAndWrittenTo(disk: Disk, journal: Journal): void {
  replaced(disk, journal);
  append(disk, journal, entriesOf(51, 53, 3));
}

const cases: readonly Case[] = [
  {
    name: '1: no snapshot',
    log: asItWas,
    appliedIndex: 9,
    snapshots: [],
    expectedLog: [0, 12],
  },
  {
    name: '1: a snapshot that was taken here',
    log: asItWas,
    appliedIndex: 12,
    snapshots: ['5/1', '11/2'],
    expectedLog: [0, 12],
  },
  {
    name: '2: published, the log not replaced',
    log: asItWas,
    appliedIndex: 9,
    snapshots: ['5/1', '50/3'],
    expectedLog: [50, 50],
    restored: 50,
  },
  {
    name: '2: published, the log empty',
    log: () => {},
    appliedIndex: 0,
    snapshots: ['50/3'],
    expectedLog: [50, 50],
    restored: 50,
  },
  {
    name: '3: published, another entry in the log',
    log: asItWas,
    appliedIndex: 9,
    snapshots: ['11/3'],
    expectedLog: [11, 11],
    restored: 11,
  },
  {
    name: '4: the log replaced, the state not',
    log: replaced,
    appliedIndex: 9,
    snapshots: ['5/1', '50/3'],
    expectedLog: [50, 50],
    restored: 50,
  },
  {
    name: '4: entries behind the snapshot, the state not replaced',
    log: replacedAndWrittenTo,
    appliedIndex: 9,
    snapshots: ['50/3'],
    expectedLog: [50, 53],
    restored: 50,
  },
  {
    name: '4: two snapshots join the log, the newest is used',
    log: replacedAndWrittenTo,
    appliedIndex: 9,
    snapshots: ['50/3', '52/3'],
    expectedLog: [50, 53],
    restored: 52,
  },
  {
    name: '4: the newest does not verify, an older one joins the log',
    log: replacedAndWrittenTo,
    appliedIndex: 9,
    snapshots: ['50/3', '52/3!'],
    expectedLog: [50, 53],
    restored: 50,
  },
  {
    name: '5: log and state replaced',
    log: replaced,
    appliedIndex: 50,
    snapshots: ['50/3'],
    expectedLog: [50, 50],
  },
  {
    name: '6: the log was kept',
    log: asItWas,
    appliedIndex: 7,
    snapshots: ['11/2'],
    expectedLog: [0, 12],
  },
  {
    name: '7: published, and the state rebuilt from it since',
    log: asItWas,
    appliedIndex: 50,
    snapshots: ['50/3'],
    expectedLog: [50, 50],
  },
  {
    name: '8: published, and damaged since',
    log: asItWas,
    appliedIndex: 9,
    snapshots: ['50/3!'],
    expectedLog: [0, 12],
    isWarned: true,
  },
  {
    name: '9: the log replaced, the snapshot damaged',
    log: replaced,
    appliedIndex: 9,
    snapshots: ['5/1', '50/3!'],
    expectedLog: [50, 50],
  },
  {
    name: '10: the state has applied more than a snapshot that contradicts the log',
    log: asItWas,
    appliedIndex: 12,
    snapshots: ['11/3'],
    expectedLog: [0, 12],
  },
  {
    name: '10: the state has applied more than snapshot and log have',
    log: asItWas,
    appliedIndex: 60,
    snapshots: ['50/3'],
    expectedLog: [0, 12],
  },
];

function snapshotOf(text: string): Snapshot {
  const [index, term] = text.replace('!', '').split('/').map(Number);
  return { path: text, manifest: manifestOf({ index: index!, term: term! }) };
}

describe('Repair of an installation', () => {
  for (const { name, log, appliedIndex, snapshots, expectedLog, ...expected } of cases) {
    it(name, () => {
      const disk = new Disk();
      log(disk, openJournal(disk));
      disk.powerCut();
      const journal = openJournal(disk);
      const warnings: string[] = [];
      const options = {
        journal,
        machine: { appliedIndex },
        store: {
          all: snapshots.map(snapshotOf),
          verifySync: ({ path }: Snapshot) =>
            path.endsWith('!') ? new Error('its file has changed') : undefined,
        },
        onWarning: (text: string) => void warnings.push(text),
      };
      const restored = repairInstallation(options);
      assert.deepEqual([journal.baseIndex, journal.lastIndex], expectedLog);
      assert.equal(restored?.manifest.index, expected.restored);
      assert.equal(warnings.length, expected.isWarned ? 1 : 0);
      if (expected.isWarned) assert.match(warnings[0]!, /of index 50 is not installed: its file/);

      // It can be written to behind the snapshot, and a crash right away changes nothing.
      const { lastIndex } = journal;
      append(disk, journal, entriesOf(lastIndex + 1, lastIndex + 1, 4));
      disk.powerCut();
      const again = openJournal(disk);
      assert.deepEqual([again.baseIndex, again.lastIndex], [expectedLog[0], expectedLog[1] + 1]);
      const repeated = repairInstallation({ ...options, journal: again });
      assert.equal(repeated?.manifest.index, expected.restored);
      assert.deepEqual([again.baseIndex, again.lastIndex], [expectedLog[0], expectedLog[1] + 1]);
    });
  }
});

// A state as it was at some entry: from snapshots and a log, in directories of the test's own.

import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { LogView, Snapshot } from '../../../raft/index.js';
import {
  type Bound,
  parseBound,
  type Source,
  writePastState,
} from '../../../src/admin/past-state.js';
import {
  encodeBatch,
  makeDirectory,
  openMachine,
  removeDirectories,
} from '../../sqlite-sm/machine-fixture.js';

type Entries = ReturnType<LogView['entries']>;

const secondMs = 1000;
const first = Date.parse('2026-03-01T12:00:00Z');

function stampOf(index: number): number {
  return first + index * secondMs;
}

/** Every entry puts its index and term into the key `last`; `firstOfTerm2`: from there on term 2. */
function logOf(baseIndex: number, lastIndex: number, firstOfTerm2 = lastIndex + 1): Source['log'] {
  const termAt = (index: number): number => (index < firstOfTerm2 ? 1 : 2);
  return {
    baseIndex,
    lastIndex,
    termAt,
    membership: undefined,
    *entries(firstIndex): Entries {
      assert(firstIndex > baseIndex);
      for (let index = firstIndex; index <= lastIndex; index += 1) {
        const term = termAt(index);
        const payload = encodeBatch([['SET', 'last', `${index} of ${term}`]]);
        const checksum = crc32(payload);
        const byteLength = payload.length;
        yield {
          index,
          term,
          stamp: stampOf(index),
          kind: 'command',
          payload,
          byteLength,
          checksum,
        };
      }
    },
  };
}

/** What the log gives up to `index`. */
async function snapshotAt(index: number, term = 1): Promise<Snapshot> {
  const path = makeDirectory();
  const log = logOf(0, index, term === 1 ? index + 1 : index);
  const at = await writePastState({ snapshots: [], log }, { kind: 'all' }, makeDirectory(), path);
  assert.deepEqual(at, { index, term, stamp: stampOf(index) });
  return { path, manifest: { ...at } } as unknown as Snapshot;
}

/** The value of `last` in the state at `bound`. */
async function lastAt(source: Source, bound: Bound): Promise<string> {
  const path = makeDirectory();
  const at = await writePastState(source, bound, makeDirectory(), path);
  const machine = openMachine(makeDirectory(), { restoreFrom: () => path });
  try {
    assert.equal(machine.appliedIndex, at.index);
    return String(machine.read(0, [Buffer.from('GET'), Buffer.from('last')], at.stamp));
  } finally {
    machine.close();
  }
}

describe('A state of the past', () => {
  afterEach(removeDirectories);

  it('is that of an index or a time, the entry included', async () => {
    const source: Source = { snapshots: [await snapshotAt(3)], log: logOf(3, 9) };
    assert.equal(await lastAt(source, { kind: 'index', index: 3 }), '3 of 1');
    assert.equal(await lastAt(source, { kind: 'index', index: 7 }), '7 of 1');
    assert.equal(await lastAt(source, { kind: 'time', ms: stampOf(5) }), '5 of 1');
    assert.equal(await lastAt(source, { kind: 'time', ms: stampOf(6) - 1 }), '5 of 1');
    assert.equal(await lastAt(source, { kind: 'all' }), '9 of 1');
  });

  it('begins with the newest snapshot that is not too new, or with none', async () => {
    const snapshots = [await snapshotAt(3), await snapshotAt(6)];
    assert.equal(
      await lastAt({ snapshots, log: logOf(3, 9) }, { kind: 'index', index: 5 }),
      '5 of 1',
    );
    assert.equal(
      await lastAt({ snapshots, log: logOf(0, 9) }, { kind: 'index', index: 2 }),
      '2 of 1',
    );
    assert.equal(await lastAt({ snapshots, log: undefined }, { kind: 'all' }), '6 of 1');
  });

  it('does not go on with a log that the snapshot replaced', async () => {
    const snapshots = [await snapshotAt(6, 2)];
    assert.equal(await lastAt({ snapshots, log: logOf(0, 4) }, { kind: 'all' }), '6 of 2');
    assert.equal(await lastAt({ snapshots, log: logOf(0, 9) }, { kind: 'all' }), '6 of 2');
    assert.equal(await lastAt({ snapshots, log: logOf(0, 9, 6) }, { kind: 'all' }), '9 of 2');
  });

  it('is refused where nothing reaches', async () => {
    const source: Source = { snapshots: [await snapshotAt(3)], log: logOf(3, 9) };
    await assert.rejects(lastAt(source, { kind: 'index', index: 2 }), /Cannot go back that far/);
    await assert.rejects(
      lastAt(source, { kind: 'time', ms: stampOf(3) - 1 }),
      /the oldest snapshot is at index 3, of 2026-03-01T12:00:03.000Z/,
    );
    await assert.rejects(lastAt(source, { kind: 'index', index: 10 }), /ends at index 9/);
    await assert.rejects(
      lastAt({ snapshots: [], log: logOf(3, 9) }, { kind: 'all' }),
      /there is no snapshot/,
    );
  });

  it('is refused in the gap behind a snapshot that was held', async () => {
    const source: Source = {
      snapshots: [await snapshotAt(2), await snapshotAt(6)],
      log: logOf(5, 9),
    };
    assert.equal(await lastAt(source, { kind: 'index', index: 2 }), '2 of 1');
    await assert.rejects(
      lastAt(source, { kind: 'index', index: 4 }),
      /between the snapshot at index 2 and the log, which begins behind 5, are gone/,
    );
    assert.equal(await lastAt(source, { kind: 'index', index: 8 }), '8 of 1');
  });

  it('is asked for by an index, a time, or nothing', () => {
    assert.deepEqual(parseBound(undefined), { kind: 'all' });
    assert.deepEqual(parseBound('184467'), { kind: 'index', index: 184467 });
    assert.deepEqual(parseBound('2026-03-01T12:00:00Z'), { kind: 'time', ms: first });
    assert.throws(() => parseBound('yesterday'), /expected the index of an entry, or a time/);
  });
});
